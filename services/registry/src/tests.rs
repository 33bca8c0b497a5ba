//! Reference data: what is refused, and what is told once.

use masar_bus::Outbox;
use masar_runtime::Clock;
use masar_store::{DatabaseUrl, Store};
use masar_testkit::on_each_database;

use crate::app::{App, Error};
use crate::seed::Entity;
use crate::store::Migrator;

const ENTITY: &str = r#"
code: DEMO-MUN
label: {ar: "بلدية", en: "Municipality"}
reference_prefix: MUN
default_calendar: qa-gov-default
departments: [{code: MUN-ROADS, label: {ar: "الطرق", en: "Roads"}}]
people: [{id: mun-1, name: {ar: "أ", en: "A"}, email: a@mun.example, department: MUN-ROADS, roles: [case_handler], language: ar}]
services: [{code: MUN-S01, label: {ar: "طريق", en: "Road"}, department: MUN-ROADS}]
"#;

#[test]
fn what_is_wrong_is_named() {
    for (right, wrong, says) in [
        ("code: DEMO-MUN", "code: demo", "code: `demo`"),
        ("reference_prefix: MUN", "reference_prefix: m", "reference_prefix"),
        ("en: \"Roads\"", "en: \"\"", "departments.MUN-ROADS.label"),
        (
            "department: MUN-ROADS}]\n",
            "department: MUN-X}]\n",
            "services.MUN-S01: there is no department `MUN-X`",
        ),
        ("a@mun.example", "a", "people.mun-1.email"),
        ("default_calendar", "calendar", "calendar"),
        ("language: ar", "language: fr", "fr"),
    ] {
        assert!(ENTITY.contains(right), "{right}");
        let problems = Entity::read(&ENTITY.replace(right, wrong)).err().unwrap_or_default().join("; ");
        assert!(problems.contains(says), "{wrong}: {problems}");
    }
    assert!(Entity::read(ENTITY).is_ok());
}

#[tokio::test]
async fn the_same_data_are_told_once_and_calendars_never_change() -> anyhow::Result<()> {
    on_each_database(async |url| {
        let store = Store::connect(&url.parse::<DatabaseUrl>()?, "registry").await?;
        store.migrate::<Migrator>().await?;
        let app = App { store, outbox: Outbox::new("registry"), clock: Clock::wall() };
        assert_eq!(app.load(ENTITY, None).await?, (1, true));
        assert_eq!(app.load(ENTITY, None).await?, (1, false));
        assert!(matches!(app.load(ENTITY, Some("DEMO-LAB")).await, Err(Error::Tenant(_))));
        let calendar = "name: own\nversion: 1\nlabel: {ar: \"خاص\", en: Own}\ntime_zone: Asia/Qatar\n\
            covers: {from: 2026-01-01, to: 2026-12-31}\nweek: {sunday: [\"07:00-14:00\"]}\n";
        assert_eq!(app.publish_calendar("DEMO-MUN", calendar).await?, 2);
        assert!(matches!(
            app.publish_calendar("DEMO-MUN", calendar).await,
            Err(Error::Published { version: 1, .. })
        ));
        assert_eq!(app.load(ENTITY, None).await?, (2, false));
        assert_eq!(app.entity("DEMO-MUN").await?.calendars.len(), 1);
        assert!(matches!(app.entity("DEMO-LAB").await, Err(Error::Unknown(_))));
        Ok(())
    })
    .await
}

//! Which entities there are is known on every replica and after a restart, and a child that another would not open is refused.

use std::sync::Arc;

use anyhow::Result;
use masar_domain::CaseId;
use masar_packages::{Entities, Packages};
use masar_proto::events::v1::RegistryChanged;
use masar_store::{DatabaseUrl, Store};
use masar_testkit::on_each_database;
use masar_workflow::{Actor, CaseEvent, Catalog, Effect, Opening};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use serde_json::{Value, json};

const SERVICE: &str = "test";

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = masar_bus::migrations();
        migrations.push(masar_packages::migration());
        migrations
    }
}

/// A complaint of `A` that asks `B` for a part.
fn asking() -> Result<CaseEvent> {
    let catalog = Catalog::shipped()?;
    let form = json!({"channel": "email", "language": "en", "subject": "s", "description": "d", "entities": [{"entity": "B"}]});
    let opening = Opening { case_id: CaseId(Default::default()), historical: false, form };
    let actor = Actor { id: "x".to_owned(), roles: [].into(), department: None };
    let package = catalog.in_force("complaint").expect("it is shipped");
    Ok(package.open(opening, &actor, "2026-11-15T08:42:00+03:00".parse()?)?)
}

/// The same, but that the child is otherwise.
fn spoilt(spoil: impl Fn(&mut String, &mut Value)) -> Result<CaseEvent> {
    let mut event = asking()?;
    for effect in &mut event.effects {
        if let Effect::Child { package, form, .. } = effect {
            spoil(package, form);
        }
    }
    Ok(event)
}

#[tokio::test]
async fn what_another_entity_would_not_open_is_refused_in_words() -> Result<()> {
    on_each_database(async |url| {
        let store = Store::connect(&url.parse::<DatabaseUrl>()?, SERVICE).await?;
        store.migrate::<Migrator>().await?;
        let packages = Packages::load(&store, SERVICE, Arc::new(Catalog::shipped()?)).await?;
        let entities = Entities::load(&store, SERVICE).await?;
        let refused = |entities: &Entities, tenant: &str, event: &CaseEvent| {
            entities.refuse(&packages, tenant, event).map_err(|refusal| (refusal.code(), refusal.to_string()))
        };
        let (code, words) = refused(&entities, "A", &asking()?).expect_err("nobody knows B");
        assert!(code == "ENTITY" && words.contains("there is no entity `B`"), "{words}");
        // What an entity asks itself for is nobody else's to take.
        assert_eq!(refused(&entities, "B", &asking()?), Ok(()));

        let tx = store.begin().await?;
        entities.hear(&tx, &RegistryChanged { tenant: "B".to_owned(), ..Default::default() }).await?;
        tx.commit().await?;
        let restarted = Entities::load(&store, SERVICE).await?;
        for entities in [&entities, &restarted] {
            assert_eq!(refused(entities, "A", &asking()?), Ok(()));
            let unknown = spoilt(|package, _| "moon".clone_into(package))?;
            let (_, words) = refused(entities, "A", &unknown).expect_err("it has no such package");
            assert!(words.contains("the entity `B` has no package `moon`"), "{words}");
            let other = spoilt(|_, form| form["subject"] = Value::Null)?;
            let (_, words) = refused(entities, "A", &other).expect_err("it takes no such form");
            assert!(words.contains("the entity `B` asks for something else: intake.subject"), "{words}");
        }
        Ok(())
    })
    .await
}

//! The service on its databases: what is kept, what is told, and who may see it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use masar_bus::{LocalTransport, Outbox, Transport, every_partition};
use masar_domain::{Identity, Role, TenantCode};
use masar_proto::events::v1::RegistryChanged;
use masar_proto::registry::v1::registry_service_client::RegistryServiceClient;
use masar_proto::registry::v1::{
    GetEntityRequest, ListPeopleRequest, ListServicesRequest, LoadRequest, LoadResponse,
    PublishCalendarRequest,
};
use masar_runtime::{BoxError, Caller, Channel, Clock, Module, Peer};
use masar_store::{DatabaseUrl, Store};
use masar_testkit::{count, on_each_database};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::{SMALL, now};
use crate::store::Migrator;
use crate::{Change, Deps, Error, NAME, Registry, Seed, build};

const SHIPPED: &str = include_str!("../../../../crates/worktime/calendars/qa-gov-default.yaml");

async fn registry(url: &str) -> anyhow::Result<(Registry, Store)> {
    let store = Store::connect(&url.parse::<DatabaseUrl>()?, NAME).await?;
    store.migrate::<Migrator>().await?;
    Ok((Registry::new(store.clone(), Outbox::new(NAME), Clock::manual(now()).0), store))
}

async fn told(store: &Store) -> anyhow::Result<i64> {
    count(store.reader(), "outbox").await
}

fn seed(yaml: &str) -> Seed {
    Seed::parse(yaml).unwrap()
}

#[tokio::test]
async fn what_is_loaded_twice_is_told_once() -> anyhow::Result<()> {
    on_each_database(|url| async move {
        let (registry, store) = registry(&url).await?;
        assert_eq!(registry.load(&seed(SMALL)).await?, Change { version: 1, changed: true });
        assert_eq!(registry.load(&seed(SMALL)).await?, Change { version: 1, changed: false });
        assert_eq!(told(&store).await?, 1);
        let renamed = seed(&SMALL.replace("\"Salem\"", "\"Salim\""));
        assert_eq!(registry.load(&renamed).await?, Change { version: 2, changed: true });
        assert_eq!(told(&store).await?, 2);
        let entity = registry.entity("T-ONE").await?;
        assert_eq!((entity.version, entity.people[0].name.as_ref().unwrap().en.as_str()), (2, "Salim"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn wrong_data_changes_nothing() -> anyhow::Result<()> {
    on_each_database(|url| async move {
        let (registry, store) = registry(&url).await?;
        let wrong = seed(&SMALL.replace("one-1@one.example", "x"));
        assert!(matches!(registry.load(&wrong).await, Err(Error::Findings(_))));
        assert!(matches!(registry.entity("T-ONE").await, Err(Error::UnknownEntity(_))));
        assert_eq!(told(&store).await?, 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_replicas_that_load_at_once_tell_it_once() -> anyhow::Result<()> {
    on_each_database(|url| async move {
        let (registry, store) = registry(&url).await?;
        let seed = seed(SMALL);
        let (one, other) = tokio::join!(registry.load(&seed), registry.load(&seed));
        let (one, other) = (one?, other?);
        assert_eq!((one.version, other.version, one.changed != other.changed), (1, 1, true));
        assert_eq!(told(&store).await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn published_versions_never_change_and_stay() -> anyhow::Result<()> {
    on_each_database(|url| async move {
        let (registry, _) = registry(&url).await?;
        let publish = |yaml: String| registry.publish_calendar("T-ONE", "admin", yaml);
        let second = SHIPPED.replace("version: 1", "version: 2");
        assert!(matches!(publish(second.clone()).await, Err(Error::UnknownEntity(_))));
        registry.load(&seed(SMALL)).await?;
        assert_eq!(publish(second).await?, Change { version: 2, changed: true });
        let other = SHIPPED.replace("07:00-14:00", "08:00-14:00");
        assert!(matches!(publish(other).await, Err(Error::Findings(_))));
        assert_eq!(publish(SHIPPED.to_owned()).await?, Change { version: 2, changed: false });
        // The file of the entity knows nothing of it, and does not take it away.
        assert_eq!(registry.load(&seed(SMALL)).await?, Change { version: 2, changed: false });
        let calendars = registry.entity("T-ONE").await?.calendars;
        assert_eq!(calendars.iter().map(|it| it.version).collect::<Vec<_>>(), [1, 2]);

        let faster = SMALL.replace("high: 3", "high: 2");
        assert!(matches!(registry.load(&seed(&faster)).await, Err(Error::Findings(_))));
        let faster = faster.replace("clock: response", "clock: response, version: 2");
        assert!(registry.load(&seed(&faster)).await?.changed);
        Ok(())
    })
    .await
}

/// A centre that closes for a day besides those of its entity, which has an evening shift besides the government's hours.
const ENTITY: &str = r#"
name: entity
version: 1
label: {ar: "الجهة", en: "Entity"}
based_on: {name: qa-gov-default, version: 1}
overlays: [{label: {ar: "مساء", en: "Evening"}, from: 2026-11-01, to: 2026-11-30, hours: ["07:00-14:00", "15:00-19:00"]}]
"#;
const CENTRE: &str = r#"
name: centre
version: 4
label: {ar: "مركز", en: "Centre"}
based_on: {name: entity, version: 1}
holidays: [{label: {ar: "صيانة", en: "Maintenance"}, when: {dates: {from: 2026-11-16, to: 2026-11-16}}}]
"#;

#[tokio::test]
async fn calendars_that_are_based_on_another_follow_its_new_version_in_the_same_step() -> anyhow::Result<()> {
    on_each_database(|url| async move {
        let (registry, _) = registry(&url).await?;
        registry.load(&seed(SMALL)).await?;
        let publish = |yaml: &str| registry.publish_calendar("T-ONE", "admin", yaml.to_owned());
        let early = publish(CENTRE).await;
        assert!(
            matches!(&early, Err(Error::Findings(found)) if found[0].problem.contains("entity version 1")),
            "{early:?}"
        );
        publish(ENTITY).await?;
        assert_eq!(publish(CENTRE).await?.version, 3);
        let moved =
            SHIPPED.replace("version: 1", "version: 2").replace("from: 2026-03-17", "from: 2026-03-18");
        assert_eq!(publish(&moved).await?, Change { version: 4, changed: true }, "one step");

        let calendars = registry.entity("T-ONE").await?.calendars;
        let versions: Vec<_> = calendars.iter().map(|it| (it.name.as_str(), it.version)).collect();
        assert_eq!(
            versions,
            [
                ("centre", 4),
                ("centre", 5),
                ("entity", 1),
                ("entity", 2),
                ("qa-gov-default", 1),
                ("qa-gov-default", 2)
            ]
        );
        let spec: masar_worktime::CalendarSpec = serde_saphyr::from_str(&calendars[1].yaml)?;
        let date = |text: &str| text.parse().expect("a date");
        let hours = |day: &str| spec.day(date(day)).hours.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(hours("2026-11-15"), ["07:00-14:00", "15:00-19:00"], "the entity's");
        assert_eq!(hours("2026-11-16"), [""; 0], "its own");
        assert_eq!(hours("2026-03-17"), ["07:00-14:00"], "the government's new version");
        assert_eq!(calendars[1].published_by, "admin");
        // The files of before say nothing new.
        assert!(!publish(CENTRE).await?.changed);
        Ok(())
    })
    .await
}

type Relaying = (CancellationToken, JoinHandle<Result<(), BoxError>>);

/// The service over the demonstration data, and its relay, which runs until the token is cancelled.
async fn demo(folder: &Path, transport: Arc<LocalTransport>) -> anyhow::Result<(Module, Relaying)> {
    let url = DatabaseUrl::SqliteFolder(folder.to_owned());
    let mut module = build(Deps {
        store: Store::connect(&url, NAME).await?,
        transport,
        clock: Clock::manual(now()).0,
        files: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/registry")],
    })
    .await?;
    let stop = CancellationToken::new();
    let relay = tokio::spawn((module.workers.remove(0).run)(stop.clone()));
    Ok((module, (stop, relay)))
}

fn client(module: &Module, tenant: &str) -> RegistryServiceClient<Channel> {
    let tenant = TenantCode(tenant.to_owned());
    let identity = Identity {
        subject: "admin".to_owned(),
        tenants: [tenant.clone()].into(),
        roles: [Role("tenant_admin".to_owned())].into(),
        department: None,
    };
    let mut cause = tonic::Request::new(());
    cause.extensions_mut().insert(Caller { identity, tenant });
    RegistryServiceClient::new(Peer::here(module).asked_by(&cause))
}

#[tokio::test]
async fn the_demo_is_told_once_over_two_starts() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let transport = Arc::new(LocalTransport::new(&[("test", &[NAME])]));
    let mut deliveries = transport.subscribe("test", &[NAME], every_partition()).await?;
    let (_, (stop, relay)) = demo(folder.path(), Arc::clone(&transport)).await?;
    let mut tenants = BTreeSet::new();
    while tenants.len() < 11 {
        let delivery = deliveries.recv().await.unwrap();
        for event in &delivery.message.events {
            let data: RegistryChanged = event.decode()?;
            assert_eq!((event.kind.as_str(), &event.subject), ("registry.changed", &data.tenant));
            assert_eq!((&event.tenant, data.version), (&data.tenant, 1));
            assert!(tenants.insert(data.tenant));
        }
        delivery.done.send(()).unwrap();
    }
    stop.cancel();
    relay.await?.unwrap();
    let (module, (stop, _)) = demo(folder.path(), transport).await?;
    let entity = client(&module, "DEMO-MUN").get_entity(GetEntityRequest {}).await?.into_inner();
    assert_eq!(entity.version, 1);
    client(&module, "T-ONE").load(LoadRequest { yaml: SMALL.to_owned() }).await?;
    let delivery = deliveries.recv().await.unwrap();
    let told: Vec<_> = delivery.message.events.iter().map(|event| event.tenant.as_str()).collect();
    assert_eq!(told, ["T-ONE"]);
    stop.cancel();
    Ok(())
}

#[tokio::test]
async fn callers_see_and_change_their_own_entity() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (module, _) = demo(folder.path(), Arc::new(LocalTransport::new(&[]))).await?;
    let mut municipal = client(&module, "DEMO-MUN");
    let query = ListPeopleRequest { role: "case_handler".to_owned(), department: "MUN-PARKS".to_owned() };
    let people = municipal.list_people(query).await?.into_inner().people;
    assert_eq!(people.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["mun-parks-1", "mun-parks-2"]);
    let query = ListServicesRequest { department: "MUN-ROADS".to_owned() };
    let services = municipal.list_services(query).await?.into_inner().services;
    assert_eq!(services.iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), ["MUN-S01"]);
    let refused = municipal.load(LoadRequest { yaml: SMALL.to_owned() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("code: "), "{refused}");

    let mut one = client(&module, "T-ONE");
    assert_eq!(one.get_entity(GetEntityRequest {}).await.unwrap_err().code(), Code::NotFound);
    let loaded = one.load(LoadRequest { yaml: SMALL.to_owned() }).await?.into_inner();
    assert_eq!(loaded, LoadResponse { version: 1, changed: true });
    assert_eq!(one.get_entity(GetEntityRequest {}).await?.into_inner().tenant, "T-ONE");
    let yaml = SHIPPED.replace("version: 1", "version: 2");
    assert_eq!(one.publish_calendar(PublishCalendarRequest { yaml }).await?.into_inner().version, 2);
    Ok(())
}

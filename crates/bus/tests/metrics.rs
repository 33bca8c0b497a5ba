//! What those who watch the bus can see.

use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use masar_bus::{Consumer, Error, Event, Handler, LocalTransport, Outbox, Relay, Transport};
use masar_store::{DatabaseUrl, Store};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use sea_orm::DatabaseTransaction;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio_util::sync::CancellationToken;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        masar_bus::migrations()
    }
}

/// Cannot handle what concerns `b`.
struct Picky;

#[async_trait]
impl Handler for Picky {
    async fn handle(&self, _: &DatabaseTransaction, events: &[Event]) -> Result<(), Error> {
        match events.iter().any(|event| event.subject == "b") {
            true => Err(Error::Unusable("not this".to_owned())),
            false => Ok(()),
        }
    }
}

fn value(registry: &Registry, name: &str, whose: &str) -> Result<Option<f64>> {
    let text = TextEncoder::new().encode_to_string(&registry.gather())?;
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{")) && line.contains(whose));
    line.map(|line| Ok(line.rsplit_once(' ').context("no value")?.1.parse()?)).transpose()
}

#[tokio::test]
async fn events_are_counted_where_they_go_and_where_they_wait() -> Result<()> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
    opentelemetry::global::set_meter_provider(SdkMeterProvider::builder().with_reader(exporter).build());

    let folder = tempfile::tempdir()?;
    let url: DatabaseUrl = format!("sqlite:{}", folder.path().display()).parse()?;
    let producer = Store::connect(&url, "producer").await?;
    let consumer = Store::connect(&url, "one").await?;
    producer.migrate::<Migrator>().await?;
    consumer.migrate::<Migrator>().await?;
    let (outbox, stop) = (Outbox::new("producer"), CancellationToken::new());
    let transport: Arc<dyn Transport> = Arc::new(LocalTransport::new(&[("one", &["producer"])]));
    let happened = Timestamp::UNIX_EPOCH;
    let tx = producer.begin().await?;
    let event = |subject: &str| Event::new("test.happened", "DEMO-MUN", &subject, happened, &());
    outbox.put(&tx, ["a", "a", "b", "b", "c"].map(event).to_vec()).await?;
    tx.commit().await?;

    // Half a minute later, and nobody listens yet.
    let now: masar_bus::Now = Arc::new(move || happened + SignedDuration::from_secs(30));
    let relay = Relay { store: producer, outbox, transport: Arc::clone(&transport), now: Arc::clone(&now) };
    tokio::spawn(relay.run(stop.clone()));
    let age = || value(&registry, "masar_bus_outbox_age_seconds", "producer");
    while age()? != Some(30.0) {
        tokio::task::yield_now().await;
    }
    let handler = Arc::new(Picky);
    let consumer = Consumer { name: "one", sources: &["producer"], store: consumer, handler, transport, now };
    tokio::spawn(consumer.run(stop.clone()));
    while age()? != Some(0.0) {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    assert_eq!(value(&registry, "masar_bus_events_published_total", "producer")?, Some(5.0));
    assert_eq!(value(&registry, "masar_bus_events_consumed_total", "one")?, Some(3.0));
    assert_eq!(value(&registry, "masar_bus_events_parked_total", "one")?, Some(2.0));
    assert_eq!(value(&registry, "masar_bus_subjects_held", "one")?, Some(1.0));
    Ok(())
}

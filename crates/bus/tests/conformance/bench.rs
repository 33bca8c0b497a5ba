//! Services that tell and listen, over each transport.

use std::sync::Arc;

use anyhow::Result;
use jiff::Timestamp;
use masar_bus::{
    Consumer, Event, Handler, LocalTransport, Message, Outbox, PARTITIONS, RabbitTransport, Relay, Transport,
};
use masar_store::{DatabaseUrl, Store};
use masar_testkit::{on_each_database, on_rabbit};
use prost_types::Timestamp as Payload;
use sea_orm::{ConnectionTrait, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::recorder::Recorder;

/// Who hears whom.
pub(crate) type Links = &'static [(&'static str, &'static [&'static str])];

pub(crate) const ONE: Links = &[("one", &["producer"])];
pub(crate) const TWO: Links = &[("one", &["producer"]), ("other", &["producer"])];

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        masar_bus::migrations()
    }
}

/// An event of a subject that carries a number.
/// The entity of all events.
pub(crate) const TENANT: &str = "DEMO-MUN";

pub(crate) fn event(subject: &str, number: i64) -> Event {
    Event::new(
        "test.happened",
        TENANT,
        &subject,
        Timestamp::UNIX_EPOCH,
        &Payload { seconds: number, nanos: 0 },
    )
}

/// The number that an event carries.
pub(crate) fn number(event: &Event) -> i64 {
    event.decode::<Payload>().unwrap().seconds
}

/// One partition's events of the producer.
pub(crate) fn message(partition: u16, mut events: Vec<Event>) -> Message {
    events.iter_mut().for_each(|event| event.source = "producer".to_owned());
    Message { id: Uuid::now_v7(), source: "producer".into(), partition, events }
}

/// Runs a test on every database, over the local transport and over RabbitMQ.
pub(crate) async fn on_each<F>(links: Links, test: impl Fn(Bench) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    on_each_database(async |url| test(Bench::new(url, Arc::new(LocalTransport::new(links))).await?).await)
        .await?;
    on_each_rabbit(links, async |bench, _| test(bench).await).await
}

/// Runs a test on every database, over RabbitMQ alone, whose address it gets too.
pub(crate) async fn on_each_rabbit<F>(links: Links, test: impl Fn(Bench, String) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    on_each_database(async |url| {
        on_rabbit(async |amqp| {
            let transport = RabbitTransport::connect(&amqp, links, PARTITIONS).await?;
            test(Bench::new(url, Arc::new(transport)).await?, amqp).await
        })
        .await
    })
    .await
}

/// A service that tells, and room for those that listen. All of them stop when it is dropped.
pub(crate) struct Bench {
    pub(crate) transport: Arc<dyn Transport>,
    url: String,
    producer: Store,
    outbox: Outbox,
    stop: CancellationToken,
    _stop: DropGuard,
}

impl Bench {
    async fn new(url: String, transport: Arc<dyn Transport>) -> Result<Self> {
        let stop = CancellationToken::new();
        let producer = open(&url, "producer").await?;
        Ok(Self {
            transport,
            url,
            producer,
            outbox: Outbox::new("producer"),
            stop: stop.clone(),
            _stop: stop.drop_guard(),
        })
    }

    /// The database of a service.
    pub(crate) async fn store(&self, service: &str) -> Result<Store> {
        open(&self.url, service).await
    }

    /// Starts a relay of the producer.
    pub(crate) fn relay(&self) -> CancellationToken {
        self.relay_of(self.producer.clone(), self.outbox.clone())
    }

    pub(crate) fn relay_of(&self, store: Store, outbox: Outbox) -> CancellationToken {
        let relay = Relay { store, outbox, transport: self.transport.clone(), now: Arc::new(Timestamp::now) };
        let stop = self.stop.child_token();
        tokio::spawn(relay.run(stop.clone()));
        stop
    }

    /// Starts a consumer of the producer.
    pub(crate) async fn listen(&self, name: &'static str) -> Result<Arc<Recorder>> {
        let recorder = Arc::new(Recorder::default());
        self.start(self.consumer(name, self.store(name).await?, recorder.clone()));
        Ok(recorder)
    }

    pub(crate) fn consumer(&self, name: &'static str, store: Store, handler: Arc<dyn Handler>) -> Consumer {
        let transport = self.transport.clone();
        Consumer { name, sources: &["producer"], store, handler, transport, now: Arc::new(Timestamp::now) }
    }

    pub(crate) fn start(&self, consumer: Consumer) -> CancellationToken {
        let stop = self.stop.child_token();
        tokio::spawn(consumer.run(stop.clone()));
        stop
    }

    /// Writes events into the producer's outbox, in one transaction.
    pub(crate) async fn tell(&self, events: Vec<Event>) -> Result<()> {
        tell(&self.producer, &self.outbox, events).await
    }
}

async fn open(url: &str, service: &str) -> Result<Store> {
    let store = Store::connect(&url.parse::<DatabaseUrl>()?, service).await?;
    store.migrate::<Migrator>().await?;
    Ok(store)
}

pub(crate) async fn tell(store: &Store, outbox: &Outbox, events: Vec<Event>) -> Result<()> {
    let tx = store.begin().await?;
    outbox.put(&tx, events).await?;
    tx.commit().await?;
    outbox.wake();
    Ok(())
}

/// The one number that a query answers.
pub(crate) async fn query(store: &Store, sql: &str) -> Result<i64> {
    let statement = Statement::from_string(store.backend(), sql);
    let row = store.reader().query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or(-1))
}

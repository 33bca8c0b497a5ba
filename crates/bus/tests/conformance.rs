//! What the bus promises, on every store.
#![allow(clippy::unwrap_used, reason = "a poisoned lock fails the test anyway")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use async_trait::async_trait;
use jiff::Timestamp;
use masar_bus::{
    Consumer, Delivery, Error, Event, Handler, LocalTransport, Message, Outbox, Relay, Transport, parked,
};
use masar_store::{DatabaseUrl, Store};
use masar_testkit::on_each_database;
use prost_types::Timestamp as Payload;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        masar_bus::migrations()
    }
}

async fn store(url: &str, service: &str) -> Result<Store> {
    let store = Store::connect(&url.parse::<DatabaseUrl>()?, service).await?;
    store.migrate::<Migrator>().await?;
    Ok(store)
}

fn event(subject: &str, number: i64) -> Event {
    Event::new(
        "test.happened",
        "DEMO-MUN",
        &subject,
        Timestamp::UNIX_EPOCH,
        &Payload { seconds: number, nanos: 0 },
    )
}

/// Remembers the numbers of each subject, after the commit as after a crash: in order of handling.
#[derive(Default)]
struct Recorder {
    handled: Mutex<HashMap<String, Vec<i64>>>,
    count: AtomicUsize,
    changed: Notify,
    /// A number that cannot be handled while the flag is set.
    poison: Option<i64>,
    poisoned: AtomicBool,
}

impl Recorder {
    fn with_poison(number: i64) -> Self {
        Self { poison: Some(number), poisoned: AtomicBool::new(true), ..Self::default() }
    }

    async fn until(&self, count: usize) {
        while self.count.load(Ordering::SeqCst) < count {
            self.changed.notified().await;
        }
    }

    fn of(&self, subject: &str) -> Vec<i64> {
        self.handled.lock().unwrap().get(subject).cloned().unwrap_or_default()
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&self, _: &DatabaseTransaction, events: &[Event]) -> Result<(), Error> {
        let numbers: Vec<(String, i64)> = events
            .iter()
            .map(|event| Ok((event.subject.clone(), event.decode::<Payload>()?.seconds)))
            .collect::<Result<_, Error>>()?;
        if self.poisoned.load(Ordering::SeqCst)
            && numbers.iter().any(|(_, number)| Some(*number) == self.poison)
        {
            return Err(Error::Unusable("this number is poison".to_owned()));
        }
        let mut handled = self.handled.lock().unwrap();
        for (subject, number) in &numbers {
            handled.entry(subject.clone()).or_default().push(*number);
        }
        self.count.fetch_add(numbers.len(), Ordering::SeqCst);
        Ok(())
    }

    fn committed(&self, _: &[Event]) {
        self.changed.notify_one();
    }
}

/// One service that tells and two that listen, in process.
struct Bench {
    producer: Store,
    outbox: Outbox,
    transport: Arc<dyn Transport>,
    stop: CancellationToken,
}

impl Bench {
    async fn new(url: &str) -> Result<Self> {
        let links: &[(&str, &[&str])] = &[("one", &["producer"]), ("other", &["producer"])];
        Ok(Self {
            producer: store(url, "producer").await?,
            outbox: Outbox::new("producer"),
            transport: Arc::new(LocalTransport::new(links)),
            stop: CancellationToken::new(),
        })
    }

    fn relay(&self) {
        let relay = Relay {
            store: self.producer.clone(),
            outbox: self.outbox.clone(),
            transport: self.transport.clone(),
        };
        tokio::spawn(relay.run(self.stop.clone()));
    }

    fn listen(&self, name: &'static str, store: Store, handler: Arc<Recorder>) -> CancellationToken {
        let stop = self.stop.child_token();
        let transport = self.transport.clone();
        let consumer = Consumer { name, sources: &["producer"], store, handler, transport };
        tokio::spawn(consumer.run(stop.clone()));
        stop
    }

    async fn tell(&self, events: Vec<Event>) -> Result<()> {
        let tx = self.producer.begin().await?;
        self.outbox.put(&tx, events).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(())
    }

    async fn waiting(&self) -> Result<i64> {
        let count = "SELECT count(*) AS n FROM outbox";
        let statement = sea_orm::Statement::from_string(self.producer.backend(), count);
        let row = self.producer.reader().query_one_raw(statement).await?;
        Ok(row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or(-1))
    }
}

#[tokio::test]
async fn every_consumer_gets_every_event_once_and_each_subject_in_order() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::new(&url).await?;
        let (one, other) = (Arc::new(Recorder::default()), Arc::new(Recorder::default()));
        bench.listen("one", store(&url, "one").await?, one.clone());
        bench.listen("other", store(&url, "other").await?, other.clone());
        bench.relay();
        for round in 0..10 {
            let numbers = round * 100..(round + 1) * 100;
            bench
                .tell(numbers.flat_map(|n| ["a", "b", "c"].map(|subject| event(subject, n))).collect())
                .await?;
        }
        one.until(3_000).await;
        other.until(3_000).await;
        for recorder in [&one, &other] {
            for subject in ["a", "b", "c"] {
                assert_eq!(recorder.of(subject), (0..1_000).collect::<Vec<_>>(), "{subject}");
            }
        }
        bench.stop.cancel();
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_comes_twice_is_handled_once() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::new(&url).await?;
        let (one, other) = (Arc::new(Recorder::default()), Arc::new(Recorder::default()));
        bench.listen("one", store(&url, "one").await?, one.clone());
        bench.listen("other", store(&url, "other").await?, other.clone());
        let mut events: Vec<_> = (0..5).map(|n| event("a", n)).collect();
        events.iter_mut().for_each(|event| event.source = "producer".to_owned());
        // A relay that crashed between the confirmation and its deletion packs anew and sends again.
        for events in [events[..3].to_vec(), events.clone(), events] {
            let message =
                Message { id: uuid::Uuid::now_v7(), source: "producer".into(), partition: 0, events };
            bench.transport.publish(message).await?;
        }
        assert_eq!(one.of("a"), [0, 1, 2, 3, 4]);
        assert_eq!(other.of("a"), [0, 1, 2, 3, 4]);
        bench.stop.cancel();
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_consumer_that_stops_and_comes_back_misses_nothing() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::new(&url).await?;
        let (one, other) = (Arc::new(Recorder::default()), Arc::new(Recorder::default()));
        let stop = bench.listen("one", store(&url, "one").await?, one.clone());
        bench.listen("other", store(&url, "other").await?, other.clone());
        bench.relay();
        bench.tell((0..10).map(|n| event("a", n)).collect()).await?;
        one.until(10).await;
        stop.cancel();
        bench.tell((10..20).map(|n| event("a", n)).collect()).await?;
        other.until(20).await;
        bench.listen("one", store(&url, "one").await?, one.clone());
        one.until(20).await;
        assert_eq!(one.of("a"), (0..20).collect::<Vec<_>>());
        assert_eq!(other.of("a"), (0..20).collect::<Vec<_>>());
        bench.stop.cancel();
        Ok(())
    })
    .await
}

#[tokio::test]
async fn poison_is_parked_and_holds_only_its_subject() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::new(&url).await?;
        let (one, other) = (Arc::new(Recorder::with_poison(13)), Arc::new(Recorder::default()));
        let consumer = store(&url, "one").await?;
        bench.listen("one", consumer.clone(), one.clone());
        bench.listen("other", store(&url, "other").await?, other.clone());
        bench.relay();
        bench.tell(vec![event("a", 12), event("a", 13), event("a", 14), event("b", 1)]).await?;
        bench.tell(vec![event("a", 15), event("b", 2)]).await?;
        one.until(3).await;
        other.until(6).await;
        while bench.waiting().await? > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!((one.of("a"), one.of("b")), (vec![12], vec![1, 2]));
        assert_eq!(other.of("a"), [12, 13, 14, 15]);

        let (page, next) = parked::list(&consumer, 1, "").await?;
        assert_eq!(page[0].error.as_deref(), Some("this number is poison"));
        let (rest, end) = parked::list(&consumer, 10, &next).await?;
        assert!(rest.iter().all(|held| held.error.is_none()) && rest.len() == 2 && end.is_empty());

        let id = page[0].event.id;
        assert!(parked::retry(&consumer, one.as_ref(), id).await.is_err());
        assert_eq!(parked::show(&consumer, id).await?.event.subject, "a");
        let behind = rest[0].event.id;
        assert!(matches!(parked::retry(&consumer, one.as_ref(), behind).await, Err(Error::Held(head)) if head == id));
        one.poisoned.store(false, Ordering::SeqCst);
        assert_eq!(parked::retry(&consumer, one.as_ref(), id).await?, 3);
        assert_eq!(one.of("a"), [12, 13, 14, 15]);
        assert!(matches!(parked::show(&consumer, id).await, Err(Error::NotParked(_))));
        bench.stop.cancel();
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_parked_event_can_be_given_up() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::new(&url).await?;
        let (one, other) = (Arc::new(Recorder::with_poison(13)), Arc::new(Recorder::default()));
        let consumer = store(&url, "one").await?;
        bench.listen("one", consumer.clone(), one.clone());
        bench.listen("other", store(&url, "other").await?, other.clone());
        bench.relay();
        bench.tell(vec![event("a", 13), event("a", 14)]).await?;
        other.until(2).await;
        while bench.waiting().await? > 0 {
            tokio::task::yield_now().await;
        }
        let (page, _) = parked::list(&consumer, 10, "").await?;
        assert_eq!(parked::give_up(&consumer, one.as_ref(), page[0].event.id).await?, 1);
        assert_eq!(one.of("a"), [14]);
        assert!(parked::list(&consumer, 10, "").await?.0.is_empty());
        bench.stop.cancel();
        Ok(())
    })
    .await
}

/// Loses the first messages, as a broken link does.
struct Flaky {
    inner: LocalTransport,
    failures: AtomicUsize,
}

#[async_trait]
impl Transport for Flaky {
    async fn publish(&self, message: Message) -> Result<(), Error> {
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        // Every second loss comes after the delivery: the message is there, the confirmation is not.
        match left {
            Ok(left) if left % 2 == 0 => Err(Error::Transport("the link broke".into())),
            Ok(_) => {
                self.inner.publish(message).await?;
                Err(Error::Transport("the confirmation was lost".into()))
            }
            Err(_) => self.inner.publish(message).await,
        }
    }

    async fn subscribe(&self, consumer: &str, sources: &[&str]) -> Result<mpsc::Receiver<Delivery>, Error> {
        self.inner.subscribe(consumer, sources).await
    }
}

#[tokio::test]
async fn a_broken_link_loses_nothing_and_turns_no_order() -> Result<()> {
    on_each_database(async |url| {
        let mut bench = Bench::new(&url).await?;
        let inner = LocalTransport::new(&[("one", &["producer"])]);
        bench.transport = Arc::new(Flaky { inner, failures: AtomicUsize::new(3) });
        let one = Arc::new(Recorder::default());
        bench.listen("one", store(&url, "one").await?, one.clone());
        bench.tell((0..500).flat_map(|n| ["a", "b"].map(|subject| event(subject, n))).collect()).await?;
        bench.relay();
        one.until(1_000).await;
        assert_eq!(one.of("a"), (0..500).collect::<Vec<_>>());
        assert_eq!(one.of("b"), (0..500).collect::<Vec<_>>());
        bench.stop.cancel();
        Ok(())
    })
    .await
}

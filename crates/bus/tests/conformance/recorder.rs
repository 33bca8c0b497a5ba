//! Handlers that remember what they were given.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use async_trait::async_trait;
use masar_bus::{Error, Event, Handler};
use masar_store::Store;
use prost_types::Timestamp as Payload;
use sea_orm::DatabaseTransaction;
use tokio::sync::Notify;

use crate::bench::query;

/// The kind of events that mean nothing to a recorder.
pub(crate) const UNHEARD: &str = "test.unheard";

/// Remembers the numbers of each subject, in order of handling.
#[derive(Default)]
pub(crate) struct Recorder {
    handled: Mutex<HashMap<String, Vec<i64>>>,
    count: AtomicUsize,
    changed: Notify,
    /// A number that cannot be handled while the flag is set.
    poison: Option<i64>,
    poisoned: AtomicBool,
}

impl Recorder {
    pub(crate) fn with_poison(number: i64) -> Arc<Self> {
        Arc::new(Self { poison: Some(number), poisoned: AtomicBool::new(true), ..Self::default() })
    }

    pub(crate) fn heal(&self) {
        self.poisoned.store(false, Ordering::SeqCst);
    }

    /// Waits until so many events were handled.
    pub(crate) async fn until(&self, count: usize) {
        while self.count() < count {
            self.changed.notified().await;
        }
    }

    /// Waits until a query of the consumer's store answers so much.
    pub(crate) async fn until_query(&self, store: &Store, sql: &str, answer: i64) -> Result<()> {
        while query(store, sql).await? != answer {
            self.changed.notified().await;
        }
        Ok(())
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(crate) fn of(&self, subject: &str) -> Vec<i64> {
        self.handled.lock().unwrap().get(subject).cloned().unwrap_or_default()
    }
}

#[async_trait]
impl Handler for Recorder {
    fn hears(&self, event: &Event) -> bool {
        event.kind != UNHEARD
    }

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

/// Stops in the middle of a transaction that handles one number, until it is opened.
pub(crate) struct Gate {
    pub(crate) inner: Arc<Recorder>,
    pub(crate) stops_at: i64,
    pub(crate) reached: Notify,
    pub(crate) open: Notify,
}

impl Gate {
    pub(crate) fn new(inner: Arc<Recorder>, stops_at: i64) -> Arc<Self> {
        Arc::new(Self { inner, stops_at, reached: Notify::new(), open: Notify::new() })
    }
}

#[async_trait]
impl Handler for Gate {
    async fn handle(&self, tx: &DatabaseTransaction, events: &[Event]) -> Result<(), Error> {
        if events.iter().any(|event| crate::bench::number(event) == self.stops_at) {
            self.reached.notify_one();
            self.open.notified().await;
        }
        self.inner.handle(tx, events).await
    }

    fn committed(&self, events: &[Event]) {
        self.inner.committed(events);
    }
}

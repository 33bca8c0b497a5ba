//! What wakes the timers: a mark that comes before those which they have read.

use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use masar_store::{Error, Listener, Transaction};
use tokio::sync::Notify;

/// Under what replicas tell each other that a mark is near.
pub(crate) const NEAR: &str = "masar_sla_timers";
/// How often a replica reads the timers of its shards, even when nobody told it of one.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// Until when a replica's timers have been read, and the bell that rings for one that comes before.
#[derive(Debug)]
pub(crate) struct Alarm {
    read: AtomicI64,
    bell: Notify,
}

impl Default for Alarm {
    /// Nothing has been read.
    fn default() -> Self {
        Self { read: AtomicI64::new(i64::MAX), bell: Notify::new() }
    }
}

impl Alarm {
    /// All timers until this time have been read.
    pub(crate) fn read_until(&self, until: Timestamp) {
        self.read.store(until.as_microsecond(), Ordering::SeqCst);
    }

    /// A timer was set, and is committed.
    pub(crate) fn set(&self, next: Option<Timestamp>) {
        if next.is_some_and(|next| next.as_microsecond() <= self.read.load(Ordering::SeqCst)) {
            self.bell.notify_one();
        }
    }

    /// Tells the other replicas of a timer that fires before they would look again.
    pub(crate) async fn tell(
        &self,
        tx: &Transaction,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Error> {
        match next {
            Some(next) if next <= now + 2 * LOOK => masar_store::tell(tx, NEAR, "").await,
            _ => Ok(()),
        }
    }

    /// Waits until it rings.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}

#[async_trait]
impl Listener for Alarm {
    type Error = Infallible;

    async fn heard(&self, _: Option<String>) -> Result<(), Infallible> {
        self.bell.notify_one();
        Ok(())
    }
}

//! The couriers, one for each channel: take what is due, send it outside of any transaction, write down what became
//! of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use masar_bus::{Error as BusError, Outbox};
use masar_runtime::Clock;
use masar_store::time::{from_db, to_db};
use masar_store::{Error, Store};
use tokio::sync::Notify;
use tokio::task::{self, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::app::told;
use crate::metrics;
use crate::post::{Post, Refusal};
use crate::store::delivery::{self, DELIVERED, FAILED, Model, PENDING};

/// Attempts under way at once.
const MOST: usize = 16;
/// An attempt that is not over by then is lost with its worker, and made again. Longer than any post waits.
const LEASE: SignedDuration = SignedDuration::from_mins(2);
/// How long to wait after the first failures, in seconds.
const PAUSES: [i64; 5] = [5, 30, 120, 600, 3_600];
/// How long to wait after each further failure.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);
/// What was not delivered by then is given up.
const PATIENCE: SignedDuration = SignedDuration::from_hours(72);
/// Even when nothing is said, look: another replica may have gone away with work of its own.
const LOOK: SignedDuration = SignedDuration::from_mins(1);
/// How long to wait when the database fails.
const TROUBLE: Duration = Duration::from_secs(1);

/// Makes the deliveries of a channel.
pub(crate) struct Courier {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) channel: &'static str,
    pub(crate) post: Arc<dyn Post>,
    pub(crate) outbox: Outbox,
    /// Told when deliveries were written down.
    pub(crate) written: Arc<Notify>,
}

/// Attempts, and what each of them is about.
#[derive(Default)]
struct UnderWay {
    attempts: JoinSet<()>,
    deliveries: HashMap<task::Id, Uuid>,
}

impl UnderWay {
    /// Waits until an attempt is over; none when there are none.
    async fn next_over(&mut self) -> Option<()> {
        let over = match self.attempts.join_next_with_id().await? {
            Ok((id, ())) => id,
            Err(error) => error.id(),
        };
        self.deliveries.remove(&over);
        Some(())
    }

    fn ids(&self) -> Vec<Uuid> {
        self.deliveries.values().copied().collect()
    }
}

impl Courier {
    /// Works until it is told to stop; attempts that were begun are finished.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        metrics::courier(self.channel);
        let mut under_way = UnderWay::default();
        loop {
            let (ids, room) = (under_way.ids(), MOST - under_way.attempts.len());
            let done = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(()) = under_way.next_over() => Ok(()),
                due = self.until_due(&ids), if room > 0 => match due {
                    Ok(()) => self.begin(&mut under_way).await,
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = done {
                tracing::error!(channel = self.channel, %error, "deliveries cannot be made; tried again");
                let _ = stop.run_until_cancelled(tokio::time::sleep(TROUBLE)).await;
            }
        }
        while under_way.next_over().await.is_some() {}
    }

    /// Waits until an attempt may be due. What is under way here is not: however fast the clock runs, it is not lost.
    async fn until_due(&self, under_way: &[Uuid]) -> Result<(), Error> {
        loop {
            let now = self.clock.now();
            let look = now.saturating_add(LOOK).unwrap_or(Timestamp::MAX);
            let next = delivery::next_due(&self.store, self.channel, under_way.iter().copied()).await?;
            let next = next.map_or(look, from_db);
            if next <= now {
                return Ok(());
            }
            tokio::select! {
                () = self.clock.sleep_until(next.min(look)) => {}
                () = self.written.notified() => {}
            }
        }
    }

    async fn begin(self: &Arc<Self>, under_way: &mut UnderWay) -> Result<(), Error> {
        let now = self.clock.now();
        let until = now.saturating_add(LEASE).unwrap_or(Timestamp::MAX);
        let room = u64::try_from(MOST - under_way.attempts.len()).unwrap_or(0);
        let taken = delivery::claim(&self.store, self.channel, under_way.ids(), (now, until), room).await?;
        for delivery in taken {
            let (courier, id) = (Arc::clone(self), delivery.id);
            let span = tracing::info_span!("deliver", channel = self.channel, delivery = %id);
            let attempt = async move { courier.attempt(delivery, now).await }.instrument(span);
            let attempt = under_way.attempts.spawn(attempt);
            under_way.deliveries.insert(attempt.id(), id);
        }
        Ok(())
    }

    async fn attempt(&self, delivery: Model, begun: Timestamp) {
        let (id, attempt) = (delivery.id, delivery.attempts);
        let Some(lease) = delivery.lease else { return };
        let sent = self.post.send(&delivery, begun).await;
        if sent.is_err() {
            // What the other side said may name people: it stays in the delivery.
            tracing::info!(delivery = %id, channel = self.channel, attempt, "an attempt to deliver failed");
        }
        let settled = settled(delivery, sent, begun, self.clock.now());
        let status = settled.status.clone();
        match self.record(lease, settled).await {
            Ok(true) => metrics::attempted(self.channel, &status),
            Ok(false) => {
                tracing::warn!(delivery = %id, attempt, "the attempt took too long and is made again")
            }
            Err(error) => {
                tracing::error!(delivery = %id, attempt, %error, "the outcome is not recorded: the delivery is made again");
            }
        }
    }

    async fn record(&self, lease: Uuid, settled: Model) -> Result<bool, BusError> {
        let tx = self.store.begin().await?;
        let told = told(&settled);
        let ours = delivery::settle(&tx, lease, settled).await?;
        if ours {
            // No order is needed among the messages of a case: each says when it was asked for.
            self.outbox.put(&tx, told.into_iter().collect()).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(ours)
    }
}

/// The delivery after an attempt.
fn settled(delivery: Model, sent: Result<(), Refusal>, begun: Timestamp, now: Timestamp) -> Model {
    let over = |status: &str, error: String| Model {
        status: status.to_owned(),
        last_error: error,
        next_attempt_at: None,
        lease: None,
        ..delivery.clone()
    };
    match sent {
        Ok(()) => Model { delivered_at: Some(to_db(now)), ..over(DELIVERED, String::new()) },
        Err(Refusal::ForGood(error)) => over(FAILED, error),
        Err(Refusal::Later(error)) => {
            // Counted from the beginning of the attempt, so that a slow answer does not move the plan.
            let next = begun.saturating_add(pause(delivery.attempts)).unwrap_or(Timestamp::MAX);
            if next.duration_since(from_db(delivery.since())) > PATIENCE {
                return over(FAILED, format!("given up after {} attempts: {error}", delivery.attempts));
            }
            Model { next_attempt_at: Some(to_db(next)), ..over(PENDING, error) }
        }
    }
}

/// How long to wait after so many failures.
fn pause(attempts: i32) -> SignedDuration {
    let failures = usize::try_from(attempts).unwrap_or(0).saturating_sub(1);
    PAUSES.get(failures).map_or(LONGEST_PAUSE, |seconds| SignedDuration::from_secs(*seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_six_hours() {
        let seconds: Vec<_> = (1..=7).map(|attempts| pause(attempts).as_secs()).collect();
        assert_eq!(seconds, [5, 30, 120, 600, 3_600, 21_600, 21_600]);
    }
}

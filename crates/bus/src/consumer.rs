//! A consumer: one transaction records what was seen and does what follows from it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use masar_store::{Leases, RENEWED, Store, insert_new, time};
use sea_orm::sea_query::{Order, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::former::catch_up;
use crate::tables::inbox;
use crate::{Delivery, Desk, Error, Event, Now, Transport, metrics, parked};

/// Events of one transaction at most, when that many wait.
const MOST: usize = 1_000;
/// How long an event id is remembered: longer than any redelivery can take.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(72);
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// Event ids that are forgotten in one statement, and the pause before more of them are: so that the events that arrive
/// need not wait for all.
const FORGOTTEN: u64 = 2_000;
const FORGET_MORE: Duration = Duration::from_millis(5);
pub(crate) const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// What a service does with events.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Whether an event means anything to it; the others are settled without a trace in its database. True for one that it
    /// cannot read: that is for people to see.
    fn hears(&self, _event: &Event) -> bool {
        true
    }

    /// Handles events that were not seen before, those of one subject oldest first, in one transaction.
    ///
    /// On an error all is rolled back. When trying again can help, all are tried again, as often as it takes; otherwise
    /// each event is tried alone, and one that fails alone is parked.
    async fn handle(&self, tx: &DatabaseTransaction, events: &[Event]) -> Result<(), Error>;

    /// Called after the commit with the events that were handled.
    fn committed(&self, _events: &[Event]) {}
}

/// Feeds one service with the events of others.
pub struct Consumer {
    /// Name of the consumer, which is its service.
    pub name: &'static str,
    /// The services that it hears.
    pub sources: &'static [&'static str],
    /// The database of the service.
    pub store: Store,
    /// What is done with events.
    pub handler: Arc<dyn Handler>,
    /// Where they come from.
    pub transport: Arc<dyn Transport>,
    /// The time.
    pub now: Now,
}

impl Consumer {
    /// Where people see to what this consumer could not handle.
    #[must_use]
    pub fn desk(&self) -> Desk {
        Desk { name: self.name, store: self.store.clone(), handler: Arc::clone(&self.handler) }
    }

    /// Works until it is told to stop or the transport ends; a batch that was begun is finished.
    ///
    /// # Errors
    /// When the transport does not let it subscribe.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        metrics::consumer(self.name);
        catch_up(&self, &stop).await;
        let (share, shared) = watch::channel(BTreeSet::new());
        let mut deliveries = self.transport.subscribe(self.name, self.sources, shared).await?;
        let mut leases =
            Leases::new(self.store.clone(), "consumer", self.transport.partitions().cast_signed());
        let mut renew = tokio::time::interval(RENEWED);
        let mut forget = tokio::time::interval(FORGET_EVERY);
        while !stop.is_cancelled() {
            tokio::select! {
                // However much arrives, what comes seldom has its turn.
                biased;
                () = stop.cancelled() => break,
                _ = renew.tick() => self.renew(&mut leases, &share).await,
                _ = forget.tick() => if self.forget().await {
                    forget.reset_after(FORGET_MORE);
                },
                batch = gather(&mut deliveries) => match batch {
                    Some(batch) => self.take(batch, &stop).await,
                    None => break,
                },
            }
        }
        if let Err(error) = leases.leave().await {
            tracing::warn!(consumer = self.name, %error, "other replicas wait until this one counts as gone");
        }
        Ok(())
    }

    /// Keeps this replica's share of the partitions. The broker sees to it that no partition has two who work on it: a lease
    /// says only who should.
    async fn renew(&self, leases: &mut Leases, share: &watch::Sender<BTreeSet<u16>>) {
        match leases.turn().await {
            Ok(held) => {
                let held = held.iter().map(|lease| lease.shard.cast_unsigned()).collect();
                share.send_if_modified(|share| std::mem::replace(share, held) != *share);
            }
            Err(error) => {
                tracing::warn!(consumer = self.name, %error, "the share of this replica stays as it was");
            }
        }
    }

    pub(crate) async fn take(&self, batch: Vec<Delivery>, stop: &CancellationToken) {
        let events = batch.iter().flat_map(|delivery| &delivery.message.events);
        let events: Vec<Event> = events.filter(|event| self.handler.hears(event)).cloned().collect();
        let span = tracing::info_span!("consume", consumer = self.name, events = events.len());
        if self.settle(&events, stop).instrument(span).await {
            for delivery in batch {
                // A relay that went away sends the message again, and it changes nothing.
                let _ = delivery.done.send(());
            }
        }
    }

    /// Handles a batch, or else each of its events alone. False when it was told to stop before all was settled.
    async fn settle(&self, events: &[Event], stop: &CancellationToken) -> bool {
        if events.is_empty() {
            return true;
        }
        let mut backoff = Backoff::new(SHORTEST_PAUSE);
        let error = loop {
            match self.commit(events, None).await {
                Ok(()) => return true,
                Err(error) if error.is_retryable() => {
                    if !self.wait(&error, events.len(), &mut backoff, stop).await {
                        return false;
                    }
                }
                Err(error) => break error,
            }
        };
        tracing::info!(consumer = self.name, %error, events = events.len(), "a batch failed: each event is tried alone");
        for event in events {
            if !self.settle_alone(event, stop).await {
                return false;
            }
        }
        true
    }

    async fn settle_alone(&self, event: &Event, stop: &CancellationToken) -> bool {
        let alone = std::slice::from_ref(event);
        let mut backoff = Backoff::new(SHORTEST_PAUSE);
        loop {
            let Err(mut error) = self.commit(alone, None).await else { return true };
            if !error.is_retryable() {
                match self.commit(alone, Some(&error)).await {
                    Ok(()) => {
                        tracing::error!(consumer = self.name, event = %event.id, kind = event.kind, subject = event.subject, %error,
                            "the event is parked and its subject held");
                        return true;
                    }
                    // It cannot even be parked: the database is in trouble, and the event may be well.
                    Err(trouble) => error = trouble,
                }
            }
            if !self.wait(&error, 1, &mut backoff, stop).await {
                return false;
            }
        }
    }

    /// Waits before events are tried again. False when it was told to stop.
    async fn wait(
        &self,
        error: &Error,
        events: usize,
        backoff: &mut Backoff,
        stop: &CancellationToken,
    ) -> bool {
        tracing::warn!(consumer = self.name, %error, events, "events are tried again");
        stop.run_until_cancelled(backoff.pause()).await.is_some()
    }

    /// One transaction: records the events as seen, and handles those that are new, or parks them for their failure.
    async fn commit(&self, events: &[Event], failure: Option<&Error>) -> Result<(), Error> {
        let now = (self.now)();
        let tx = self.store.begin().await?;
        let new = unseen(&tx, events, now).await?;
        let mut held = parked::subjects(&tx).await?;
        parked::lock(&tx, &mut held, &new).await?;
        let (waiting, new): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|event| failure.is_some() || held.contains(&event.subject));
        held.extend(waiting.iter().map(|event| event.subject.clone()));
        let parked = waiting.len();
        parked::park(&tx, waiting, failure, now).await?;
        if !new.is_empty() {
            self.handler.handle(&tx, &new).await?;
        }
        tx.commit().await?;
        metrics::consumed(self.name, new.len());
        metrics::parked(self.name, parked, held.len());
        self.handler.committed(&new);
        Ok(())
    }

    /// Forgets the oldest event ids. True when there are more.
    async fn forget(&self) -> bool {
        match self.forget_some().await {
            Ok(forgotten) => forgotten == FORGOTTEN,
            Err(error) => {
                tracing::warn!(consumer = self.name, %error, "old event ids could not be forgotten; tried again later");
                false
            }
        }
    }

    async fn forget_some(&self) -> Result<u64, Error> {
        let before = (self.now)().saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        // An event was made before it was seen, and its id begins with that time: so the primary key leads to the old
        // ones, and what is kept costs nothing.
        let made = u64::try_from(before.as_millisecond()).unwrap_or(0);
        let made = Uuid::new_v7(uuid::Timestamp::from_unix_time(made / 1_000, 0, 0, 0));
        let oldest = Query::select()
            .column(inbox::Column::EventId)
            .from(inbox::Entity)
            .and_where(inbox::Column::EventId.lt(made))
            .and_where(inbox::Column::SeenAt.lt(time::to_db(before)))
            .order_by(inbox::Column::EventId, Order::Asc)
            .limit(FORGOTTEN)
            .to_owned();
        let tx = self.store.begin().await?;
        let forget = inbox::Entity::delete_many().filter(inbox::Column::EventId.in_subquery(oldest));
        let forgotten = forget.exec(&tx).await?.rows_affected;
        tx.commit().await?;
        Ok(forgotten)
    }
}

pub(crate) async fn gather(deliveries: &mut mpsc::Receiver<Delivery>) -> Option<Vec<Delivery>> {
    let first = deliveries.recv().await?;
    let mut events = first.message.events.len();
    let mut batch = vec![first];
    while events < MOST {
        let Ok(next) = deliveries.try_recv() else { break };
        events += next.message.events.len();
        batch.push(next);
    }
    Some(batch)
}

async fn unseen(tx: &DatabaseTransaction, events: &[Event], now: Timestamp) -> Result<Vec<Event>, Error> {
    let seen_at = time::to_db(now);
    let mut ids = HashSet::new();
    let rows = events
        .iter()
        .filter(|event| ids.insert(event.id))
        .map(|event| inbox::ActiveModel { event_id: Set(event.id), seen_at: Set(seen_at) })
        .collect();
    let mut new: HashSet<_> =
        insert_new(tx, rows, [inbox::Column::EventId]).await?.into_iter().map(|row| row.event_id).collect();
    Ok(events.iter().filter(|event| new.remove(&event.id)).cloned().collect())
}

//! A consumer: one transaction records what was seen and does what follows from it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use masar_store::{Store, insert_new, time};
use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::tables::inbox;
use crate::{Delivery, Error, Event, Transport, parked, trace};

/// Events of one transaction at most, when that many wait.
const MOST: usize = 1_000;
/// How long an event id is remembered: longer than any redelivery can take.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(72);
const FORGET_EVERY: Duration = Duration::from_secs(600);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a service does with events.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles events that were not seen before, those of one subject oldest first, in one transaction.
    ///
    /// On an error all is rolled back and each event is tried alone; one that fails alone is parked, unless trying
    /// again can help.
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
}

impl Consumer {
    /// Works until it is told to stop or the transport ends; a batch that was begun is finished.
    ///
    /// # Errors
    /// When the transport does not let it subscribe.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let mut deliveries = self.transport.subscribe(self.name, self.sources).await?;
        let mut forget = tokio::time::interval(FORGET_EVERY);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                batch = gather(&mut deliveries) => match batch {
                    Some(batch) => self.take(batch, &stop).await,
                    None => return Ok(()),
                },
                _ = forget.tick() => self.forget().await,
            }
        }
    }

    async fn take(&self, batch: Vec<Delivery>, stop: &CancellationToken) {
        let events: Vec<Event> =
            batch.iter().flat_map(|delivery| delivery.message.events.iter().cloned()).collect();
        let span = tracing::info_span!("consume", consumer = self.name, events = events.len());
        trace::follow(&span, events.first().and_then(|event| event.traceparent.as_deref()));
        if self.settle(&events, stop).instrument(span).await {
            for delivery in batch {
                // A relay that went away sends the message again, and it changes nothing.
                let _ = delivery.done.send(());
            }
        }
    }

    /// Handles a batch, or else each of its events alone. False when it was told to stop before all was settled.
    async fn settle(&self, events: &[Event], stop: &CancellationToken) -> bool {
        let Err(error) = self.commit(events, None).await else { return true };
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
        let mut pause = SHORTEST_PAUSE;
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
            tracing::warn!(consumer = self.name, %error, "the event is tried again");
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return false;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One transaction: records the events as seen, and handles those that are new, or parks them for their failure.
    async fn commit(&self, events: &[Event], failure: Option<&Error>) -> Result<(), Error> {
        let tx = self.store.begin().await?;
        let new = unseen(&tx, events).await?;
        let held = parked::subjects(&tx).await?;
        let (waiting, new): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|event| failure.is_some() || held.contains(&event.subject));
        parked::park(&tx, waiting, failure).await?;
        if !new.is_empty() {
            self.handler.handle(&tx, &new).await?;
        }
        tx.commit().await?;
        self.handler.committed(&new);
        Ok(())
    }

    async fn forget(&self) {
        let before = time::to_db(Timestamp::now().saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN));
        let result = async {
            let tx = self.store.begin().await?;
            inbox::Entity::delete_many().filter(inbox::Column::SeenAt.lt(before)).exec(&tx).await?;
            Ok::<_, Error>(tx.commit().await?)
        };
        if let Err(error) = result.await {
            tracing::warn!(consumer = self.name, %error, "old event ids could not be forgotten; tried again later");
        }
    }
}

async fn gather(deliveries: &mut mpsc::Receiver<Delivery>) -> Option<Vec<Delivery>> {
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

async fn unseen(tx: &DatabaseTransaction, events: &[Event]) -> Result<Vec<Event>, Error> {
    let seen_at = time::to_db(Timestamp::now());
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

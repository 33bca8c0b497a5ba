//! Events that failed alone: kept with their error, and their subject held, until somebody retries or drops them.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use masar_store::{Store, insert_all, page, time};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use crate::tables::parked;
use crate::{Error, Event, Handler};

/// A parked event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The event.
    pub event: Event,
    /// Why it failed; none when it only waits behind another of its subject.
    pub error: Option<String>,
    /// When it was parked.
    pub parked_at: Timestamp,
}

/// What is parked at a consumer, and what can be done about it.
#[derive(Clone)]
pub struct Desk {
    /// Name of the consumer.
    pub name: &'static str,
    /// Its database.
    pub store: Store,
    /// What it does with events.
    pub handler: Arc<dyn Handler>,
}

impl Desk {
    /// A page of what is parked of a tenant, oldest first, and the token of the next page.
    ///
    /// # Errors
    /// `PageToken`, or what the database says.
    pub async fn list(&self, tenant: &str, size: u32, token: &str) -> Result<(Vec<Parked>, String), Error> {
        let size = page::size(size);
        let after = page::decode::<i64>(token)?.unwrap_or(0);
        let rows = parked::Entity::find()
            .filter(parked::Column::Tenant.eq(tenant))
            .filter(parked::Column::Id.gt(after))
            .order_by_asc(parked::Column::Id);
        let mut rows = rows.limit(size + 1).all(self.store.reader()).await?;
        let next = page::cut(&mut rows, size, |row| row.id)?;
        Ok((rows.into_iter().map(from_row).collect(), next))
    }

    /// How many events are parked, of all tenants, those that wait behind others included.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count(&self) -> Result<u64, Error> {
        Ok(parked::Entity::find().count(self.store.reader()).await?)
    }

    /// One parked event of a tenant.
    ///
    /// # Errors
    /// `NotParked`, or what the database says.
    pub async fn show(&self, tenant: &str, event: Uuid) -> Result<Parked, Error> {
        Ok(from_row(find(self.store.reader(), tenant, event).await?))
    }

    /// Handles an event again and, when it succeeds, those held behind it, in order and in one transaction.
    ///
    /// # Errors
    /// `Held` when another must go first, or why it still fails; then all stays as it was.
    pub async fn retry(&self, tenant: &str, event: Uuid) -> Result<usize, Error> {
        self.settle(tenant, event, 0).await
    }

    /// Gives an event up, and handles those held behind it.
    ///
    /// # Errors
    /// Why those behind it fail; then all stays as it was.
    pub async fn give_up(&self, tenant: &str, event: Uuid) -> Result<usize, Error> {
        self.settle(tenant, event, 1).await
    }

    /// Releases an event and those behind it, and handles them without the first `given_up`.
    async fn settle(&self, tenant: &str, event: Uuid, given_up: usize) -> Result<usize, Error> {
        let tx = self.store.begin().await?;
        let first = find(&tx, tenant, event).await?;
        let mut events: Vec<_> =
            behind(&tx, &first).await?.into_iter().map(|row| from_row(row).event).collect();
        forget(&tx, &events).await?;
        events.drain(..given_up);
        if !events.is_empty() {
            self.handler.handle(&tx, &events).await?;
        }
        tx.commit().await?;
        self.handler.committed(&events);
        Ok(events.len())
    }
}

/// The subjects that are held. There are none on a good day, and then this costs next to nothing.
pub(crate) async fn subjects<C: ConnectionTrait>(db: &C) -> Result<HashSet<String>, Error> {
    let subjects = parked::Entity::find().select_only().column(parked::Column::Subject).distinct();
    Ok(subjects.into_tuple::<String>().all(db).await?.into_iter().collect())
}

/// Locks what is parked of the subjects of these events, so that nobody settles it before the caller has committed, and
/// strikes those off the held that were settled in the meantime. Otherwise an event could be parked behind others that
/// are no longer there, and nobody would come for it.
pub(crate) async fn lock(
    tx: &DatabaseTransaction,
    held: &mut HashSet<String>,
    events: &[Event],
) -> Result<(), Error> {
    let concerned: BTreeSet<&str> =
        events.iter().map(|event| event.subject.as_str()).filter(|subject| held.contains(*subject)).collect();
    if concerned.is_empty() {
        return Ok(());
    }
    let rows = parked::Entity::find()
        .select_only()
        .column(parked::Column::Subject)
        .filter(parked::Column::Subject.is_in(concerned.iter().copied()))
        .order_by_asc(parked::Column::Id)
        .lock_exclusive();
    let still: HashSet<String> = rows.into_tuple::<String>().all(tx).await?.into_iter().collect();
    held.retain(|subject| still.contains(subject) || !concerned.contains(subject.as_str()));
    Ok(())
}

pub(crate) async fn park(
    tx: &DatabaseTransaction,
    events: Vec<Event>,
    failure: Option<&Error>,
    now: Timestamp,
) -> Result<(), Error> {
    let parked_at = time::to_db(now);
    let row = |event: Event| parked::ActiveModel {
        id: NotSet,
        event_id: Set(event.id),
        source: Set(event.source),
        kind: Set(event.kind),
        tenant: Set(event.tenant),
        subject: Set(event.subject),
        time: Set(time::to_db(event.time)),
        traceparent: Set(event.traceparent),
        data: Set(event.data.into()),
        error: Set(failure.map(ToString::to_string)),
        parked_at: Set(parked_at),
    };
    Ok(insert_all(tx, events.into_iter().map(row).collect()).await?)
}

async fn find<C: ConnectionTrait>(db: &C, tenant: &str, event: Uuid) -> Result<parked::Model, Error> {
    let of_tenant = parked::Entity::find().filter(parked::Column::Tenant.eq(tenant));
    let row = of_tenant.filter(parked::Column::EventId.eq(event)).one(db).await?;
    row.ok_or(Error::NotParked(event))
}

async fn behind(tx: &DatabaseTransaction, first: &parked::Model) -> Result<Vec<parked::Model>, Error> {
    let same = parked::Entity::find()
        .filter(parked::Column::Subject.eq(first.subject.as_str()))
        .order_by_asc(parked::Column::Id);
    // The locks may have had to wait for a consumer that parked more: only a second look shows what it added.
    same.clone().lock_exclusive().all(tx).await?;
    let rows = same.all(tx).await?;
    match rows.first() {
        Some(head) if head.id == first.id => Ok(rows),
        Some(head) => Err(Error::Held(head.event_id)),
        // Somebody else settled it while we waited for its lock.
        None => Err(Error::NotParked(first.event_id)),
    }
}

async fn forget(tx: &DatabaseTransaction, events: &[Event]) -> Result<(), Error> {
    let ids = events.iter().map(|event| event.id);
    parked::Entity::delete_many().filter(parked::Column::EventId.is_in(ids)).exec(tx).await?;
    Ok(())
}

fn from_row(row: parked::Model) -> Parked {
    Parked {
        error: row.error,
        parked_at: time::from_db(row.parked_at),
        event: Event {
            id: row.event_id,
            source: row.source,
            kind: row.kind,
            tenant: row.tenant,
            subject: row.subject,
            time: time::from_db(row.time),
            traceparent: row.traceparent,
            data: row.data.into(),
        },
    }
}

//! The outbox of a service: events written in the transaction of the state that they tell of.

use std::sync::Arc;

use masar_store::{Store, insert_all, time};
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::tables::outbox;
use crate::transport::batch;
use crate::{Error, Event, Message, partition_of};

/// The door to a service's outbox. Clones share it.
#[derive(Debug, Clone)]
pub struct Outbox {
    service: Arc<str>,
    written: Arc<Notify>,
}

impl Outbox {
    /// The outbox of a service.
    #[must_use]
    pub fn new(service: &str) -> Self {
        Self { service: service.into(), written: Arc::new(Notify::new()) }
    }

    /// The service whose outbox it is.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Writes events into the caller's transaction, which must hold the rows of their subjects.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put<C: ConnectionTrait>(&self, tx: &C, events: Vec<Event>) -> Result<(), Error> {
        Ok(insert_all(tx, events.into_iter().map(|event| row(vec![event])).collect()).await?)
    }

    /// Wakes the relay; called after the commit.
    pub fn wake(&self) {
        self.written.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.written.notified().await;
    }
}

/// One row for events of a partition and an entity.
fn row(mut events: Vec<Event>) -> outbox::ActiveModel {
    let count = i32::try_from(events.len()).unwrap_or(i32::MAX);
    let first = &events[0];
    let (partition, tenant) = (partition_of(&first.subject).cast_signed(), first.tenant.clone());
    let first_at = time::to_db(first.time);
    let event = if count == 1 { events.pop() } else { None };
    let data = event.as_ref().map_or_else(|| batch(events), |event| event.data.to_vec());
    let (id, kind, subject, traceparent) = match event {
        Some(event) => (event.id, event.kind, event.subject, event.traceparent),
        None => (Uuid::now_v7(), String::new(), String::new(), None),
    };
    outbox::ActiveModel {
        id: ActiveValue::NotSet,
        partition: ActiveValue::Set(partition),
        event_id: ActiveValue::Set(id),
        kind: ActiveValue::Set(kind),
        tenant: ActiveValue::Set(tenant),
        subject: ActiveValue::Set(subject),
        time: ActiveValue::Set(first_at),
        traceparent: ActiveValue::Set(traceparent),
        data: ActiveValue::Set(data),
        events: ActiveValue::Set(count),
    }
}

/// How many events of a tenant wait in the outbox that stands in this database.
///
/// # Errors
/// What the database says.
pub async fn waiting(store: &Store, tenant: &str) -> Result<u64, Error> {
    let rows = outbox::Entity::find().filter(outbox::Column::Tenant.eq(tenant)).select_only();
    let counted = rows.column_as(outbox::Column::Events.sum(), "events").into_tuple::<Option<i64>>();
    Ok(counted.one(store.reader()).await?.flatten().unwrap_or_default().unsigned_abs())
}

/// The events that a row keeps.
///
/// # Errors
/// `Data` when it cannot be read.
pub(crate) fn events(service: &str, row: outbox::Model) -> Result<Vec<Event>, Error> {
    let source = service.to_owned();
    if row.events > 1 {
        let events = Message::decode(&row.data)?.into_iter();
        return Ok(events.map(|event| Event { source: source.clone(), ..event }).collect());
    }
    Ok(vec![Event {
        id: row.event_id,
        source,
        kind: row.kind,
        tenant: row.tenant,
        subject: row.subject,
        time: time::from_db(row.time),
        traceparent: row.traceparent,
        data: row.data.into(),
    }])
}

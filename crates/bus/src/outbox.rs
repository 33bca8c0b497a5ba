//! The outbox of a service: events written in the transaction of the state that they tell of.

use std::sync::Arc;

use masar_store::{Store, insert_all, time};
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use tokio::sync::Notify;

use crate::tables::outbox;
use crate::{Error, Event, partition_of};

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
        Ok(insert_all(tx, events.into_iter().map(row).collect()).await?)
    }

    /// Wakes the relay; called after the commit.
    pub fn wake(&self) {
        self.written.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.written.notified().await;
    }
}

fn row(event: Event) -> outbox::ActiveModel {
    outbox::ActiveModel {
        id: ActiveValue::NotSet,
        partition: ActiveValue::Set(partition_of(&event.subject).cast_signed()),
        event_id: ActiveValue::Set(event.id),
        kind: ActiveValue::Set(event.kind),
        tenant: ActiveValue::Set(event.tenant),
        subject: ActiveValue::Set(event.subject),
        time: ActiveValue::Set(time::to_db(event.time)),
        traceparent: ActiveValue::Set(event.traceparent),
        data: ActiveValue::Set(event.data.into()),
    }
}

/// How many events of a tenant wait in the outbox that stands in this database.
///
/// # Errors
/// What the database says.
pub async fn waiting(store: &Store, tenant: &str) -> Result<u64, Error> {
    let waiting = outbox::Entity::find().filter(outbox::Column::Tenant.eq(tenant));
    Ok(waiting.count(store.reader()).await?)
}

/// The event that a row keeps.
pub(crate) fn event(service: &str, row: outbox::Model) -> Event {
    Event {
        id: row.event_id,
        source: service.to_owned(),
        kind: row.kind,
        tenant: row.tenant,
        subject: row.subject,
        time: time::from_db(row.time),
        traceparent: row.traceparent,
        data: row.data.into(),
    }
}

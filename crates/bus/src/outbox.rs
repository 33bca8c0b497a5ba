//! The outbox of a service: events written in the transaction of the state that they tell of.

use std::collections::BTreeMap;
use std::sync::Arc;

use masar_store::{Store, insert_all, time};
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::tables::outbox;
use crate::transport::{batch, fits};
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

    /// Writes events into the caller's transaction, which must hold the rows of their subjects. What it tells of a partition and an
    /// entity is one row: the database then writes, reads and deletes one where it would hundreds.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put<C: ConnectionTrait>(&self, tx: &C, events: Vec<Event>) -> Result<(), Error> {
        Ok(insert_all(tx, packed(events)).await?)
    }

    /// Wakes the relay; called after the commit.
    pub fn wake(&self) {
        self.written.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.written.notified().await;
    }
}

/// The rows of events, each no more than a message takes.
pub(crate) fn packed(events: Vec<Event>) -> Vec<outbox::ActiveModel> {
    let (mut rows, mut packs) = (Vec::new(), BTreeMap::<_, (usize, Vec<Event>)>::new());
    for event in events {
        let (bytes, pack) = packs.entry((partition_of(&event.subject), event.tenant.clone())).or_default();
        *bytes += event.data.len();
        if !pack.is_empty() && !fits(pack.len() + 1, *bytes) {
            *bytes = event.data.len();
            rows.push(row(std::mem::take(pack)));
        }
        pack.push(event);
    }
    rows.extend(packs.into_values().map(|(_, pack)| row(pack)));
    rows
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use sea_orm::TryIntoModel;

    use super::*;
    use crate::transport::{PACKED, PACKED_BYTES};

    fn told((tenant, subject, bytes): (u8, u8, usize), number: u64) -> Event {
        Event {
            id: Uuid::now_v7(),
            source: "one".to_owned(),
            kind: format!("kind.{number}"),
            tenant: format!("T{tenant}"),
            subject: format!("{tenant}/{subject}"),
            time: Timestamp::UNIX_EPOCH,
            traceparent: number.is_multiple_of(2).then(|| "00-1-2-01".to_owned()),
            data: Bytes::from(vec![7; bytes]),
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_told_whole_and_each_subject_in_order(
            told_of in prop::collection::vec((0u8..2, 0u8..20, prop::sample::select(vec![0usize, 10, 700_000])), 0..700)
        ) {
            let events: Vec<_> = told_of.into_iter().zip(0..).map(|(of, number)| told(of, number)).collect();
            let mut read = Vec::new();
            for (row, id) in packed(events.clone()).into_iter().zip(1..) {
                let row = outbox::ActiveModel { id: ActiveValue::Set(id), ..row }.try_into_model().unwrap();
                let (partition, tenant, counted) = (row.partition, row.tenant.clone(), row.events);
                let of_row = super::events("one", row).unwrap();
                let bytes: usize = of_row.iter().map(|event| event.data.len()).sum();
                prop_assert_eq!(i32::try_from(of_row.len()).unwrap(), counted);
                prop_assert!(of_row.len() == 1 || (of_row.len() <= PACKED && bytes <= PACKED_BYTES));
                for event in &of_row {
                    prop_assert_eq!((partition_of(&event.subject).cast_signed(), &event.tenant), (partition, &tenant));
                }
                read.extend(of_row);
            }
            // The sort is stable: events of one subject stay as they came.
            let by_subject = |mut events: Vec<Event>| {
                events.sort_by(|a, b| a.subject.cmp(&b.subject));
                events
            };
            prop_assert_eq!(by_subject(read), by_subject(events));
        }
    }
}

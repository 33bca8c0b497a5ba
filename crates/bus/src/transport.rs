//! What carries messages between services, and what it must promise.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use masar_proto::bus::v1::EventBatch;
use prost::Message as _;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::{Error, Event};

/// How many partitions the events of a service are spread over: in its outbox always, and on its way where nothing else is set.
pub const PARTITIONS: u16 = 8;
/// The most partitions that can be set.
pub(crate) const MOST_PARTITIONS: u16 = 64;

/// The version of the message format.
pub(crate) const FORMAT: u32 = 1;

/// Events of one message: packing is worth half as much again in throughput.
pub(crate) const PACKED: usize = 256;
/// The size that a message may reach; an event that is larger goes alone.
pub(crate) const PACKED_BYTES: usize = 1 << 20;

/// True when a message takes so many events of so many bytes.
pub(crate) fn fits(events: usize, bytes: usize) -> bool {
    events <= PACKED && bytes <= PACKED_BYTES
}

/// Events as they go over a wire.
pub(crate) fn batch(events: Vec<Event>) -> Vec<u8> {
    let events = events.into_iter().map(Into::into).collect();
    EventBatch { format: FORMAT, events }.encode_to_vec()
}

/// The partition of a subject where nothing else is set.
#[must_use]
pub fn partition_of(subject: &str) -> u16 {
    partition_among(subject, PARTITIONS)
}

/// The partition of a subject among so many: FNV-1a of its bytes. Part of the wire contract, so it must never change.
pub(crate) fn partition_among(subject: &str, partitions: u16) -> u16 {
    let hash = subject.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    u16::try_from(hash % u64::from(partitions)).unwrap_or(0)
}

/// A subject for each of so many partitions: what is told under all of them comes before everything that its service tells later,
/// of any subject.
#[must_use]
pub fn everywhere(subject: &str, partitions: u16) -> Vec<String> {
    let numbered = (0_u32..).map(|number| format!("{subject}/{number}"));
    let mut missing: BTreeSet<u16> = (0..partitions).collect();
    let new = numbered.filter(|subject| missing.remove(&partition_among(subject, partitions)));
    new.take(usize::from(partitions)).collect()
}

/// Events of one partition of one service, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Names this sending of the message.
    pub id: Uuid,
    /// The service that sends it.
    pub source: String,
    /// The partition of all its events.
    pub partition: u16,
    /// Oldest first.
    pub events: Vec<Event>,
}

impl Message {
    /// The message as it goes over a wire.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        batch(self.events.clone())
    }

    /// The events of a message that came over a wire.
    ///
    /// # Errors
    /// `Data` when it is of another format or damaged.
    pub fn decode(body: &[u8]) -> Result<Vec<Event>, Error> {
        let unreadable = |problem: String| Error::Data { kind: "message".to_owned(), problem };
        let batch = EventBatch::decode(body).map_err(|error| unreadable(error.to_string()))?;
        if batch.format != FORMAT {
            return Err(unreadable(format!("its format is {}, this program reads {FORMAT}", batch.format)));
        }
        batch.events.into_iter().map(Event::try_from).collect()
    }
}

/// A message at a consumer. Dropped without `done`, it comes again, and those behind it in its partition too: whoever
/// drops one must not handle these before.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Arc<Message>,
    /// Told when the consumer has committed.
    pub done: oneshot::Sender<()>,
}

/// The share of a consumer that has no replicas: every partition.
#[must_use]
pub fn every_partition() -> watch::Receiver<BTreeSet<u16>> {
    watch::channel((0..PARTITIONS).collect()).1
}

/// A way from services to services.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// How many partitions it has.
    fn partitions(&self) -> u16 {
        PARTITIONS
    }

    /// Hands a message over; returns when it can no longer be lost.
    async fn publish(&self, message: Message) -> Result<(), Error>;

    /// The messages of some services for one consumer, the messages of each partition in order. Of several replicas each
    /// has those of its share of the partitions, which may change.
    async fn subscribe(
        &self,
        consumer: &str,
        sources: &[&str],
        share: watch::Receiver<BTreeSet<u16>>,
    ) -> Result<mpsc::Receiver<Delivery>, Error>;

    /// What waits for a consumer from the time when there were another number of partitions, until nothing has come for a
    /// while.
    async fn subscribe_former(
        &self,
        _consumer: &str,
        _partitions: u16,
    ) -> Result<mpsc::Receiver<Delivery>, Error> {
        Ok(mpsc::channel(1).1)
    }

    /// Removes what it keeps for a consumer of another number of partitions, if nothing waits there and nobody else listens.
    /// True when it is gone.
    async fn leave_former(&self, _consumer: &str, _partitions: u16) -> Result<bool, Error> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These values are in the queues of running systems; the first two are published vectors of the hash, modulo 8.
    #[test]
    fn the_partition_of_a_subject_never_changes() {
        let partitions = ["", "a", "case", "0193a5b0-0000-7000-8000-000000000001"].map(partition_of);
        assert_eq!(partitions, [5, 4, 1, 6]);
    }

    #[test]
    fn what_is_told_everywhere_has_a_subject_in_each_partition() {
        for number in [1, PARTITIONS, MOST_PARTITIONS] {
            let subjects = everywhere("DEMO-MUN/complaint", number);
            let partitions = subjects.iter().map(|subject| partition_among(subject, number)).collect();
            assert_eq!(BTreeSet::from_iter(0..number), partitions);
        }
    }

    #[test]
    fn a_message_comes_back_as_it_went() {
        let event = Event {
            id: Uuid::now_v7(),
            source: "cases".into(),
            kind: "case.opened".into(),
            tenant: "DEMO-MUN".into(),
            subject: "1".into(),
            time: "2026-11-15T05:42:00.000001Z".parse().unwrap(),
            traceparent: None,
            data: vec![1, 2].into(),
        };
        let message =
            Message { id: Uuid::now_v7(), source: "cases".into(), partition: 3, events: vec![event] };
        assert_eq!(Message::decode(&message.encode()).unwrap(), message.events);
        assert!(Message::decode(&[8, 2]).is_err());
    }
}

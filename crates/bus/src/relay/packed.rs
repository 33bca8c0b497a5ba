//! What a relay sends at once: of each partition what fits one message.

use std::collections::{BTreeMap, BTreeSet};

use crate::outbox::events;
use crate::tables::outbox;
use crate::transport::{fits, partition_among};
use crate::{Error, Event};

/// What one turn sends.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// Of each partition a message at most, and the bytes of its data.
    pub(super) messages: BTreeMap<u16, (usize, Vec<Event>)>,
    /// The rows that they hold whole, and the partitions that each went to: one, where there are as many as in the outbox.
    pub(super) rows: Vec<(i64, BTreeSet<u16>)>,
    /// Why a row and those behind it stay where they are.
    pub(super) failure: Option<Error>,
}

impl Packed {
    fn takes(&self, partition: u16, told: &[Event]) -> bool {
        self.messages
            .get(&partition)
            .is_none_or(|(bytes, events)| fits(events.len() + told.len(), bytes + size(told)))
    }

    fn put(&mut self, row: i64, told: BTreeMap<u16, Vec<Event>>) {
        self.rows.push((row, told.keys().copied().collect()));
        for (partition, told) in told {
            let (bytes, events) = self.messages.entry(partition).or_default();
            *bytes += size(&told);
            events.extend(told);
        }
    }
}

fn size(events: &[Event]) -> usize {
    events.iter().map(|event| event.data.len()).sum()
}

/// Packs the head of each partition of the outbox, as far as it fits one message for each partition of the transport. A row goes
/// whole or not at all, and none before another of its partition.
pub(super) fn pack(service: &str, rows: Vec<outbox::Model>, partitions: u16) -> Packed {
    let (mut packed, mut full) = (Packed::default(), BTreeSet::new());
    for row in rows {
        let (id, partition) = (row.id, row.partition);
        if full.contains(&partition) {
            continue;
        }
        match events(service, row) {
            Ok(events) => {
                let mut told = BTreeMap::<_, Vec<_>>::new();
                for event in events {
                    told.entry(partition_among(&event.subject, partitions)).or_default().push(event);
                }
                if told.iter().all(|(partition, told)| packed.takes(*partition, told)) {
                    packed.put(id, told);
                } else {
                    full.insert(partition);
                }
            }
            Err(error) => {
                full.insert(partition);
                packed.failure = Some(error);
            }
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sea_orm::{ActiveValue::Set, TryIntoModel};
    use uuid::Uuid;

    use super::*;
    use crate::PARTITIONS;
    use crate::outbox::packed;

    fn event(subject: u8, bytes: usize) -> Event {
        let subject = subject.to_string();
        Event {
            data: vec![7; bytes].into(),
            ..Event::new("kind", "T", &subject, jiff::Timestamp::UNIX_EPOCH, &())
        }
    }

    /// What an outbox holds of events that were written so many at a time.
    fn outbox(written: Vec<Vec<Event>>) -> Vec<outbox::Model> {
        let rows = written.into_iter().flat_map(packed).zip(1_i64..);
        rows.map(|(row, id)| outbox::ActiveModel { id: Set(id), ..row }.try_into_model().unwrap()).collect()
    }

    fn ids(events: &[Event]) -> Vec<Uuid> {
        events.iter().map(|event| event.id).collect()
    }

    proptest! {
        #[test]
        fn every_turn_sends_the_head_of_each_partition_whole_and_in_order(
            written in prop::collection::vec(
                prop::collection::vec((0u8..40, prop::sample::select(vec![10usize, 700_000])), 1..20), 0..8),
            partitions in prop::sample::select(vec![1u16, 4, PARTITIONS, 16, 64]),
        ) {
            let written: Vec<Vec<_>> = written.into_iter()
                .map(|events| events.into_iter().map(|(subject, bytes)| event(subject, bytes)).collect()).collect();
            let all = written.concat();
            let mut rows = outbox(written);
            let mut sent = Vec::new();
            while !rows.is_empty() {
                let packed = pack("one", rows.clone(), partitions);
                prop_assert!(packed.failure.is_none());
                let gone: BTreeSet<_> = packed.rows.iter().map(|(id, _)| *id).collect();
                prop_assert!(gone.contains(&rows[0].id), "the oldest is always among them");
                for (partition, (bytes, events)) in &packed.messages {
                    prop_assert!(events.iter().all(|event| partition_among(&event.subject, partitions) == *partition));
                    let one_row = packed.rows.iter().filter(|(_, of)| of.contains(partition)).count() == 1;
                    prop_assert!(one_row || fits(events.len(), *bytes));
                }
                let counted: i32 = rows.iter().filter(|row| gone.contains(&row.id)).map(|row| row.events).sum();
                let told: usize = packed.messages.values().map(|(_, events)| events.len()).sum();
                prop_assert_eq!(usize::try_from(counted).unwrap(), told, "a row goes whole or not at all");
                sent.extend(packed.messages.into_values().flat_map(|(_, events)| events));
                rows.retain(|row| !gone.contains(&row.id));
            }
            prop_assert_eq!(sent.len(), all.len());
            for subject in 0u8..40 {
                let of = |events: &[Event]| {
                    ids(&events.iter().filter(|event| event.subject == subject.to_string()).cloned().collect::<Vec<_>>())
                };
                prop_assert_eq!(of(&sent), of(&all));
            }
        }
    }

    #[test]
    fn what_cannot_be_read_holds_its_own_partition_alone() {
        let mut rows = outbox(vec![vec![event(1, 10)], vec![event(2, 10)], vec![event(1, 20)]]);
        (rows[0].events, rows[0].data) = (2, b"\xffnothing".to_vec());
        assert_ne!(rows[0].partition, rows[1].partition, "another would have to be taken");
        let packed = pack("one", rows, PARTITIONS);
        assert!(packed.failure.is_some());
        assert_eq!(packed.rows.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2]);
    }
}

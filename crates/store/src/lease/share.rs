//! Who holds which shard: a pure function of the table and the time.

use uuid::Uuid;

use super::leases::Model;

/// The most shards that one of so many replicas holds.
pub(super) fn fair(shards: i16, alive: usize) -> usize {
    usize::try_from(shards).unwrap_or_default().div_ceil(alive.max(1))
}

/// What a replica writes when it is its turn: what it keeps, takes or gives up. A row that it holds after this ends at
/// `until`; one that it gives up ends at 0.
pub(super) fn share(
    rows: Vec<Model>,
    work: &str,
    me: Uuid,
    shards: i16,
    alive: usize,
    now: i64,
    until: i64,
) -> Vec<Model> {
    let fair = fair(shards, alive);
    let new = |shard| Model { work: work.to_owned(), shard, holder: me, epoch: 0, until: 0 };
    let all = (0..shards)
        .map(|shard| rows.iter().find(|row| row.shard == shard).cloned().unwrap_or_else(|| new(shard)));
    let (mine, others): (Vec<_>, Vec<_>) = all.partition(|row| row.holder == me && row.until > 0);
    let wanted = fair.saturating_sub(mine.len());
    let kept = mine.into_iter().enumerate().map(|(number, row)| {
        let until = if number < fair { until } else { 0 };
        Model { until, ..row }
    });
    let free = others.into_iter().filter(|row| row.until <= now);
    let taken = free.take(wanted).map(|row| Model { holder: me, epoch: row.epoch + 1, until, ..row });
    kept.chain(taken).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SHARDS: i16 = 16;
    const TERM: i64 = 3;

    /// The table, and what each replica believes to hold: shard to epoch.
    #[derive(Default)]
    struct World {
        rows: BTreeMap<i16, Model>,
        seen: BTreeMap<Uuid, i64>,
        beliefs: BTreeMap<Uuid, BTreeMap<i16, i64>>,
    }

    impl World {
        fn turn(&mut self, me: Uuid, now: i64) {
            self.seen.insert(me, now + TERM);
            self.seen.retain(|_, until| *until > now);
            let rows = self.rows.values().cloned().collect();
            let changed = share(rows, "work", me, SHARDS, self.seen.len(), now, now + TERM);
            let held = changed.iter().filter(|row| row.until > now);
            self.beliefs.insert(me, held.map(|row| (row.shard, row.epoch)).collect());
            self.rows.extend(changed.into_iter().map(|row| (row.shard, row)));
        }

        /// What a replica could still write: its epochs against those of the table.
        fn valid(&self, me: Uuid) -> usize {
            let beliefs = self.beliefs.get(&me).into_iter().flatten();
            beliefs.filter(|(shard, epoch)| self.rows[*shard].epoch == **epoch).count()
        }
    }

    fn replica(number: u8) -> Uuid {
        Uuid::from_u128(u128::from(number) + 1)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// However replicas come, stand still and go: no shard is held by two who could both write, and as soon as the
        /// same ones stay for two terms, all shards are held in fair parts.
        #[test]
        fn shards_are_held_once_and_shared_fairly(
            turns in prop::collection::vec((0u8..4, 0i64..5), 0..60),
            stay in 1u8..5,
        ) {
            let mut world = World::default();
            let mut now = 0;
            for (who, pause) in turns {
                now += pause;
                world.turn(replica(who), now);
                let valid: usize = (0..4).map(|who| world.valid(replica(who))).sum();
                prop_assert!(valid <= usize::from(SHARDS.unsigned_abs()));
            }
            for _ in 0..3 * TERM {
                now += 1;
                (0..stay).for_each(|who| world.turn(replica(who), now));
            }
            let held: Vec<usize> = (0..stay).map(|who| world.valid(replica(who))).collect();
            let fair = usize::from(SHARDS.unsigned_abs()).div_ceil(usize::from(stay));
            prop_assert_eq!(held.iter().sum::<usize>(), 16, "{:?}", held);
            prop_assert!(held.iter().all(|held| *held <= fair), "{:?}", held);
        }
    }
}

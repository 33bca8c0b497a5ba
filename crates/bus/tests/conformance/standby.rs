//! Replicas: two consumers with one name share the work, two relays of one service do not, and each takes over from the
//! other.

use std::sync::Arc;

use anyhow::Result;
use masar_bus::{Event, Outbox, PARTITIONS, RabbitTransport};
use masar_testkit::count;
use sea_orm::DbBackend;

use crate::bench::{Bench, ONE, event, on_each, on_each_rabbit, tell};
use crate::recorder::Recorder;

#[tokio::test]
async fn two_replicas_share_the_partitions_and_one_takes_over_when_the_other_goes() -> Result<()> {
    const SUBJECTS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    on_each_rabbit(ONE, async |mut bench, amqp| {
        let store = bench.store("one").await?;
        if store.backend() == DbBackend::Sqlite {
            // A file belongs to one process: there are no replicas.
            return Ok(());
        }
        let (first, second) = (Arc::new(Recorder::default()), Arc::new(Recorder::default()));
        let stop = bench.start(bench.consumer("one", store, first.clone()));
        bench.relay();
        let mut told = 0;
        let mut tell = async |bench: &Bench| {
            told += 1;
            bench.tell(SUBJECTS.map(|subject| event(subject, told)).to_vec()).await.map(|()| told)
        };
        let handled =
            |told: i64| first.count() + second.count() == SUBJECTS.len() * usize::try_from(told).unwrap_or(0);
        for _ in 0..10 {
            tell(&bench).await?;
        }
        first.until(80).await;

        bench.transport = Arc::new(RabbitTransport::connect(&amqp, ONE, PARTITIONS).await?);
        bench.start(bench.consumer("one", bench.store("one").await?, second.clone()));
        // Both work: each round of events is divided between them.
        while second.count() < 40 {
            let told = tell(&bench).await?;
            while !handled(told) {
                tokio::task::yield_now().await;
            }
        }
        let before = first.count();
        let told = tell(&bench).await?;
        while !handled(told) {
            tokio::task::yield_now().await;
        }
        assert!(first.count() > before, "the first has kept a part");

        stop.cancel();
        let mut last = 0;
        for _ in 0..10 {
            last = tell(&bench).await?;
        }
        while !handled(last) {
            tokio::task::yield_now().await;
        }
        for subject in SUBJECTS {
            let mut all = [first.of(subject), second.of(subject)].concat();
            assert!(first.of(subject).is_sorted() && second.of(subject).is_sorted(), "{subject}: {all:?}");
            all.sort_unstable();
            assert_eq!(all, (1..=last).collect::<Vec<_>>(), "{subject}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn of_two_relays_one_works_and_the_other_takes_over_when_it_goes() -> Result<()> {
    on_each(ONE, async |bench| {
        let one = bench.listen("one").await?;
        let first = bench.relay();
        bench.tell((0..100).map(|n| event("a", n)).collect()).await?;
        one.until(100).await;
        // Another replica writes, and its relay tells the one that sends.
        let (store, outbox) = (bench.store("producer").await?, Outbox::new("producer"));
        bench.relay_of(store.clone(), outbox.clone());
        tell(&store, &outbox, (100..200).map(|n| event("a", n)).collect()).await?;
        one.until(200).await;
        first.cancel();
        tell(&store, &outbox, (200..300).map(|n| event("a", n)).collect()).await?;
        one.until(300).await;
        assert_eq!(one.of("a"), (0..300).collect::<Vec<_>>());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_was_sent_in_great_numbers_is_not_passed_again_by_whoever_reads_on() -> Result<()> {
    on_each(ONE, async |bench| {
        let one = bench.listen("one").await?;
        bench.relay();
        let store = bench.store("producer").await?;
        // Each is a row of its own. The relay sweeps while it goes on.
        let of = |tenant: i64, n| Event { tenant: format!("T-{tenant}"), ..event(&format!("s{tenant}"), n) };
        for n in 0..20 {
            bench.tell((0..1_000).map(|tenant| of(tenant, n)).collect()).await?;
            one.until(1_000 * usize::try_from(n + 1)?).await;
            let swept = "pg_stat_all_tables WHERE schemaname = current_schema() AND relname = 'outbox' AND vacuum_count > 0";
            if n > 2 && (store.backend() == DbBackend::Sqlite || count(store.reader(), swept).await? == 1) {
                return Ok(());
            }
        }
        panic!("the outbox was not swept");
    })
    .await
}

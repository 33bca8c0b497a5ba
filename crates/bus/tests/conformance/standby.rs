//! Two consumers with one name, or two relays of one service: one works, and the other takes over.

use std::sync::Arc;

use anyhow::Result;
use masar_bus::{PARTITIONS, RabbitTransport};
use masar_testkit::consumers;

use crate::bench::{ONE, event, on_each, on_each_rabbit};
use crate::recorder::Recorder;

/// Waits until so many consumers stand at the queue of each partition.
async fn until_consumers(amqp: &str, count: usize) -> Result<()> {
    while consumers(amqp).await? != count * usize::from(PARTITIONS) {}
    Ok(())
}

#[tokio::test]
async fn one_of_two_is_active_and_the_other_takes_over_when_it_goes() -> Result<()> {
    on_each_rabbit(ONE, async |mut bench, amqp| {
        let store = bench.store("one").await?;
        let (active, standby) = (Arc::new(Recorder::default()), Arc::new(Recorder::default()));
        let stop = bench.start(bench.consumer("one", store.clone(), active.clone()));
        until_consumers(&amqp, 1).await?;
        bench.relay();
        bench.transport = Arc::new(RabbitTransport::connect(&amqp, ONE).await?);
        bench.start(bench.consumer("one", store, standby.clone()));
        until_consumers(&amqp, 2).await?;

        let subjects = ["a", "b", "c", "d"];
        let told = |numbers: std::ops::Range<i64>| {
            numbers.flat_map(|n| subjects.map(|subject| event(subject, n))).collect::<Vec<_>>()
        };
        bench.tell(told(0..100)).await?;
        active.until(400).await;
        assert_eq!(standby.count(), 0);
        stop.cancel();
        bench.tell(told(100..200)).await?;
        standby.until(1).await;
        while active.count() + standby.count() < 800 {
            standby.until(standby.count() + 1).await;
        }
        for subject in subjects {
            let all = [active.of(subject), standby.of(subject)].concat();
            assert_eq!(all, (0..200).collect::<Vec<_>>(), "{subject}");
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
        bench.relay();
        bench.tell((100..200).map(|n| event("a", n)).collect()).await?;
        one.until(200).await;
        first.cancel();
        bench.tell((200..300).map(|n| event("a", n)).collect()).await?;
        one.until(300).await;
        assert_eq!(one.of("a"), (0..300).collect::<Vec<_>>());
        Ok(())
    })
    .await
}

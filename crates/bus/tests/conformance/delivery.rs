//! Every event arrives, takes effect once, and in the order of its subject.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use async_trait::async_trait;
use masar_bus::{Delivery, Error, Event, Message, Outbox, Transport, every_partition, waiting};
use tokio::sync::{mpsc, watch};

use crate::bench::{Links, ONE, TENANT, TWO, event, message, number, on_each, query, tell};
use crate::recorder::{Recorder, UNHEARD};

#[tokio::test]
async fn every_consumer_gets_every_event_once_and_each_subject_in_order() -> Result<()> {
    on_each(TWO, async |bench| {
        let (one, other) = (bench.listen("one").await?, bench.listen("other").await?);
        bench.relay();
        for round in 0..10 {
            let numbers = round * 100..(round + 1) * 100;
            bench
                .tell(numbers.flat_map(|n| ["a", "b", "c"].map(|subject| event(subject, n))).collect())
                .await?;
        }
        one.until(3_000).await;
        other.until(3_000).await;
        for recorder in [&one, &other] {
            for subject in ["a", "b", "c"] {
                assert_eq!(recorder.of(subject), (0..1_000).collect::<Vec<_>>(), "{subject}");
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_waits_in_an_outbox_is_counted_until_it_is_sent() -> Result<()> {
    on_each(ONE, async |bench| {
        bench.tell((0..3).map(|n| event("a", n)).collect()).await?;
        let store = bench.store("producer").await?;
        assert_eq!(waiting(&store, TENANT).await?, 3);
        assert_eq!(waiting(&store, "DEMO-LAB").await?, 0, "each entity sees its own");
        let one = bench.listen("one").await?;
        bench.relay();
        one.until(3).await;
        // Sent is not yet forgotten: that follows the confirmation.
        while waiting(&store, TENANT).await? > 0 {}
        Ok(())
    })
    .await
}

#[tokio::test]
async fn events_of_several_services_come_together_and_each_in_order() -> Result<()> {
    const LINKS: Links = &[("one", &["producer", "second"])];
    on_each(LINKS, async |bench| {
        let one = Arc::new(Recorder::default());
        let mut consumer = bench.consumer("one", bench.store("one").await?, one.clone());
        consumer.sources = LINKS[0].1;
        bench.start(consumer);
        let (second, outbox) = (bench.store("second").await?, Outbox::new("second"));
        bench.relay();
        bench.relay_of(second.clone(), outbox.clone());
        for round in 0..10 {
            let numbers = || round * 20..(round + 1) * 20;
            bench.tell(numbers().map(|n| event("a", n)).collect()).await?;
            tell(&second, &outbox, numbers().map(|n| event("a", 1_000 + n)).collect()).await?;
        }
        one.until(400).await;
        let (second, first): (Vec<i64>, Vec<i64>) = one.of("a").into_iter().partition(|n| *n >= 1_000);
        assert_eq!(first, (0..200).collect::<Vec<_>>());
        assert_eq!(second, (1_000..1_200).collect::<Vec<_>>());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_a_consumer_does_not_hear_leaves_no_trace() -> Result<()> {
    on_each(ONE, async |bench| {
        let (one, store) = (Arc::new(Recorder::default()), bench.store("one").await?);
        bench.start(bench.consumer("one", store.clone(), one.clone()));
        let unheard = |n| Event { kind: UNHEARD.to_owned(), ..event("a", n) };
        // Alone in a message, and among others.
        for events in [vec![unheard(0)], vec![event("a", 1), unheard(2), event("a", 3)]] {
            bench.transport.publish(message(0, events)).await?;
        }
        one.until(2).await;
        assert_eq!(one.of("a"), [1, 3]);
        assert_eq!(query(&store, "SELECT count(*) AS n FROM inbox").await?, 2);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_comes_twice_is_handled_once() -> Result<()> {
    on_each(TWO, async |bench| {
        let (one, other) = (bench.listen("one").await?, bench.listen("other").await?);
        let events: Vec<_> = (0..5).map(|n| event("a", n)).collect();
        // A relay that crashed between the confirmation and its deletion packs anew and sends again.
        for events in [events[..3].to_vec(), events.clone(), events, vec![event("a", 5)]] {
            bench.transport.publish(message(0, events)).await?;
        }
        // The last one came behind all the others.
        one.until(6).await;
        other.until(6).await;
        assert_eq!(one.of("a"), [0, 1, 2, 3, 4, 5]);
        assert_eq!(other.of("a"), [0, 1, 2, 3, 4, 5]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_consumer_that_starts_late_misses_nothing() -> Result<()> {
    on_each(TWO, async |bench| {
        bench.relay();
        bench.tell((0..10).map(|n| event("a", n)).collect()).await?;
        let one = bench.listen("one").await?;
        one.until(10).await;
        let other = bench.listen("other").await?;
        other.until(10).await;
        assert_eq!(one.of("a"), (0..10).collect::<Vec<_>>());
        assert_eq!(other.of("a"), (0..10).collect::<Vec<_>>());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_consumer_that_stops_and_comes_back_misses_nothing() -> Result<()> {
    on_each(TWO, async |bench| {
        let (store, one) = (bench.store("one").await?, Arc::new(Recorder::default()));
        let stop = bench.start(bench.consumer("one", store.clone(), one.clone()));
        let other = bench.listen("other").await?;
        bench.relay();
        bench.tell((0..10).map(|n| event("a", n)).collect()).await?;
        one.until(10).await;
        stop.cancel();
        bench.tell((10..20).map(|n| event("a", n)).collect()).await?;
        other.until(20).await;
        bench.start(bench.consumer("one", store, one.clone()));
        one.until(20).await;
        assert_eq!(one.of("a"), (0..20).collect::<Vec<_>>());
        assert_eq!(other.of("a"), (0..20).collect::<Vec<_>>());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_is_dropped_undone_comes_again_and_so_do_those_behind_it() -> Result<()> {
    on_each(ONE, async |bench| {
        let mut deliveries = bench.transport.subscribe("one", &["producer"], every_partition()).await?;
        bench.relay();
        bench.tell((0..300).map(|n| event("a", n)).collect()).await?;
        let first = deliveries.recv().await.unwrap();
        assert_eq!(number(&first.message.events[0]), 0);
        drop(first);
        let mut again = Vec::new();
        while again.len() < 300 {
            let delivery = deliveries.recv().await.unwrap();
            let numbers = delivery.message.events.iter().map(number);
            if again.is_empty() && delivery.message.events.first().map(number) != Some(0) {
                continue;
            }
            again.extend(numbers);
            delivery.done.send(()).unwrap();
        }
        assert_eq!(again, (0..300).collect::<Vec<_>>());
        Ok(())
    })
    .await
}

/// Loses the first messages, as a broken link does.
struct Flaky {
    inner: Arc<dyn Transport>,
    failures: AtomicUsize,
}

#[async_trait]
impl Transport for Flaky {
    async fn publish(&self, message: Message) -> Result<(), Error> {
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        // Every second loss comes after the delivery: the message is there, the confirmation is not.
        match left {
            Ok(left) if left % 2 == 0 => Err(Error::Transport("the link broke".into())),
            Ok(_) => {
                self.inner.publish(message).await?;
                Err(Error::Transport("the confirmation was lost".into()))
            }
            Err(_) => self.inner.publish(message).await,
        }
    }

    async fn subscribe(
        &self,
        consumer: &str,
        sources: &[&str],
        share: watch::Receiver<BTreeSet<u16>>,
    ) -> Result<mpsc::Receiver<Delivery>, Error> {
        self.inner.subscribe(consumer, sources, share).await
    }
}

#[tokio::test]
async fn a_broken_link_loses_nothing_and_turns_no_order() -> Result<()> {
    on_each(ONE, async |mut bench| {
        bench.transport = Arc::new(Flaky { inner: bench.transport.clone(), failures: AtomicUsize::new(3) });
        let one = bench.listen("one").await?;
        bench.tell((0..500).flat_map(|n| ["a", "b"].map(|subject| event(subject, n))).collect()).await?;
        bench.relay();
        one.until(1_000).await;
        assert_eq!(one.of("a"), (0..500).collect::<Vec<_>>());
        assert_eq!(one.of("b"), (0..500).collect::<Vec<_>>());
        Ok(())
    })
    .await
}

//! The broker goes and comes back.

use std::time::Duration;

use anyhow::{Context, Result};
use masar_bus::{Error, PARTITIONS, RabbitTransport, Transport, every_partition};
use masar_testkit::{Link, State, close_connections, on_rabbit};
use tokio::time::timeout;

use crate::bench::{ONE, event, message, on_each_rabbit};

/// A message that was not done comes again by then.
const AGAIN: Duration = Duration::from_secs(45);
const MOMENT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn connections_that_are_closed_in_the_middle_lose_nothing_and_turn_no_order() -> Result<()> {
    const SUBJECTS: [&str; 4] = ["a", "b", "c", "d"];
    on_each_rabbit(ONE, async |bench, amqp| {
        let one = bench.listen("one").await?;
        bench.relay();
        for round in 0..10_i64 {
            let numbers = round * 50..(round + 1) * 50;
            bench.tell(numbers.flat_map(|n| SUBJECTS.map(|subject| event(subject, n))).collect()).await?;
            if round % 3 == 1 {
                one.until(usize::try_from(round)? * 200).await;
                close_connections(&amqp).await?;
            }
        }
        one.until(2_000).await;
        assert_eq!(one.count(), 2_000);
        for subject in SUBJECTS {
            assert_eq!(one.of(subject), (0..500).collect::<Vec<_>>(), "{subject}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn without_a_broker_publishing_fails_at_once_and_works_again_when_it_is_back() -> Result<()> {
    on_rabbit(async |amqp| {
        let link = Link::to(&amqp).await?;
        let transport = RabbitTransport::connect(&link.url, ONE, PARTITIONS).await?;
        let mut deliveries = transport.subscribe("one", &["producer"], every_partition()).await?;
        let publish = async |number| transport.publish(message(4, vec![event("a", number)])).await;
        publish(1).await?;
        let first = deliveries.recv().await.context("no more deliveries")?;

        link.set(State::Cut);
        // The first may still be on its way when the connection breaks; then there is none.
        while publish(2).await.is_ok() {}
        let refused = publish(2).await.unwrap_err();
        assert!(matches!(refused, Error::Transport(_)) && refused.is_retryable(), "{refused}");
        // Too late to be told to the broker: it comes again.
        let _ = first.done.send(());

        link.set(State::Open);
        while publish(3).await.is_err() {
            tokio::task::yield_now().await;
        }
        let mut numbers = Vec::new();
        while numbers.last() != Some(&3) {
            let delivery = deliveries.recv().await.context("no more deliveries")?;
            numbers.extend(delivery.message.events.iter().map(crate::bench::number));
            let _ = delivery.done.send(());
        }
        assert_eq!(numbers.first(), Some(&1));
        assert!(numbers.is_sorted(), "{numbers:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_connection_that_breaks_while_it_is_closed_is_opened_again() -> Result<()> {
    on_rabbit(async |amqp| {
        let link = Link::to(&amqp).await?;
        let transport = RabbitTransport::connect(&link.url, ONE, PARTITIONS).await?;
        let mut deliveries = transport.subscribe("one", &["producer"], every_partition()).await?;
        let publish = async |number| transport.publish(message(4, vec![event("a", number)])).await;
        publish(1).await?;
        for _ in 0..3 {
            let delivery = timeout(AGAIN, deliveries.recv()).await.context("it never comes again")?;
            link.set(State::Frozen);
            // Not done: the consumer closes the connection, and hears nothing of that.
            drop(delivery.context("no more deliveries")?);
            while timeout(MOMENT, deliveries.recv()).await.is_ok() {}
            link.set(State::Cut);
            while publish(2).await.is_ok() {}
            link.set(State::Open);
        }
        Ok(())
    })
    .await
}

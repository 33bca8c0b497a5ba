//! The number of partitions changes: all are stopped, and started with another.

use std::sync::Arc;

use anyhow::Result;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use masar_bus::{Error, PARTITIONS, RabbitTransport, Transport, every_partition, partition_of};
use masar_testkit::on_rabbit;
use sea_orm::DbBackend;

use crate::bench::{Bench, ONE, event, message, on_each_rabbit};
use crate::rabbit::raw;
use crate::recorder::Recorder;

const SUBJECTS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

async fn transport(amqp: &str, partitions: u16) -> Result<Arc<RabbitTransport>> {
    Ok(Arc::new(RabbitTransport::connect(amqp, ONE, partitions).await?))
}

/// Tells one event of each subject, and so often.
async fn tell(bench: &Bench, told: &mut i64, times: i64) -> Result<usize> {
    for number in *told..*told + times {
        bench.tell(SUBJECTS.map(|subject| event(subject, number)).to_vec()).await?;
    }
    *told += times;
    Ok(SUBJECTS.len() * usize::try_from(*told)?)
}

async fn is_there(amqp: &str, queue: &str) -> Result<bool> {
    let (_connection, channel) = raw(amqp).await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
    Ok(channel.queue_declare(queue.into(), passive, FieldTable::default()).await.is_ok())
}

#[tokio::test]
async fn what_waits_in_queues_and_outboxes_comes_first_and_in_order() -> Result<()> {
    on_each_rabbit(ONE, async |mut bench, amqp| {
        let (one, mut told) = (Arc::new(Recorder::default()), 0);
        for partitions in [PARTITIONS, 16] {
            bench.transport = transport(&amqp, partitions).await?;
            let producer = bench.store("producer").await?;
            let replicas = if producer.backend() == DbBackend::Sqlite { 1 } else { 2 };
            let mut consumers = Vec::new();
            for _ in 0..replicas {
                consumers.push(bench.start(bench.consumer("one", bench.store("one").await?, one.clone())));
            }
            let relay = bench.relay();
            let all = tell(&bench, &mut told, 30).await?;
            one.until(all).await;
            consumers.iter().for_each(|consumer| consumer.cancel());
            // These are sent, and nobody takes them.
            tell(&bench, &mut told, 30).await?;
            while masar_bus::waiting(&producer, crate::bench::TENANT).await? > 0 {
                tokio::task::yield_now().await;
            }
            relay.cancel();
            // And these are not sent.
            tell(&bench, &mut told, 30).await?;
        }
        bench.transport = transport(&amqp, 2).await?;
        bench.start(bench.consumer("one", bench.store("one").await?, one.clone()));
        bench.relay();
        let all = tell(&bench, &mut told, 1).await?;
        one.until(all).await;
        for subject in SUBJECTS {
            assert_eq!(one.of(subject), (0..told).collect::<Vec<_>>(), "{subject}");
        }
        for (queue, there) in [("of2.one.1", true), ("one.3", false), ("of16.one.9", false)] {
            assert_eq!(is_there(&amqp, &format!("masar.v1.{queue}")).await?, there, "{queue}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn queues_of_the_former_number_are_kept_while_they_hold_something_or_somebody_listens() -> Result<()> {
    on_rabbit(async |amqp| {
        let (before, now) = (transport(&amqp, PARTITIONS).await?, transport(&amqp, 16).await?);
        let sent = message(partition_of("a"), vec![event("a", 1)]);
        before.publish(sent.clone()).await?;
        assert!(!now.leave_former("one", PARTITIONS).await?, "a message waits");
        let mut others = before.subscribe("one", &["producer"], every_partition()).await?;
        let delivery = others.recv().await.expect("it was published");
        assert_eq!(delivery.message.events, sent.events);
        assert!(!now.leave_former("one", PARTITIONS).await?, "another has it at work");
        drop((delivery, others));
        let mut ours = now.subscribe_former("one", PARTITIONS).await?;
        let delivery = ours.recv().await.expect("it was given up");
        assert_eq!(delivery.message.events, sent.events);
        delivery.done.send(()).expect("it is waited for");
        assert!(ours.recv().await.is_none(), "it ends when nothing has come for a while");
        assert!(now.leave_former("one", PARTITIONS).await?);
        assert!(now.leave_former("one", PARTITIONS).await?, "there is nothing left to remove");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_number_that_cannot_be_is_refused() -> Result<()> {
    for number in [0, 12, 128] {
        let refused = RabbitTransport::connect("amqp://nobody.example", ONE, number).await.err();
        let refused = refused.expect("it is refused before anybody is asked");
        assert!(
            matches!(refused, Error::Topology(_))
                && refused.to_string().contains(&format!("{number} partitions"))
        );
    }
    Ok(())
}

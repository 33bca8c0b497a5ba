//! What RabbitMQ holds and refuses.

use anyhow::{Context, Result};
use futures::StreamExt;
use futures::future::join_all;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use masar_bus::{Error, PARTITIONS, RabbitTransport, Transport, every_partition, partition_of};
use masar_testkit::on_rabbit;

use crate::bench::{ONE, event, message, on_each_rabbit};

/// A channel that knows nothing of the bus.
pub(crate) async fn raw(amqp: &str) -> Result<(Connection, Channel)> {
    let connection = Connection::connect(amqp, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

async fn unbind(channel: &Channel, partition: u16) -> Result<()> {
    let queue = format!("masar.v1.one.{partition}").into();
    let key = format!("partition.{partition}").into();
    Ok(channel.queue_unbind(queue, "masar.v2.producer".into(), key, FieldTable::default()).await?)
}

/// The next message of a queue, which is then gone.
async fn take(channel: &Channel, queue: &'static str) -> Result<Delivery> {
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume(queue.into(), "".into(), options, none).await?;
    let delivery = consumer.next().await.context("no more messages")??;
    channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
    delivery.ack(BasicAckOptions::default()).await?;
    Ok(delivery)
}

#[tokio::test]
async fn what_no_queue_takes_is_an_error_and_arrives_in_order_when_the_queue_is_back() -> Result<()> {
    on_each_rabbit(ONE, async |bench, amqp| {
        let (_connection, channel) = raw(&amqp).await?;
        let partition = partition_of("a");
        unbind(&channel, partition).await?;
        let refused = bench.transport.publish(message(partition, vec![event("a", 0)])).await.unwrap_err();
        let text = refused.to_string();
        assert!(refused.is_retryable(), "{text}");
        assert!(text.contains("`masar.v2.producer`") && text.contains("`partition.4`"), "{text}");

        // What was returned went nowhere else; the next attempt arrives.
        bench.transport.publish(message(partition, vec![event("a", 1)])).await?;
        unbind(&channel, partition).await?;
        bench.tell(vec![event("a", 2), event("b", 3)]).await?;
        bench.relay();
        let one = bench.listen("one").await?;
        one.until(3).await;
        assert_eq!((one.of("a"), one.of("b")), (vec![1, 2], vec![3]));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn of_those_on_their_way_together_only_the_returned_one_fails() -> Result<()> {
    on_each_rabbit(ONE, async |bench, amqp| {
        let (_connection, channel) = raw(&amqp).await?;
        for round in 0..40 {
            let lost = round % PARTITIONS;
            unbind(&channel, lost).await?;
            let sent = (0..PARTITIONS).map(|partition| message(partition, vec![event("a", round.into())]));
            let results = join_all(sent.map(|message| bench.transport.publish(message))).await;
            for (partition, result) in (0..).zip(results) {
                assert_eq!(result.is_err(), partition == lost, "{partition} of round {round}: {result:?}");
            }
            // Behind the new declaration.
            bench.transport.publish(message(lost, vec![event("a", round.into())])).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_message_carries_what_it_is_and_survives_a_second_declaration() -> Result<()> {
    on_rabbit(async |amqp| {
        let transport = RabbitTransport::connect(&amqp, ONE, PARTITIONS).await?;
        let sent = message(4, vec![event("a", 1)]);
        transport.publish(sent.clone()).await?;
        RabbitTransport::connect(&amqp, ONE, PARTITIONS).await?;
        let (_connection, channel) = raw(&amqp).await?;
        let got = take(&channel, "masar.v1.one.4").await?;
        let properties = &got.properties;
        assert_eq!(properties.message_id().as_ref().map(|id| id.to_string()), Some(sent.id.to_string()));
        assert_eq!(properties.app_id().as_ref().map(|id| id.to_string()).as_deref(), Some("producer"));
        assert_eq!(*properties.delivery_mode(), Some(2));
        let headers = properties.headers().as_ref().context("no headers")?.inner();
        let number = |name: &str| headers[name].as_long_long_int();
        assert_eq!((number("partition"), number("format")), (Some(4), Some(1)), "{headers:?}");
        assert_eq!(got.data, sent.encode());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_was_declared_otherwise_is_an_error_that_says_what_to_do() -> Result<()> {
    on_rabbit(async |amqp| {
        let (_connection, channel) = raw(&amqp).await?;
        let classic = QueueDeclareOptions::durable();
        channel.queue_declare("masar.v1.one.3".into(), classic, FieldTable::default()).await?;
        let refused =
            RabbitTransport::connect(&amqp, ONE, PARTITIONS).await.err().context("it is taken as it is")?;
        let text = refused.to_string();
        assert!(matches!(refused, Error::Topology(_)) && !refused.is_retryable());
        assert!(text.contains("the queue `masar.v1.one.3`") && text.contains("delete it"), "{text}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_address_or_a_consumer_that_cannot_be_used_is_refused() -> Result<()> {
    for url in ["amqp//secret@x", "http://user:secret@host"] {
        let text =
            RabbitTransport::connect(url, ONE, PARTITIONS).await.err().context("it connects")?.to_string();
        assert!(text.contains("amqp://USER") && !text.contains("secret"), "{text}");
    }
    on_rabbit(async |amqp| {
        let transport = RabbitTransport::connect(&amqp, ONE, PARTITIONS).await?;
        assert!(matches!(
            transport.subscribe("stranger", &["producer"], every_partition()).await,
            Err(Error::Topology(_))
        ));
        // Nobody hears them: one because it only listens, one because it has no part in this at all.
        for source in ["one", "stranger"] {
            let mut unheard = message(4, vec![event("a", 1)]);
            unheard.source = source.to_owned();
            transport.publish(unheard).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_has_no_key_of_a_partition_is_kept_for_people() -> Result<()> {
    on_rabbit(async |amqp| {
        RabbitTransport::connect(&amqp, ONE, PARTITIONS).await?;
        let (_connection, channel) = raw(&amqp).await?;
        for key in ["4", "", "of.three.words"] {
            let (options, body) = (BasicPublishOptions::default(), key.as_bytes());
            let properties = BasicProperties::default();
            channel.basic_publish("masar.v2.producer".into(), key.into(), options, body, properties).await?;
            let kept = take(&channel, "masar.v1.unrouted").await?;
            assert_eq!((kept.data.as_slice(), kept.exchange.as_str()), (body, "masar.v2.producer"));
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_cannot_be_read_is_put_aside_and_stops_nobody() -> Result<()> {
    on_each_rabbit(ONE, async |bench, amqp| {
        let (_connection, channel) = raw(&amqp).await?;
        let publish = async |body: &'static [u8], properties| {
            let options = BasicPublishOptions::default();
            channel
                .basic_publish("masar.v2.producer".into(), "partition.4".into(), options, body, properties)
                .await
        };
        let id = uuid::Uuid::now_v7().to_string();
        let signed = BasicProperties::default().with_message_id(id.into()).with_app_id("producer".into());
        publish(b"of format 2", signed).await?;
        publish(b"of nobody", BasicProperties::default()).await?;
        bench.transport.publish(message(4, vec![event("a", 1)])).await?;
        let one = bench.listen("one").await?;
        one.until(1).await;
        assert_eq!(one.of("a"), [1]);
        for (body, problem) in [(&b"of format 2"[..], "message"), (b"of nobody", "it has no id")] {
            let kept = take(&channel, "masar.v1.unreadable").await?;
            assert_eq!(kept.data, body);
            let headers = kept.properties.headers().as_ref().context("no headers")?.inner();
            let header = |name: &str| headers[name].as_long_string().unwrap().to_string();
            assert_eq!((header("masar-consumer"), header("masar-key")), ("one".into(), "partition.4".into()));
            assert!(header("masar-problem").contains(problem), "{}", header("masar-problem"));
        }
        Ok(())
    })
    .await
}

//! What the bus may do to its consumers: messages that nobody can read, and messages that come again, also after newer ones.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use masar::platform::LINKS;
use masar_bus::{Event, Message, PARTITIONS, partition_of};
use masar_proto::kinds;
use masar_proto::operations::v1::DropParkedRequest;
use masar_proto::operations::v1::operations_service_client::OperationsServiceClient;
use uuid::Uuid;

use crate::stage::{Stage, lasting};
use crate::support::eventually;

/// Messages that come again of one catch, at most.
const MOST: usize = 200;
/// Under load something is sent at the latest after so long.
const QUIET: Duration = Duration::from_secs(60);

/// A person at the broker.
struct Hand {
    connection: Connection,
    channel: Channel,
}

impl Hand {
    async fn at(url: &str) -> Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { connection, channel })
    }

    async fn publish(&self, source: &str, key: &str, properties: BasicProperties, body: &[u8]) -> Result<()> {
        let (exchange, options) = (exchange(source), BasicPublishOptions::default());
        self.channel.basic_publish(exchange, key.into(), options, body, properties).await?.await?;
        Ok(())
    }

    /// Messages that nobody could read, as far as they were put aside.
    async fn unreadable(&self) -> Result<u32> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
        let queue =
            self.channel.queue_declare("masar.v1.unreadable".into(), passive, FieldTable::default()).await?;
        Ok(queue.message_count())
    }

    async fn go(self) -> Result<()> {
        Ok(self.connection.close(200, "done".into()).await?)
    }
}

fn exchange(source: &str) -> ShortString {
    format!("masar.v2.{source}").into()
}

fn signed(source: &str) -> BasicProperties {
    BasicProperties::default().with_message_id(Uuid::now_v7().to_string().into()).with_app_id(source.into())
}

/// Publishes bytes that are no message, a message that does not say what it is, and an event that cannot be read. The
/// first two are put aside by every consumer, the third is parked and holds nothing else; then it is given up.
pub(crate) async fn poison(stage: &Stage, now: Timestamp) -> Result<()> {
    const SOURCE: &str = masar_cases::NAME;
    let hand = Hand::at(&stage.amqp).await?;
    let before = hand.unreadable().await?;
    let subject = Uuid::now_v7().to_string();
    let key = format!("partition.{}", partition_of(&subject));
    hand.publish(SOURCE, &key, signed(SOURCE), b"\xffno message").await?;
    hand.publish(SOURCE, &key, BasicProperties::default(), &[]).await?;
    let event = Event {
        id: Uuid::now_v7(),
        source: SOURCE.to_owned(),
        kind: kinds::CASE_OPENED.to_owned(),
        tenant: "DEMO-TRF".to_owned(),
        subject,
        time: now,
        traceparent: None,
        data: b"\xffno case".as_slice().into(),
    };
    let partition = partition_of(&event.subject);
    let message =
        Message { id: Uuid::now_v7(), source: SOURCE.to_owned(), partition, events: vec![event.clone()] };
    hand.publish(SOURCE, &key, signed(SOURCE), &message.encode()).await?;

    let mut consumers: BTreeSet<&str> = LINKS
        .iter()
        .filter(|(_, sources)| sources.contains(&SOURCE))
        .map(|(consumer, _)| *consumer)
        .collect();
    let aside = before + 2 * u32::try_from(consumers.len())?;
    eventually("what nobody can read is put aside", async || {
        Ok((hand.unreadable().await? >= aside).then_some(()))
    })
    .await?;
    // Of what it says itself, cases hears only what became of children.
    consumers.remove(SOURCE);
    give_up(stage, &event, &consumers).await?;
    hand.go().await
}

/// Waits until every consumer has parked the event, and nothing else, and gives it up there.
async fn give_up(stage: &Stage, event: &Event, consumers: &BTreeSet<&str>) -> Result<()> {
    let readers = stage.readers()?;
    let id = event.id.to_string();
    eventually("the event is parked with a reason, and nothing is held", async || {
        let Ok((_, parked)) = readers.bus().await else { return Ok(None) };
        let right =
            parked.iter().all(|parked| parked.event_id == id && !parked.held && !parked.error.is_empty());
        let here: BTreeSet<&str> = parked.iter().map(|parked| parked.consumer.as_str()).collect();
        Ok((right && here == *consumers).then_some(()))
    })
    .await?;
    for consumer in consumers {
        let mut client = OperationsServiceClient::new(stage.set.asking_at(consumer, "trf-admin")?);
        let request = DropParkedRequest { consumer: (*consumer).to_owned(), event_id: id.clone() };
        client.drop_parked(request).await.with_context(|| format!("{consumer} does not give it up"))?;
    }
    Ok(())
}

/// Catches what services send for a while, and then sends it again, the newest first and everything twice.
pub(crate) async fn repeat(stage: &Stage, catching: Duration) -> Result<()> {
    let hand = Hand::at(&stage.amqp).await?;
    let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let tap = hand.channel.queue_declare("".into(), own, FieldTable::default()).await?;
    let sources: BTreeSet<&str> = LINKS.iter().flat_map(|(_, sources)| sources.iter().copied()).collect();
    for source in &sources {
        for partition in 0..PARTITIONS {
            let (key, options) = (format!("partition.{partition}").into(), QueueBindOptions::default());
            let (exchange, none) = (exchange(source), FieldTable::default());
            hand.channel.queue_bind(tap.name().clone(), exchange, key, options, none).await?;
        }
    }
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut caught =
        hand.channel.basic_consume(tap.name().clone(), "".into(), options, FieldTable::default()).await?;
    let first = tokio::time::timeout(QUIET, caught.next()).await.context("nothing is sent")?;
    let first = first.context("the broker has nothing more to say")??;
    let rest = caught.take_until(Box::pin(lasting(catching))).take(MOST);
    let caught: Vec<Delivery> =
        stream::iter([Ok(first)]).chain(rest).filter_map(async |delivery| delivery.ok()).collect().await;
    for message in caught.iter().rev() {
        let (source, key) =
            (message.exchange.as_str().trim_start_matches("masar.v2."), message.routing_key.as_str());
        for _ in 0..2 {
            hand.publish(source, key, message.properties.clone(), &message.data).await?;
        }
    }
    hand.go().await
}

//! A message on the wire: its events in the body, what it is in the properties.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use uuid::Uuid;

use crate::transport::FORMAT;
use crate::{Error, Message};

const PERSISTENT: u8 = 2;

/// The id of a message as the broker carries it.
pub(super) fn id(message: &Message) -> ShortString {
    message.id.to_string().into()
}

pub(super) fn properties(message: &Message) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("partition".into(), AMQPValue::LongLongInt(message.partition.into()));
    headers.insert("format".into(), AMQPValue::LongLongInt(FORMAT.into()));
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_message_id(id(message))
        .with_app_id(message.source.as_str().into())
        .with_type("masar.bus.v1.EventBatch".into())
        .with_content_type("application/protobuf".into())
        .with_headers(headers)
}

/// The message that came on the queue of a partition.
///
/// # Errors
/// `Data` when this program cannot read it.
pub(super) fn read(delivery: &Delivery, partition: u16) -> Result<Message, Error> {
    let unreadable = |problem: &str| Error::Data { kind: "message".to_owned(), problem: problem.to_owned() };
    let id = delivery.properties.message_id().as_ref().ok_or_else(|| unreadable("it has no id"))?;
    let source = delivery.properties.app_id().as_ref().ok_or_else(|| unreadable("it names no source"))?;
    Ok(Message {
        id: Uuid::parse_str(id.as_str()).map_err(|_| unreadable("its id is no UUID"))?,
        source: source.to_string(),
        partition,
        events: Message::decode(&delivery.data)?,
    })
}

/// The properties of a message that is put aside: its own, and who could not read it, and why.
pub(super) fn put_aside(delivery: &Delivery, consumer: &str, problem: &Error) -> BasicProperties {
    let mut headers = delivery.properties.headers().clone().unwrap_or_default();
    let mut add = |name: &'static str, text: &str| {
        headers.insert(name.into(), AMQPValue::LongString(text.into()));
    };
    add("masar-consumer", consumer);
    add("masar-problem", &problem.to_string());
    add("masar-exchange", delivery.exchange.as_str());
    add("masar-key", delivery.routing_key.as_str());
    delivery.properties.clone().with_delivery_mode(PERSISTENT).with_headers(headers)
}

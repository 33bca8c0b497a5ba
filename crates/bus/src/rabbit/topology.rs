//! What RabbitMQ holds for the bus: the one place that names and declares it.
//!
//! | Name | What |
//! |---|---|
//! | `masar.v1.<source>` | direct exchange of each service; the routing key is the partition |
//! | `masar.v1.<consumer>.<partition>` | quorum queue, bound to the exchange of each source that the consumer hears |
//! | `masar.v1.unreadable` | quorum queue of messages that a consumer could not read; people look into it |
//!
//! Whoever connects declares all of it, for all services; what is there already stays. What is declared can never
//! change its arguments, nor the number of partitions: for that the version in the names goes up.

use std::collections::BTreeSet;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};

use crate::{Error, PARTITIONS};

const PREFIX: &str = "masar.v1";
/// The queue of messages that a consumer could not read.
pub(super) const UNREADABLE: &str = "masar.v1.unreadable";

/// The exchange that a service publishes to.
pub(super) fn exchange(source: &str) -> ShortString {
    format!("{PREFIX}.{source}").into()
}

/// The queue of one partition of a consumer.
pub(super) fn queue(consumer: &str, partition: u16) -> ShortString {
    format!("{PREFIX}.{consumer}.{partition}").into()
}

/// The routing key of a partition.
pub(super) fn key(partition: u16) -> ShortString {
    partition.to_string().into()
}

/// Who hears whom.
pub(super) struct Topology {
    links: Vec<(String, Vec<String>)>,
}

impl Topology {
    pub(super) fn new(links: &[(&str, &[&str])]) -> Self {
        let owned = |sources: &[&str]| sources.iter().map(|source| (*source).to_owned()).collect();
        Self {
            links: links.iter().map(|(consumer, sources)| ((*consumer).to_owned(), owned(sources))).collect(),
        }
    }

    /// True for every service that hears another or is heard: it has an exchange.
    pub(super) fn has(&self, service: &str) -> bool {
        self.services().contains(service)
    }

    pub(super) fn is_consumer(&self, service: &str) -> bool {
        self.links.iter().any(|(consumer, _)| consumer == service)
    }

    /// True when a message of the service must find a queue.
    pub(super) fn is_heard(&self, service: &str) -> bool {
        self.links.iter().any(|(_, sources)| sources.iter().any(|source| source == service))
    }

    fn services(&self) -> BTreeSet<&str> {
        let named = self.links.iter().flat_map(|(consumer, sources)| sources.iter().chain([consumer]));
        named.map(String::as_str).collect()
    }

    /// Declares everything.
    ///
    /// The exchanges have no alternate exchange. With one, the broker would confirm a message that no consumer's queue
    /// takes, the relay would delete its events, and a person would have to bring them back, out of order. Without it
    /// `mandatory` returns the message: its events stay in the outbox at their place, the publisher counts and logs it
    /// and declares everything anew, and the relay's next attempt arrives in order.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), Error> {
        let channel = connection.create_channel().await.map_err(broken)?;
        for service in self.services() {
            let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let name = exchange(service);
            let declared =
                channel.exchange_declare(name.clone(), ExchangeKind::Direct, options, FieldTable::default());
            declared.await.map_err(|error| conflict("exchange", &name, error))?;
        }
        declare_queue(&channel, UNREADABLE.into(), quorum()).await?;
        for (consumer, sources) in &self.links {
            for partition in 0..PARTITIONS {
                let name = queue(consumer, partition);
                declare_queue(&channel, name.clone(), partition_arguments()).await?;
                for source in sources {
                    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
                    channel
                        .queue_bind(name.clone(), exchange(source), key(partition), options, none)
                        .await
                        .map_err(broken)?;
                }
            }
        }
        channel.close(200, "declared".into()).await.map_err(broken)
    }
}

/// On a cluster, whoever comes first declares all queues: their leaders are spread all the same.
fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), LongString::from("quorum").into());
    arguments.insert("x-queue-leader-locator".into(), LongString::from("balanced").into());
    arguments
}

fn partition_arguments() -> FieldTable {
    let mut arguments = quorum();
    arguments.insert("x-single-active-consumer".into(), true.into());
    // Without a limit RabbitMQ 3 puts a returned message behind the others, and from version 4 on it drops a message
    // after 20 returns: so there is a limit, and it is never reached.
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(i32::MAX));
    arguments
}

async fn declare_queue(channel: &Channel, name: ShortString, arguments: FieldTable) -> Result<(), Error> {
    let declared = channel.queue_declare(name.clone(), QueueDeclareOptions::durable(), arguments);
    declared.await.map(drop).map_err(|error| conflict("queue", &name, error))
}

/// Says what to do when something else has the name, which no second attempt would change.
fn conflict(what: &str, name: &ShortString, error: lapin::Error) -> Error {
    match error.kind() {
        ErrorKind::ProtocolError(refused)
            if matches!(refused.kind(), AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)) =>
        {
            Error::Topology(format!(
                "the {what} `{name}` of RabbitMQ was declared otherwise ({}): empty it and delete it, or give this \
                 product a virtual host of its own",
                refused.get_message()
            ))
        }
        _ => broken(error),
    }
}

/// A connection or channel that does not work; the next one may.
pub(super) fn broken(error: lapin::Error) -> Error {
    Error::Transport(format!("RabbitMQ: {error}"))
}

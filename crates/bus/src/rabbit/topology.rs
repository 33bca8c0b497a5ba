//! What RabbitMQ holds for the bus: the one place that names and declares it.
//!
//! | Name | What |
//! |---|---|
//! | `masar.v2.<source>` | direct exchange of each service; the routing key is `partition.<partition>` |
//! | `masar.v1.<consumer>.<partition>` | quorum queue, bound to the exchange of each source that the consumer hears |
//! | `masar.v1.unreadable` | quorum queue of messages that a consumer could not read; people look into it |
//! | `masar.v2.unrouted` | topic exchange, the alternate of all others: takes what has another routing key |
//! | `masar.v1.unrouted` | quorum queue of what it takes: no relay sent it; people look into it |
//!
//! Whoever connects declares all of it, for all services; what is there already stays. What is declared can never
//! change its arguments: for that the version in its name goes up. With another number of partitions than eight the
//! number stands behind the version, as in `masar.v1.of16.cases.3`, so that no queue ever holds what another number
//! put there; what waits in those of the former number is taken first (`Transport::subscribe_former`).
//!
//! # What no queue takes
//!
//! The events of a relay must stay in their outbox at their place: an alternate exchange that took such a message would
//! have it confirmed and its events deleted, and a person would have to bring them back, out of order. So the alternate
//! exchange is bound to all keys but those of partitions: `mandatory` returns the message to the publisher, which counts
//! and logs it and declares everything anew, and the relay's next attempt arrives in order. What a person or a tool puts on an
//! exchange with a key of its own is in no outbox: that is kept.

use std::collections::BTreeSet;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};

use crate::transport::MOST_PARTITIONS;
use crate::{Error, PARTITIONS};

const EXCHANGES: &str = "masar.v2";
const QUEUES: &str = "masar.v1";
/// The queue of messages that a consumer could not read.
pub(super) const UNREADABLE: &str = "masar.v1.unreadable";
/// The exchange that takes what has no key of a partition.
const ALTERNATE: &str = "masar.v2.unrouted";
/// The queue of what it takes.
const UNROUTED: &str = "masar.v1.unrouted";
/// The keys that are no key of a partition: those of any number of words but two.
const OTHER_KEYS: [&str; 3] = ["", "*", "*.*.*.#"];

/// The routing key of a partition.
pub(super) fn key(partition: u16) -> ShortString {
    format!("partition.{partition}").into()
}

/// Who hears whom, over how many partitions.
pub(super) struct Topology {
    links: Vec<(String, Vec<String>)>,
    partitions: u16,
}

impl Topology {
    pub(super) fn new(links: &[(&str, &[&str])], partitions: u16) -> Result<Self, Error> {
        if !partitions.is_power_of_two() || partitions > MOST_PARTITIONS {
            return Err(Error::Topology(format!(
                "there cannot be {partitions} partitions: set 1, 2, 4, 8, 16, 32 or {MOST_PARTITIONS}"
            )));
        }
        let owned = |sources: &[&str]| sources.iter().map(|source| (*source).to_owned()).collect();
        let links =
            links.iter().map(|(consumer, sources)| ((*consumer).to_owned(), owned(sources))).collect();
        Ok(Self { links, partitions })
    }

    /// The queues of one consumer of another number of partitions, to which nothing comes any more.
    pub(super) fn former(consumer: &str, partitions: u16) -> Self {
        Self { links: vec![(consumer.to_owned(), Vec::new())], partitions }
    }

    pub(super) fn partitions(&self) -> u16 {
        self.partitions
    }

    /// The exchange that a service publishes to.
    pub(super) fn exchange(&self, source: &str) -> ShortString {
        format!("{EXCHANGES}{}.{source}", self.number()).into()
    }

    /// The queue of one partition of a consumer.
    pub(super) fn queue(&self, consumer: &str, partition: u16) -> ShortString {
        format!("{QUEUES}{}.{consumer}.{partition}", self.number()).into()
    }

    fn number(&self) -> String {
        if self.partitions == PARTITIONS { String::new() } else { format!(".of{}", self.partitions) }
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
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), Error> {
        let channel = connection.create_channel().await.map_err(broken)?;
        declare_exchange(&channel, ALTERNATE.into(), ExchangeKind::Topic, FieldTable::default()).await?;
        for service in self.services() {
            let name = self.exchange(service);
            declare_exchange(&channel, name, ExchangeKind::Direct, exchange_arguments()).await?;
        }
        for name in [UNREADABLE, UNROUTED] {
            declare_queue(&channel, name.into(), quorum()).await?;
        }
        for key in OTHER_KEYS {
            bind(&channel, UNROUTED.into(), ALTERNATE.into(), key.into()).await?;
        }
        for (consumer, sources) in &self.links {
            for partition in 0..self.partitions {
                let name = self.queue(consumer, partition);
                declare_queue(&channel, name.clone(), partition_arguments()).await?;
                for source in sources {
                    bind(&channel, name.clone(), self.exchange(source), key(partition)).await?;
                }
            }
        }
        channel.close(200, "declared".into()).await.map_err(broken)
    }
}

fn exchange_arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("alternate-exchange".into(), LongString::from(ALTERNATE).into());
    arguments
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

async fn declare_exchange(
    channel: &Channel,
    name: ShortString,
    kind: ExchangeKind,
    arguments: FieldTable,
) -> Result<(), Error> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(name.clone(), kind, options, arguments);
    declared.await.map_err(|error| conflict("exchange", &name, error))
}

async fn bind(
    channel: &Channel,
    queue: ShortString,
    exchange: ShortString,
    key: ShortString,
) -> Result<(), Error> {
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue, exchange, key, options, none).await.map_err(broken)
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

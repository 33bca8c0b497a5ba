//! Connections to the broker: opened, and opened again when they break.

use std::time::Duration;

use futures::StreamExt;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, Event};

use super::topology::{Topology, broken};
use crate::Error;
use crate::backoff::Backoff;

/// How long a broker may take to let us in and to declare what is missing.
const OPENING: Duration = Duration::from_secs(60);
/// Seconds without a sign of life after which a connection is given up.
const HEARTBEAT: u16 = 10;
/// How often is looked whether a connection still holds.
const LOOK: Duration = Duration::from_secs(1);

/// The way to one broker.
pub(super) struct Link {
    uri: AMQPUri,
    pub(super) topology: Topology,
}

impl Link {
    pub(super) fn new(url: &str, topology: Topology) -> Result<Self, Error> {
        // The text itself may hold a password: it is not repeated.
        let mut uri: AMQPUri = url.parse().map_err(|problem| {
            Error::Topology(format!(
                "the address of RabbitMQ cannot be used ({problem}): write amqp://USER:PASSWORD@HOST/VHOST"
            ))
        })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        Ok(Self { uri, topology })
    }

    /// The way to the queues of one consumer of another number of partitions.
    pub(super) fn former(&self, consumer: &str, partitions: u16) -> Self {
        Self { uri: self.uri.clone(), topology: Topology::former(consumer, partitions) }
    }

    /// A connection on which everything is declared. The name is for those who look at the broker.
    pub(super) async fn open(&self, name: &str) -> Result<Connection, Error> {
        let (host, port) = (&self.uri.authority.host, self.uri.authority.port);
        let properties = ConnectionProperties::default().with_connection_name(format!("masar {name}").into());
        self.within(async {
            let connection =
                Connection::connect_uri(self.uri.clone(), properties).await.map_err(|error| {
                    Error::Transport(format!("RabbitMQ at {host}:{port} does not let us in: {error}"))
                })?;
            self.topology.declare(&connection).await?;
            Ok(connection)
        })
        .await
    }

    /// Does something for which the broker has a while.
    pub(super) async fn within<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let (host, port) = (&self.uri.authority.host, self.uri.authority.port);
        let late = || Error::Transport(format!("RabbitMQ at {host}:{port} does not answer"));
        Box::pin(tokio::time::timeout(OPENING, work)).await.map_err(|_| late())?
    }

    /// A new connection, as soon as there can be one.
    pub(super) async fn reopen(&self, name: &str, backoff: &mut Backoff) -> Connection {
        loop {
            match self.open(name).await {
                Ok(connection) => {
                    tracing::info!(name, "connected to RabbitMQ");
                    return connection;
                }
                Err(error) => tracing::warn!(name, %error, "not connected to RabbitMQ; tried again"),
            }
            backoff.pause().await;
        }
    }
}

/// Does work on a connection until it ends or the connection breaks: what waits for an answer then would wait for ever.
pub(super) async fn while_it_holds(
    connection: &Connection,
    work: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    tokio::select! {
        biased;
        done = work => done,
        error = breakage(connection) => Err(error),
    }
}

/// Waits until something on a connection breaks, and says what.
async fn breakage(connection: &Connection) -> Error {
    let mut events = std::pin::pin!(connection.events_listener());
    // What broke before somebody listened is no event any more.
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Error(error)) => return broken(error),
                Some(Event::ConnectionBlocked(reason)) => {
                    tracing::warn!(reason, "RabbitMQ takes no messages for now; they wait in the outbox");
                }
                Some(_) => {}
                None => break,
            },
            _ = looks.tick() => if !connection.status().connected() {
                break;
            },
        }
    }
    Error::Transport("the connection to RabbitMQ is gone".to_owned())
}

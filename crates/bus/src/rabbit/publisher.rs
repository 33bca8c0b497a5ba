//! Hands messages to the broker and answers when it has them for sure.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{Channel, Connection, PublisherConfirm};
use tokio::sync::{mpsc, oneshot};

use super::link::{Link, while_it_holds};
use super::topology::{Topology, broken, key};
use super::wire;
use crate::backoff::Backoff;
use crate::{Error, Message, metrics};

/// Messages without a confirmation at most.
pub(super) const IN_FLIGHT: usize = 128;
/// How long the broker may take to confirm; then the connection is given up and its messages are sent again.
const CONFIRMING: Duration = Duration::from_secs(30);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const NAME: &str = "publisher";

/// A message, and the one who waits to hear that it cannot be lost. One that is dropped was not confirmed.
pub(super) struct Parcel {
    pub(super) message: Message,
    pub(super) answer: oneshot::Sender<Result<(), Error>>,
}

/// Works until nobody is left who could publish.
pub(super) async fn run(link: Arc<Link>, mut connection: Connection, mut parcels: mpsc::Receiver<Parcel>) {
    let mut backoff = Backoff::new(SHORTEST_PAUSE);
    loop {
        let began = Instant::now();
        let served = serve(&link.topology, &connection, &mut parcels);
        let Err(error) = while_it_holds(&connection, Box::pin(served)).await else { return };
        tracing::warn!(%error, "messages wait in the outbox until RabbitMQ is there again");
        backoff.after(began.elapsed());
        let reopened = async {
            backoff.pause().await;
            link.reopen(NAME, &mut backoff).await
        };
        connection = tokio::select! {
            opened = reopened => opened,
            () = refuse(&mut parcels) => return,
        };
    }
}

/// Answers at once while there is no connection: the relay knows when to try again.
async fn refuse(parcels: &mut mpsc::Receiver<Parcel>) {
    while let Some(parcel) = parcels.recv().await {
        let answer = Err(Error::Transport("there is no connection to RabbitMQ".to_owned()));
        // One who no longer waits needs no answer.
        let _ = parcel.answer.send(answer);
    }
}

async fn serve(
    topology: &Topology,
    connection: &Connection,
    parcels: &mut mpsc::Receiver<Parcel>,
) -> Result<(), Error> {
    let channel = connection.create_channel().await.map_err(broken)?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(broken)?;
    loop {
        let mut batch = Vec::new();
        if parcels.recv_many(&mut batch, IN_FLIGHT).await == 0 {
            return Ok(());
        }
        let sent = tokio::time::timeout(CONFIRMING, send(topology, &channel, batch));
        let late = || Error::Transport("RabbitMQ does not confirm".to_owned());
        if Box::pin(sent).await.map_err(|_| late())?? > 0 {
            topology.declare(connection).await?;
        }
    }
}

/// Publishes a batch and answers each of its messages; how many of them found no queue.
///
/// The client may attach a returned message to the confirmation of another that is on its way at the same time. So all
/// of a batch are confirmed before any is answered, what was returned is known by its id, and no other batch is on its
/// way meanwhile.
async fn send(topology: &Topology, channel: &Channel, batch: Vec<Parcel>) -> Result<usize, Error> {
    let mut confirms = Vec::with_capacity(batch.len());
    for parcel in &batch {
        confirms.push(publish(topology, channel, &parcel.message).await?);
    }
    let mut refused = Vec::with_capacity(batch.len());
    let mut returned = HashSet::new();
    for confirmation in try_join_all(confirms).await.map_err(broken)? {
        refused.push(!confirmation.is_ack());
        let message = confirmation.take_message();
        returned.extend(message.and_then(|message| message.properties.message_id().clone()));
    }
    for (parcel, refused) in batch.into_iter().zip(refused) {
        let answer = settle(topology, &parcel.message, refused, &returned);
        // One who no longer waits finds its events in the outbox and sends them again, which changes nothing.
        let _ = parcel.answer.send(answer);
    }
    Ok(returned.len())
}

fn settle(
    topology: &Topology,
    message: &Message,
    refused: bool,
    returned: &HashSet<ShortString>,
) -> Result<(), Error> {
    if returned.contains(&wire::id(message)) {
        metrics::unroutable(&message.source);
        let (exchange, key) = (topology.exchange(&message.source), key(message.partition));
        let problem = format!("no queue takes what comes to the exchange `{exchange}` with the key `{key}`");
        tracing::error!(problem, "the queues are declared again");
        return Err(Error::Transport(problem));
    }
    if refused {
        return Err(Error::Transport("RabbitMQ could not keep it".to_owned()));
    }
    Ok(())
}

async fn publish(
    topology: &Topology,
    channel: &Channel,
    message: &Message,
) -> Result<PublisherConfirm, Error> {
    let mandatory = topology.is_heard(&message.source);
    let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
    let (exchange, key) = (topology.exchange(&message.source), key(message.partition));
    let body = message.encode();
    channel.basic_publish(exchange, key, options, &body, wire::properties(message)).await.map_err(broken)
}

//! Brings the messages of a consumer's queues to it, and tells the broker which of them are done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use lapin::message::Delivery as Arrived;
use lapin::options::{BasicAckOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Acker, Confirmation, Connection};
use tokio::sync::{mpsc, oneshot, watch};

use super::link::{Link, while_it_holds};
use super::queues::Queues;
use super::topology::{Topology, UNREADABLE, broken};
use super::wire;
use crate::backoff::Backoff;
use crate::{Delivery, Error, metrics};

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// How long the broker may take to say goodbye; a link that carries nothing would take longer.
const CLOSING: Duration = Duration::from_secs(5);

/// Works until the receiver is dropped, on one connection after another.
pub(super) async fn run(
    link: Arc<Link>,
    consumer: String,
    mut share: watch::Receiver<BTreeSet<u16>>,
    sender: mpsc::Sender<Delivery>,
) {
    let name = format!("consumer {consumer}");
    let mut backoff = Backoff::new(SHORTEST_PAUSE);
    loop {
        let connection = tokio::select! {
            opened = link.reopen(&name, &mut backoff) => opened,
            () = sender.closed() => return,
        };
        let began = Instant::now();
        let served = serve(&link.topology, &consumer, &connection, &mut share, &sender);
        let served = while_it_holds(&connection, Box::pin(served)).await;
        // Everything without an acknowledgement returns to its place in the queue.
        let closing = connection.close(200, "done".into());
        let closed = tokio::time::timeout(CLOSING, closing).await.is_ok_and(|closed| closed.is_ok());
        match served {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(consumer, %error, closed, "the messages of RabbitMQ are asked for again");
            }
        }
        backoff.after(began.elapsed());
        backoff.pause().await;
    }
}

async fn serve(
    topology: &Topology,
    consumer: &str,
    connection: &Connection,
    share: &mut watch::Receiver<BTreeSet<u16>>,
    sender: &mpsc::Sender<Delivery>,
) -> Result<(), Error> {
    let mut queues = Queues::new(topology, consumer, connection);
    let mut open: FuturesUnordered<BoxFuture<'static, (u16, Acker, bool)>> = FuturesUnordered::new();
    let mut next = None;
    share.mark_changed();
    loop {
        tokio::select! {
            biased;
            () = sender.closed() => break,
            Some((partition, acker, done)) = open.next() => {
                if !done {
                    // Those behind it in its partition must come again after it: so all of them do.
                    return Err(Error::Transport("a message was not done".to_owned()));
                }
                acknowledge(&acker).await?;
                let share = share.borrow().clone();
                queues.done(partition, &share).await?;
            }
            Ok(()) = share.changed() => {
                let share = share.borrow_and_update().clone();
                queues.follow(&share).await?;
            }
            permit = sender.reserve(), if next.is_some() => {
                if let (Ok(permit), Some(delivery)) = (permit, next.take()) {
                    permit.send(delivery);
                }
            }
            arrived = queues.next(), if next.is_none() => {
                let (partition, arrived) = arrived?;
                match wire::read(&arrived, partition) {
                    Ok(message) => {
                        let (done, committed) = oneshot::channel();
                        next = Some(Delivery { message: Arc::new(message), done });
                        let acker = arrived.acker;
                        open.push(Box::pin(async move { (partition, acker, committed.await.is_ok()) }));
                    }
                    Err(problem) => {
                        put_aside(consumer, connection, arrived, &problem).await?;
                        let share = share.borrow().clone();
                        queues.done(partition, &share).await?;
                    }
                }
            }
        }
    }
    drop(next);
    // What the consumer has committed need not come again.
    while let Some((_, acker, done)) = open.next().await {
        if done {
            acknowledge(&acker).await?;
        }
    }
    Ok(())
}

async fn acknowledge(acker: &Acker) -> Result<(), Error> {
    match acker.ack(BasicAckOptions::default()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Transport("the channel broke before the acknowledgement".to_owned())),
        Err(error) => Err(broken(error)),
    }
}

/// A message that cannot be read now cannot be read later either: it makes way for those behind it, and is kept for
/// people to look at.
async fn put_aside(
    consumer: &str,
    connection: &Connection,
    arrived: Arrived,
    problem: &Error,
) -> Result<(), Error> {
    let channel = connection.create_channel().await.map_err(broken)?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(broken)?;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = wire::put_aside(&arrived, consumer, problem);
    let confirmation = channel
        .basic_publish("".into(), UNREADABLE.into(), options, &arrived.data, properties)
        .await
        .map_err(broken)?
        .await
        .map_err(broken)?;
    if !matches!(confirmation, Confirmation::Ack(None)) {
        return Err(Error::Transport(format!("the queue `{UNREADABLE}` does not take a message")));
    }
    acknowledge(&arrived.acker).await?;
    metrics::unreadable(consumer);
    tracing::error!(consumer, exchange = %arrived.exchange, key = %arrived.routing_key, %problem,
        "a message cannot be read: it is in the queue {UNREADABLE}");
    channel.close(200, "put aside".into()).await.map_err(broken)
}

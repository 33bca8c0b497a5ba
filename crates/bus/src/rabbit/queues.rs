//! The queues from which a consumer takes messages: those of its share of the partitions.

use std::collections::{BTreeSet, HashMap};

use futures::stream::{self, BoxStream, SelectAll, StreamExt};
use lapin::message::Delivery as Arrived;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};

use super::topology::{Topology, broken};
use crate::Error;

/// Messages of one partition that the broker sends ahead.
const AHEAD: u16 = 32;

/// Something from a queue: its partition, which opening of it, and a message.
type Item = (u16, u64, Result<Arrived, Error>);

/// The queues that are open, each on a channel of its own so that it can be given up alone.
pub(super) struct Queues<'a> {
    topology: &'a Topology,
    consumer: &'a str,
    connection: &'a Connection,
    open: HashMap<u16, Queue>,
    openings: u64,
    arriving: SelectAll<BoxStream<'static, Item>>,
}

struct Queue {
    channel: Channel,
    opening: u64,
    /// Messages that the consumer has not done yet.
    at_work: usize,
    /// Given up: what comes from it now is left to the broker, which gives it to the next when the channel is closed.
    left: bool,
}

impl<'a> Queues<'a> {
    pub(super) fn new(topology: &'a Topology, consumer: &'a str, connection: &'a Connection) -> Self {
        Self { topology, consumer, connection, open: HashMap::new(), openings: 0, arriving: SelectAll::new() }
    }

    /// Opens the queues of a share, and gives up the others: at once, or when what is at work is done, so that nobody else
    /// works on later messages of the partition before.
    pub(super) async fn follow(&mut self, share: &BTreeSet<u16>) -> Result<(), Error> {
        for (partition, queue) in &mut self.open {
            queue.left |= !share.contains(partition);
        }
        let idle = self.open.extract_if(|_, queue| queue.left && queue.at_work == 0);
        for (_, queue) in idle.collect::<Vec<_>>() {
            queue.channel.close(200, "given up".into()).await.map_err(broken)?;
        }
        for partition in share {
            if !self.open.contains_key(partition) {
                self.open(*partition).await?;
            }
        }
        Ok(())
    }

    async fn open(&mut self, partition: u16) -> Result<(), Error> {
        let channel = self.connection.create_channel().await.map_err(broken)?;
        channel.basic_qos(AHEAD, BasicQosOptions::default()).await.map_err(broken)?;
        let name = self.topology.queue(self.consumer, partition);
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let arriving =
            channel.basic_consume(name.clone(), name.clone(), options, none).await.map_err(broken)?;
        // A stream that ends would be forgotten in silence among the others.
        let ended = Error::Transport(format!("RabbitMQ sends no more from the queue `{name}`"));
        let arriving =
            arriving.map(|arrived| arrived.map_err(broken)).chain(stream::once(async { Err(ended) }));
        self.openings += 1;
        let opening = self.openings;
        self.arriving.push(arriving.map(move |arrived| (partition, opening, arrived)).boxed());
        self.open.insert(partition, Queue { channel, opening, at_work: 0, left: false });
        Ok(())
    }

    /// The next message, which is at work until it is `done`. Waits for ever while no queue is open.
    pub(super) async fn next(&mut self) -> Result<(u16, Arrived), Error> {
        loop {
            let Some((partition, opening, arrived)) = self.arriving.next().await else {
                return std::future::pending().await;
            };
            let known = self.open.get_mut(&partition).filter(|queue| queue.opening == opening && !queue.left);
            if let Some(queue) = known {
                queue.at_work += 1;
                return Ok((partition, arrived?));
            }
        }
    }

    /// A message is no longer at work.
    pub(super) async fn done(&mut self, partition: u16, share: &BTreeSet<u16>) -> Result<(), Error> {
        let Some(queue) = self.open.get_mut(&partition) else { return Ok(()) };
        queue.at_work -= 1;
        if queue.left && queue.at_work == 0 {
            self.follow(share).await?;
        }
        Ok(())
    }
}

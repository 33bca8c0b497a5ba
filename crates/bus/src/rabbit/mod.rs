//! The transport between processes: quorum queues of RabbitMQ.
//!
//! A message is taken when the broker has it on a majority of its disks, and gone when its consumer has committed.
//! Connections that break are opened again; meanwhile messages wait in the outbox of their service.

mod former;
mod link;
mod publisher;
mod queues;
mod subscription;
mod topology;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{Delivery, Error, Message, Transport};
use link::Link;
use publisher::Parcel;
use topology::Topology;

/// Messages that may wait at a consumer.
const WAITING: usize = 64;

/// Carries messages between services through RabbitMQ 3.10 or later.
pub struct RabbitTransport {
    link: Arc<Link>,
    parcels: mpsc::Sender<Parcel>,
}

impl RabbitTransport {
    /// Connects, and declares the queues of every consumer, one for each partition: nobody's messages are lost because it
    /// starts late. All processes of an installation must give the same number: to change it, all are stopped, and
    /// started with the new one.
    ///
    /// # Errors
    /// `Transport` when the broker is not reached, `Topology` when it holds something else under one of our names, or when
    /// there cannot be so many partitions: 1, 2, 4, and so on to 64.
    pub async fn connect(url: &str, links: &[(&str, &[&str])], partitions: u16) -> Result<Self, Error> {
        let link = Arc::new(Link::new(url, Topology::new(links, partitions)?)?);
        let connection = link.open("publisher").await?;
        let (parcels, taken) = mpsc::channel(publisher::IN_FLIGHT);
        tokio::spawn(publisher::run(Arc::clone(&link), connection, taken));
        Ok(Self { link, parcels })
    }
}

#[async_trait]
impl Transport for RabbitTransport {
    fn partitions(&self) -> u16 {
        self.link.topology.partitions()
    }

    async fn publish(&self, message: Message) -> Result<(), Error> {
        if !self.link.topology.has(&message.source) {
            // As within a process: what nobody hears needs no way.
            return Ok(());
        }
        let broken = || Error::Transport("the connection to RabbitMQ broke before it confirmed".to_owned());
        let (answer, answered) = oneshot::channel();
        self.parcels.send(Parcel { message, answer }).await.map_err(|_| broken())?;
        answered.await.map_err(|_| broken())?
    }

    async fn subscribe(
        &self,
        consumer: &str,
        _: &[&str],
        share: watch::Receiver<BTreeSet<u16>>,
    ) -> Result<mpsc::Receiver<Delivery>, Error> {
        if !self.link.topology.is_consumer(consumer) {
            let problem = format!("`{consumer}` is not among the consumers that the transport was made for");
            return Err(Error::Topology(problem));
        }
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(subscription::run(Arc::clone(&self.link), consumer.to_owned(), share, sender));
        Ok(receiver)
    }

    async fn subscribe_former(
        &self,
        consumer: &str,
        partitions: u16,
    ) -> Result<mpsc::Receiver<Delivery>, Error> {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(former::run(
            Arc::new(self.link.former(consumer, partitions)),
            consumer.to_owned(),
            sender,
        ));
        Ok(receiver)
    }

    async fn leave_former(&self, consumer: &str, partitions: u16) -> Result<bool, Error> {
        former::leave(&self.link.former(consumer, partitions), consumer).await
    }
}

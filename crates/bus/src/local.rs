//! The transport within one process: a message is delivered when every consumer of its service has committed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join_all;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{Delivery, Error, Message, Transport};

/// Messages that may wait at a consumer.
const WAITING: usize = 64;

type Subscribers = HashMap<String, mpsc::Sender<Delivery>>;

/// Carries messages between the services of one process.
pub struct LocalTransport {
    /// Service to its consumers, known from the start: nobody's messages are lost because it starts late.
    links: HashMap<String, Vec<String>>,
    subscribers: watch::Sender<Subscribers>,
}

impl LocalTransport {
    /// A transport for consumers and the services that each hears.
    #[must_use]
    pub fn new(consumers: &[(&str, &[&str])]) -> Self {
        let mut links: HashMap<String, Vec<String>> = HashMap::new();
        for (consumer, sources) in consumers {
            for source in *sources {
                links.entry((*source).to_owned()).or_default().push((*consumer).to_owned());
            }
        }
        Self { links, subscribers: watch::Sender::new(HashMap::new()) }
    }

    async fn deliver(&self, consumer: &str, message: Arc<Message>) -> Result<(), Error> {
        let gone = |_| Error::Transport(format!("the consumer `{consumer}` stopped before it was done"));
        let mut subscribers = self.subscribers.subscribe();
        let there = subscribers
            .wait_for(|subscribers| subscribers.get(consumer).is_some_and(|sender| !sender.is_closed()))
            .await;
        let sender = there.ok().and_then(|subscribers| subscribers.get(consumer).cloned());
        let sender = sender.ok_or_else(|| gone(()))?;
        let (done, committed) = oneshot::channel();
        sender.send(Delivery { message, done }).await.map_err(|_| gone(()))?;
        committed.await.map_err(|_| gone(()))
    }
}

#[async_trait]
impl Transport for LocalTransport {
    async fn publish(&self, message: Message) -> Result<(), Error> {
        let consumers = self.links.get(&message.source).map(Vec::as_slice).unwrap_or_default();
        let message = Arc::new(message);
        let deliveries = consumers.iter().map(|consumer| self.deliver(consumer, Arc::clone(&message)));
        try_join_all(deliveries).await.map(drop)
    }

    /// Within one process there is one replica, whose share is all.
    async fn subscribe(
        &self,
        consumer: &str,
        _: &[&str],
        _: watch::Receiver<BTreeSet<u16>>,
    ) -> Result<mpsc::Receiver<Delivery>, Error> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.subscribers.send_modify(|subscribers| {
            subscribers.insert(consumer.to_owned(), sender);
        });
        Ok(receiver)
    }
}

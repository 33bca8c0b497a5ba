//! The network: a broker with a queue for each partition of each consumer, of which every message is a step.
//!
//! It promises what the RabbitMQ transport does and no more. A message may arrive and its sender hear of an error, or die
//! first; it may arrive twice, or late, when its sender is long gone. What was not acknowledged comes again when its
//! connection is lost. One connection at a time is given the messages of a partition.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use masar_bus::{Delivery, Error, Event, Message, Transport, partition_of};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use uuid::Uuid;

use crate::quiet::wait;
use crate::world::{Life, Verdict, Witness, World};

/// Messages of one partition that are given out before the first of them is acknowledged.
const AHEAD: usize = 4;
/// Messages that wait at a consumer.
const WAITING: usize = 16;
/// One message in so many arrives twice.
const TWICE: u64 = 25;
/// The longest that a message is on its way after its sender has died, in milliseconds.
const LATE: u64 = 8_000;

/// The broker. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Network(Arc<Inner>);

struct Inner {
    world: World,
    links: &'static [(&'static str, &'static [&'static str])],
    broker: Mutex<Broker>,
    stirred: Notify,
    /// For a world in which something is broken.
    breaks: Breaks,
}

/// What the broker does not keep of its promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Breaks {
    /// It keeps them all.
    #[default]
    Nothing,
    /// The messages of a partition come in any order.
    Order,
    /// A message that was confirmed may be gone.
    Messages,
}

#[derive(Default)]
struct Broker {
    queues: BTreeMap<(&'static str, u16), Queue>,
    connections: u64,
    messages: u64,
    /// The lives whose connections are open.
    lives: BTreeMap<u64, Life>,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Waiting>,
    /// The connection that is given them.
    given: Option<u64>,
    /// That connection wants no more of them.
    left: bool,
}

struct Waiting {
    number: u64,
    message: Arc<Message>,
    out: bool,
}

/// A message on its way to a consumer.
struct Given {
    partition: u16,
    number: u64,
    message: Arc<Message>,
}

impl Network {
    /// A broker between consumers and the services that each hears.
    pub(crate) fn new(
        world: &World,
        links: &'static [(&'static str, &'static [&'static str])],
        breaks: Breaks,
    ) -> Self {
        let (broker, stirred) = (Mutex::default(), Notify::new());
        let network = Self(Arc::new(Inner { world: world.clone(), links, broker, stirred, breaks }));
        world.witnessed_by(Arc::new(network.clone()));
        network
    }

    /// The way of one life to the others.
    pub(crate) fn wire(&self, life: &Life) -> Arc<dyn Transport> {
        Arc::new(Wire { network: self.clone(), life: life.clone() })
    }

    /// An event arrives of a service that is none of the processes.
    pub(crate) fn tell(&self, event: Event) {
        let (source, partition) = (event.source.clone(), partition_of(&event.subject));
        self.arrive(Message { id: Uuid::now_v7(), source, partition, events: vec![event] });
    }

    /// True when every message was acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.broker().queues.values().all(|queue| queue.messages.is_empty())
    }

    fn broker(&self) -> MutexGuard<'_, Broker> {
        self.0.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrive(&self, message: Message) {
        let message = Arc::new(message);
        let mut broker = self.broker();
        for (consumer, sources) in self.0.links {
            if sources.contains(&message.source.as_str()) {
                broker.messages += 1;
                let waiting = Waiting { number: broker.messages, message: Arc::clone(&message), out: false };
                broker.queues.entry((*consumer, message.partition)).or_default().messages.push_back(waiting);
            }
        }
        drop(broker);
        self.0.stirred.notify_waiters();
    }

    /// What the next of a consumer's messages is for a connection, given its share of the partitions.
    fn next(&self, consumer: &'static str, connection: u64, share: &BTreeSet<u16>) -> Option<Given> {
        let mut broker = self.broker();
        for (_, queue) in broker.queues.iter_mut().filter(|((of, partition), queue)| {
            *of == consumer && queue.given == Some(connection) && !share.contains(partition)
        }) {
            queue.left = true;
            queue.give_up();
        }
        for partition in share {
            let queue = broker.queues.entry((consumer, *partition)).or_default();
            let ours = *queue.given.get_or_insert(connection) == connection && !queue.left;
            let out = queue.messages.iter().filter(|waiting| waiting.out).count();
            if !ours || out >= AHEAD {
                continue;
            }
            let mut waiting: Vec<_> = queue.messages.iter_mut().filter(|waiting| !waiting.out).collect();
            if waiting.is_empty() {
                continue;
            }
            let any =
                if self.0.breaks == Breaks::Order { self.0.world.draw(waiting.len() as u64) } else { 0 };
            let next = waiting.swap_remove(usize::try_from(any).unwrap_or_default());
            next.out = true;
            let (number, message) = (next.number, Arc::clone(&next.message));
            return Some(Given { partition: *partition, number, message });
        }
        None
    }

    fn connect(&self, life: &Life) -> u64 {
        let mut broker = self.broker();
        broker.connections += 1;
        let connection = broker.connections;
        broker.lives.insert(connection, life.clone());
        connection
    }

    fn is_open(&self, connection: u64) -> bool {
        self.broker().lives.contains_key(&connection)
    }

    /// Everything without an acknowledgement returns to its place.
    fn disconnect(&self, connection: u64) {
        let mut broker = self.broker();
        broker.lives.remove(&connection);
        for queue in broker.queues.values_mut().filter(|queue| queue.given == Some(connection)) {
            queue.messages.iter_mut().for_each(|waiting| waiting.out = false);
            (queue.given, queue.left) = (None, false);
        }
        drop(broker);
        self.0.stirred.notify_waiters();
    }

    fn acknowledge(&self, consumer: &'static str, connection: u64, partition: u16, number: u64) {
        let mut broker = self.broker();
        let queue = broker.queues.entry((consumer, partition)).or_default();
        if queue.given == Some(connection) {
            queue.messages.retain(|waiting| waiting.number != number);
            queue.give_up();
        }
        drop(broker);
        self.0.stirred.notify_waiters();
    }
}

impl Queue {
    /// Whoever wants no more keeps the queue until it has done what it was given.
    fn give_up(&mut self) {
        if self.left && !self.messages.iter().any(|waiting| waiting.out) {
            (self.given, self.left) = (None, false);
        }
    }
}

impl Witness for Network {
    fn died(&self, life: &Life) {
        let lives = self.broker().lives.clone();
        let open = lives.into_iter().filter(|(_, of)| of == life).map(|(connection, _)| connection);
        open.for_each(|connection| self.disconnect(connection));
    }
}

struct Wire {
    network: Network,
    life: Life,
}

#[async_trait]
impl Transport for Wire {
    async fn publish(&self, message: Message) -> Result<(), Error> {
        let what =
            format!("{} sends {} of partition {}", message.source, message.events.len(), message.partition);
        let (network, world) = (self.network.clone(), &self.life.world);
        let verdict = self.life.step(what.clone()).await;
        if verdict == Verdict::Fail {
            return Err(Error::Transport("the connection broke before the message was sent".to_owned()));
        }
        if world.draw(TWICE) == 0 && !world.is_calm() {
            network.arrive_later(message.clone());
        }
        if !self.life.is_alive() && world.draw(2) == 0 {
            network.arrive_later(message);
        } else if network.0.breaks != Breaks::Messages || world.draw(8) > 0 {
            network.arrive(message);
        }
        match self.life.step(format!("{what}, confirmed")).await {
            Verdict::Fail => Err(Error::Transport("the connection broke before the confirmation".to_owned())),
            Verdict::Go => Ok(()),
        }
    }

    async fn subscribe(
        &self,
        consumer: &str,
        _: &[&str],
        share: watch::Receiver<BTreeSet<u16>>,
    ) -> Result<mpsc::Receiver<Delivery>, Error> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let known = self.network.0.links.iter().find(|(known, _)| *known == consumer);
        let (consumer, _) = known.expect("every consumer is known from the start");
        let (network, life) = (self.network.clone(), self.life.clone());
        self.life.spawn(async move {
            loop {
                let connection = network.connect(&life);
                tokio::select! {
                    biased;
                    () = sender.closed() => return network.disconnect(connection),
                    () = network.serve(&life, consumer, connection, share.clone(), &sender) => {}
                }
                network.disconnect(connection);
                wait(Duration::from_millis(life.world.draw(1_000))).await;
            }
        });
        Ok(receiver)
    }
}

impl Network {
    fn arrive_later(&self, message: Message) {
        let (network, late) = (self.clone(), Duration::from_millis(self.0.world.draw(LATE)));
        tokio::spawn(async move {
            wait(late).await;
            network.arrive(message);
        });
    }

    /// Brings messages for as long as a connection lasts.
    async fn serve(
        &self,
        life: &Life,
        consumer: &'static str,
        connection: u64,
        mut share: watch::Receiver<BTreeSet<u16>>,
        sender: &mpsc::Sender<Delivery>,
    ) {
        while self.is_open(connection) {
            let stirred = self.0.stirred.notified();
            let wanted = share.borrow_and_update().clone();
            let Some(given) = self.next(consumer, connection, &wanted) else {
                tokio::select! {
                    biased;
                    () = stirred => {}
                    changed = share.changed() => if changed.is_err() { return },
                }
                continue;
            };
            let what = format!("{consumer} is given one of partition {}", given.partition);
            if life.step(what).await == Verdict::Fail {
                return;
            }
            let (done, committed) = oneshot::channel();
            if sender.send(Delivery { message: Arc::clone(&given.message), done }).await.is_err() {
                return;
            }
            let (network, acknowledging) = (self.clone(), life.clone());
            life.spawn(async move {
                network.settle(&acknowledging, consumer, connection, given, committed).await;
            });
        }
    }

    /// Waits until a message was done, and tells the broker.
    async fn settle(
        &self,
        life: &Life,
        consumer: &'static str,
        connection: u64,
        given: Given,
        committed: oneshot::Receiver<()>,
    ) {
        let Given { partition, number, .. } = given;
        if committed.await.is_err() {
            return self.disconnect(connection);
        }
        match life.step(format!("{consumer} acknowledges one of partition {partition}")).await {
            Verdict::Fail => self.disconnect(connection),
            Verdict::Go => self.acknowledge(consumer, connection, partition, number),
        }
    }
}

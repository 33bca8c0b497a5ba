//! The limit of the way through RabbitMQ: written, packed, confirmed, consumed and written again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use masar_bus::{
    Delivery, Event, Message, PARTITIONS, RabbitTransport, Transport, every_partition, partition_of,
};
use masar_runtime::Clock;
use masar_store::{BatchSettings, Batcher, Store};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::CALLERS;
use crate::bench::house::TENANT;
use crate::bench::load::{Caller, Span, drive};
use crate::bench::sample::Complaints;
use crate::bench::store::{Accept, Row, desk_rows};

const SOURCE: &str = "bench_source";
const SINK: &str = "bench_sink";
/// Events of one message.
const PACKED: usize = 64;
/// Events of one partition that may wait to be packed, so that callers wait for the slowest part of the way.
const WAITING: usize = 512;
/// Messages that are consumed in one transaction at most.
const GATHERED: usize = 16;

/// Somebody who has rows written and hands their events on.
struct Sender {
    batcher: Batcher<Accept>,
    partitions: Vec<mpsc::Sender<Event>>,
    row: Row,
}

impl Caller for Sender {
    async fn call(&mut self) -> Result<()> {
        let id = Uuid::now_v7();
        let (event, at) = (self.row.event.clone(), Clock::wall().now());
        let row = Row { event: Event { id, subject: id.to_string(), time: at, ..event }, at };
        let event = row.event.clone();
        self.batcher.submit(row).await?;
        let partition = &self.partitions[usize::from(partition_of(&event.subject))];
        partition.send(event).await.context("the way to RabbitMQ ended")
    }
}

/// How many cases go all the way in a second.
pub(super) async fn measure(store: &Store, amqp: &str, span: Span) -> Result<f64> {
    let transport = Arc::new(RabbitTransport::connect(amqp, &[(SINK, &[SOURCE])], PARTITIONS).await?);
    let (batcher, writing) = Batcher::new(store.clone(), Accept { outbox: None }, BatchSettings::default());
    let mut beside: JoinSet<Result<()>> = JoinSet::new();
    beside.spawn(async {
        writing.await;
        Ok(())
    });
    let mut partitions = Vec::new();
    for partition in 0..PARTITIONS {
        let (send, events) = mpsc::channel(WAITING);
        partitions.push(send);
        beside.spawn(pack(Arc::clone(&transport), partition, events));
    }
    let arrived = Arc::new(AtomicU64::new(0));
    let deliveries = transport.subscribe(SINK, &[SOURCE], every_partition()).await?;
    beside.spawn(consume(store.clone(), deliveries, Arc::clone(&arrived)));
    let row = Row::new(TENANT, &Complaints::to("LAB-DISPUTES").next(), Clock::wall().now());
    let sender = || Sender { batcher: batcher.clone(), partitions: partitions.clone(), row: row.clone() };
    let mut senders: Vec<_> = (0..CALLERS).map(|_| sender()).collect();
    drive(&mut senders, None, Span { measured: span.warm_up, ..span }).await?;
    let before = arrived.load(Ordering::Relaxed);
    drive(&mut senders, None, Span { warm_up: std::time::Duration::ZERO, ..span }).await?;
    let after = arrived.load(Ordering::Relaxed);
    // What goes wrong on the way ends it; otherwise it is under way still.
    if let Some(ended) = beside.try_join_next() {
        ended??;
    }
    Ok((after - before) as f64 / span.measured.as_secs_f64())
}

/// Publishes the events of a partition, one message after the other.
async fn pack(
    transport: Arc<RabbitTransport>,
    partition: u16,
    mut events: mpsc::Receiver<Event>,
) -> Result<()> {
    loop {
        let mut packed = Vec::new();
        if events.recv_many(&mut packed, PACKED).await == 0 {
            return Ok(());
        }
        let (id, source) = (Uuid::now_v7(), SOURCE.to_owned());
        transport.publish(Message { id, source, partition, events: packed }).await?;
    }
}

/// Writes what arrives.
async fn consume(
    store: Store,
    mut deliveries: mpsc::Receiver<Delivery>,
    arrived: Arc<AtomicU64>,
) -> Result<()> {
    loop {
        let mut gathered = Vec::new();
        if deliveries.recv_many(&mut gathered, GATHERED).await == 0 {
            return Ok(());
        }
        let events = gathered.iter().flat_map(|delivery| delivery.message.events.iter().cloned());
        let events: Vec<_> = events.collect();
        let count = events.len() as u64;
        desk_rows(&store, events).await?;
        arrived.fetch_add(count, Ordering::Relaxed);
        for delivery in gathered {
            // A broker that went away sends it again; the limit is lost then anyway.
            let _ = delivery.done.send(());
        }
    }
}

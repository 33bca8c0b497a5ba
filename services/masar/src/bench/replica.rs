//! Replicas of sla by themselves, within this process: other services are made up, what the clocks tell is heard here.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use masar_bus::{
    Delivery, Event, LocalTransport, Message, PARTITIONS, Transport, every_partition, partition_of,
};
use masar_proto::events::v1::ClockMarked;
use masar_proto::{kinds, time};
use masar_runtime::{BoxError, Clock};
use masar_sla::{Deps, NAME, SOURCES, build};
use masar_store::{DatabaseUrl, Store};
use masar_workflow::Catalog;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The bench, as a consumer of what sla tells.
const BENCH: &str = "bench";
/// Events of a message, as many as a relay packs.
const PACKED: usize = 64;

/// A clock of which was heard that it was broken.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) tenant: String,
    pub(super) due_at: Timestamp,
    pub(super) heard_at: Timestamp,
}

/// Replicas that share a database.
pub(super) struct Replicas {
    transports: Vec<Arc<LocalTransport>>,
    stop: CancellationToken,
    workers: JoinSet<Result<(), BoxError>>,
    /// What is heard of all of them.
    pub(super) broken: mpsc::UnboundedReceiver<Broken>,
}

impl Replicas {
    /// Starts so many.
    pub(super) async fn start(url: &DatabaseUrl, count: usize) -> Result<Self> {
        let catalog = Arc::new(Catalog::shipped()?);
        let (tell, broken) = mpsc::unbounded_channel();
        let (stop, mut workers) = (CancellationToken::new(), JoinSet::new());
        let mut transports = Vec::new();
        for _ in 0..count {
            let transport = Arc::new(LocalTransport::new(&[(NAME, SOURCES), (BENCH, &[NAME])]));
            let heard = transport.subscribe(BENCH, &[NAME], every_partition()).await?;
            let (stopped, tell) = (stop.clone(), tell.clone());
            workers
                .spawn(async move { stopped.run_until_cancelled(hear(heard, tell)).await.unwrap_or(Ok(())) });
            let deps = Deps {
                store: Store::connect(url, NAME).await?,
                transport: transport.clone(),
                clock: Clock::wall(),
                catalog: Arc::clone(&catalog),
                doors: stop.clone(),
            };
            let (module, _) = build(deps).await.map_err(|error| anyhow!("sla does not start: {error}"))?;
            for worker in module.workers {
                workers.spawn((worker.run)(stop.clone()));
            }
            transports.push(transport);
        }
        Ok(Self { transports, stop, workers, broken })
    }

    /// Ends them.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        while let Some(ended) = self.workers.join_next().await {
            ended?.map_err(|error| anyhow!("sla: {error}"))?;
        }
        Ok(())
    }

    /// Hands events of a service over, packed as a relay packs them, each replica its share of the partitions. Returns when
    /// all are committed.
    pub(super) async fn publish(&self, source: &str, events: Vec<Event>) -> Result<()> {
        let mut partitions: Vec<Vec<Event>> = (0..PARTITIONS).map(|_| Vec::new()).collect();
        for event in events {
            partitions[usize::from(partition_of(&event.subject))].push(event);
        }
        let mut sending = JoinSet::new();
        for (partition, events) in (0..PARTITIONS).zip(partitions) {
            let transport = Arc::clone(&self.transports[usize::from(partition) % self.transports.len()]);
            let source = source.to_owned();
            sending.spawn(async move {
                for events in events.chunks(PACKED) {
                    let (id, source, events) = (Uuid::now_v7(), source.clone(), events.to_vec());
                    transport.publish(Message { id, source, partition, events }).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(sent) = sending.join_next().await {
            sent??;
        }
        Ok(())
    }
}

/// Takes everything that a replica tells, and passes on which clocks were broken.
async fn hear(
    mut heard: mpsc::Receiver<Delivery>,
    tell: mpsc::UnboundedSender<Broken>,
) -> Result<(), BoxError> {
    while let Some(Delivery { message, done }) = heard.recv().await {
        let heard_at = Timestamp::now();
        for event in message.events.iter().filter(|event| event.kind == kinds::CLOCK_BREACHED) {
            let marked = event.decode::<ClockMarked>()?;
            let due_at = time::from_proto(marked.mark_at.as_ref()).unwrap_or(heard_at);
            // Nobody counts any more when the bench ends.
            let _ = tell.send(Broken { tenant: event.tenant.clone(), due_at, heard_at });
        }
        let _ = done.send(());
    }
    Ok(())
}

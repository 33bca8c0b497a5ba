//! Physical limits: what the same database, bus and machine do at best, measured in the same run.

mod pipe;

use anyhow::Result;
use masar_bus::Outbox;
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_runtime::Clock;
use masar_store::{BatchSettings, Batcher, DatabaseUrl, Store};
use tokio::task::JoinSet;

use super::Bench;
use super::house::{Ground, TENANT};
use super::load::{Caller, Measured, Span, drive};
use super::sample::Complaints;
use super::store::{self, Accept, Row, Subjects};

/// Callers who wait for their commit at the same time.
pub(super) const CALLERS: usize = 64;
/// Rows that are changed in one transaction.
const BATCH: usize = 200;
/// Rows among which those of a batch are, for each connection.
const SUBJECTS: usize = 10_000;

/// The limit of a bench: what is done in a second when nothing is decided.
pub(super) async fn of(bench: Bench, ground: &Ground, span: Span) -> Result<Option<f64>> {
    let url = ground.database();
    let store = store::open(&url).await?;
    let limit = match (bench, &ground.amqp) {
        (Bench::Queue, _) => None,
        (Bench::Pipeline, Some(amqp)) => Some(pipe::measure(&store, amqp, span).await?),
        (Bench::Intake | Bench::Import | Bench::Pipeline, _) => Some(accepting(&store, span).await?.achieved),
        (Bench::Transitions | Bench::Timers | Bench::Clocks, _) => Some(changing(&store, &url, span).await?),
    };
    store::close(store).await?;
    Ok(limit)
}

/// Somebody who has rows written, one after the other.
struct Accepted {
    batcher: Batcher<Accept>,
    message: SubmitCaseRequest,
    clock: Clock,
}

impl Caller for Accepted {
    async fn call(&mut self) -> Result<()> {
        Ok(self.batcher.submit(Row::new(TENANT, &self.message, self.clock.now())).await?)
    }
}

/// Group commit within the process.
async fn accepting(store: &Store, span: Span) -> Result<Measured> {
    let writer = Accept { outbox: Some(Outbox::new("bench")) };
    let (batcher, writing) = Batcher::new(store.clone(), writer, BatchSettings::default());
    let mut beside = JoinSet::new();
    beside.spawn(writing);
    let message = Complaints::to("LAB-DISPUTES").next();
    let caller = || Accepted { batcher: batcher.clone(), message: message.clone(), clock: Clock::wall() };
    drive(&mut (0..CALLERS).map(|_| caller()).collect(), None, span).await
}

/// A connection that changes rows, batch after batch.
struct Changed {
    store: Store,
    subjects: Subjects,
    clock: Clock,
}

impl Caller for Changed {
    async fn call(&mut self) -> Result<()> {
        store::change(&self.store, &mut self.subjects, BATCH, self.clock.now()).await
    }
}

/// Changes in batches, over as many connections as are best.
async fn changing(store: &Store, url: &DatabaseUrl, span: Span) -> Result<f64> {
    let connections = if matches!(url, DatabaseUrl::Postgres(_)) { 2 } else { 1 };
    let (mut callers, clock) = (Vec::new(), Clock::wall());
    for _ in 0..connections {
        let subjects = Subjects::make(store, SUBJECTS, clock.now()).await?;
        callers.push(Changed { store: store.clone(), subjects, clock: clock.clone() });
    }
    Ok(drive(&mut callers, None, span).await?.achieved * BATCH as f64)
}

//! Desks: which queue takes a case, who holds its task, and every change of either told.

mod core;
mod session;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use masar_store::{Transaction, Writer};
use tracing::Span;
use uuid::Uuid;

pub(crate) use self::core::{Core, ENTITIES, Registered};
pub(crate) use self::session::Session;
use crate::store::task;

/// Why a task was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no open task for the case `{0}` that you may see")]
    NotFound(String),
    #[error("nothing waits in the queue `{0}`")]
    Empty(String),
    #[error("`{0}` holds the task: ask for it to be released or assigned")]
    Held(String),
    #[error("nobody holds the task: claim it first")]
    NotHeld,
    #[error("there is no queue or department `{0}`")]
    Queue(String),
    #[error("it was moved {0} times already: the director of public relations decides")]
    Bounced(i32),
    #[error("the case needs {0} {1}, which this installation does not have: add its folder to `workflows`")]
    Package(String, String),
    #[error(transparent)]
    Bus(#[from] masar_bus::Error),
    #[error(transparent)]
    Store(#[from] masar_store::Error),
}

/// The most often that a task is moved before the director decides (check 7).
pub(crate) const MOST_BOUNCES: i32 = 2;

/// What is done to a task.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Claim,
    Release { reason: String },
    Assign { person: String },
    Reroute { queue: String, reason: String, director: bool },
}

/// A deed, and who does it when.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) tenant: String,
    pub(crate) which: Which,
    pub(crate) actor: String,
    pub(crate) at: Timestamp,
    pub(crate) deed: Deed,
    /// The call that it came by.
    pub(crate) span: Span,
}

/// The task that an order is about.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// That of a case.
    Case(Uuid),
    /// The most urgent that waits in a queue.
    Next(String),
}

/// Writes what people do to tasks.
pub(crate) struct Act {
    pub(crate) core: Arc<Core>,
}

#[async_trait]
impl Writer for Act {
    type Command = Order;
    type Answer = task::Model;
    type Error = Error;

    fn lane(order: &Order) -> &str {
        &order.tenant
    }

    async fn write(
        &self,
        tx: &Transaction,
        batch: Vec<Order>,
    ) -> Result<Vec<Result<task::Model, Error>>, Error> {
        let cases = batch.iter().filter_map(|order| match order.which {
            Which::Case(id) => Some(id),
            Which::Next(_) => None,
        });
        let mut rows = task::lock(tx, cases).await?;
        let mut queues: std::collections::BTreeMap<(&str, &str), u64> = std::collections::BTreeMap::new();
        for order in &batch {
            if let Which::Next(queue) = &order.which {
                *queues.entry((&order.tenant, queue)).or_default() += 1;
            }
        }
        for ((tenant, queue), count) in queues {
            rows.extend(task::lock_waiting(tx, tenant, queue, count).await?);
        }
        let mut session = Session::new(&self.core, rows);
        let answers = batch.into_iter().map(|order| session.obey(order)).collect();
        session.save(tx).await?;
        Ok(answers)
    }

    fn committed(&self, answers: &[Result<task::Model, Error>]) {
        // A task that was moved has left a queue that it no longer names: then any queue may have changed.
        let queue = |task: &task::Model| if task.bounces == 0 { task.queue.clone() } else { String::new() };
        self.core.tell(answers.iter().flatten().map(queue));
    }
}

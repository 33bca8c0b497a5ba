//! Moving cases: the pure core decides, and what it decides is written with what it asks of others.

mod concealed;
mod core;
mod links;
mod migrate;
mod opening;
mod publish;
mod recurrence;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use masar_packages::Packages;
use masar_runtime::Clock;
use masar_store::{Batcher, Store, Transaction, Writer};
use masar_workflow::{Actor, Case, Command, Package, Refusal};
use tokio::sync::broadcast;
use tracing::Span;
use uuid::Uuid;

pub(crate) use self::core::{Core, READING, Session, Touched};
pub(crate) use self::migrate::{Migrator, Plan, Wanted, Way};
pub(crate) use self::opening::open;
pub(crate) use self::publish::{Publisher, Refused};
use crate::store::{case, fold};

/// Why a case was not moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such case for the caller.
    #[error("there is no case `{0}` that you may see")]
    NotFound(String),
    /// The pure core refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A case whose package is not here.
    #[error("the case needs {0} {1}, which this installation does not have: add its folder to `workflows`")]
    Package(String, String),
    /// A stored case that cannot be read.
    #[error("a stored case cannot be read: {0}")]
    Fold(#[from] serde_json::Error),
    #[error(transparent)]
    Bus(#[from] masar_bus::Error),
    #[error(transparent)]
    Store(#[from] masar_store::Error),
}

/// What is done to a case.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Move(Command),
    Comment {
        text: String,
        audience: String,
    },
    Link {
        other: Uuid,
        other_reference: String,
        link: String,
    },
    /// A concealed link was read, by which others would find the case of this reference.
    Read {
        link: String,
        reference: String,
    },
}

/// A deed, and who does it when.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) tenant: String,
    pub(crate) case: Uuid,
    /// Set for a customer: only cases that they submitted are theirs.
    pub(crate) submitter: Option<String>,
    pub(crate) actor: Actor,
    pub(crate) at: Timestamp,
    pub(crate) deed: Deed,
    /// The call or the event that it came by.
    pub(crate) span: Span,
}

pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) batcher: Batcher<Act>,
    pub(crate) clock: Clock,
    pub(crate) packages: Arc<Packages>,
    /// The ids of cases as they change, for those who watch.
    pub(crate) changes: broadcast::Sender<Uuid>,
}

impl App {
    /// A case of the tenant, by id or reference.
    pub(crate) async fn find(&self, tenant: &str, key: &str) -> Result<case::Model, Error> {
        let unknown = || Error::NotFound(key.to_owned());
        let case = key.parse().map_err(|_| unknown())?;
        let row = case::find(&self.store, tenant, &case).await?.ok_or_else(unknown)?;
        self.packages.know(self.store.reader(), [row.walks()].into_iter()).await?;
        Ok(row)
    }

    /// A case as the pure core knows it.
    pub(crate) async fn whole(&self, id: Uuid) -> Result<Case, Error> {
        let mut found = fold::read(self.store.reader(), [id].into()).await?;
        found.remove(&id).ok_or_else(|| Error::NotFound(id.to_string()))
    }

    /// The package that a case walks.
    pub(crate) fn package(&self, case: &case::Model) -> Result<Arc<Package>, Error> {
        package(&self.packages, case)
    }
}

pub(crate) fn package(packages: &Packages, case: &case::Model) -> Result<Arc<Package>, Error> {
    let catalog = packages.of(&case.tenant);
    let package = catalog.get(&case.package, &case.package_version).cloned();
    package.ok_or_else(|| Error::Package(case.package.clone(), case.package_version.clone()))
}

/// Writes what people do to cases.
pub(crate) struct Act {
    pub(crate) core: Core,
}

#[async_trait]
impl Writer for Act {
    type Command = Order;
    type Answer = case::Model;
    type Error = Error;

    fn lane(order: &Order) -> &str {
        &order.tenant
    }

    async fn write(
        &self,
        tx: &Transaction,
        batch: Vec<Order>,
    ) -> Result<Vec<Result<case::Model, Error>>, Error> {
        let moves = batch.iter().filter(|order| matches!(order.deed, Deed::Move(_)));
        let touched = Touched {
            cases: batch.iter().map(|order| order.case).collect(),
            moving: moves.map(|order| order.case).collect(),
            opening: BTreeSet::new(),
        };
        let session = Session::begin(&self.core, tx, touched).await?;
        let commands = batch.iter().filter_map(|order| match &order.deed {
            Deed::Move(command) => Some((order.case, command)),
            Deed::Comment { .. } | Deed::Link { .. } | Deed::Read { .. } => None,
        });
        let mut session = session.foresee(tx, std::iter::empty(), commands).await?;
        let answers = batch.into_iter().map(|order| session.obey(order)).collect();
        session.save(tx).await?;
        Ok(answers)
    }

    fn committed(&self, answers: &[Result<case::Model, Error>]) {
        self.core.tell(answers.iter().flatten().map(|row| row.id));
    }
}

//! Ladders climbed: every level fires once and tells somebody, and a level says that it has taken notice.

mod acknowledge;
mod follow;
mod people;
mod preview;
mod raise;

use std::sync::Arc;

use jiff::Timestamp;
use masar_bus::{Event, Outbox};
use masar_packages::Packages;
use masar_proto::events::v1::{CaseSnapshot, EscalationRaised};
use masar_proto::time;
use masar_runtime::Clock;
use masar_store::time::from_db;
use masar_workflow::Package;

pub(crate) use follow::Heard;
pub(crate) use people::needed;
pub(crate) use preview::{Previewed, Rung};

use crate::store::escalation;

/// Why a level did not fire or was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no escalation `{0}` that you may see")]
    NotFound(String),
    #[error(
        "this level told others: they acknowledge it, or a tenant administrator or oversight officer does"
    )]
    NotTold,
    #[error("`{by}` acknowledged it already, at {at}")]
    Acknowledged { by: String, at: Timestamp },
    #[error("say what will be done: {0} asks for a reason")]
    Reason(String),
    #[error("no case `{0}` with an open clock is known here")]
    NoCase(String),
    #[error("the case needs {0} {1}, which this installation does not have: add its folder to `workflows`")]
    Package(String, String),
    /// An event or a row that does not say what it should.
    #[error("{0}")]
    Text(String),
    #[error(transparent)]
    Bus(#[from] masar_bus::Error),
    #[error(transparent)]
    Store(#[from] masar_store::Error),
}

/// What everything that raises or acknowledges needs.
pub(crate) struct Core {
    pub(crate) outbox: Outbox,
    pub(crate) packages: Arc<Packages>,
    pub(crate) clock: Clock,
}

impl Core {
    /// The package that a case walks.
    fn package(&self, case: &CaseSnapshot) -> Result<Arc<Package>, Error> {
        let package = self.packages.of(&case.tenant).get(&case.package, &case.package_version).cloned();
        package.ok_or_else(|| Error::Package(case.package.clone(), case.package_version.clone()))
    }
}

/// An escalation as the other services hear of it.
fn told(kind: &str, row: &escalation::Model, case: Option<CaseSnapshot>, now: Timestamp) -> Event {
    let at = |at| Some(time::to_proto(from_db(at)));
    let message = EscalationRaised {
        escalation_id: row.id.to_string(),
        case_id: row.case_id.to_string(),
        tenant: row.tenant.clone(),
        clock: row.clock.clone(),
        run: row.run.unsigned_abs(),
        level: row.level.clone(),
        mark: row.mark.clone(),
        template: row.template.clone(),
        people: row.people.0.clone(),
        vacant: row.vacant.0.clone(),
        actions: row.actions.0.clone(),
        at: at(row.raised_at),
        acknowledged_by: row.acknowledged_by.clone(),
        acknowledged_at: row.acknowledged_at.and_then(at),
        case,
        due_at: row.due_at.and_then(at),
        absent: row.absent.0.clone(),
        safety_net: row.safety_net,
        told: row.told.unsigned_abs(),
    };
    Event::new(kind, &row.tenant, &row.case_id, now, &message)
}

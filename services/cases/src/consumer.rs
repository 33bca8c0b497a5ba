//! What other services say of cases: submissions to open, desks, due times, and clocks that ask the system to act.

use std::collections::BTreeSet;

use async_trait::async_trait;
use masar_bus::{Error as BusError, Event, Handler};
use masar_domain::Role;
use masar_proto::events::v1::{CaseSubmitted, ClockChanged, ClockMarked, ClockState, TaskChanged};
use masar_proto::{kinds, time};
use masar_runtime::Clock;
use masar_store::time::to_db;
use masar_workflow::{Actor, Command, SYSTEM};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::app::{Core, Deed, Error, Order, Session, locked, open};

/// The clock whose due time lists show: the answer that the customer was promised.
const SHOWN: &str = "response";

pub(crate) struct Hear {
    pub(crate) core: Core,
    pub(crate) clock: Clock,
}

#[async_trait]
impl Handler for Hear {
    async fn handle(&self, tx: &DatabaseTransaction, events: &[Event]) -> Result<(), BusError> {
        let ids: BTreeSet<Uuid> = events.iter().flat_map(cases_of).collect();
        let rows = locked(tx, ids.into_iter().collect()).await.map_err(unusable)?;
        let mut session = Session::new(&self.core, rows);
        for event in events {
            self.hear(&mut session, event)?;
        }
        session.save(tx).await.map_err(unusable)
    }

    fn committed(&self, events: &[Event]) {
        self.core.tell(events.iter().flat_map(cases_of));
    }
}

impl Hear {
    fn hear(&self, session: &mut Session<'_>, event: &Event) -> Result<(), BusError> {
        let id = || event.subject.parse::<Uuid>().map_err(|_| event.unreadable("its subject is no case"));
        match event.kind.as_str() {
            kinds::CASE_SUBMITTED => {
                let submitted = event.decode::<CaseSubmitted>()?;
                open(session, &self.core.catalog, submitted, self.clock.now()).map_err(unusable)
            }
            kind if kind.starts_with("task.") => {
                let task = event.decode::<TaskChanged>()?;
                if let Some(row) = session.row(id()?) {
                    (row.queue, row.assignee) =
                        if task.open { (task.queue, task.assignee) } else { Default::default() };
                }
                Ok(())
            }
            kinds::CLOCK_WARNED | kinds::CLOCK_BREACHED | kinds::CLOCK_OVERDUE => {
                let marked = event.decode::<ClockMarked>()?;
                show(session, id()?, marked.clock.as_ref());
                if event.kind == kinds::CLOCK_BREACHED && !marked.on_breach.is_empty() {
                    self.act(session, id()?, event, marked.on_breach)?;
                }
                Ok(())
            }
            kind if kind.starts_with("clock.") => {
                show(session, id()?, event.decode::<ClockChanged>()?.clock.as_ref());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The system acts where a clock says so. Where the case has moved on meanwhile, there is nothing left to do.
    fn act(
        &self,
        session: &mut Session<'_>,
        case: Uuid,
        event: &Event,
        action: String,
    ) -> Result<(), BusError> {
        let actor =
            Actor { id: SYSTEM.to_owned(), roles: [Role(SYSTEM.to_owned())].into(), department: None };
        let command = Command { action, ..Command::default() };
        let order = Order {
            tenant: event.tenant.clone(),
            case,
            actor,
            at: self.clock.now(),
            deed: Deed::Move(command),
        };
        match session.obey(order) {
            Ok(_) => Ok(()),
            Err(Error::Refused(refusal)) => {
                tracing::info!(%case, %refusal, "the case had moved on before its clock asked the system to act");
                Ok(())
            }
            Err(error) => Err(unusable(error)),
        }
    }
}

/// The case that an event is about, and the one that asked for it.
fn cases_of(event: &Event) -> impl Iterator<Item = Uuid> {
    let submitted =
        (event.kind == kinds::CASE_SUBMITTED).then(|| event.decode::<CaseSubmitted>().ok()).flatten();
    let parent = submitted.map(|submitted| submitted.parent_case_id).and_then(|id| id.parse().ok());
    event.subject.parse().ok().into_iter().chain(parent)
}

fn show(session: &mut Session<'_>, case: Uuid, clock: Option<&ClockState>) {
    let Some(clock) = clock else { return };
    let open = ["running", "paused"].contains(&clock.phase.as_str());
    let due_at = time::from_proto(clock.due_at.as_ref()).filter(|_| open);
    // A window that has ended keeps the due time that it had: it stays shut.
    if let Some(due_at) = due_at {
        session.window(case, &clock.clock, due_at);
    }
    if clock.clock == SHOWN
        && let Some(row) = session.row(case)
    {
        row.due_at = due_at.map(to_db);
        row.breached = clock.breached_at.is_some();
    }
}

fn unusable(error: Error) -> BusError {
    match error {
        Error::Store(error) => BusError::Store(error),
        Error::Bus(error) => error,
        error @ (Error::NotFound(_) | Error::Refused(_) | Error::Package(..) | Error::Fold(_)) => {
            BusError::Unusable(error.to_string())
        }
    }
}

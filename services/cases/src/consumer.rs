//! What other services say of cases: submissions to open, desks, due times, and clocks and ladders that ask the system to
//! act.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use masar_bus::{Error as BusError, Event, Handler};
use masar_proto::events::v1::{
    CaseSubmitted, ChildChanged, ClockChanged, ClockMarked, ClockState, EscalationRaised, TaskChanged,
};
use masar_proto::{kinds, time};
use masar_runtime::Clock;
use masar_store::Transaction;
use masar_store::time::to_db;
use masar_workflow::acts;
use serde_json::json;
use uuid::Uuid;

use crate::NAME;
use crate::app::{Core, Error, Session, Touched, open};
use crate::store::case;

/// The clock whose due time lists show: the answer that the customer was promised.
const SHOWN: &str = "response";

pub(crate) struct Hear {
    core: Core,
    clock: Clock,
    /// The cases that events have changed and of which nobody who watches has been told: they are once it is committed.
    changed: Mutex<BTreeSet<Uuid>>,
}

/// What an event says, as far as cases care.
enum Heard {
    Submitted(Box<CaseSubmitted>),
    Desk(Uuid, TaskChanged),
    /// The clock that lists show, or one within which something can be done.
    Clock(Uuid, ClockState),
    /// A clock, or a level of a ladder, asks the system to act.
    Asked(Uuid, String),
    /// A child of a case has changed.
    Child(Uuid, Box<ChildChanged>),
}

#[async_trait]
impl Handler for Hear {
    /// Of clocks, of which there are many to each case, only what is shown and what acts.
    fn hears(&self, event: &Event) -> bool {
        [kinds::CASE_SUBMITTED, kinds::REGISTRY_CHANGED].contains(&event.kind.as_str())
            || self.read(event).map_or(true, |heard| !heard.is_empty())
    }

    async fn handle(&self, tx: &Transaction, events: &[Event]) -> Result<(), BusError> {
        for event in events.iter().filter(|event| event.kind == kinds::REGISTRY_CHANGED) {
            self.core.entities.hear(tx, &event.decode()?).await?;
        }
        let mut heard = Vec::new();
        for event in events {
            heard.extend(self.read(event)?.into_iter().map(|heard| (event, heard)));
        }
        let (now, mut touched) = (self.clock.now(), Touched::default());
        for (_, heard) in &heard {
            touched.cases.extend(heard.of());
            match heard {
                Heard::Asked(case, _) | Heard::Child(case, _) => drop(touched.moving.insert(*case)),
                Heard::Submitted(submitted) => touched.opening.extend(submitted.case_id.parse::<Uuid>()),
                Heard::Desk(..) | Heard::Clock(..) => {}
            }
        }
        let opening = heard.iter().filter_map(|(_, heard)| heard.opens());
        self.core.packages.know(tx, opening).await?;
        let session = Session::begin(&self.core, tx, touched).await.map_err(unusable)?;
        let opening = heard.iter().filter_map(|(_, heard)| match heard {
            Heard::Submitted(submitted) => {
                let at = time::from_proto(submitted.received_at.as_ref()).unwrap_or(now);
                Some((&**submitted, at))
            }
            _ => None,
        });
        let session = session.foresee(tx, opening, std::iter::empty()).await;
        let mut session = session.map_err(unusable)?;
        for (event, heard) in heard {
            event.cause(NAME, || self.hear(&mut session, heard)).map_err(unusable)?;
        }
        let changed = session.save(tx).await.map_err(unusable)?;
        self.changed().extend(changed);
        Ok(())
    }

    fn committed(&self, _: &[Event]) {
        let changed = std::mem::take(&mut *self.changed());
        self.core.tell(changed.into_iter());
    }
}

impl Heard {
    /// The package of a case that is to be opened: tenant, name and version.
    fn opens(&self) -> Option<[&str; 3]> {
        let Self::Submitted(submitted) = self else { return None };
        Some([&submitted.tenant, &submitted.package, &submitted.package_version])
    }

    /// The case that changes. For a submission that is the one that asked for it: its own case is not there yet.
    fn of(&self) -> Option<Uuid> {
        match self {
            Self::Submitted(submitted) => submitted.parent_case_id.parse().ok(),
            Self::Desk(case, _) | Self::Clock(case, _) | Self::Asked(case, _) | Self::Child(case, _) => {
                Some(*case)
            }
        }
    }
}

impl Hear {
    pub(crate) fn new(core: Core, clock: Clock) -> Self {
        Self { core, clock, changed: Mutex::default() }
    }

    fn changed(&self) -> MutexGuard<'_, BTreeSet<Uuid>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, session: &mut Session<'_>, heard: Heard) -> Result<(), Error> {
        match heard {
            Heard::Submitted(submitted) => open(session, &self.core.packages, *submitted, self.clock.now()),
            Heard::Desk(case, task) => {
                session.change(case, |row| {
                    (row.queue, row.assignee) =
                        if task.open { (task.queue, task.assignee) } else { Default::default() };
                });
                Ok(())
            }
            Heard::Clock(case, clock) => {
                session.change(case, |row| show(row, &clock));
                Ok(())
            }
            Heard::Asked(case, action) => session.act(case, action, self.clock.now()),
            Heard::Child(case, child) => {
                let asked = session.know(case, *child)?;
                asked.into_iter().try_for_each(|action| session.act(case, action, self.clock.now()))
            }
        }
    }

    /// What an event says; most clocks say nothing that cases care for.
    fn read(&self, event: &Event) -> Result<Vec<Heard>, BusError> {
        let case_id =
            || event.subject.parse::<Uuid>().map_err(|_| event.unreadable("its subject is no case"));
        let clock = |case, clock: Option<ClockState>| {
            let matters = |clock: &ClockState| {
                clock.clock == SHOWN || self.core.packages.of(&event.tenant).is_window(&clock.clock)
            };
            clock.filter(matters).map(|clock| Heard::Clock(case, clock))
        };
        Ok(match event.kind.as_str() {
            kinds::CASE_CHILD_CHANGED => vec![Heard::Child(case_id()?, Box::new(event.decode()?))],
            kinds::CASE_SUBMITTED => vec![Heard::Submitted(Box::new(event.decode()?))],
            kind if kind.starts_with("task.") => vec![Heard::Desk(case_id()?, event.decode()?)],
            kinds::CLOCK_WARNED | kinds::CLOCK_BREACHED | kinds::CLOCK_OVERDUE => {
                let (case, marked) = (case_id()?, event.decode::<ClockMarked>()?);
                let asks = event.kind == kinds::CLOCK_BREACHED && !marked.on_breach.is_empty();
                let asked = asks.then_some(Heard::Asked(case, marked.on_breach));
                clock(case, marked.clock).into_iter().chain(asked).collect()
            }
            // What a level does it does once, however often it is told.
            kinds::ESCALATION_RAISED => {
                let (case, raised) = (case_id()?, event.decode::<EscalationRaised>()?);
                let first = raised.told <= 1;
                let asked = acts(&raised.actions).filter(|_| first);
                asked.map(|action| Heard::Asked(case, action.to_owned())).collect()
            }
            kind if kind.starts_with("clock.") => {
                clock(case_id()?, event.decode::<ClockChanged>()?.clock).into_iter().collect()
            }
            _ => Vec::new(),
        })
    }
}

fn show(row: &mut case::Model, clock: &ClockState) {
    let due_at = time::from_proto(clock.due_at.as_ref()).filter(|_| clock.is_open());
    if clock.clock == SHOWN {
        row.due_at = due_at.map(to_db);
        row.breached = clock.breached_at.is_some();
    } else if let Some(due_at) = due_at {
        // A window that has ended keeps the due time that it had: it stays shut.
        row.windows[&clock.clock] = json!(due_at);
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

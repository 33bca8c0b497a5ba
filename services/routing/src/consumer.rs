//! Follows the cases, their due times, and what the registry says of entities.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use masar_bus::{Error as BusError, Event, Handler, keep};
use masar_packages::is_told;
use masar_proto::events::v1::{CaseChanged, ClockChanged, ClockMarked, ClockState, RegistryChanged};
use masar_proto::kinds;
use masar_store::{Transaction, tell};
use uuid::Uuid;

use crate::NAME;
use crate::app::{Core, ENTITIES, Error, Session};
use crate::store::task;

/// The clock that says what is urgent: the answer that the customer was promised.
const URGENT: &str = "response";

pub(crate) struct Hear {
    pub(crate) core: Arc<Core>,
}

#[async_trait]
impl Handler for Hear {
    /// Of clocks, of which there are many to each case, only the one by which tasks are ranked.
    fn hears(&self, event: &Event) -> bool {
        match event.kind.as_str() {
            kinds::REGISTRY_CHANGED | kinds::CASE_OPENED | kinds::CASE_CHANGED => true,
            _ => is_told(event) || urgent(event).map_or(true, |clock| clock.is_some()),
        }
    }

    async fn handle(&self, tx: &Transaction, events: &[Event]) -> Result<(), BusError> {
        self.core.packages.hear(tx, events).await?;
        for event in events.iter().filter(|event| event.kind == kinds::REGISTRY_CHANGED) {
            let changed = event.decode::<RegistryChanged>()?;
            keep(tx, &changed.tenant, &changed).await?;
            tell(tx, ENTITIES, &changed.tenant).await?;
            self.core.hear(changed);
        }
        let cases: BTreeSet<Uuid> = events.iter().filter_map(|event| event.subject.parse().ok()).collect();
        let heard: Vec<_> =
            events.iter().map(|event| Ok((event, Heard::read(event)?))).collect::<Result<_, BusError>>()?;
        self.core.packages.know(tx, heard.iter().filter_map(|(_, heard)| heard.package())).await?;
        let mut session = Session::new(&self.core, task::lock(tx, cases).await?);
        for (event, heard) in heard {
            event.cause(NAME, || heard.follow(&mut session, event))?;
        }
        session.save(tx).await.map_err(unusable)?;
        Ok(())
    }

    fn committed(&self, _: &[Event]) {
        // Any queue may have changed: those who watch look again.
        self.core.tell([String::new()].into_iter());
    }
}

/// What an event says, as far as tasks care.
enum Heard {
    Case(Box<CaseChanged>),
    /// The clock by which tasks are ranked.
    Urgent(Uuid, Box<ClockState>),
    /// What is no case's.
    Else,
}

impl Heard {
    fn read(event: &Event) -> Result<Self, BusError> {
        let case = || event.subject.parse().map_err(|_| event.unreadable("its subject is no case"));
        Ok(match event.kind.as_str() {
            kinds::CASE_OPENED | kinds::CASE_CHANGED => Self::Case(Box::new(event.decode()?)),
            _ => match urgent(event)? {
                Some(clock) => Self::Urgent(case()?, Box::new(clock)),
                None => Self::Else,
            },
        })
    }

    /// The package whose rules may be asked: its tenant, name and version.
    fn package(&self) -> Option<[&str; 3]> {
        let Self::Case(changed) = self else { return None };
        changed.case.as_ref().map(|case| [&*case.tenant, &*case.package, &*case.package_version])
    }

    fn follow(self, session: &mut Session<'_>, event: &Event) -> Result<(), BusError> {
        match self {
            Self::Case(changed) => session.follow(*changed, event.time).map_err(unusable)?,
            Self::Urgent(case, clock) => session.due(case, &clock),
            Self::Else => {}
        }
        Ok(())
    }
}

/// The clock by which tasks are ranked, if that is what the event is about.
fn urgent(event: &Event) -> Result<Option<ClockState>, BusError> {
    let clock = match event.kind.as_str() {
        kinds::CLOCK_WARNED | kinds::CLOCK_BREACHED | kinds::CLOCK_OVERDUE => {
            event.decode::<ClockMarked>()?.clock
        }
        kind if kind.starts_with("clock.") => event.decode::<ClockChanged>()?.clock,
        _ => None,
    };
    Ok(clock.filter(|clock| clock.clock == URGENT))
}

fn unusable(error: Error) -> BusError {
    match error {
        Error::Store(error) => BusError::Store(error),
        Error::Bus(error) => error,
        error => BusError::Unusable(error.to_string()),
    }
}

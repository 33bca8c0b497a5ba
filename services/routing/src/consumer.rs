//! Follows the cases, their due times, and what the registry says of entities.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use masar_bus::{Error as BusError, Event, Handler, keep};
use masar_proto::events::v1::{CaseChanged, ClockChanged, ClockMarked, RegistryChanged};
use masar_proto::kinds;
use masar_store::{Transaction, tell};
use uuid::Uuid;

use crate::NAME;
use crate::app::{Core, ENTITIES, Error, Session};
use crate::store::task;

pub(crate) struct Hear {
    pub(crate) core: Arc<Core>,
}

#[async_trait]
impl Handler for Hear {
    async fn handle(&self, tx: &Transaction, events: &[Event]) -> Result<(), BusError> {
        for event in events.iter().filter(|event| event.kind == kinds::REGISTRY_CHANGED) {
            let changed = event.decode::<RegistryChanged>()?;
            keep(tx, &changed.tenant, &changed).await?;
            tell(tx, ENTITIES, &changed.tenant).await?;
            self.core.hear(changed);
        }
        let cases: BTreeSet<Uuid> = events.iter().filter_map(|event| event.subject.parse().ok()).collect();
        let mut session = Session::new(&self.core, task::lock(tx, cases).await?);
        for event in events {
            event.cause(NAME, || follow(&mut session, event))?;
        }
        session.save(tx).await.map_err(unusable)?;
        Ok(())
    }

    fn committed(&self, _: &[Event]) {
        // Any queue may have changed: those who watch look again.
        self.core.tell([String::new()].into_iter());
    }
}

fn follow(session: &mut Session<'_>, event: &Event) -> Result<(), BusError> {
    let case = || event.subject.parse::<Uuid>().map_err(|_| event.unreadable("its subject is no case"));
    match event.kind.as_str() {
        kinds::CASE_OPENED | kinds::CASE_CHANGED => {
            session.follow(event.decode::<CaseChanged>()?, event.time).map_err(unusable)?;
        }
        kinds::CLOCK_WARNED | kinds::CLOCK_BREACHED | kinds::CLOCK_OVERDUE => {
            session.due(case()?, event.decode::<ClockMarked>()?.clock.as_ref());
        }
        kind if kind.starts_with("clock.") => {
            session.due(case()?, event.decode::<ClockChanged>()?.clock.as_ref())
        }
        _ => {}
    }
    Ok(())
}

fn unusable(error: Error) -> BusError {
    match error {
        Error::Store(error) => BusError::Store(error),
        Error::Bus(error) => error,
        error => BusError::Unusable(error.to_string()),
    }
}

//! Follows the cases, the marks of their clocks, and the people of each entity.

use std::sync::Arc;

use async_trait::async_trait;
use masar_bus::{Error as BusError, Event, Handler, keep};
use masar_packages::is_told;
use masar_proto::events::v1::{CaseChanged, ClockMarked, RegistryChanged};
use masar_proto::kinds;
use masar_store::Transaction;

use crate::NAME;
use crate::app::{Core, Error, Heard, needed};

pub(crate) struct Hear {
    pub(crate) core: Arc<Core>,
}

#[async_trait]
impl Handler for Hear {
    /// Of clocks, of which there are many to each case, only the marks.
    fn hears(&self, event: &Event) -> bool {
        matches!(
            event.kind.as_str(),
            kinds::REGISTRY_CHANGED
                | kinds::CASE_OPENED
                | kinds::CASE_CHANGED
                | kinds::CLOCK_WARNED
                | kinds::CLOCK_BREACHED
                | kinds::CLOCK_OVERDUE
        ) || is_told(event)
    }

    async fn handle(&self, tx: &Transaction, events: &[Event]) -> Result<(), BusError> {
        self.core.packages.hear(tx, events).await?;
        let mut heard = Heard::default();
        for event in events {
            match event.kind.as_str() {
                kinds::REGISTRY_CHANGED => {
                    let changed = event.decode::<RegistryChanged>()?;
                    keep(tx, &changed.tenant, &needed(changed.people)).await?;
                }
                kinds::CASE_OPENED | kinds::CASE_CHANGED => {
                    let case = event.decode::<CaseChanged>()?.case;
                    let case = case.ok_or_else(|| event.unreadable("it has no case"))?;
                    event.cause(NAME, || heard.case(case)).map_err(unusable)?;
                }
                kinds::CLOCK_WARNED | kinds::CLOCK_BREACHED | kinds::CLOCK_OVERDUE => {
                    let marked = event.decode::<ClockMarked>()?;
                    event.cause(NAME, || heard.mark(marked)).map_err(unusable)?;
                }
                _ => {}
            }
        }
        Box::pin(self.core.follow(tx, heard)).await.map_err(unusable)
    }

    fn committed(&self, _: &[Event]) {
        self.core.outbox.wake();
    }
}

fn unusable(error: Error) -> BusError {
    match error {
        Error::Store(error) => BusError::Store(error),
        Error::Bus(error) => error,
        error => BusError::Unusable(error.to_string()),
    }
}

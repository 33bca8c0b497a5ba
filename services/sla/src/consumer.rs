//! Follows the cases and what people were told: that says what happens to which clock.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use masar_bus::{Error as BusError, Event, Handler, keep};
use masar_packages::{Packages, is_told};
use masar_proto::events::v1::{CaseChanged, MessageTold, RegistryChanged, TaskChanged, effect::Effect};
use masar_proto::{kinds, time};
use masar_store::{Transaction, tell};
use uuid::Uuid;

use crate::NAME;
use crate::app::{Changed, ENTITIES, Error, Keeper, Session};
use crate::store::{clock, told};

pub(crate) struct Hear {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) packages: Arc<Packages>,
    /// What the batch at hand has changed: told once it is committed.
    pub(crate) changed: Mutex<Vec<Changed>>,
}

#[async_trait]
impl Handler for Hear {
    fn hears(&self, event: &Event) -> bool {
        matches!(
            event.kind.as_str(),
            kinds::REGISTRY_CHANGED | kinds::CASE_OPENED | kinds::CASE_CHANGED | kinds::MESSAGE_TOLD
        ) || event.kind.starts_with("task.")
            || is_told(event)
    }

    async fn handle(&self, tx: &Transaction, events: &[Event]) -> Result<(), BusError> {
        self.packages.hear(tx, events).await?;
        for event in events.iter().filter(|event| event.kind == kinds::REGISTRY_CHANGED) {
            let changed = event.decode::<RegistryChanged>()?;
            keep(tx, &changed.tenant, &changed).await?;
            tell(tx, ENTITIES, &changed.tenant).await?;
            self.keeper.promises.hear(changed).map_err(BusError::Unusable)?;
        }
        let cases: BTreeSet<Uuid> = events.iter().filter_map(|event| event.subject.parse().ok()).collect();
        let early = told::take(tx, &cases, self.keeper.clock.now()).await?;
        let rows = clock::lock(tx, cases).await?;
        let mut session = Session::new(&self.keeper, rows).with_early(early);
        for event in events {
            event.cause(NAME, || follow(&mut session, event))?;
        }
        let changed = session.save(tx).await.map_err(unusable)?;
        self.pending().extend(changed);
        Ok(())
    }

    fn committed(&self, events: &[Event]) {
        if events.iter().any(|event| event.kind == kinds::REGISTRY_CHANGED) {
            self.keeper.calendars.notify_one();
        }
        self.keeper.tell(std::mem::take(&mut self.pending()));
    }
}

impl Hear {
    fn pending(&self) -> MutexGuard<'_, Vec<Changed>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn follow(session: &mut Session<'_>, event: &Event) -> Result<(), BusError> {
    match event.kind.as_str() {
        kinds::CASE_OPENED | kinds::CASE_CHANGED => {
            let changed = event.decode::<CaseChanged>()?;
            let at = time::from_proto(changed.at.as_ref()).unwrap_or(event.time);
            let case = changed.case.ok_or_else(|| event.unreadable("it has no case"))?;
            for effect in changed.effects {
                if let Some(Effect::Clock(effect)) = effect.effect {
                    session.apply(&case, &effect, at).map_err(unusable)?;
                }
            }
            Ok(())
        }
        kinds::MESSAGE_TOLD => session.told(&event.decode::<MessageTold>()?).map_err(unusable),
        kind if kind.starts_with("task.") => {
            let task = event.decode::<TaskChanged>()?;
            let case = task.case_id.parse().map_err(|_| event.unreadable("it names no case"))?;
            session.queue(case, &task.queue);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn unusable(error: Error) -> BusError {
    match error {
        Error::Store(error) => BusError::Store(error),
        Error::Bus(error) => error,
        error @ (Error::Clock { .. } | Error::Text(_) | Error::Ledger(_)) => {
            BusError::Unusable(error.to_string())
        }
    }
}

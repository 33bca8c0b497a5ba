//! Follows the cases and what people were told: that says what happens to which clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use masar_bus::{Error as BusError, Event, Handler, keep};
use masar_packages::{Packages, is_told};
use masar_proto::events::v1::{
    CaseChanged, ChildChanged, MessageTold, RegistryChanged, TaskChanged, effect::Effect,
};
use masar_proto::{kinds, time};
use masar_store::time::to_db;
use masar_store::{Transaction, tell};
use uuid::Uuid;

use crate::NAME;
use crate::app::{Changed, ENTITIES, Error, Handed, Keeper, Session, Terms, bursts};
use crate::store::{agreement, child, clock, evidence, handover, told};

pub(crate) struct Hear {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) packages: Arc<Packages>,
    /// What the batch at hand has changed: told once it is committed.
    pub(crate) changed: Mutex<Vec<Changed>>,
    /// True when the batch at hand has changed agreements.
    pub(crate) agreed: AtomicBool,
}

#[async_trait]
impl Handler for Hear {
    fn hears(&self, event: &Event) -> bool {
        matches!(
            event.kind.as_str(),
            kinds::REGISTRY_CHANGED
                | kinds::CASE_OPENED
                | kinds::CASE_CHANGED
                | kinds::CASE_CHILD_CHANGED
                | kinds::MESSAGE_TOLD
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
        self.agree(tx, events).await?;
        child::keep(tx, children(events)?).await?;
        let cases: BTreeSet<Uuid> = events.iter().filter_map(|event| event.subject.parse().ok()).collect();
        let early = told::take(tx, &cases, self.keeper.clock.now()).await?;
        let rows = clock::lock(tx, cases).await?;
        let mut session = Session::new(&self.keeper, rows).with_early(early);
        for event in events {
            event.cause(NAME, || follow(&mut session, event))?;
        }
        let handed = handed(events)?;
        let handovers = handed.iter().map(|handed| handed.handover.clone()).collect();
        let remembered = handover::keep(tx, handovers, self.keeper.clock.now()).await?;
        let bursts = bursts(&self.keeper.promises, &handed, &remembered).map_err(unusable)?;
        evidence::keep(tx, bursts).await?;
        let changed = session.save(tx).await.map_err(unusable)?;
        self.pending().extend(changed);
        Ok(())
    }

    fn committed(&self, events: &[Event]) {
        if events.iter().any(|event| event.kind == kinds::REGISTRY_CHANGED) {
            self.keeper.calendars.notify_one();
        }
        if self.agreed.swap(false, Ordering::Relaxed) {
            self.keeper.agreements.notify_one();
        }
        self.keeper.tell(std::mem::take(&mut self.pending()));
    }
}

impl Hear {
    /// Takes over what cases put into force, or end (SVC-05).
    async fn agree(&self, tx: &Transaction, events: &[Event]) -> Result<(), BusError> {
        let changed = agreement::keep(tx, agreements(events)?).await?;
        self.agreed.fetch_or(!changed.is_empty(), Ordering::Relaxed);
        let tenants: BTreeSet<String> = changed.iter().map(|row| row.tenant.clone()).collect();
        self.keeper.promises.agree(changed).map_err(|error| BusError::Unusable(error.to_string()))?;
        for tenant in tenants {
            tell(tx, ENTITIES, &tenant).await?;
        }
        Ok(())
    }

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
            session.case(&case).map_err(unusable)?;
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

fn is_of_case(event: &Event) -> bool {
    [kinds::CASE_OPENED, kinds::CASE_CHANGED].contains(&event.kind.as_str())
}

/// What events say of the agreements of their cases.
fn agreements(events: &[Event]) -> Result<Vec<agreement::Said>, BusError> {
    let mut said = Vec::new();
    for event in events.iter().filter(|event| is_of_case(event)) {
        let changed = event.decode::<CaseChanged>()?;
        let effects = changed.effects.into_iter().filter_map(|effect| effect.effect);
        let agreed = effects.filter_map(|effect| match effect {
            Effect::Agreement(agreed) => Some(agreed),
            _ => None,
        });
        let case = changed.case.unwrap_or_default();
        for agreed in agreed {
            let terms = || {
                let terms = serde_json::to_value(Terms::read(&agreed)?)?;
                Ok::<_, Error>((terms, agreed.retarget))
            };
            said.push(agreement::Said {
                case_id: case.case_id.parse().map_err(|_| event.unreadable("it names no case"))?,
                tenant: case.tenant.clone(),
                reference: case.reference.clone(),
                case_version: case.version.cast_signed(),
                at: time::from_proto(changed.at.as_ref()).unwrap_or(event.time),
                terms: (!agreed.ended).then(terms).transpose().map_err(unusable)?,
            });
        }
    }
    Ok(said)
}

/// The children that events tell of, each once.
fn children(events: &[Event]) -> Result<Vec<child::Model>, BusError> {
    let mut children = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == kinds::CASE_CHILD_CHANGED) {
        let changed = event.decode::<ChildChanged>()?;
        let id = |text: &str| text.parse::<Uuid>().map_err(|_| event.unreadable("it names no case"));
        children.insert(id(&changed.child_case_id)?, id(&changed.case_id)?);
    }
    let child = |(child_case_id, case_id)| child::Model { child_case_id, case_id };
    Ok(children.into_iter().map(child).collect())
}

/// The cases that were given to another person or queue.
fn handed(events: &[Event]) -> Result<Vec<Handed>, BusError> {
    let given = events
        .iter()
        .filter(|event| matches!(event.kind.as_str(), kinds::TASK_ASSIGNED | kinds::TASK_REROUTED));
    let handed = given.map(|event| {
        let task = event.decode::<TaskChanged>()?;
        let case_id = task.case_id.parse().map_err(|_| event.unreadable("it names no case"))?;
        let at = time::from_proto(task.at.as_ref()).unwrap_or(event.time);
        let handover = handover::Model { case_id, version: task.version.cast_signed(), at: to_db(at) };
        Ok(Handed { tenant: task.tenant, department: task.department, handover })
    });
    handed.collect()
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

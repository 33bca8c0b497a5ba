//! Follows the cases: keeps their states for those who ask with a reference, takes in the children they ask for, and keeps the
//! schedules that are counted from them; and hears which schedules an entity wants.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use masar_bus::{Error as BusError, Event, Handler, Outbox};
use masar_packages::{Entities, Packages, is_told};
use masar_proto::events::v1::{
    CaseChanged, CaseLodged, CaseSnapshot, RegistryChanged, ScheduleEffect, effect::Effect,
    schedule_effect::Operation,
};
use masar_proto::{kinds, time};
use masar_store::{Transaction, tell};
use uuid::Uuid;

use crate::NAME;
use crate::app::{Error, Gate, accept, asked, child, lodged};
use crate::store::{schedule, submission};
use crate::worker::{Bell, ENTITIES};

pub(crate) struct Hear {
    pub(crate) outbox: Outbox,
    pub(crate) packages: Arc<Packages>,
    pub(crate) entities: Arc<Entities>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) bell: Arc<Bell>,
}

/// What a batch of events does to the schedules of cases; the last word counts.
#[derive(Default)]
struct Changed(BTreeMap<String, Option<schedule::Model>>);

impl Changed {
    fn take(&mut self, case: &CaseSnapshot, id: Uuid, effect: ScheduleEffect, at: Timestamp) {
        let origin = schedule::of_case(id, &effect.schedule);
        let begins = effect.operation() == Operation::Begin;
        self.0.insert(origin, begins.then(|| asked(case, id, effect, at)).flatten());
    }

    async fn save(self, tx: &Transaction) -> Result<(), BusError> {
        let (begin, end): (Vec<_>, Vec<_>) = self.0.into_iter().partition(|(_, row)| row.is_some());
        schedule::save(tx, begin.into_iter().filter_map(|(_, row)| row).collect()).await?;
        Ok(schedule::end(tx, end.into_iter().map(|(origin, _)| origin).collect()).await?)
    }
}

#[async_trait]
impl Handler for Hear {
    fn hears(&self, event: &Event) -> bool {
        is_of_case(event)
            || event.kind == kinds::CASE_LODGED
            || event.kind == kinds::REGISTRY_CHANGED
            || is_told(event)
    }

    async fn handle(&self, tx: &Transaction, events: &[Event]) -> Result<(), BusError> {
        self.packages.hear(tx, events).await?;
        let mut states: BTreeMap<Uuid, String> = BTreeMap::new();
        let (mut children, mut schedules) = (Vec::new(), Changed::default());
        for event in events.iter().filter(|event| event.kind == kinds::REGISTRY_CHANGED) {
            let changed = event.decode::<RegistryChanged>()?;
            self.entities.hear(tx, &changed).await?;
            tell(tx, ENTITIES, &changed.tenant).await?;
        }
        for event in events.iter().filter(|event| is_of_case(event)) {
            let changed = event.decode::<CaseChanged>()?;
            let case = changed.case.unwrap_or_default();
            let id = case.case_id.parse().map_err(|_| event.unreadable("it names no case"))?;
            let at = time::from_proto(changed.at.as_ref()).unwrap_or(event.time);
            for effect in changed.effects {
                match effect.effect {
                    Some(Effect::Child(asked)) => {
                        let child =
                            || child(&self.packages, &self.entities, &case, asked, &changed.actor, at);
                        children.push(event.cause(NAME, child).map_err(unusable)?);
                    }
                    Some(Effect::Schedule(effect)) => schedules.take(&case, id, effect, at),
                    _ => {}
                }
            }
            states.insert(id, case.state);
        }
        for event in events.iter().filter(|event| event.kind == kinds::CASE_LODGED) {
            let asked = event.decode::<CaseLodged>()?;
            let at = time::from_proto(asked.at.as_ref()).unwrap_or(event.time);
            let child = || lodged(&self.packages, asked, at);
            children.push(event.cause(NAME, child).map_err(unusable)?);
        }
        schedules.save(tx).await?;
        accept(tx, &self.outbox, children).await.map_err(unusable)?;
        Ok(submission::remember(tx, states).await?)
    }

    fn committed(&self, events: &[Event]) {
        self.gate.hear(events);
        if events.iter().any(|event| is_told(event) || event.kind == kinds::REGISTRY_CHANGED) {
            self.bell.ring();
        }
        self.outbox.wake();
    }
}

fn is_of_case(event: &Event) -> bool {
    [kinds::CASE_OPENED, kinds::CASE_CHANGED].contains(&event.kind.as_str())
}

fn unusable(error: Error) -> BusError {
    match error {
        Error::Store(error) => BusError::Store(error),
        Error::Bus(error) => error,
        Error::Invalid(fields) => {
            let fields: Vec<_> = fields.iter().map(|(field, problem)| format!("{field} {problem}")).collect();
            BusError::Unusable(format!("the child's form: {}", fields.join("; ")))
        }
        error @ (Error::CaseType(..)
        | Error::Entity(_)
        | Error::Behind(_)
        | Error::Reference(_)
        | Error::Refused(_)) => BusError::Unusable(error.to_string()),
    }
}

//! Follows the cases: keeps their states for those who ask with a reference, and takes in the children they ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use masar_bus::{Error as BusError, Event, Handler, Outbox};
use masar_packages::{Packages, is_told};
use masar_proto::events::v1::{CaseChanged, CaseLodged, effect::Effect};
use masar_proto::{kinds, time};
use masar_store::Transaction;
use uuid::Uuid;

use crate::NAME;
use crate::app::{Error, Gate, accept, child, lodged};
use crate::store::submission;

pub(crate) struct Hear {
    pub(crate) outbox: Outbox,
    pub(crate) packages: Arc<Packages>,
    pub(crate) gate: Arc<Gate>,
}

#[async_trait]
impl Handler for Hear {
    fn hears(&self, event: &Event) -> bool {
        is_of_case(event) || event.kind == kinds::CASE_LODGED || is_told(event)
    }

    async fn handle(&self, tx: &Transaction, events: &[Event]) -> Result<(), BusError> {
        self.packages.hear(tx, events).await?;
        let mut states: BTreeMap<Uuid, String> = BTreeMap::new();
        let mut children = Vec::new();
        for event in events.iter().filter(|event| is_of_case(event)) {
            let changed = event.decode::<CaseChanged>()?;
            let case = changed.case.unwrap_or_default();
            let id = case.case_id.parse().map_err(|_| event.unreadable("it names no case"))?;
            let at = time::from_proto(changed.at.as_ref()).unwrap_or(event.time);
            for effect in changed.effects {
                if let Some(Effect::Child(asked)) = effect.effect {
                    let child = || child(&self.packages, &case, asked, &changed.actor, at);
                    children.push(event.cause(NAME, child).map_err(unusable)?);
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
        accept(tx, &self.outbox, children).await.map_err(unusable)?;
        Ok(submission::remember(tx, states).await?)
    }

    fn committed(&self, events: &[Event]) {
        self.gate.hear(events);
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
        error @ (Error::CaseType(..) | Error::Behind(_) | Error::Reference(_) | Error::Refused(_)) => {
            BusError::Unusable(error.to_string())
        }
    }
}

//! Fires the levels of ladders, a row and an event each, once for a run of a clock; and tells them again until somebody takes
//! notice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use masar_bus::kept;
use masar_clock::Mark;
use masar_proto::common::v1::StateCategory;
use masar_proto::events::v1::{CaseSnapshot, Person, RegistryChanged};
use masar_proto::{kinds, time};
use masar_store::Transaction;
use masar_store::time::to_db;
use masar_workflow::{Climb, LadderStep, SYSTEM, climb};
use uuid::Uuid;

use super::follow::Marked;
use super::people::holders;
use super::{Core, Error, told};
use crate::metrics;
use crate::store::escalation::{self, Model, Once, Words};
use crate::store::queued;

impl Core {
    /// Raises the levels of the marks that have not fired before. The rows of the cases are held.
    pub(super) async fn raise(
        &self,
        tx: &Transaction,
        cases: &BTreeMap<Uuid, CaseSnapshot>,
        marks: &[Marked],
    ) -> Result<(), Error> {
        if marks.is_empty() {
            return Ok(());
        }
        let packages = cases.values().map(|case| [&*case.tenant, &*case.package, &*case.package_version]);
        self.packages.know(tx, packages).await?;
        let mut known = escalation::of_cases(tx, cases.keys().copied()).await?;
        // Read in the transaction: every replica tells the same people.
        let tenants = cases.values().map(|case| case.tenant.as_str()).collect();
        let entities: HashMap<String, RegistryChanged> = kept(tx, tenants).await?;
        let now = self.clock.now();
        let (mut changed, mut new, mut events) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        for marked in marks {
            let Some(case) = cases.get(&marked.case) else { continue };
            let people =
                entities.get(&case.tenant).map(|entity| entity.people.as_slice()).unwrap_or_default();
            for row in self.levels(marked, case, people, now, &known)? {
                marked.span.in_scope(|| {
                    events.push(told(kinds::ESCALATION_RAISED, &row, Some(case.clone()), now));
                });
                let row = match known.get(&row.once()) {
                    Some(before) => with_those_before(row, before),
                    None => {
                        new.insert(row.id);
                        row
                    }
                };
                known.insert(row.once(), row.clone());
                changed.insert(row.id, row);
            }
        }
        self.outbox.put(tx, events).await?;
        let (raised, again): (Vec<_>, Vec<_>) = changed.into_values().partition(|row| new.contains(&row.id));
        queued::insert(tx, &raised).await?;
        escalation::insert(tx, raised).await?;
        Ok(masar_store::save_all(tx, again).await?)
    }

    /// The levels that a mark fires for the first time, and those that it tells again because nobody has taken notice.
    fn levels(
        &self,
        marked: &Marked,
        case: &CaseSnapshot,
        people: &[Person],
        now: Timestamp,
        known: &HashMap<Once, Model>,
    ) -> Result<Vec<Model>, Error> {
        if case.category() == StateCategory::Closed {
            return Ok(Vec::new());
        }
        let clock = &marked.clock;
        let package = self.package(case)?;
        // The case may be older than the mark, or newer: the mark says for which importance it was set.
        let steps = package.ladder(&clock.clock, marked.importance);
        let Some(safety_net) = package.safety_net(&clock.clock) else { return Ok(Vec::new()) };
        let mut levels = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let Some(told) = time_of(step, marked.mark) else { continue };
            let new = fresh(marked, case, step, now);
            let row = match known.get(&new.once()) {
                None => new,
                Some(row) if row.told < told && row.acknowledged_at.is_none() => row.clone(),
                Some(_) => continue,
            };
            let climb = climb(&steps, index, safety_net, |role| holders(role, case, people));
            if climb.people.is_empty() {
                tracing::error!(tenant = case.tenant, case = case.reference, clock = clock.clock, level = step.level, %safety_net,
                    "a level has nobody to tell, not even in its safety net: give somebody the role");
            }
            metrics::told(&case.tenant, &step.level, told > 1, &climb);
            let Climb { people, vacant, absent, safety_net } = climb;
            let [people, vacant, absent] = [people, vacant, absent].map(Words);
            levels.push(Model { people, vacant, absent, safety_net, told, told_at: Some(to_db(now)), ..row });
        }
        Ok(levels)
    }
}

/// Which time it is that a mark tells a level: 1 when it fires; none when the mark is none of the level.
fn time_of(step: &LadderStep, mark: Mark) -> Option<i32> {
    if step.mark == mark {
        return Some(1);
    }
    let again = step.again.iter().position(|again| *again == mark)?;
    i32::try_from(again).ok()?.checked_add(2)
}

/// A level that has told nobody yet.
fn fresh(marked: &Marked, case: &CaseSnapshot, step: &LadderStep, now: Timestamp) -> Model {
    let clock = &marked.clock;
    let reminder = step.is_for_the_customer();
    Model {
        id: Uuid::now_v7(),
        tenant: case.tenant.clone(),
        case_id: marked.case,
        reference: case.reference.clone(),
        clock: clock.clock.clone(),
        run: clock.run.cast_signed(),
        level: step.level.clone(),
        mark: marked.mark.to_string(),
        template: step.template.clone().unwrap_or_default(),
        people: Words::default(),
        vacant: Words::default(),
        actions: Words(step.actions.clone()),
        raised_at: to_db(now),
        due_at: time::from_proto(clock.due_at.as_ref()).map(to_db),
        // A reminder asks nobody of the entity to take notice: it never stands on the list of what is open.
        acknowledged_by: if reminder { SYSTEM.to_owned() } else { String::new() },
        acknowledged_at: reminder.then(|| to_db(now)),
        reason: String::new(),
        absent: Words::default(),
        safety_net: false,
        told: 0,
        told_at: None,
    }
}

/// A level with all whom it has ever told: each of them may take notice.
fn with_those_before(mut row: Model, before: &Model) -> Model {
    row.people.0.extend(before.people.0.iter().cloned());
    row.people.0.sort();
    row.people.0.dedup();
    row
}

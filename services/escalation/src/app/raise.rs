//! Fires the levels of ladders: a row and an event each, once for a run of a clock.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use masar_bus::kept;
use masar_proto::common::v1::StateCategory;
use masar_proto::events::v1::{CaseSnapshot, Person, RegistryChanged};
use masar_proto::{kinds, time};
use masar_store::Transaction;
use masar_store::time::to_db;
use masar_workflow::{Climb, SYSTEM, climb};
use uuid::Uuid;

use super::follow::Marked;
use super::people::people_of;
use super::{Core, Error, told};
use crate::store::escalation::{self, Once, Words};
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
        let mut fired = escalation::fired(tx, cases.keys().copied()).await?;
        // Read in the transaction: every replica tells the same people.
        let tenants = cases.values().map(|case| case.tenant.as_str()).collect();
        let entities: HashMap<String, RegistryChanged> = kept(tx, tenants).await?;
        let now = self.clock.now();
        let (mut raised, mut events) = (Vec::new(), Vec::new());
        for marked in marks {
            let Some(case) = cases.get(&marked.case) else { continue };
            let people =
                entities.get(&case.tenant).map(|entity| entity.people.as_slice()).unwrap_or_default();
            let levels = self.levels(marked, case, people, now, &mut fired)?;
            let event = |row| told(kinds::ESCALATION_RAISED, row, Some(case.clone()), now);
            marked.span.in_scope(|| events.extend(levels.iter().map(event)));
            raised.extend(levels);
        }
        self.outbox.put(tx, events).await?;
        queued::insert(tx, &raised).await?;
        Ok(escalation::insert(tx, raised).await?)
    }

    /// The levels that a mark fires for the first time.
    fn levels(
        &self,
        marked: &Marked,
        case: &CaseSnapshot,
        people: &[Person],
        now: Timestamp,
        fired: &mut HashSet<Once>,
    ) -> Result<Vec<escalation::Model>, Error> {
        if case.category() == StateCategory::Closed {
            return Ok(Vec::new());
        }
        let clock = &marked.clock;
        let catalog = self.packages.of(&case.tenant);
        let package = catalog.get(&case.package, &case.package_version);
        let package =
            package.ok_or_else(|| Error::Package(case.package.clone(), case.package_version.clone()))?;
        // The case may be older than the mark, or newer: the mark says for which importance it was set.
        let steps = package.ladder(&clock.clock, marked.importance);
        let Some(safety_net) = package.safety_net(&clock.clock) else { return Ok(Vec::new()) };
        let run = clock.run.cast_signed();
        let mut raised = Vec::new();
        for (index, step) in steps.iter().enumerate().filter(|(_, step)| step.mark == marked.mark) {
            if !fired.insert((marked.case, clock.clock.clone(), run, step.level.clone())) {
                continue;
            }
            let Climb { people, vacant } =
                climb(&steps, index, safety_net, |role| people_of(role, case, people));
            if people.is_empty() {
                tracing::error!(tenant = case.tenant, case = case.reference, clock = clock.clock, level = step.level, %safety_net,
                    "a level has nobody to tell, not even in its safety net: give somebody the role");
            }
            let reminder = step.is_for_the_customer();
            raised.push(escalation::Model {
                id: Uuid::now_v7(),
                tenant: case.tenant.clone(),
                case_id: marked.case,
                reference: case.reference.clone(),
                clock: clock.clock.clone(),
                run,
                level: step.level.clone(),
                mark: marked.mark.to_string(),
                template: step.template.clone().unwrap_or_default(),
                people: Words(people),
                vacant: Words(vacant),
                actions: Words(step.actions.clone()),
                raised_at: to_db(now),
                due_at: time::from_proto(clock.due_at.as_ref()).map(to_db),
                // A reminder asks nobody of the entity to take notice: it never stands on the list of what is open.
                acknowledged_by: if reminder { SYSTEM.to_owned() } else { String::new() },
                acknowledged_at: reminder.then(|| to_db(now)),
                reason: String::new(),
            });
        }
        Ok(raised)
    }
}

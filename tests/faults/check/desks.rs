//! Who must act, who was told, and what the bus still holds.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::{Importance, StateCategory};
use masar_proto::cases::v1::Case;
use masar_workflow::Catalog;

use super::Verdict;
use crate::seen::Seen;

/// Every level of a ladder that a mark has reached was told, once, and no other.
pub(super) fn levels(seen: &Seen, catalog: &Catalog) -> Verdict {
    let mut told: BTreeMap<_, usize> = BTreeMap::new();
    for raised in &seen.escalations {
        let key = (raised.case_id.clone(), raised.clock.clone(), raised.run, raised.level.clone());
        *told.entry(key).or_default() += 1;
    }
    let mut findings = Vec::new();
    for case in &seen.cases {
        let Some(package) = catalog.get(&case.package, &case.package_version) else { continue };
        for clock in seen.clocks.get(&case.case_id).into_iter().flatten() {
            let Some(state) = &clock.state else { continue };
            let importance = clock.importance().word().unwrap_or(Importance::Medium);
            let fired: BTreeSet<_> = clock.fired.iter().map(String::as_str).collect();
            for step in package.ladder(&state.clock, importance) {
                let key = (case.case_id.clone(), state.clock.clone(), state.run, step.level.clone());
                let times = told.remove(&key).unwrap_or_default();
                let reached = fired.contains(step.mark.to_string().as_str());
                // Of a case that is closed nobody needs to hear any more.
                let closed = case.category().word() == Some(StateCategory::Closed);
                let right = usize::from(reached);
                if times != right && !(closed && times < right) {
                    let (clock, run, level) = (&state.clock, state.run, &step.level);
                    findings
                        .push(format!("{} {clock}/{run}: {level} was told {times} times", case.reference));
                }
            }
        }
    }
    let strangers = told.keys().map(|(case, clock, run, level)| {
        format!("{case} {clock}/{run}: {level} belongs to no clock with such a level")
    });
    findings.extend(strangers);
    Verdict::new("every level of a ladder once", seen.escalations.len(), findings)
}

fn needs_owner(case: &Case) -> bool {
    case.category().word().is_some_and(StateCategory::needs_owner)
}

/// No task without an open case, none twice, and each where its case says.
pub(super) fn tasks(seen: &Seen) -> Verdict {
    let open: BTreeMap<_, _> = seen
        .cases
        .iter()
        .filter(|case| needs_owner(case))
        .map(|case| (case.case_id.as_str(), case))
        .collect();
    let (mut known, mut findings) = (BTreeSet::new(), Vec::new());
    for task in &seen.tasks {
        if !known.insert(&task.case_id) {
            findings.push(format!("{} has two tasks", task.reference));
        }
        match open.get(task.case_id.as_str()) {
            None => findings.push(format!("{} has a task and is no open case", task.reference)),
            Some(case) if (&case.queue, &case.assignee) != (&task.queue, &task.assignee) => {
                let (case, task) = ((&case.queue, &case.assignee), (&task.queue, &task.assignee));
                findings.push(format!("its case is with {case:?}, its task with {task:?}"));
            }
            Some(_) => {}
        }
    }
    Verdict::new("no task without a case", seen.tasks.len(), findings)
}

/// No open case without an owner.
pub(super) fn owners(seen: &Seen) -> Verdict {
    let tasks: BTreeSet<_> = seen.tasks.iter().map(|task| task.case_id.as_str()).collect();
    let open: Vec<_> = seen.cases.iter().filter(|case| needs_owner(case)).collect();
    let lost = open.iter().filter(|case| !tasks.contains(case.case_id.as_str()));
    let lost = lost.map(|case| format!("{} is {} and has no task", case.reference, case.state));
    let listed = seen.without_owner.iter().map(|case| format!("{} is in no queue", case.reference));
    Verdict::new("no open case without an owner", open.len(), lost.chain(listed).collect())
}

/// Nothing waits to be sent.
pub(super) fn outboxes(seen: &Seen) -> Verdict {
    let full = seen.outboxes.iter().filter(|outbox| outbox.waiting > 0);
    let findings = full.map(|outbox| format!("{} holds {} events", outbox.service, outbox.waiting)).collect();
    Verdict::new("outboxes are empty", seen.outboxes.len(), findings)
}

/// Nothing is parked.
pub(super) fn parked(seen: &Seen) -> Verdict {
    let words = |event: &masar_proto::operations::v1::ParkedEvent| {
        format!("{} holds {} of {}: {}", event.consumer, event.r#type, event.subject, event.error)
    };
    Verdict::new("nothing is parked", seen.outboxes.len(), seen.parked.iter().map(words).collect())
}

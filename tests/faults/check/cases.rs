//! Cases and their histories.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::StateCategory;
use masar_proto::cases::v1::{Case, CaseEvent};
use masar_proto::common::v1::{Importance, StateCategory as CategoryCode};
use masar_proto::json;
use serde_json::json;

use super::{Replays, Told, Verdict};
use crate::seen::Seen;

/// Every acknowledged submission is one case, and there is no other.
pub(super) fn submissions(seen: &Seen, told: &Told) -> Verdict {
    let mut by_key: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in &seen.cases {
        by_key.entry(&case.external_ref).or_default().push(&case.reference);
    }
    let mut findings = told.contradictions.clone();
    for (key, reference) in &told.submissions {
        match by_key.get(key.as_str()).map(Vec::as_slice) {
            Some([one]) if one == reference => {}
            Some(found) => findings.push(format!("{key} was told {reference} and is {}", found.join(", "))),
            None => findings.push(format!("{key} was told {reference} and is no case")),
        }
    }
    let strangers = by_key.keys().filter(|key| !told.submissions.contains_key(**key));
    findings.extend(strangers.map(|key| format!("{key} is a case that nobody was told of")));
    let references: BTreeSet<_> = told.submissions.values().collect();
    if references.len() < told.submissions.len() {
        findings.push("a reference was given twice".to_owned());
    }
    Verdict::new("every acknowledged submission is one case", told.submissions.len(), findings)
}

/// Every event of a case is there once and in order, and none that was acknowledged is missing.
pub(super) fn events(seen: &Seen, told: &Told) -> Verdict {
    let (mut looked_at, mut findings) = (0, Vec::new());
    let mut histories = BTreeMap::new();
    for case in &seen.cases {
        let events = seen.events.get(&case.case_id).map(Vec::as_slice).unwrap_or_default();
        looked_at += events.len();
        findings.extend(out_of_order(case, events).map(|what| format!("{}: {what}", case.reference)));
        histories.insert(case.reference.as_str(), events);
    }
    for step in &told.steps {
        let events = histories.get(step.reference.as_str()).copied().unwrap_or_default();
        let there = events.iter().any(|event| (event.version, &event.action) == (step.version, &step.action));
        if !there {
            let (action, version) = (&step.action, step.version);
            findings.push(format!("{}: {action} to version {version} was told and is gone", step.reference));
        }
    }
    Verdict::new("every event of a case once and in order", looked_at, findings)
}

fn out_of_order(case: &Case, events: &[CaseEvent]) -> Option<String> {
    let mut state = "";
    for (version, event) in (1..).zip(events) {
        if event.version != version {
            return Some(format!("event {} stands at place {version}", event.version));
        }
        if event.from_state != state {
            return Some(format!(
                "event {version} begins in `{}`, and it was in `{state}`",
                event.from_state
            ));
        }
        state = &event.to_state;
    }
    (case.version != events.len() as u64)
        .then(|| format!("it has {} events and version {}", events.len(), case.version))
}

/// A case is what its events make of it.
pub(super) fn states(seen: &Seen, replays: &Replays) -> Verdict {
    let different = |case: &Case| match replays.get(&case.case_id)? {
        Err(why) => Some(format!("{}: {why}", case.reference)),
        Ok(replayed) => {
            let fact = |name| replayed.case.fact(name).unwrap_or_default().to_owned();
            let made = json!({
                "state": replayed.case.state, "version": replayed.case.version, "forms": replayed.case.forms,
                "category": category(replayed.case.category), "importance": importance(replayed.case.importance()),
                "department": fact("department"), "service": fact("service"), "classification": fact("classification"),
            });
            let shown = json!({
                "state": case.state, "version": case.version,
                "forms": json::from_struct(case.forms.clone().unwrap_or_default()),
                "category": case.category, "importance": case.importance,
                "department": case.department, "service": case.service, "classification": case.classification,
            });
            (made != shown).then(|| format!("{}: its events make {made}, it is {shown}", case.reference))
        }
    };
    let findings = seen.cases.iter().filter_map(different).collect();
    Verdict::new("a case equals the replay of its events", seen.cases.len(), findings)
}

fn category(category: StateCategory) -> i32 {
    CategoryCode::from(category).into()
}

fn importance(importance: masar_domain::Importance) -> i32 {
    Importance::from(importance).into()
}

//! Mandatory stages: each lies on every way to an end, so that nobody comes there without it.

use std::collections::BTreeSet;

use masar_domain::StateCategory;

use super::paths::{closure, forward};
use crate::finding::Found;
use crate::{Code, Definition, Transition};

/// Every mandatory stage is a state that some end cannot be reached without; overlays come in at states that exist.
pub(super) fn check(definition: &Definition, found: &Found) {
    for state in definition.mandatory_states.keys() {
        let path = format!("mandatory_states/{state}");
        if !definition.states.contains_key(state) {
            let message = format!("`mandatory_states` names `{state}`, which does not exist");
            found.add(Code::UnknownState, &path, message);
        } else if ends_through(definition, state).is_empty() {
            let message =
                format!("the stage `{state}` is mandatory, and every end can be reached without it");
            found.add(Code::MandatoryStage, &path, message);
        }
    }
    for (number, point) in definition.overlay_points.iter().enumerate() {
        let state = point.strip_prefix("after:").or_else(|| point.strip_prefix("before:"));
        if !state.is_some_and(|state| definition.states.contains_key(state)) {
            let message = format!(
                "the overlay point `{point}` is no state after or before which one could come in: write after:STATE or before:STATE"
            );
            found.add(Code::UnknownState, &format!("overlay_points/{number}"), message);
        }
    }
}

/// The closed states that no case reaches without having been in a state.
pub(crate) fn ends_through(definition: &Definition, state: &str) -> BTreeSet<String> {
    let reached = |past: Option<&str>| {
        let ways = definition.transitions.iter().filter(|way| past != Some(way.to.as_str()));
        let begins = definition.beginnings().filter(|begin| past != Some(*begin)).collect();
        closure(begins, &forward(ways))
    };
    let (all, around) = (reached(None), reached(Some(state)));
    let closed = |code: &&str| {
        definition.states.get(*code).is_some_and(|state| state.category == StateCategory::Closed)
    };
    all.difference(&around).copied().filter(closed).map(str::to_owned).collect()
}

/// The transitions that lie on a way from a beginning to an end past a state.
pub(crate) fn ways_around<'a>(definition: &'a Definition, state: &str, end: &str) -> Vec<&'a Transition> {
    let past = |way: &&Transition| way.to != state && !(way.from.len() == 1 && way.from.contains(state));
    let ways: Vec<_> = definition.transitions.iter().filter(past).collect();
    let begins = definition.beginnings().filter(|begin| *begin != state).collect();
    let onward = closure(begins, &forward(ways.iter().copied()));
    let leads = |way: &&Transition| {
        way.from.iter().any(|from| from != state && onward.contains(from.as_str()))
            && closure(vec![&way.to], &forward(ways.iter().copied())).contains(end)
    };
    ways.iter().copied().filter(leads).collect()
}

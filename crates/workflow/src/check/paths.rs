//! The ways of a machine: where they begin, where they end, and that the system walks none of them for ever.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::StateCategory;

use crate::finding::Found;
use crate::{Code, Definition, Ladder, SYSTEM, Transition};

/// States by the states from which they are reached, or the other way round.
pub(crate) type Edges<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// One initial state; every state can be reached, and from every state an end; no automatic cycle.
pub(super) fn check(definition: &Definition, found: &Found) {
    let initial = definition.states.values().filter(|state| state.initial).count();
    if initial != 1 {
        let message = format!("there are {initial} initial states: mark exactly one with `initial: true`");
        found.add(Code::InitialState, "states", message);
    }
    let reached = closure(definition.beginnings().collect(), &forward(definition.transitions.iter()));
    let ends = definition.states.iter().filter(|(_, state)| state.category == StateCategory::Closed);
    let ending = closure(ends.map(|(code, _)| code.as_str()).collect(), &backward(definition));
    for code in definition.states.keys().map(String::as_str) {
        let path = format!("states/{code}");
        if !reached.contains(code) {
            found.add(Code::UnreachableState, &path, format!("the state `{code}` cannot be reached"));
        }
        if !ending.contains(code) {
            let message = format!("from the state `{code}` no closed state can be reached");
            found.add(Code::NoEnd, &path, message);
        }
    }
    automatic_cycles(definition, found);
}

/// What the system does by itself, because a child changed or a time is over, must not lead back to where it was.
fn automatic_cycles(definition: &Definition, found: &Found) {
    let breaches = definition.clocks.values().filter_map(|clock| clock.on_breach.as_ref());
    let climbed = definition.ladders.values().flat_map(Ladder::acts);
    let on_child = definition.on_child.iter();
    let automatic: BTreeSet<_> = on_child.chain(breaches).map(String::as_str).chain(climbed).collect();
    let by_system = |way: &&Transition| {
        automatic.contains(way.action.as_str()) && way.roles.iter().any(|role| role.0 == SYSTEM)
    };
    let ways: Vec<_> = definition.transitions.iter().filter(by_system).collect();
    let edges = forward(ways.iter().copied());
    for way in ways {
        let onward = closure(vec![&way.to], &edges);
        for state in way.from.iter().filter(|state| **state != way.to && onward.contains(state.as_str())) {
            let message = format!(
                "the system does `{}` in `{state}` by itself and comes back to it by itself: let somebody decide in between",
                way.action
            );
            found.add(Code::AutomaticCycle, &format!("transitions/{}", way.sentence), message);
        }
    }
}

pub(crate) fn forward<'a>(ways: impl Iterator<Item = &'a Transition>) -> Edges<'a> {
    let mut edges = Edges::new();
    for way in ways {
        for from in &way.from {
            edges.entry(from).or_default().insert(&way.to);
        }
    }
    edges
}

fn backward(definition: &Definition) -> Edges<'_> {
    let mut edges = Edges::new();
    for way in &definition.transitions {
        edges.entry(&way.to).or_default().extend(way.from.iter().map(String::as_str));
    }
    edges
}

/// Some states, and all to which the edges lead from there.
pub(crate) fn closure<'a>(mut open: Vec<&'a str>, edges: &Edges<'a>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    while let Some(code) = open.pop() {
        if seen.insert(code) {
            open.extend(edges.get(code).into_iter().flatten());
        }
    }
    seen
}

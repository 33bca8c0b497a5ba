//! What must hold of a machine before any case may walk it (NFR-10).

use std::collections::{BTreeMap, BTreeSet};

use masar_clock::Mark;
use masar_domain::{BiText, Importance, Role, StateCategory};

use crate::decide::{ENDED_ELSEWHERE, OPEN};
use crate::definition::ADD_TO_QUEUE;
use crate::{Begin, CUSTOMER, ClockKind, Definition, Moments, SYSTEM, Task};

/// Everything that is wrong with a machine, in sentences; empty when it can be used.
pub(crate) fn findings(definition: &Definition, forms: &BTreeSet<&str>) -> Vec<String> {
    let mut found = Vec::new();
    initial_state(definition, &mut found);
    names(definition, forms, &mut found);
    translations(definition, &mut found);
    paths(definition, &mut found);
    clocks(definition, &mut found);
    windows(definition, &mut found);
    ladders(definition, &mut found);
    tasks(definition, &mut found);
    children(definition, &mut found);
    words(definition, &mut found);
    found
}

/// The words that a package may use: roles, recipients, degrees of importance, what a level does.
fn words(definition: &Definition, found: &mut Vec<String>) {
    let mut role = |place: String, role: &str, besides: &[&str]| {
        if !besides.contains(&role) && !Role(role.to_owned()).is_known() {
            found.push(format!("{place} names the role `{role}`, which does not exist"));
        }
    };
    definition.opened_by.iter().for_each(|name| role("`opened_by`".to_owned(), &name.0, &[]));
    for transition in &definition.transitions {
        let place = format!("transition `{}`", transition.action);
        transition.roles.iter().for_each(|name| role(place.clone(), &name.0, &[]));
    }
    for (clock, ladder) in &definition.ladders {
        role(format!("the safety net of the ladder of `{clock}`"), &ladder.safety_net.0, &[]);
        for level in &ladder.levels {
            let place = format!("level {} of the ladder of `{clock}`", level.level);
            level.to.iter().for_each(|name| role(place.clone(), name, &["handler"]));
        }
    }
    let of_transitions = definition.transitions.iter().flat_map(|transition| &transition.effects);
    for task in definition.opening_effects.iter().chain(of_transitions) {
        if let Task::Notify { template, to } = task {
            let place = format!("the message `{template}`");
            to.iter().for_each(|name| role(place.clone(), name, &["customer", "handler", "actor"]));
        }
    }
    importance(definition, found);
}

/// Targets and levels are told apart by importance, or stand for all.
fn importance(definition: &Definition, found: &mut Vec<String>) {
    let mut known = |place: &str, word: &str| {
        if word != "all" && word.parse::<Importance>().is_err() {
            found.push(format!("{place} names the importance `{word}`: use high, medium, low or all"));
        }
    };
    for (code, clock) in definition.clocks.iter().filter(|(_, clock)| clock.target_by.is_none()) {
        clock.target.keys().for_each(|word| known(&format!("the clock `{code}`"), word));
    }
    for (clock, ladder) in &definition.ladders {
        for level in &ladder.levels {
            let place = format!("level {} of the ladder of `{clock}`", level.level);
            level.at.keys().for_each(|word| known(&place, word));
        }
    }
}

/// Every clock starts and stops, stands still only while somebody outside must act (T8), and warns before it is due.
fn clocks(definition: &Definition, found: &mut Vec<String>) {
    let actions: BTreeSet<_> =
        definition.transitions.iter().map(|t| t.action.as_str()).chain([OPEN]).collect();
    for (code, clock) in &definition.clocks {
        for (what, moments) in [("start", &clock.start), ("stop", &clock.stop)] {
            if *moments == Moments::default() {
                found.push(format!("the clock `{code}` has no `{what}`: name an action or a state"));
            }
            let unknown_actions = moments.actions.iter().filter(|action| !actions.contains(action.as_str()));
            let unknown_states =
                moments.states.iter().filter(|state| !definition.states.contains_key(*state));
            found.extend(
                unknown_actions.chain(unknown_states).map(|name| {
                    format!("the clock `{code}` names `{name}` at `{what}`, which does not exist")
                }),
            );
        }
        if !clock.start.messages.is_empty() {
            found.push(format!("the clock `{code}` starts with a message: name an action or a state"));
        }
        for template in clock.stop.messages.iter().filter(|name| !definition.templates.contains_key(*name)) {
            found.push(format!(
                "the clock `{code}` waits for the template `{template}`, which does not exist"
            ));
        }
        for state in &clock.pause {
            if definition.states.get(state).is_none_or(|state| state.category != StateCategory::Waiting) {
                found
                    .push(format!("the clock `{code}` stands still in `{state}`, which is no waiting state"));
            }
        }
        if clock.warn.iter().any(|mark| !matches!(mark, Mark::Share(_))) {
            found.push(format!("the clock `{code}` warns at something else than a share of its target"));
        }
        let by_system = |action: &String| {
            let mut ways = definition.transitions.iter().filter(|transition| transition.action == *action);
            ways.any(|transition| transition.roles.iter().any(|role| role.0 == SYSTEM))
        };
        if let Some(action) = clock.on_breach.as_ref().filter(|action| !by_system(action)) {
            found.push(format!(
                "the clock `{code}` has the system do `{action}`, which names no role `system`"
            ));
        }
        let system = clock.on_breach.iter().chain(clock.extend.iter().map(|extension| &extension.action));
        for action in system.filter(|action| !actions.contains(action.as_str())) {
            found.push(format!("the clock `{code}` names the action `{action}`, which does not exist"));
        }
        if clock.target.is_empty() {
            found.push(format!("the clock `{code}` has no target"));
        }
    }
}

/// What can be done only for a time names a window: any other clock is a promise, and ends with its case.
fn windows(definition: &Definition, found: &mut Vec<String>) {
    for transition in &definition.transitions {
        let Some(clock) = &transition.within else { continue };
        let problem = match definition.clocks.get(clock).map(|rule| rule.kind) {
            Some(ClockKind::Window) => continue,
            Some(_) => "which is a promise: name one of the kind `window`",
            None => "which does not exist",
        };
        let action = &transition.action;
        found.push(format!("transition `{action}` is within the clock `{clock}`, {problem}"));
    }
}

/// Every ladder belongs to a clock and has levels that tell somebody.
fn ladders(definition: &Definition, found: &mut Vec<String>) {
    for (clock, ladder) in &definition.ladders {
        if !definition.clocks.contains_key(clock) {
            found.push(format!("there is a ladder for the clock `{clock}`, which does not exist"));
        }
        if ladder.levels.is_empty() {
            found.push(format!("the ladder of `{clock}` has no levels"));
        }
        for level in ladder.levels.iter().filter(|level| level.to.is_empty() || level.at.is_empty()) {
            found.push(format!("level {} of the ladder of `{clock}` needs `at` and `to`", level.level));
        }
        let mut codes = BTreeSet::new();
        for level in &ladder.levels {
            let customer = level.to.iter().any(|word| word == CUSTOMER);
            if customer && (level.to.len() > 1 || level.template.is_none()) {
                found.push(format!(
                    "level {} of the ladder of `{clock}` tells the customer: nobody else, and in a `template` of its own",
                    level.level
                ));
            }
            if !codes.insert(&level.level) {
                found.push(format!("the ladder of `{clock}` has the level {} twice", level.level));
            }
            let known = |action: &&String| *action == "require_reason" || action.starts_with(ADD_TO_QUEUE);
            for action in level.actions.iter().filter(|action| !known(action)) {
                found.push(format!("level {} of the ladder of `{clock}` does `{action}`: use require_reason or add_to_queue:QUEUE", level.level));
            }
        }
    }
}

/// Every message has its template.
fn tasks(definition: &Definition, found: &mut Vec<String>) {
    let of_transitions = definition.transitions.iter().flat_map(|transition| &transition.effects);
    for task in definition.opening_effects.iter().chain(of_transitions) {
        if let Task::Notify { template, .. } = task
            && !definition.templates.contains_key(template)
        {
            found.push(format!("the template `{template}` does not exist"));
        }
    }
    let of_levels = definition.ladders.values().flat_map(|ladder| &ladder.levels);
    for template in of_levels.filter_map(|level| level.template.as_ref()) {
        if !definition.templates.contains_key(template) {
            found.push(format!("the template `{template}` does not exist"));
        }
    }
}

/// What the system tries when a child has changed is its to do, and only under a condition: it is tried at every change.
fn children(definition: &Definition, found: &mut Vec<String>) {
    for action in &definition.on_child {
        let ways: Vec<_> = definition.transitions.iter().filter(|way| way.action == *action).collect();
        if ways.is_empty() {
            found.push(format!("`on_child` names the action `{action}`, which does not exist"));
        }
        for way in ways {
            if !way.roles.iter().any(|role| role.0 == SYSTEM) {
                found.push(format!("`on_child` has the system do `{action}`, which names no role `system`"));
            } else if way.guard.as_ref().is_none_or(|guard| !guard.contains("children")) {
                found.push(format!(
                    "`on_child` has the system do `{action}`, whose guard asks nothing about `children`"
                ));
            }
        }
    }
}

fn initial_state(definition: &Definition, found: &mut Vec<String>) {
    let initial = definition.states.values().filter(|state| state.initial).count();
    if initial != 1 {
        found.push(format!("there are {initial} initial states: mark exactly one with `initial: true`"));
    }
}

fn names(definition: &Definition, forms: &BTreeSet<&str>, found: &mut Vec<String>) {
    let mut form = |whose: &str, name: &str| {
        if !forms.contains(name) {
            found.push(format!("{whose} names the form `{name}`, which is not in forms/"));
        }
    };
    form("`opening_form`", &definition.opening_form);
    for transition in &definition.transitions {
        if let Some(name) = &transition.form {
            form(&format!("transition `{}`", transition.action), name);
        }
    }
    for (code, clock) in &definition.clocks {
        for path in clock.target_by.iter().chain(&clock.until) {
            form(&format!("the clock `{code}`"), path.split_once('.').map_or(path, |(form, _)| form));
        }
    }
    let ends = |code: &String| definition.states.get(code).map(|state| state.category);
    if let Some(code) =
        definition.historical_end.as_ref().filter(|code| ends(code) != Some(StateCategory::Closed))
    {
        found.push(format!("`historical_end` names `{code}`, which is no closed state"));
    }
    for Begin { state, .. } in definition.begin.iter().filter(|begin| ends(&begin.state).is_none()) {
        found.push(format!("`begin` names the state `{state}`, which does not exist"));
    }
    let actions: BTreeSet<_> = definition.transitions.iter().map(|transition| &transition.action).collect();
    for action in actions.iter().filter(|action| [OPEN, ENDED_ELSEWHERE].contains(&action.as_str())) {
        found.push(format!("the action `{action}` is the system's own: choose another name"));
    }
    for transition in &definition.transitions {
        let action = &transition.action;
        for state in transition.from.iter().chain([&transition.to]) {
            if !definition.states.contains_key(state) {
                found.push(format!("transition `{action}` names the state `{state}`, which does not exist"));
            }
        }
        if transition.roles.is_empty() {
            found.push(format!("transition `{action}` names no role: nobody could do it"));
        }
        for other in transition.not_by.iter().filter(|other| !actions.contains(other)) {
            found
                .push(format!("transition `{action}` separates itself from `{other}`, which does not exist"));
        }
        if transition.guard.is_some() != transition.otherwise.is_some() {
            found.push(format!("transition `{action}` needs `guard` and `otherwise` together"));
        }
    }
}

fn translations(definition: &Definition, found: &mut Vec<String>) {
    let mut text = |whose: String, text: &BiText| {
        if !text.is_complete() {
            found.push(format!("{whose} is not translated: give it in Arabic and English"));
        }
    };
    text("the label of the package".into(), &definition.label);
    for (code, state) in &definition.states {
        text(format!("the label of the state `{code}`"), &state.label);
    }
    for (code, clock) in &definition.clocks {
        text(format!("the label of the clock `{code}`"), &clock.label);
    }
    for (name, template) in &definition.templates {
        text(format!("the subject of the template `{name}`"), &template.subject);
        text(format!("the body of the template `{name}`"), &template.body);
    }
    for transition in &definition.transitions {
        text(format!("the label of the transition `{}`", transition.action), &transition.label);
        if let Some(otherwise) = &transition.otherwise {
            text(format!("`otherwise` of the transition `{}`", transition.action), otherwise);
        }
    }
}

/// Every state can be reached, and from every state an end can be reached.
fn paths(definition: &Definition, found: &mut Vec<String>) {
    let mut forward: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut backward: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for transition in &definition.transitions {
        for from in &transition.from {
            forward.entry(from).or_default().insert(&transition.to);
            backward.entry(&transition.to).or_default().insert(from);
        }
    }
    let reached = closure(definition.beginnings().collect(), &forward);
    let is_end = |code: &&str| {
        definition.states.get(*code).is_some_and(|state| state.category == StateCategory::Closed)
    };
    let ends: Vec<_> = definition.states.keys().map(String::as_str).filter(is_end).collect();
    let ending = closure(ends, &backward);
    for code in definition.states.keys().map(String::as_str) {
        if !reached.contains(code) {
            found.push(format!("the state `{code}` cannot be reached"));
        }
        if !ending.contains(code) {
            found.push(format!("from the state `{code}` no closed state can be reached"));
        }
    }
}

fn closure<'a>(mut open: Vec<&'a str>, edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    while let Some(code) = open.pop() {
        if seen.insert(code) {
            open.extend(edges.get(code).into_iter().flatten());
        }
    }
    seen
}

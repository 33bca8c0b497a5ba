//! Clocks: each starts and stops, stands still only while somebody outside must act (T8), and warns before it is due.

use std::collections::BTreeSet;

use masar_clock::Mark;
use masar_domain::StateCategory;

use super::paths::{closure, forward};
use super::sentence;
use crate::decide::OPEN;
use crate::finding::Found;
use crate::ladder::CUSTOMER;
use crate::{ClockKind, ClockRule, Code, Definition, Moments, SYSTEM, Task, Transition};

/// Roles of people outside of the entity.
const OUTSIDE: [&str; 2] = ["customer", "partner"];

pub(super) fn check(definition: &Definition, found: &Found) {
    let actions: BTreeSet<_> =
        definition.transitions.iter().map(|way| way.action.as_str()).chain([OPEN]).collect();
    for (code, clock) in &definition.clocks {
        let path = format!("clocks/{code}");
        if clock.target.is_empty() {
            found.add(Code::NoTarget, &format!("{path}/target"), format!("the clock `{code}` has no target"));
        }
        if clock.warn.iter().any(|mark| !matches!(mark, Mark::Share(_))) {
            let message = format!("the clock `{code}` warns at something else than a share of its target");
            found.add(Code::Warning, &format!("{path}/warn"), message);
        }
        let known = moments(definition, &actions, code, clock, found);
        if known && !stops(definition, clock) {
            let message =
                format!("the clock `{code}` never stops: nothing of its `stop` can follow its `start`");
            found.add(Code::NeverStops, &format!("{path}/stop"), message);
        }
        pauses(definition, code, clock, found);
        acts(definition, &actions, code, clock, found);
        extension(definition, code, clock, found);
    }
    windows(definition, found);
}

/// What starts and stops a clock exists. True when both do.
fn moments(
    definition: &Definition,
    actions: &BTreeSet<&str>,
    code: &str,
    clock: &ClockRule,
    found: &Found,
) -> bool {
    let mut known = true;
    let mut wrong = |why: Code, place: &str, message: String| {
        known = false;
        found.add(why, &format!("clocks/{code}/{place}"), message);
    };
    let both = [("start", &clock.start, Code::NeverStarts), ("stop", &clock.stop, Code::NeverStops)];
    for (what, moments, never) in both {
        if *moments == Moments::default() {
            wrong(never, what, format!("the clock `{code}` has no `{what}`: name an action or a state"));
        }
        let message =
            |name: &str| format!("the clock `{code}` names `{name}` at `{what}`, which does not exist");
        for name in moments.actions.iter().filter(|name| !actions.contains(name.as_str())) {
            wrong(Code::UnknownAction, &format!("{what}/actions"), message(name));
        }
        for name in moments.states.iter().filter(|name| !definition.states.contains_key(*name)) {
            wrong(Code::UnknownState, &format!("{what}/states"), message(name));
        }
    }
    if !clock.start.messages.is_empty() {
        let message = format!("the clock `{code}` starts with a message: name an action or a state");
        wrong(Code::NeverStarts, "start/messages", message);
    }
    for template in clock.stop.messages.iter().filter(|name| !definition.templates.contains_key(*name)) {
        let message = format!("the clock `{code}` waits for the template `{template}`, which does not exist");
        wrong(Code::UnknownTemplate, "stop/messages", message);
    }
    known
}

/// True when something that stops a clock can follow what starts it.
fn stops(definition: &Definition, clock: &ClockRule) -> bool {
    let begun = definition.transitions.iter().filter(|way| clock.start.actions.contains(&way.action));
    let mut starts: Vec<&str> =
        clock.start.states.iter().chain(begun.map(|way| &way.to)).map(String::as_str).collect();
    if clock.start.actions.contains(OPEN) {
        starts.extend(definition.beginnings());
    }
    let onward = closure(starts, &forward(definition.transitions.iter()));
    let follows = |state: &String| onward.contains(state.as_str());
    let mut stopping = definition.transitions.iter().filter(|way| clock.stop.actions.contains(&way.action));
    !clock.stop.messages.is_empty()
        || clock.stop.states.iter().any(follows)
        || stopping.any(|way| way.from.iter().any(follows))
}

/// A clock stands still only in waiting states, and only where somebody or something ends the wait.
fn pauses(definition: &Definition, code: &str, clock: &ClockRule, found: &Found) {
    for state in &clock.pause {
        let path = format!("clocks/{code}/pause");
        if definition.states.get(state).is_none_or(|state| state.category != StateCategory::Waiting) {
            let message = format!("the clock `{code}` stands still in `{state}`, which is no waiting state");
            found.add(Code::Pause, &path, message);
            continue;
        }
        let mut ways =
            definition.transitions.iter().filter(|way| way.from.contains(state) && way.to != *state);
        let of_the_entity = ways
            .any(|way| way.roles.iter().any(|role| role.0 != SYSTEM && !OUTSIDE.contains(&role.0.as_str())));
        let bounded = |clock: &ClockRule| clock.on_breach.is_some() && clock.start.states.contains(state);
        if !of_the_entity && !definition.clocks.values().any(bounded) {
            let message = format!(
                "the clock `{code}` may stand still in `{state}` for ever: let somebody of the entity end it, or a clock that starts there with `on_breach`"
            );
            found.add(Code::EndlessPause, &path, message);
        }
    }
}

/// What is done because of a clock can be done, and by the system where it shall do it.
fn acts(definition: &Definition, actions: &BTreeSet<&str>, code: &str, clock: &ClockRule, found: &Found) {
    let breach = clock.on_breach.iter().map(|action| ("on_breach", action));
    let extension = clock.extend.iter().map(|extension| ("extend/action", &extension.action));
    for (place, action) in breach.chain(extension) {
        let path = format!("clocks/{code}/{place}");
        let mut ways = definition.transitions.iter().filter(|way| way.action == *action);
        if !actions.contains(action.as_str()) {
            let message = format!("the clock `{code}` names the action `{action}`, which does not exist");
            found.add(Code::UnknownAction, &path, message);
        } else if place == "on_breach" && !ways.any(Transition::is_the_systems_to_do) {
            let message = format!(
                "the clock `{code}` has the system do `{action}`, which names no role `system`, or asks for a form or a reason"
            );
            found.add(Code::SystemAction, &path, message);
        }
    }
}

/// An extension that holds once the customer was told can hold: whoever grants it tells them (T9).
fn extension(definition: &Definition, code: &str, clock: &ClockRule, found: &Found) {
    let Some(extension) = &clock.extend else { return };
    let Some(told) = &extension.told else { return };
    let tells = |task: &Task| matches!(task, Task::Notify { template, to } if template == told && to.iter().any(|word| word == CUSTOMER));
    let mut granting = definition.transitions.iter().filter(|way| way.action == extension.action);
    if !granting.all(|way| way.effects.iter().any(tells)) {
        let message = format!(
            "the clock `{code}` is extended once `{told}` has reached the customer, and `{}` does not send it to them",
            extension.action
        );
        found.add(Code::ExtensionUntold, &format!("clocks/{code}/extend/told"), message);
    }
}

/// What can be done only for a time names a window: any other clock is a promise, and ends with its case.
fn windows(definition: &Definition, found: &Found) {
    for transition in &definition.transitions {
        let Some(clock) = &transition.within else { continue };
        let (path, place) = sentence(transition);
        let (code, problem) = match definition.clocks.get(clock).map(|rule| rule.kind) {
            Some(ClockKind::Window) => continue,
            Some(_) => (Code::Window, "which is a promise: name one of the kind `window`"),
            None => (Code::UnknownClock, "which does not exist"),
        };
        found.add(
            code,
            &format!("{path}/within"),
            format!("{place} is within the clock `{clock}`, {problem}"),
        );
    }
}

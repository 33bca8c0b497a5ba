//! Schedules: each says when it comes in one of two ways, and what would never come or never end is found.

use std::collections::{BTreeMap, BTreeSet};

use masar_worktime::{Target, Unit, Wait};

use crate::decide::OPEN;
use crate::finding::Found;
use crate::form::Form;
use crate::{Code, Definition, Moments, Per, Schedule};

/// The shortest time after which something comes again, in seconds.
const DAY: u32 = 86_400;

pub(super) fn check(definition: &Definition, forms: &BTreeMap<String, Form>, found: &Found) {
    for (code, rule) in &definition.schedules {
        let wrong = |place: &str, problem: &str| {
            let path = format!("schedules/{code}{place}");
            found.add(Code::Schedule, &path, format!("the schedule `{code}` {problem}"));
        };
        match (&rule.every, &rule.after) {
            (Some(on), None) => {
                if let Err(error) = on.check() {
                    wrong("/every", &format!("never comes: {error}"));
                }
                if rule.wait.is_some()
                    || rule.repeats
                    || rule.link.is_some()
                    || rule.stop != Moments::default()
                {
                    wrong("", "says `every`: then it has no `wait`, `repeats`, `stop` or `link`");
                }
            }
            (None, Some(after)) => {
                counted(rule, after, wrong);
                for (what, moments) in [("after", after), ("stop", &rule.stop)] {
                    self::moments(definition, code, what, moments, found);
                }
            }
            _ => wrong(
                "",
                "must say either `every`, days of the calendar, or `after`, what must happen to a case",
            ),
        }
        fields(definition, code, rule, forms, found);
    }
}

/// What is counted from a case says how long and whose it is, and comes to an end.
fn counted(rule: &Schedule, after: &Moments, wrong: impl Fn(&str, &str)) {
    if after.actions.is_empty() && after.states.is_empty() {
        wrong("/after", "begins with nothing: name an action or a state");
    }
    if rule.wait.is_none_or(Wait::is_nothing) {
        wrong("/wait", "must say how long it waits, such as `wait: 12 months`");
    }
    if rule.link.is_none() {
        wrong("", "must say with `link` how its cases relate to the one from which it is counted");
    }
    if rule.per != Per::Entity {
        wrong("/per", "is counted from a case: `per` is for days of the calendar");
    }
    if rule.repeats && rule.stop == Moments::default() {
        wrong("/repeats", "comes again and again: say with `stop` what ends it");
    }
    let short = |target: Target| target.unit != Unit::BusinessDays && target.amount < DAY;
    if rule.repeats && rule.wait.is_some_and(|wait| matches!(wait, Wait::Time(target) if short(target))) {
        wrong("/wait", "comes again in less than a day: wait for longer, or use a clock");
    }
}

fn moments(definition: &Definition, code: &str, what: &str, moments: &Moments, found: &Found) {
    let actions: BTreeSet<_> =
        definition.transitions.iter().map(|way| way.action.as_str()).chain([OPEN]).collect();
    let unknown = |why: Code, place: &str, name: &str| {
        let message = format!("the schedule `{code}` names `{name}` at `{what}`, which does not exist");
        found.add(why, &format!("schedules/{code}/{what}/{place}"), message);
    };
    for name in moments.actions.iter().filter(|name| !actions.contains(name.as_str())) {
        unknown(Code::UnknownAction, "actions", name);
    }
    for name in moments.states.iter().filter(|name| !definition.states.contains_key(*name)) {
        unknown(Code::UnknownState, "states", name);
    }
    if !moments.messages.is_empty() {
        let message = format!("the schedule `{code}` waits for messages at `{what}`: name actions or states");
        found.add(Code::Schedule, &format!("schedules/{code}/{what}/messages"), message);
    }
}

/// What opens cases of this package fills in fields of its opening form.
fn fields(
    definition: &Definition,
    code: &str,
    rule: &Schedule,
    forms: &BTreeMap<String, Form>,
    found: &Found,
) {
    let own = definition.opened_by_schedule(rule) == definition.package;
    let Some(form) = forms.get(&definition.opening_form).filter(|_| own) else { return };
    for field in rule.with.keys().filter(|field| !form.knows(field)) {
        let message =
            format!("the schedule `{code}` fills in `{field}`, which is no field of the opening form");
        found.add(Code::UnknownField, &format!("schedules/{code}/with/{field}"), message);
    }
}

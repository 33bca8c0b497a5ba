//! Nothing that others read of a case may tell that it has a concealed child (CMP-07).

use std::collections::BTreeSet;

use masar_domain::Role;

use crate::concealed::concealing;
use crate::finding::Found;
use crate::{Code, Concealed, Definition, Task, Transition};

use super::sentence;

/// What asks for a concealed child stays where it is and does nothing else.
pub(super) fn check(definition: &Definition, found: &Found) {
    for (number, (link, _)) in definition.opening_effects.iter().filter_map(Task::concealed).enumerate() {
        let message = format!(
            "the opening asks for the concealed child `{link}`, and whoever reads the case would know: let a transition ask for it"
        );
        found.add(Code::Concealed, &format!("opening_effects/{number}"), message);
    }
    for (way, link, rule) in concealing(definition) {
        let (path, place) = sentence(way);
        let wrong = |field: &str, problem: String| {
            let message = format!("{place} asks for the concealed child `{link}` and {problem}");
            found.add(Code::Concealed, &format!("{path}{field}"), message);
        };
        tells(definition, way, &wrong);
        revealed(definition, (link, rule), &path, found);
        inside(way, &wrong);
        if concealing(definition).any(|(_, other, its)| other == link && revelation(its) != revelation(rule))
        {
            wrong(
                "",
                "reveals it otherwise than another child of this link: give each its own link".to_owned(),
            );
        }
    }
}

/// What tells it from a case of that name itself would be known of it.
fn inside(way: &Transition, wrong: &dyn Fn(&str, String)) {
    for task in way.effects.iter().filter(|task| task.concealed().is_some()) {
        if let Task::Child { entity: Some(_), .. } = task {
            wrong(
                "/effects",
                "names an entity, whose people would ask where it came from: leave `entity` out".to_owned(),
            );
        }
        if let Task::Child { inward: true, .. } = task {
            wrong(
                "/effects",
                "has it answer to this case, and its clocks would tell: leave `inward` out".to_owned(),
            );
        }
    }
}

fn revelation(rule: &Concealed) -> (&BTreeSet<Role>, &BTreeSet<String>) {
    (&rule.revealed_to, &rule.revealed_in)
}

/// What others would see of the transition.
fn tells(definition: &Definition, way: &Transition, wrong: &dyn Fn(&str, String)) {
    if !way.from.contains(&way.to) {
        wrong("/to", format!("leads to `{}`, which everybody sees: write `to: same`", way.to));
    }
    if way.effects.iter().any(|task| task.concealed().is_none()) {
        wrong("/effects", "asks for something else too, of which others hear".to_owned());
    }
    if way.effects.iter().any(|task| matches!(task, Task::Child { each: Some(_), concealed: Some(_), .. })) {
        wrong("/effects", "has a child for each row, perhaps for none: ask for one at a time".to_owned());
    }
    if way.count.is_some() || !way.sets.is_empty() {
        wrong("", "changes a counter or facts of the case, which everybody sees".to_owned());
    }
    for (code, clock) in &definition.clocks {
        let moments = clock.start.actions.contains(&way.action) || clock.stop.actions.contains(&way.action);
        let extends = clock.extend.as_ref().is_some_and(|extension| extension.action == way.action);
        if moments || extends {
            wrong("", format!("moves the clock `{code}`, whose times everybody sees"));
        }
    }
}

/// Somebody learns of it, at some time.
fn revealed(definition: &Definition, (link, rule): (&str, &Concealed), path: &str, found: &Found) {
    if rule.revealed_to.is_empty() || rule.revealed_in.is_empty() {
        let message = format!(
            "the concealed `{link}` is never revealed: name the roles in `revealed_to`, and the states in `revealed_in`"
        );
        found.add(Code::Concealed, &format!("{path}/effects"), message);
    }
    for state in rule.revealed_in.iter().filter(|state| !definition.states.contains_key(*state)) {
        let message = format!("the concealed `{link}` is revealed in `{state}`, which does not exist");
        found.add(Code::UnknownState, &format!("{path}/effects"), message);
    }
}

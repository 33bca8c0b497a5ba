//! What must hold of a machine before any case may walk it (NFR-10).

mod agreements;
mod clocks;
mod concealed;
mod duties;
mod ladders;
mod others;
pub(crate) mod paths;
mod quotas;
mod recurrence;
mod schedules;
pub(crate) mod stages;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::{Importance, Role, StateCategory};

use crate::decide::{ENDED_ELSEWHERE, MIGRATED, OPEN};
use crate::finding::Found;
use crate::form::Form;
use crate::{Begin, Code, Definition, Task, Transition};

/// Finds everything that is wrong with a machine, given the texts of its forms and those that can be used.
pub(crate) fn check(
    definition: &Definition,
    texts: &BTreeMap<String, String>,
    forms: &BTreeMap<String, Form>,
    found: &Found,
) {
    named_forms(definition, texts, found);
    fields(definition, forms, found);
    states(definition, found);
    actions(definition, found);
    words(definition, found);
    paths::check(definition, found);
    stages::check(definition, found);
    duties::check(definition, found);
    agreements::check(definition, found);
    concealed::check(definition, found);
    others::check(definition, forms, found);
    quotas::check(definition, forms, found);
    clocks::check(definition, found);
    ladders::check(definition, found);
    schedules::check(definition, forms, found);
    recurrence::check(definition, found);
    messages(definition, found);
    texts::translations(definition, found);
    texts::labels(texts, found);
    texts::templates(definition, forms, found);
}

/// The place of a transition in the file, and what people call it.
fn sentence(transition: &Transition) -> (String, String) {
    (format!("transitions/{}", transition.sentence), format!("transition `{}`", transition.action))
}

/// The words that a package may use: roles, recipients, degrees of importance.
fn words(definition: &Definition, found: &Found) {
    let role = |path: &str, place: &str, role: &str, besides: &[&str]| {
        if !besides.contains(&role) && !Role(role.to_owned()).is_known() {
            found.add(
                Code::UnknownRole,
                path,
                format!("{place} names the role `{role}`, which does not exist"),
            );
        }
    };
    definition.opened_by.iter().for_each(|name| role("opened_by", "`opened_by`", &name.0, &[]));
    for transition in &definition.transitions {
        let (path, place) = sentence(transition);
        transition.roles.iter().for_each(|name| role(&format!("{path}/roles"), &place, &name.0, &[]));
    }
    for (clock, ladder) in &definition.ladders {
        let net = format!("ladders/{clock}/safety_net");
        role(&net, &format!("the safety net of the ladder of `{clock}`"), &ladder.safety_net.0, &[]);
        for (number, level) in ladder.levels.iter().enumerate() {
            let place = format!("level {} of the ladder of `{clock}`", level.level);
            let path = format!("ladders/{clock}/levels/{number}/to");
            level.to.iter().for_each(|name| role(&path, &place, name, &["handler"]));
        }
    }
    for (path, task) in tasks(definition) {
        if let Some((link, rule)) = task.concealed() {
            let (path, place) =
                (format!("{path}/child/concealed/revealed_to"), format!("the concealed `{link}`"));
            rule.revealed_to.iter().for_each(|name| role(&path, &place, &name.0, &[]));
        }
        if let Task::Notify { template, to } = task {
            let place = format!("the message `{template}`");
            let known = ["customer", "handler", "actor"];
            to.iter().for_each(|name| role(&format!("{path}/notify/to"), &place, name, &known));
        }
    }
    importance(definition, found);
}

/// Targets and levels are told apart by importance, or stand for all.
fn importance(definition: &Definition, found: &Found) {
    let known = |path: &str, place: &str, word: &str| {
        if word != "all" && word.parse::<Importance>().is_err() {
            let message = format!("{place} names the importance `{word}`: use high, medium, low or all");
            found.add(Code::UnknownImportance, &format!("{path}/{word}"), message);
        }
    };
    for (code, clock) in definition.clocks.iter().filter(|(_, clock)| clock.target_by.is_none()) {
        let (path, place) = (format!("clocks/{code}/target"), format!("the clock `{code}`"));
        clock.target.keys().for_each(|word| known(&path, &place, word));
    }
    for (clock, ladder) in &definition.ladders {
        for (number, level) in ladder.levels.iter().enumerate() {
            let place = format!("level {} of the ladder of `{clock}`", level.level);
            let path = format!("ladders/{clock}/levels/{number}/at");
            level.at.keys().for_each(|word| known(&path, &place, word));
        }
    }
}

/// Everything that the opening and the transitions ask for, with its path.
fn tasks(definition: &Definition) -> impl Iterator<Item = (String, &Task)> {
    let opening = definition.opening_effects.iter().enumerate();
    let opening = opening.map(|(number, task)| (format!("opening_effects/{number}"), task));
    let of_transitions = definition.transitions.iter().flat_map(|transition| {
        let numbered = transition.effects.iter().enumerate();
        numbered.map(|(number, task)| (format!("transitions/{}/effects/{number}", transition.sentence), task))
    });
    opening.chain(of_transitions)
}

/// Every message has its template.
fn messages(definition: &Definition, found: &Found) {
    let exists = |path: &str, template: &String| {
        if !definition.templates.contains_key(template) {
            found.add(Code::UnknownTemplate, path, format!("the template `{template}` does not exist"));
        }
    };
    for (path, task) in tasks(definition) {
        if let Task::Notify { template, .. } = task {
            exists(&format!("{path}/notify/template"), template);
        }
    }
    for (clock, ladder) in &definition.ladders {
        for (number, level) in ladder.levels.iter().enumerate() {
            let path = format!("ladders/{clock}/levels/{number}/template");
            level.template.iter().for_each(|template| exists(&path, template));
        }
    }
}

fn named_forms(definition: &Definition, texts: &BTreeMap<String, String>, found: &Found) {
    let form = |path: &str, whose: &str, name: &str| {
        if !texts.contains_key(name) {
            let message = format!("{whose} names the form `{name}`, which is not in forms/");
            found.add(Code::UnknownForm, path, message);
        }
    };
    form("opening_form", "`opening_form`", &definition.opening_form);
    for transition in &definition.transitions {
        let (path, place) = sentence(transition);
        transition.form.iter().for_each(|name| form(&format!("{path}/form"), &place, name));
    }
    for (path, code, said) in dates(definition) {
        form(&path, &format!("the clock `{code}`"), said.split_once('.').map_or(said, |(form, _)| form));
    }
}

/// What clocks read from forms as `form.field`: the path, the clock, and the words.
fn dates(definition: &Definition) -> impl Iterator<Item = (String, &str, &str)> {
    definition.clocks.iter().flat_map(|(code, clock)| {
        let by = clock.target_by.iter().map(move |said| (format!("clocks/{code}/target_by"), said));
        let until = clock.until.iter().enumerate();
        let until = until.map(move |(number, said)| (format!("clocks/{code}/until/{number}"), said));
        by.chain(until).map(move |(path, said)| (path, code.as_str(), said.as_str()))
    })
}

/// What clocks read from forms stands in them.
fn fields(definition: &Definition, forms: &BTreeMap<String, Form>, found: &Found) {
    let field = |path: &str, clock: &str, form: &str, field: &str| {
        if forms.get(form).is_some_and(|form| !form.knows(field)) {
            let message =
                format!("the clock `{clock}` reads `{field}`, which is no field of the form `{form}`");
            found.add(Code::UnknownField, path, message);
        }
    };
    for (path, clock, said) in dates(definition) {
        let (form, rest) = said.split_once('.').unwrap_or((said, ""));
        field(&path, clock, form, rest.split('.').next().unwrap_or_default());
    }
    for (clock, rule) in &definition.clocks {
        let Some(extension) = &rule.extend else { continue };
        let granting = definition.transitions.iter().filter(|way| way.action == extension.action);
        for form in granting.filter_map(|way| way.form.as_deref()) {
            field(&format!("clocks/{clock}/extend/days"), clock, form, &extension.days);
        }
    }
}

fn states(definition: &Definition, found: &Found) {
    let category = |code: &String| definition.states.get(code).map(|state| state.category);
    let unknown = |path: &str, place: &str, state: &str| {
        let message = format!("{place} names the state `{state}`, which does not exist");
        found.add(Code::UnknownState, path, message);
    };
    if let Some(code) =
        definition.historical_end.as_ref().filter(|code| category(code) != Some(StateCategory::Closed))
    {
        let message = format!("`historical_end` names `{code}`, which is no closed state");
        found.add(Code::HistoricalEnd, "historical_end", message);
    }
    for (number, Begin { state, .. }) in definition.begin.iter().enumerate() {
        if category(state).is_none() {
            unknown(&format!("begin/{number}/state"), "`begin`", state);
        }
    }
    for transition in &definition.transitions {
        let (path, place) = sentence(transition);
        let from = transition.from.iter().map(|state| ("from", state));
        for (field, state) in from.chain([("to", &transition.to)]) {
            if category(state).is_none() {
                unknown(&format!("{path}/{field}"), &place, state);
            }
        }
    }
}

fn actions(definition: &Definition, found: &Found) {
    let actions: BTreeSet<_> = definition.transitions.iter().map(|way| way.action.as_str()).collect();
    for transition in &definition.transitions {
        let ((path, place), action) = (sentence(transition), transition.action.as_str());
        if [OPEN, ENDED_ELSEWHERE, MIGRATED].contains(&action) {
            let message = format!("the action `{action}` is the system's own: choose another name");
            found.add(Code::ReservedAction, &format!("{path}/action"), message);
        }
        if transition.roles.is_empty() {
            let message = format!("{place} names no role: nobody could do it");
            found.add(Code::NoRole, &format!("{path}/roles"), message);
        }
        for other in transition.not_by.iter().filter(|other| !actions.contains(other.as_str())) {
            let message = format!("{place} separates itself from `{other}`, which does not exist");
            found.add(Code::UnknownAction, &format!("{path}/not_by"), message);
        }
        if transition.guard.is_some() != transition.otherwise.is_some() {
            let message = format!("{place} needs `guard` and `otherwise` together");
            found.add(Code::Otherwise, &path, message);
        }
    }
    children(definition, found);
}

/// What the system tries when a child has changed is its to do, and only under a condition: it is tried at every change.
fn children(definition: &Definition, found: &Found) {
    for (number, action) in definition.on_child.iter().enumerate() {
        let path = format!("on_child/{number}");
        let ways: Vec<_> = definition.transitions.iter().filter(|way| way.action == *action).collect();
        if ways.is_empty() {
            let message = format!("`on_child` names the action `{action}`, which does not exist");
            found.add(Code::UnknownAction, &path, message);
        }
        for way in ways {
            if !way.is_the_systems_to_do() {
                let message = format!(
                    "`on_child` has the system do `{action}`, which names no role `system`, or asks for a form or a reason"
                );
                found.add(Code::SystemAction, &path, message);
            } else if way.guard.as_ref().is_none_or(|guard| !guard.contains("children")) {
                let message = format!(
                    "`on_child` has the system do `{action}`, whose guard asks nothing about `children`"
                );
                found.add(Code::ChildGuard, &path, message);
            }
        }
    }
}

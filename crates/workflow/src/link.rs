//! Links to other cases, which the form of a transition names.

use serde_json::Value;

use crate::{Command, Effect, Package, Task, Transition};

/// A case that a form names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedCase<'a> {
    /// Path of the field, such as `merge.survivor`.
    pub field: String,
    /// What stands there: the reference or the id of the case.
    pub key: &'a str,
}

impl Package {
    /// The cases that a command may link to the one that it is for, whichever of its transitions is taken. Whoever obeys it looks
    /// for them before.
    pub fn named_cases<'a>(&self, command: &'a Command) -> impl Iterator<Item = NamedCase<'a>> {
        let ways = self.definition().transitions.iter().filter(|way| way.action == command.action);
        ways.flat_map(move |way| way.named_cases(command.form.as_ref()))
    }
}

impl Transition {
    fn named_cases<'a>(&self, form: Option<&'a Value>) -> Vec<NamedCase<'a>> {
        let Some((name, data)) = self.form.as_deref().zip(form) else { return Vec::new() };
        let fields = self.effects.iter().filter_map(|task| match task {
            Task::Link { to, .. } => Some(to),
            _ => None,
        });
        let named = fields
            .flat_map(|to| keys(data, to).map(move |key| NamedCase { field: format!("{name}.{to}"), key }));
        named.collect()
    }
}

/// The links that a task asks for, given the form of its transition.
pub(crate) fn effects(task: &Task, form: Option<&Value>) -> Vec<Effect> {
    match (task, form) {
        (Task::Link { link, to }, Some(form)) => {
            keys(form, to).map(|key| Effect::Link { link: link.clone(), to: key.to_owned() }).collect()
        }
        _ => Vec::new(),
    }
}

/// What a field names: one case, or several.
fn keys<'a>(form: &'a Value, field: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let (one, several) = match form.get(field) {
        Some(Value::Array(several)) => (None, several.as_slice()),
        one => (one, [].as_slice()),
    };
    one.into_iter().chain(several).filter_map(Value::as_str).filter(|key| !key.is_empty())
}

//! Facts: what a form says of a case.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::expression::{Reader, Scope, Spot};
use crate::said::Said;

/// Facts of a case by name, and how a form says them.
pub(crate) struct Facts(BTreeMap<String, Said>);

impl Facts {
    /// Facts as a package writes them: the name of a field, or `=` and a CEL expression over `form`.
    pub(crate) fn compile(reader: &Reader<'_>, spot: &Spot<'_>, written: &BTreeMap<String, String>) -> Self {
        let said = |(name, text): (&String, &String)| {
            let (path, words) =
                (format!("{}/{name}", spot.path), format!("the fact `{name}` of {}", spot.words));
            let spot = Spot { path, words, ..spot.clone() };
            Some((name.clone(), Said::read(reader, &spot, spot.form, text)?))
        };
        Self(written.iter().filter_map(said).collect())
    }

    /// What a filled-in form says. What is left out says nothing.
    pub(crate) fn of(&self, form: &Value) -> BTreeMap<String, String> {
        let scope = Scope::default().with("form", || form);
        let said = |said: &Said| match said {
            Said::Field(field) => field_text(form.get(field)?),
            Said::Computed(expression) => expression.text(&scope),
        };
        self.0.iter().filter_map(|(name, how)| Some((name.clone(), said(how)?))).collect()
    }
}

fn field_text(field: &Value) -> Option<String> {
    match field {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

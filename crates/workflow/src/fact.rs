//! Facts: what a form says of a case.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Code;
use crate::expression::{Expression, Reader, Scope, Spot};

/// Facts of a case by name, and how a form says them.
pub(crate) struct Facts(BTreeMap<String, Said>);

enum Said {
    /// In a field of this name.
    Field(String),
    /// By what it gives.
    Computed(Expression),
}

impl Facts {
    /// Facts as a package writes them: the name of a field, or `=` and a CEL expression over `form`.
    pub(crate) fn compile(reader: &Reader<'_>, spot: &Spot<'_>, written: &BTreeMap<String, String>) -> Self {
        let said = |(name, text): (&String, &String)| {
            let (path, words) =
                (format!("{}/{name}", spot.path), format!("the fact `{name}` of {}", spot.words));
            let spot = Spot { path, words, ..spot.clone() };
            let said = match text.strip_prefix('=') {
                None => {
                    if spot.form.is_some_and(|form| !form.knows(text)) {
                        let message =
                            format!("{} is said by `{text}`, which is no field of the form", spot.words);
                        reader.found.add(Code::UnknownField, &spot.path, message);
                    }
                    Said::Field(text.clone())
                }
                Some(text) => Said::Computed(reader.read(&spot, text)?),
            };
            Some((name.clone(), said))
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

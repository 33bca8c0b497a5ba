//! Facts: what a form says of a case.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::Env;
use serde_json::Value;

use crate::Error;
use crate::expression::{Expression, FORM, Scope};

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
    pub(crate) fn compile(
        env: &Arc<Env>,
        place: &str,
        written: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let said = |(name, text): (&String, &String)| {
            let said = match text.strip_prefix('=') {
                None => Said::Field(text.clone()),
                Some(text) => {
                    let place = format!("the fact `{name}` of {place}");
                    Said::Computed(Expression::compile(env, &place, FORM, text)?)
                }
            };
            Ok((name.clone(), said))
        };
        Ok(Self(written.iter().map(said).collect::<Result<_, Error>>()?))
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

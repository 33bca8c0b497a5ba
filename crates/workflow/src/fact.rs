//! Facts: what a form says of a case.

use std::collections::BTreeMap;

use masar_domain::Importance;
use serde_json::Value;

use crate::Code;
use crate::expression::{Reader, Scope, Spot};
use crate::said::Said;

/// Facts of a case by name, and how a form says them.
pub(crate) struct Facts(BTreeMap<String, Said>);

impl Facts {
    /// Facts as a package writes them: the name of a field, or `=` and a CEL expression over `form`, or `table` and its name.
    pub(crate) fn compile(reader: &Reader<'_>, spot: &Spot<'_>, written: &BTreeMap<String, String>) -> Self {
        let said = |(name, text): (&String, &String)| {
            let (path, words) =
                (format!("{}/{name}", spot.path), format!("the fact `{name}` of {}", spot.words));
            let spot = Spot { path, words, ..spot.clone() };
            let said = Said::read(reader, &spot, spot.form, text)?;
            degrees(reader, &spot, name, &said);
            Some((name.clone(), said))
        };
        Self(written.iter().filter_map(said).collect())
    }

    /// What a filled-in form says. What is left out says nothing.
    pub(crate) fn of(&self, form: &Value) -> BTreeMap<String, String> {
        let scope = Scope::default().with("form", || form);
        let said = |said: &Said| match said {
            Said::Field(field) => field_text(form.get(field)?),
            decided => decided.text(&scope),
        };
        self.0.iter().filter_map(|(name, how)| Some((name.clone(), said(how)?))).collect()
    }
}

/// A table that says how important a case is gives degrees of importance.
fn degrees(reader: &Reader<'_>, spot: &Spot<'_>, fact: &str, said: &Said) {
    let Said::Table(asked) = said else { return };
    for word in asked.answers().filter(|word| fact == "importance" && word.parse::<Importance>().is_err()) {
        let message = format!("{}: the table gives `{word}`: use high, medium or low", spot.words);
        reader.wrong(Code::UnknownImportance, &spot.path, message);
    }
}

fn field_text(field: &Value) -> Option<String> {
    match field {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        // What was computed and is whole is said without a point.
        Value::Number(number) if number.is_f64() => number.as_f64().map(|number| number.to_string()),
        other => Some(other.to_string()),
    }
}

//! Fields that nobody fills in: a form says how they follow from the others, and the engine computes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::decide::case_facts;
use crate::expression::{COMPUTED, Reader, Scope, Spot};
use crate::finding::Found;
use crate::form::Form;
use crate::said::Said;
use crate::{Case, Code};

/// How a field says that it is computed: `=` and a CEL expression over `form`, `case` and, within a list, `row`; or `table NAME`.
const COMPUTED_BY: &str = "x-computed";

/// The computed fields of all forms.
#[derive(Default)]
pub(crate) struct Computed(BTreeMap<String, Vec<Field>>);

/// A computed field: where it stands, and what gives it.
struct Field {
    path: Vec<Step>,
    said: Said,
}

/// One step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    EachRow,
}

impl Computed {
    /// Reads how the fields of forms are computed.
    pub(crate) fn compile(reader: &Reader<'_>, forms: &BTreeMap<String, Form>) -> Self {
        let mut all = BTreeMap::new();
        for (name, form) in forms {
            // A form that was compiled is JSON.
            let Ok(schema) = serde_json::from_str::<Value>(form.schema()) else { continue };
            let mut written = Vec::new();
            collect(&schema, &mut Vec::new(), String::new(), &mut written);
            cycles(name, &written, reader.found);
            let file = format!("forms/{name}.json");
            let reader = Reader { env: Arc::clone(&reader.env), file: &file, ..*reader };
            let field = |(path, place, text): (Vec<Step>, String, String)| {
                let words = format!("the computed field at {place} of the form `{name}`");
                let spot =
                    Spot { path: format!("{place}/{COMPUTED_BY}"), words, names: COMPUTED, form: Some(form) };
                match Said::is_decided(&text) {
                    true => Some(Field { path, said: Said::decided(&reader, &spot, &text)? }),
                    false => {
                        let message =
                            format!("{}: write = and an expression, or table and a name", spot.words);
                        reader.wrong(Code::Expression, &spot.path, message);
                        None
                    }
                }
            };
            let fields: Vec<_> = written.into_iter().filter_map(field).collect();
            if !fields.is_empty() {
                all.insert(name.clone(), fields);
            }
        }
        Self(all)
    }

    /// True when a form has computed fields.
    pub(crate) fn has(&self, form: &str) -> bool {
        self.0.contains_key(form)
    }

    /// A filled-in form with its computed fields, whatever somebody wrote in their place. What cannot be computed, because
    /// something that it needs is missing, is left out.
    pub(crate) fn of(&self, form: &str, case: Option<&Case>, mut data: Value) -> Value {
        let Some(fields) = self.0.get(form) else { return data };
        for field in fields {
            put(&mut data, &field.path, &mut |_| None);
        }
        let case = case.map(case_facts);
        // One field may follow from another: each round settles at least one more.
        for _ in fields {
            let before = data.clone();
            for field in fields {
                let whole = data.clone();
                let scope = |row: &Value| {
                    let (row, whole, case) = (row.clone(), &whole, &case);
                    Scope::default()
                        .with("form", move || whole)
                        .with("case", move || case)
                        .with("row", move || row)
                };
                put(&mut data, &field.path, &mut |row| field.said.json(&scope(row)));
            }
            if data == before {
                break;
            }
        }
        data
    }
}

/// The computed fields that a schema describes, with their paths in the data and in the schema.
fn collect(
    schema: &Value,
    path: &mut Vec<Step>,
    place: String,
    found: &mut Vec<(Vec<Step>, String, String)>,
) {
    if let Some(text) = schema.get(COMPUTED_BY).and_then(Value::as_str) {
        found.push((path.clone(), place.clone(), text.to_owned()));
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        path.push(Step::Field(name.clone()));
        let place = if place.is_empty() {
            format!("properties/{name}")
        } else {
            format!("{place}/properties/{name}")
        };
        collect(field, path, place, found);
        path.pop();
    }
    if let Some(items) = schema.get("items") {
        path.push(Step::EachRow);
        collect(items, path, format!("{place}/items"), found);
        path.pop();
    }
}

/// A field of the form itself that is computed from others must not come back to itself.
fn cycles(form: &str, written: &[(Vec<Step>, String, String)], found: &Found) {
    let top = |path: &[Step]| match path {
        [Step::Field(name)] => Some(name.clone()),
        _ => None,
    };
    let reads = |text: &str, name: &str| {
        let word = format!("form.{name}");
        text.match_indices(&word).any(|(at, _)| {
            let next = text[at + word.len()..].chars().next();
            next.is_none_or(|next| !next.is_alphanumeric() && next != '_')
        })
    };
    let fields: BTreeMap<String, &str> =
        written.iter().filter_map(|(path, _, text)| Some((top(path)?, text.as_str()))).collect();
    for (name, text) in &fields {
        let mut open: Vec<&str> = vec![text];
        let mut seen = BTreeSet::new();
        while let Some(text) = open.pop() {
            for (other, text) in fields.iter().filter(|(other, _)| reads(text, other)) {
                if seen.insert(other) {
                    open.push(text);
                }
            }
        }
        if seen.contains(name) {
            let message = format!("`{name}` is computed from itself");
            found.in_form(form, Code::ComputedCycle, &format!("properties/{name}"), message);
        }
    }
}

/// Puts what is computed for each place of a path there, or takes away what stands there.
fn put(data: &mut Value, path: &[Step], value: &mut dyn FnMut(&Value) -> Option<Value>) {
    match (path, data) {
        ([Step::Field(name)], Value::Object(fields)) => {
            let row = Value::Object(fields.clone());
            match value(&row) {
                Some(computed) => drop(fields.insert(name.clone(), computed)),
                None => drop(fields.remove(name)),
            }
        }
        ([Step::Field(name), rest @ ..], Value::Object(fields)) => {
            if let Some(within) = fields.get_mut(name) {
                put(within, rest, value);
            }
        }
        ([Step::EachRow, rest @ ..], Value::Array(rows)) => {
            rows.iter_mut().for_each(|row| put(row, rest, value))
        }
        _ => {}
    }
}

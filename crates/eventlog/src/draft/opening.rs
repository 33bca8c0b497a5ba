//! The opening form of a draft: what the log tells of a case and does not change while it lasts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::names::Codes;
use crate::log::find;
use crate::replay::LOG_KEY;
use crate::{Attribute, Log, LogCase, LogEvent, Value, keys};

/// Texts that are listed as the choices of a field at most.
const CHOICES: usize = 12;
/// What every event says of itself.
const OF_EVENTS: [&str; 5] = [keys::NAME, keys::TIME, keys::RESOURCE, keys::ROLE, keys::LIFECYCLE];

/// What is told of cases under one key.
#[derive(Default)]
struct Field<'a> {
    cases: usize,
    kinds: BTreeSet<&'static str>,
    texts: BTreeSet<&'a str>,
}

pub(super) struct Opening {
    /// The JSON Schema of the form.
    pub(super) schema: String,
    /// The fields with the keys of the log.
    pub(super) fields: Vec<(String, String)>,
    /// What the log tells of events and a draft has no place for.
    pub(super) left_out: Vec<String>,
}

impl Opening {
    pub(super) fn of(log: &Log) -> Self {
        let (mut told, mut changing) = (BTreeMap::<&str, Field<'_>>::new(), BTreeSet::new());
        let cases: Vec<&LogCase> = log.cases.iter().filter(|case| !case.steps().is_empty()).collect();
        for case in &cases {
            let first = case.steps()[0].event;
            changing.extend(case.events.iter().flat_map(|event| differing(first, event)));
            for Attribute { key, value } in own(case, first) {
                let field = told.entry(key).or_default();
                field.cases += 1;
                field.kinds.insert(kind(value));
                if let Value::Text(text) = value {
                    field.texts.insert(text);
                }
            }
        }
        told.retain(|key, field| !changing.contains(key) && !field.kinds.contains("list"));
        let mut codes = Codes::new();
        let (mut properties, mut required, mut fields) = (Map::new(), Vec::new(), Vec::new());
        for (key, field) in &told {
            let code = codes.of(key, "field");
            properties.insert(code.clone(), schema(key, field));
            if field.cases == cases.len() {
                required.push(code.clone());
            }
            fields.push((code, (*key).to_owned()));
        }
        let form = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "x-label": {"ar": "فتح الحالة", "en": "Opening"},
            "required": required,
            "properties": properties,
        });
        let schema = serde_json::to_string_pretty(&form).unwrap_or_default() + "\n";
        Self { schema, fields, left_out: changing.into_iter().map(str::to_owned).collect() }
    }

    /// The form as a case of the log would fill it in.
    pub(super) fn filled(&self, case: &LogCase) -> Json {
        let first = case.steps().first().map(|step| step.event.attributes.as_slice()).unwrap_or_default();
        let said = |(field, key): &(String, String)| {
            Some((field.clone(), find(&case.attributes, key).or_else(|| find(first, key))?.json()?))
        };
        Json::Object(self.fields.iter().filter_map(said).collect())
    }
}

/// What is told of a case by itself or by its first event; the case goes first.
fn own<'a>(case: &'a LogCase, first: &'a LogEvent) -> impl Iterator<Item = &'a Attribute> {
    let of_case = case.attributes.iter().filter(|attribute| attribute.key != keys::NAME);
    let of_first = first.attributes.iter().filter(|attribute| !OF_EVENTS.contains(&attribute.key.as_str()));
    let of_first = of_first.filter(|attribute| find(&case.attributes, &attribute.key).is_none());
    let mut seen = BTreeSet::new();
    // What has no name is no field.
    let named = of_case.chain(of_first).filter(|attribute| !attribute.key.trim().is_empty());
    named.filter(move |attribute| seen.insert(attribute.key.as_str()))
}

/// The keys under which an event says something else than the first of its case.
fn differing<'a>(first: &'a LogEvent, event: &'a LogEvent) -> impl Iterator<Item = &'a str> {
    let other = |attribute: &&Attribute| find(&first.attributes, &attribute.key) != Some(&attribute.value);
    let of_event = event.attributes.iter().filter(|attribute| !OF_EVENTS.contains(&attribute.key.as_str()));
    of_event.filter(other).map(|attribute| attribute.key.as_str())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "string",
        Value::Time(_) => "time",
        Value::Integer(_) => "integer",
        Value::Number(_) => "number",
        Value::Truth(_) => "boolean",
        Value::List(_) => "list",
    }
}

fn schema(key: &str, field: &Field<'_>) -> Json {
    let label = json!({"ar": format!("«{key}»"), "en": key});
    let mut schema = json!({"x-label": label, LOG_KEY: key});
    let texts = field.kinds.len() == 1 && field.kinds.contains("string");
    // Few words that come again and again are a choice; what is told once or twice is not.
    if texts && field.texts.len() <= CHOICES && field.texts.len() * 2 <= field.cases {
        schema["enum"] = json!(field.texts);
    } else {
        let words = field.kinds.iter().map(|kind| if *kind == "time" { "string" } else { *kind });
        schema["type"] = json!(words.collect::<BTreeSet<_>>());
    }
    schema
}

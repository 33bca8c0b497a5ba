//! What people read: in both languages, and in messages nothing that must not leave the house.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::{BiText, Language};
use minijinja::Environment;
use serde_json::Value;

use crate::finding::Found;
use crate::form::Form;
use crate::{Code, Definition};

/// The values that a template can name: nothing that a customer wrote is among them.
const VALUES: [&str; 6] = ["case", "case.reference", "entity", "clock", "level", "due_at"];
/// How the field of a form is called in both languages.
const LABEL: &str = "x-label";

/// The texts of the package itself.
pub(super) fn translations(definition: &Definition, found: &Found) {
    let text = |path: &str, whose: &str, text: &BiText| {
        if !text.is_complete() {
            let message = format!("{whose} is not translated: give it in Arabic and English");
            found.add(Code::Translation, path, message);
        }
    };
    text("label", "the label of the package", &definition.label);
    for (code, state) in &definition.states {
        text(&format!("states/{code}/label"), &format!("the label of the state `{code}`"), &state.label);
    }
    for (code, stage) in &definition.mandatory_states {
        text(&format!("mandatory_states/{code}"), &format!("the requirement of the stage `{code}`"), stage);
    }
    for (code, clock) in &definition.clocks {
        text(&format!("clocks/{code}/label"), &format!("the label of the clock `{code}`"), &clock.label);
    }
    for (code, rule) in &definition.recurrence {
        text(
            &format!("recurrence/{code}/label"),
            &format!("the label of the recurrence `{code}`"),
            &rule.label,
        );
    }
    for (code, rule) in &definition.schedules {
        text(&format!("schedules/{code}/label"), &format!("the label of the schedule `{code}`"), &rule.label);
    }
    for (name, template) in &definition.templates {
        for (part, said) in [("subject", &template.subject), ("body", &template.body)] {
            text(&format!("templates/{name}/{part}"), &format!("the {part} of the template `{name}`"), said);
        }
    }
    for transition in &definition.transitions {
        let (path, place) = super::sentence(transition);
        text(&format!("{path}/label"), &format!("the label of the {place}"), &transition.label);
        if let Some(otherwise) = &transition.otherwise {
            text(&format!("{path}/otherwise"), &format!("`otherwise` of the {place}"), otherwise);
        }
    }
}

/// Every field of a form has a label, and every label both languages. A field that is another form has that form's.
pub(super) fn labels(texts: &BTreeMap<String, String>, found: &Found) {
    for (form, text) in texts {
        // What is no JSON is found elsewhere.
        let Ok(schema) = serde_json::from_str::<Value>(text) else { continue };
        let fields = schema.get("properties").and_then(Value::as_object);
        for (name, field) in fields.into_iter().flatten() {
            if field.get(LABEL).is_none() && field.get("$ref").is_none() {
                let message = format!("the field `{name}` has no `{LABEL}`: give it in Arabic and English");
                found.in_form(form, Code::Translation, &format!("properties/{name}"), message);
            }
        }
        complete(form, "", &schema, found);
    }
}

fn complete(form: &str, path: &str, part: &Value, found: &Found) {
    let within: Vec<(String, &Value)> = match part {
        Value::Array(parts) => parts.iter().enumerate().map(|(at, part)| (at.to_string(), part)).collect(),
        Value::Object(parts) => parts.iter().map(|(key, part)| (key.clone(), part)).collect(),
        _ => return,
    };
    for (key, part) in within {
        let path = format!("{path}/{key}");
        if key == LABEL {
            let said = |language| {
                part.get(language).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty())
            };
            if !["ar", "en"].into_iter().all(said) {
                let message = format!("`{LABEL}` is not translated: give it in Arabic and English");
                found.in_form(form, Code::Translation, &path, message);
            }
        } else {
            complete(form, &path, part, found);
        }
    }
}

/// Templates can be read, and name only what may stand in a message.
pub(super) fn templates(definition: &Definition, forms: &BTreeMap<String, Form>, found: &Found) {
    let confidential: BTreeSet<_> = forms.values().flat_map(Form::confidential).map(String::as_str).collect();
    let environment = Environment::new();
    for (name, template) in &definition.templates {
        for (part, text) in [("subject", &template.subject), ("body", &template.body)] {
            for language in Language::ALL {
                let path = format!("templates/{name}/{part}/{}", language.as_str());
                match environment.template_from_str(text.in_language(*language)) {
                    Err(error) => {
                        let message = format!("the {part} of the template `{name}` cannot be read: {error}");
                        found.add(Code::Template, &path, message);
                    }
                    Ok(read) => {
                        for value in read.undeclared_variables(true) {
                            value_of(&value, name, &path, &confidential, found);
                        }
                    }
                }
            }
        }
    }
}

fn value_of(value: &str, template: &str, path: &str, confidential: &BTreeSet<&str>, found: &Found) {
    if VALUES.contains(&value) {
        return;
    }
    match value.split('.').find(|step| confidential.contains(step)) {
        Some(field) => {
            let message =
                format!("the template `{template}` tells `{value}`, and `{field}` must not leave the house");
            found.add(Code::PersonalData, path, message);
        }
        None => {
            let message =
                format!("the template `{template}` names `{value}`: use {}", VALUES[1..].join(", "));
            found.add(Code::UnknownName, path, message);
        }
    }
}

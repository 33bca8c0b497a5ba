//! The forms of a package: JSON Schemas, of which one can take in others.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::{Error, Violation};

/// A form, whole: nothing in it points to another file.
pub(crate) struct Form {
    name: String,
    schema: String,
    validator: Validator,
}

impl Form {
    /// Compiles the texts of `forms/*.json` by name of the form.
    pub(crate) fn compile(texts: &BTreeMap<String, String>) -> Result<BTreeMap<String, Self>, Error> {
        let mut schemas = BTreeMap::new();
        for (name, text) in texts {
            let schema: Value = serde_json::from_str(text).map_err(|error| wrong(name, error.to_string()))?;
            schemas.insert(name.as_str(), schema);
        }
        let form = |(name, text): (&String, &String)| {
            let written = &schemas[name.as_str()];
            let schema = whole(&schemas, written, &[name])?;
            let validator =
                jsonschema::validator_for(&schema).map_err(|error| wrong(name, error.to_string()))?;
            // A file that takes in nothing is kept as it is, with its fields in their order.
            let schema = if schema == *written { text.clone() } else { schema.to_string() };
            Ok((name.clone(), Self { name: name.clone(), schema, validator }))
        };
        texts.iter().map(form).collect()
    }

    /// Its JSON Schema, with the forms that it takes in.
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// What is wrong with its data; every violation names its field.
    pub(crate) fn violations(&self, data: &Value) -> Vec<Violation> {
        let violation = |error: jsonschema::ValidationError<'_>| Violation {
            // `answer.text.ar` from the form `answer` and the JSON pointer `/text/ar`.
            field: format!("{}{}", self.name, error.instance_path().as_str().replace('/', ".")),
            message: error.to_string(),
        };
        self.validator.iter_errors(data).map(violation).collect()
    }
}

/// A part of the last of the forms, each of which takes in the next, with the forms that it takes in itself.
fn whole(schemas: &BTreeMap<&str, Value>, part: &Value, forms: &[&str]) -> Result<Value, Error> {
    match part {
        Value::Array(parts) => parts.iter().map(|part| whole(schemas, part, forms)).collect(),
        Value::Object(parts) => {
            let mut here = Map::new();
            for (key, part) in parts {
                match (key.as_str(), part) {
                    // A reference within the only file is JSON Schema's own affair.
                    ("$ref", Value::String(reference)) if forms.len() > 1 || !reference.starts_with('#') => {
                        here.extend(taken_in(schemas, reference, forms)?);
                    }
                    _ => drop(here.insert(key.clone(), whole(schemas, part, forms)?)),
                }
            }
            Ok(Value::Object(here))
        }
        other => Ok(other.clone()),
    }
}

/// The form that a reference names; what stands beside the reference, such as another label, goes before what it says.
fn taken_in(
    schemas: &BTreeMap<&str, Value>,
    reference: &str,
    forms: &[&str],
) -> Result<Map<String, Value>, Error> {
    let problem = |problem: &str| {
        wrong(forms.last().copied().unwrap_or_default(), format!("`$ref` names `{reference}`, {problem}"))
    };
    let name = reference.strip_suffix(".json").unwrap_or_default();
    let schema = schemas.get(name).ok_or_else(|| problem("which is no file in forms/"))?;
    if forms.contains(&name) {
        return Err(problem("which takes in this form itself"));
    }
    let Value::Object(mut taken) = whole(schemas, schema, &[forms, &[name]].concat())? else {
        return Err(problem("which is no object"));
    };
    taken.remove("$schema");
    Ok(taken)
}

fn wrong(form: &str, problem: String) -> Error {
    Error::Form { form: form.to_owned(), problem }
}

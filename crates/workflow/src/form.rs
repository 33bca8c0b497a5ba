//! The forms of a package: JSON Schemas, of which one can take in others.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::finding::Found;
use crate::{Code, Finding, Violation};

/// A form, whole: nothing in it points to another file.
pub(crate) struct Form {
    name: String,
    schema: String,
    validator: Validator,
    /// The names of its fields.
    fields: BTreeSet<String>,
    confidential: BTreeSet<String>,
}

/// Why a form cannot be used.
struct Wrong {
    form: String,
    code: Code,
    problem: String,
}

impl Form {
    /// Compiles the texts of `forms/*.json` by name of the form; those that are wrong are found and left out.
    pub(crate) fn compile(texts: &BTreeMap<String, String>, found: &Found) -> BTreeMap<String, Self> {
        let mut schemas = BTreeMap::new();
        for (name, text) in texts {
            match serde_json::from_str::<Value>(text) {
                Ok(schema) => drop(schemas.insert(name.as_str(), schema)),
                Err(error) => {
                    let line_and_column = (error.line() as u64, error.column() as u64);
                    let file = format!("forms/{name}.json");
                    found.placed(Finding::at(Code::Form, &file, Some(line_and_column), error.to_string()));
                }
            }
        }
        let form = |(name, written): (&&str, &Value)| match Self::of(&schemas, name, &texts[*name], written) {
            Ok(form) => Some(((*name).to_owned(), form)),
            Err(wrong) => {
                found.in_form(&wrong.form, wrong.code, "", wrong.problem);
                None
            }
        };
        schemas.iter().filter_map(form).collect()
    }

    fn of(schemas: &BTreeMap<&str, Value>, name: &str, text: &str, written: &Value) -> Result<Self, Wrong> {
        let schema = whole(schemas, written, &[name])?;
        let validator = jsonschema::validator_for(&schema).map_err(|error| {
            let problem = error.to_string();
            Wrong { form: name.to_owned(), code: Code::Form, problem }
        })?;
        let (mut fields, mut confidential) = (BTreeSet::new(), BTreeSet::new());
        self::fields(&schema, &mut fields);
        self::confidential(&schema, &mut confidential);
        // A file that takes in nothing is kept as it is, with its fields in their order.
        let schema = if schema == *written { text.to_owned() } else { schema.to_string() };
        Ok(Self { name: name.to_owned(), schema, validator, fields, confidential })
    }

    /// True unless it describes its fields, and this is none of them.
    pub(crate) fn knows(&self, field: &str) -> bool {
        self.fields.is_empty() || self.fields.contains(field)
    }

    /// Its fields, also those within others, that must not leave the house.
    pub(crate) fn confidential(&self) -> &BTreeSet<String> {
        &self.confidential
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
fn whole(schemas: &BTreeMap<&str, Value>, part: &Value, forms: &[&str]) -> Result<Value, Wrong> {
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
) -> Result<Map<String, Value>, Wrong> {
    let problem = |problem: &str| Wrong {
        form: forms.last().copied().unwrap_or_default().to_owned(),
        code: Code::FormReference,
        problem: format!("`$ref` names `{reference}`, {problem}"),
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

/// The fields that a schema describes, whichever of its branches a form takes.
fn fields(schema: &Value, found: &mut BTreeSet<String>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    found.extend(properties.into_iter().flat_map(Map::keys).cloned());
    for word in ["allOf", "anyOf", "oneOf"] {
        let branches = schema.get(word).and_then(Value::as_array);
        branches.into_iter().flatten().for_each(|branch| fields(branch, found));
    }
    for word in ["then", "else"] {
        schema.get(word).into_iter().for_each(|branch| fields(branch, found));
    }
}

/// The fields that carry a class such as `confidential`, however deep they stand.
fn confidential(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Array(parts) => parts.iter().for_each(|part| confidential(part, found)),
        Value::Object(parts) => {
            for (name, part) in parts {
                if part.get("x-class").is_some_and(Value::is_string) {
                    found.insert(name.clone());
                }
                confidential(part, found);
            }
        }
        _ => {}
    }
}

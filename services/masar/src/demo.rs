//! The demo set: ten invented entities and their first cases.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use include_dir::{Dir, include_dir};
use jiff::Timestamp;
use masar_domain::{Identity, Role, TenantCode};
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::{json, time};
use serde::Deserialize;
use serde_json::{Map, Value, json};

static DEMO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../demo");
/// The folder of the entities' files in it.
const REGISTRY: &str = "registry";
const CASES: &str = "sample-cases.jsonl";

/// What a file says of an entity and its people; the registry checks the rest.
#[derive(Deserialize)]
struct Entity {
    code: String,
    people: People,
}

/// People stand in the file itself, or in another one that only the import of real data needs.
#[derive(Deserialize)]
#[serde(untagged)]
enum People {
    Here(Vec<Person>),
    Elsewhere(#[allow(dead_code, reason = "only its form matters")] String),
}

#[derive(Deserialize)]
struct Person {
    id: String,
    #[serde(default)]
    department: Option<String>,
    roles: Vec<String>,
}

/// Writes the demo set below a data folder, where people can read it, and returns the folder of its entities.
///
/// # Errors
/// When the folder cannot be written.
pub fn unpack(data_folder: &Path) -> Result<PathBuf> {
    let folder = data_folder.join("demo");
    std::fs::create_dir_all(&folder)
        .and_then(|()| DEMO.extract(&folder))
        .with_context(|| format!("cannot write the demo set into {}", folder.display()))?;
    Ok(folder.join(REGISTRY))
}

/// The codes of the demo's entities.
///
/// # Errors
/// When the compiled-in data are damaged, which a test excludes.
pub fn tenants() -> Result<Vec<String>> {
    Ok(entities()?.into_iter().map(|entity| entity.code).collect())
}

/// A person of the demo, as a token names them.
///
/// # Errors
/// When there is nobody of this id.
pub fn person(id: &str) -> Result<Identity> {
    for entity in entities()? {
        let People::Here(people) = entity.people else { continue };
        if let Some(person) = people.into_iter().find(|person| person.id == id) {
            return Ok(Identity {
                subject: person.id,
                tenants: [TenantCode(entity.code)].into(),
                roles: person.roles.into_iter().map(Role).collect(),
                department: person.department,
            });
        }
    }
    Err(anyhow!("there is nobody `{id}` in the demo: try lab-permits-1, lab-triage-1 or lab-permits-manager"))
}

fn entities() -> Result<Vec<Entity>> {
    let files = DEMO.get_dir(REGISTRY).into_iter().flat_map(Dir::files);
    let texts = files.filter(|file| file.path().extension().is_some_and(|end| end == "yaml"));
    let read = |text| serde_saphyr::from_str(text).context("an entity of the demo cannot be read");
    texts.filter_map(|file| file.contents_utf8()).map(read).collect()
}

/// The demo's complaints that were received by now: the tenant of each and what its call centre submits.
///
/// # Errors
/// When the compiled-in data are damaged, which a test excludes.
pub fn cases(now: Timestamp) -> Result<Vec<(String, SubmitCaseRequest)>> {
    let all = DEMO.get_file(CASES).and_then(|file| file.contents_utf8()).unwrap_or_default();
    let lines = all.lines().map(serde_json::from_str::<Value>);
    let mut cases = Vec::new();
    for line in lines {
        let line = line.context("a sample case cannot be read")?;
        let received_at: Timestamp = text(&line, "/received_at").parse()?;
        if text(&line, "/case_type") != "complaint" || received_at > now {
            continue;
        }
        cases.push((
            text(&line, "/entity/code"),
            SubmitCaseRequest {
                case_type: "complaint".to_owned(),
                source_system: text(&line, "/source_system"),
                external_ref: text(&line, "/external_ref"),
                idempotency_key: String::new(),
                received_at: Some(time::to_proto(received_at)),
                form: Some(json::to_struct(&form(&line))),
                historical: false,
                closed_at: None,
            },
        ));
    }
    Ok(cases)
}

fn text(line: &Value, at: &str) -> String {
    line.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The intake form of a sample case: its fields under the form's names.
fn form(line: &Value) -> Value {
    let mut form = Map::new();
    let plain = [
        "channel",
        "language",
        "centre",
        "journey_stage",
        "phase",
        "category",
        "subject",
        "description",
        "desired_outcome",
        "safety_risk",
        "vulnerable",
    ];
    for (name, at) in plain.map(|name| (name, format!("/{name}"))).into_iter().chain([
        ("entity", "/entity/code".to_owned()),
        ("service", "/service/code".to_owned()),
        ("importance_provisional", "/importance".to_owned()),
        ("customer", "/customer".to_owned()),
    ]) {
        if let Some(value) = line.pointer(&at).filter(|value| !value.is_null()) {
            form.insert(name.to_owned(), without_nulls(value.clone()));
        }
    }
    if let Some(Value::Object(centre)) = form.get("centre").cloned() {
        form.insert("centre".to_owned(), centre.get("code").cloned().unwrap_or_else(|| json!("")));
    }
    Value::Object(form)
}

/// A value without the fields that say nothing.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let said = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(said.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entity_has_people_and_every_complaint_fits_the_form() {
        assert_eq!(tenants().unwrap().len(), 11);
        assert_eq!(person("lab-permits-1").unwrap().department.as_deref(), Some("LAB-PERMITS"));
        assert!(person("nobody").is_err());
        let catalog = masar_workflow::Catalog::shipped().unwrap();
        let package = catalog.in_force("complaint").unwrap();
        let cases = cases(Timestamp::MAX).unwrap();
        assert_eq!(cases.len(), 20);
        for (tenant, case) in cases {
            assert!(tenants().unwrap().contains(&tenant), "{tenant}");
            let form = json::from_struct(case.form.unwrap());
            assert_eq!(package.violations("intake", &form), [], "{}", case.external_ref);
        }
    }
}

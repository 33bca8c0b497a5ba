//! The demo set: ten invented entities and their first cases.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use include_dir::{Dir, include_dir};
use jiff::Timestamp;
use masar_domain::{Identity, Role, TenantCode};
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::time;
use masar_runtime::config::Settings;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli;
use crate::credentials::Credentials;

static DEMO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../demo");
/// The folder of the entities' files in it.
const REGISTRY: &str = "registry";
const CASES: &str = "sample-cases.jsonl";
/// How its lines become cases.
const MAPPING: &str = "mappings/sample-cases.yaml";

/// What a file says of an entity and its people; the registry checks the rest.
#[derive(Deserialize)]
struct Entity {
    code: String,
    people: People,
    #[serde(default)]
    services: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    code: String,
    department: String,
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

/// Settings under which the demo's entities are loaded and its people and call centre are let in; what both need is
/// written into the data folder.
///
/// # Errors
/// When the folder cannot be read or written.
pub fn settings(settings: Settings) -> Result<Settings> {
    let folder = std::path::absolute(&settings.data_folder)?;
    let auth = Credentials::of(&folder)?.settings(&tenants()?);
    Ok(Settings { registry: vec![unpack(&folder)?], data_folder: folder, auth, ..settings })
}

/// The configuration file with these settings of a set of processes.
///
/// # Errors
/// When they cannot be written so.
pub fn configuration(settings: &Settings) -> Result<String> {
    let Settings { data_folder, database, amqp, partitions, registry, peers, auth, .. } = settings;
    // A release that does not know it yet can read the file as long as it says nothing else.
    let partitions = Some(partitions).filter(|partitions| **partitions != Settings::default().partitions);
    let (jwt, keys) = (auth.jwt.as_ref().context("no tokens")?, &auth.api_keys);
    let said = json!({"data_folder": data_folder, "database": database, "amqp": amqp, "partitions": partitions, "registry": registry,
        "peers": peers, "auth": {"jwt": {"audience": jwt.audience, "hs256_secret": jwt.hs256_secret}, "api_keys": keys}});
    let mut text = String::new();
    write_table(&mut text, "", &said)?;
    Ok(text)
}

/// Writes a table as TOML, in which texts and lists of texts look as they do in JSON. What is unset is left out.
fn write_table(text: &mut String, path: &str, table: &Value) -> std::fmt::Result {
    let entries = || table.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let has_tables = |value: &Value| value.as_array().is_some_and(|list| list.iter().any(Value::is_object));
    for (key, value) in entries().filter(|(_, value)| !value.is_object() && !has_tables(value)) {
        writeln!(text, "{key} = {value}")?;
    }
    for (key, value) in entries() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if value.is_object() {
            writeln!(text, "[{path}]")?;
            write_table(text, &path, value)?;
        }
        for row in value.as_array().into_iter().flatten().filter(|_| has_tables(value)) {
            writeln!(text, "[[{path}]]")?;
            write_table(text, &path, row)?;
        }
    }
    Ok(())
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

/// Somebody of a demo entity who holds a role; for roles of a department, somebody of that department.
pub(crate) fn someone(tenant: &str, role: &str, department: &str) -> Option<Identity> {
    let role = Role(role.to_owned());
    let entity = entities().ok()?.into_iter().find(|entity| entity.code == tenant)?;
    let People::Here(people) = entity.people else { return None };
    let near =
        |person: &Person| !role.is_of_a_department() || person.department.as_deref() == Some(department);
    let found = people.into_iter().find(|person| person.roles.contains(&role.0) && near(person))?;
    person(&found.id).ok()
}

/// The department that a service of the demo belongs to.
pub(crate) fn department_of(service: &str) -> Option<String> {
    let services = entities().ok()?.into_iter().flat_map(|entity| entity.services);
    services.filter(|known| known.code == service).map(|known| known.department).next()
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
    let text = |file| DEMO.get_file(file).and_then(|file| file.contents_utf8()).unwrap_or_default();
    let plan = cli::shipped(MAPPING, text(MAPPING))?;
    let rows = (1..).zip(text(CASES).lines()).map(|(number, line)| cli::Row::json(number, line.to_owned()));
    // Of the lines, the mapping takes those that this form is for.
    let cases = rows.filter_map(|row| plan.map(&row).ok()).filter(|mapped| {
        time::from_proto(mapped.case.received_at.as_ref()).is_some_and(|received_at| received_at <= now)
    });
    Ok(cases.filter_map(|mapped| Some((mapped.tenant?, mapped.case))).collect())
}

#[cfg(test)]
mod tests {
    use masar_proto::json;

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

//! The schemas for editors say what the parser reads: every shipped file is valid, and both refuse the same unknown words.

use serde_json::{Value, json};

use super::findings::{FORM, shipped, tiny};
use crate::scenario::Book;
use crate::{
    Catalog, Code, Definition, Error, FileKind, Overlay, Package, Scenarios, Source, overlay, scenarios,
    schema, shipped_files,
};

/// What the parser reads, as a schema.
fn derived(of: FileKind) -> String {
    let schema = match of {
        FileKind::Workflow => schemars::schema_for!(Definition),
        FileKind::Scenarios => schemars::schema_for!(Book),
        FileKind::Overlay => schemars::schema_for!(Overlay),
    };
    format!("{:#}\n", schema.to_value())
}

/// Whoever changes the language writes the files anew: `UPDATE_SCHEMAS=1 cargo test -p masar-workflow schema`.
#[test]
fn the_files_are_what_the_parser_reads() {
    for (of, name) in
        [(FileKind::Workflow, "workflow"), (FileKind::Scenarios, "scenarios"), (FileKind::Overlay, "overlay")]
    {
        let derived = derived(of);
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            let file = format!("{}/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
            std::fs::write(file, &derived).unwrap();
        } else {
            assert!(
                schema(of) == derived,
                "schemas/{name}.json is not what the parser reads: UPDATE_SCHEMAS=1 writes it anew"
            );
        }
    }
}

fn validator(of: FileKind) -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(&derived(of)).unwrap())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn value(text: &str) -> Value {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).unwrap_or_else(|error| panic!("{error}"))
}

/// Every copy of a value in which one of its objects has a word more that no language knows.
fn misspelt(value: &Value) -> Vec<(String, Value)> {
    let mut paths = Vec::new();
    objects(value, "", &mut paths);
    let spoil = |path: String| {
        let mut copy = value.clone();
        if let Some(Value::Object(parts)) = copy.pointer_mut(&path) {
            parts.insert("wibble".to_owned(), json!("wobble"));
        }
        (path, copy)
    };
    paths.into_iter().map(spoil).collect()
}

fn objects(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(parts) => {
            parts.iter().enumerate().for_each(|(at, part)| objects(part, &format!("{path}/{at}"), found));
        }
        Value::Object(parts) => {
            found.push(path.to_owned());
            for (key, part) in parts {
                objects(part, &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

/// True when the parser reads it as a machine, whatever the checker says of that.
fn machine_reads(text: &str) -> bool {
    let read =
        Package::compile(&Source { workflow: text.to_owned(), ..tiny(String::new(), FORM.to_owned()) });
    !matches!(read, Err(Error::Findings(found)) if found.iter().any(|found| found.code == Code::Yaml))
}

fn scenarios_read(text: &str) -> bool {
    Scenarios::read("a.yaml", text).is_ok()
}

fn overlay_reads(text: &str) -> bool {
    let base = tiny(super::findings::WORKFLOW.to_owned(), FORM.to_owned());
    !matches!(overlay(&base, text), Err(Error::Findings(found)) if found.iter().any(|found| found.code == Code::Yaml))
}

/// The file is valid, and with a word more the schema refuses it where the parser does.
fn agree(name: &str, of: &jsonschema::Validator, text: &str, reads: fn(&str) -> bool, every: usize) {
    let whole = value(text);
    let errors: Vec<_> =
        of.iter_errors(&whole).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty() && reads(text), "{name}: {errors:#?}");
    for (path, spoilt) in misspelt(&whole).into_iter().step_by(every) {
        let text = spoilt.to_string();
        assert_eq!(of.is_valid(&spoilt), reads(&text), "{name}{path}");
    }
}

#[test]
fn shipped_machines_are_valid_and_unknown_words_refused_alike() {
    let of = validator(FileKind::Workflow);
    for source in shipped() {
        let name = source.workflow.lines().find(|line| line.starts_with("package:")).unwrap_or_default();
        agree(name, &of, &source.workflow, machine_reads, 7);
    }
    agree("tiny", &of, super::findings::WORKFLOW, machine_reads, 1);
}

#[test]
fn shipped_scenarios_are_valid_and_unknown_words_refused_alike() {
    let of = validator(FileKind::Scenarios);
    for package in Catalog::shipped().unwrap().packages() {
        let files = shipped_files(&package.definition().package).unwrap_or_default();
        for (file, text) in scenarios(&files) {
            agree(&format!("{}/{file}", package.definition().package), &of, &text, scenarios_read, 11);
        }
    }
}

#[test]
fn overlays_are_valid_and_unknown_words_refused_alike() {
    let of = validator(FileKind::Overlay);
    for text in super::overlay::accepted() {
        agree(&text, &of, &text, overlay_reads, 1);
    }
}

#[test]
fn words_that_stand_for_nothing_are_invalid() {
    let of = validator(FileKind::Workflow);
    for (right, wrong) in [
        ("1 business_day}", "1 workday}"),
        ("[75%]", "[three quarters]"),
        ("category: waiting", "category: asleep"),
        ("kind: sla", "kind: slo"),
        ("package: tiny\n", ""),
        ("roles: [case_handler], label: {ar: \"تعليق\"", "roles: [Case Handler], label: {ar: \"تعليق\""),
    ] {
        let text = super::findings::WORKFLOW;
        assert!(text.contains(right), "{right}");
        assert!(!of.is_valid(&value(&text.replacen(right, wrong, 1))), "{wrong}");
    }
}

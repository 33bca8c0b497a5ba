//! Any text as the schema of a form, and any JSON as what is filled in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masar_workflow::{Package, shipped};

fuzz_target!(|input: (&str, &str)| {
    let (schema, data) = input;
    let Some(mut source) = shipped("department-request") else { return };
    let Some(form) = source.forms.values_mut().next() else { return };
    schema.clone_into(form);
    let name = source.forms.keys().next().cloned().unwrap_or_default();
    if let (Ok(package), Ok(data)) = (Package::compile(&source), serde_json::from_str(data)) {
        let _ = package.violations(&name, &data);
    }
});

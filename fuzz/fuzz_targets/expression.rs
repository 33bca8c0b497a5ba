//! Any text as a CEL expression that says a fact, and any JSON as the form that it reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masar_workflow::{Actor, Opening, Package, Source};

const WORKFLOW: &str = include_str!("../seeds/tiny.yaml");

fuzz_target!(|input: (&str, &str)| {
    let (expression, data) = input;
    let Ok(said) = serde_json::to_string(&format!("={expression}")) else { return };
    let workflow = WORKFLOW.replace("EXPRESSION", &said);
    let forms = [("ask".to_owned(), r#"{"type": "object"}"#.to_owned())].into();
    let source = Source { workflow, forms, ..Source::default() };
    if let (Ok(package), Ok(form)) = (Package::compile(&source), serde_json::from_str(data)) {
        let case_id = masar_domain::CaseId(uuid::Uuid::nil());
        let opening = Opening { case_id, historical: false, form };
        let _ = package.open(opening, &Actor::system(), jiff::Timestamp::UNIX_EPOCH);
    }
});

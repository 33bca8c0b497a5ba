//! Any text as `workflow.yaml`, as an overlay and as scenarios: it is read, or refused in words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masar_domain::Language;
use masar_workflow::{Package, Scenarios, Source, diff, explain, graph, overlay, shipped};

fuzz_target!(|text: &str| {
    let base = shipped("department-request").unwrap_or_default();
    let source = Source { workflow: text.to_owned(), ..base.clone() };
    if let Ok(package) = Package::compile(&source) {
        let definition = package.definition();
        let _ = diff(&package, &package);
        let _ = (explain(definition, Language::Ar), graph(definition, Language::En));
    }
    let _ = overlay(&base, text);
    let _ = Scenarios::read("fuzz.yaml", text);
});

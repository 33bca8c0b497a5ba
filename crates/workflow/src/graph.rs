//! A machine as a Mermaid state diagram, in Arabic or English.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use masar_domain::{Language, StateCategory};

use crate::Definition;

/// Draws the machine: one box a state, one arrow for all actions between two states.
#[must_use]
pub fn graph(definition: &Definition, language: Language) -> String {
    let mut drawing = String::from("stateDiagram-v2\n");
    let mut line = |text: String| writeln!(drawing, "    {text}").unwrap_or_default();
    for (code, state) in &definition.states {
        line(format!("{code} : {}", state.label.in_language(language)));
    }
    for code in definition.beginnings().collect::<BTreeSet<_>>() {
        line(format!("[*] --> {code}"));
    }
    for ((from, to), labels) in arrows(definition, language) {
        line(format!("{from} --> {to} : {}", labels.join(" / ")));
    }
    for (code, _) in definition.states.iter().filter(|(_, state)| state.category == StateCategory::Closed) {
        line(format!("{code} --> [*]"));
    }
    drawing
}

/// The labels of all actions between two states, each once.
fn arrows(definition: &Definition, language: Language) -> BTreeMap<(&str, &str), Vec<&str>> {
    let mut arrows: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for transition in &definition.transitions {
        for from in &transition.from {
            let labels = arrows.entry((from, &transition.to)).or_default();
            let label = transition.label.in_language(language);
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
    }
    arrows
}

//! `masar workflow diff`: the changes and risks of a new version, for people and for programs.

use anyhow::Result;
use masar_workflow::{Difference, Package, diff};
use serde_json::{Value, json};

use crate::cli::{Answer, table};

/// As much of a value as a line of a table holds.
const SHOWN: usize = 60;

/// All differences of two packages and what they mean for running cases.
pub(super) fn answer(old: &Package, new: &Package) -> Result<Answer> {
    let difference = diff(old, new);
    Ok(Answer { table: told(&difference), json: serde_json::to_value(&difference)? })
}

fn told(found: &Difference) -> String {
    let (changes, risks) = (found.changes.len(), found.risks.len());
    let mut text =
        format!("{} -> {}: {changes} changes, {risks} risks for running cases\n", found.old, found.new);
    if changes > 0 {
        text += &changed(found);
    }
    if risks > 0 {
        let rows = found.risks.iter().map(|risk| {
            let states = risk.states.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            [risk.code.to_string(), states, risk.message.clone()]
        });
        text += &format!(
            "\nWhat would strand a running case: docs/workflow-diff.md explains the codes\n{}",
            table(["risk", "states", "what would happen"], rows)
        );
    }
    text
}

/// A table of the changes.
pub(super) fn changed(found: &Difference) -> String {
    let rows = found.changes.iter().map(|change| {
        [change.kind.to_string(), change.path.clone(), shown(&change.before), shown(&change.after)]
    });
    table(["what", "where", "before", "after"], rows)
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => json!(other).to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

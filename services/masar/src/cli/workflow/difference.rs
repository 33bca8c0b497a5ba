//! `masar workflow diff`: the changes and risks of a new version, for people and for programs.

use anyhow::Result;
use masar_proto::cases::v1::VersionDifference;
use masar_workflow::{Difference, Edit, Package, diff};
use serde_json::{Value, json};

use crate::cli::{Answer, table};

/// The columns of a table of changes.
const CHANGES: [&str; 4] = ["what", "where", "before", "after"];
/// As much of a value as a line of a table holds.
const SHOWN: usize = 60;

/// All differences of two packages and what they mean for running cases.
pub(super) fn answer(old: &Package, new: &Package) -> Result<Answer> {
    let difference = diff(old, new);
    Ok(Answer { table: told(&difference), json: serde_json::to_value(&difference)? })
}

fn told(found: &Difference) -> String {
    let risks = found.risks.iter().map(|risk| {
        let states = risk.states.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        [risk.code.to_string(), states, risk.message.clone()]
    });
    whole([&found.old, &found.new], changes(found), risks.collect())
}

/// What a server tells of the versions of a migration.
pub(in crate::cli) fn of_versions(found: &VersionDifference) -> String {
    let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
    let changes = found.changes.iter().map(|change| {
        let (before, after) = (shown(&json(&change.before)), shown(&json(&change.after)));
        [change.kind.clone(), change.path.clone(), before, after]
    });
    let risks =
        found.risks.iter().map(|risk| [risk.code.clone(), risk.states.join(", "), risk.message.clone()]);
    whole([&found.old, &found.new], changes.collect(), risks.collect())
}

/// Both names, the changes and the risks.
fn whole([old, new]: [&str; 2], changes: Vec<[String; 4]>, risks: Vec<[String; 3]>) -> String {
    let (changed, risky) = (changes.len(), risks.len());
    let mut text = format!("{old} -> {new}: {changed} changes, {risky} risks for running cases\n");
    if changed > 0 {
        text += &table(CHANGES, changes);
    }
    if risky > 0 {
        text += &format!(
            "\nWhat would strand a running case: docs/workflow-diff.md explains the codes\n{}",
            table(["risk", "states", "what would happen"], risks)
        );
    }
    text
}

/// A table of the changes.
pub(super) fn changed(found: &Difference) -> String {
    table(CHANGES, changes(found))
}

fn changes(found: &Difference) -> Vec<[String; 4]> {
    let row = |change: &Edit| {
        [change.kind.to_string(), change.path.clone(), shown(&change.before), shown(&change.after)]
    };
    found.changes.iter().map(row).collect()
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

//! What another version of a package changes, and what that would mean for the cases that walk the old one.

mod risks;
mod tree;

use serde::Serialize;
use serde_json::{Value, json};

use crate::Package;
use crate::written::written;

pub use risks::{Risk, RiskCode};
pub use tree::{Edit, Kind};

/// All differences between two packages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Name and version of the old one, such as `complaint@1.0.0`.
    pub old: String,
    /// Name and version of the new one.
    pub new: String,
    /// What was added, removed and changed, in the order of the file.
    pub changes: Vec<Edit>,
    /// What would strand a case that runs on the old one if it went on with the new one.
    pub risks: Vec<Risk>,
}

/// Compares two packages. Words for many states, such as `any_open`, are compared as the states that they stand for, and
/// what says no more than leaving it out as left out.
#[must_use]
pub fn diff(old: &Package, new: &Package) -> Difference {
    let name = |package: &Package| {
        let definition = package.definition();
        format!("{}@{}", definition.package, definition.version)
    };
    Difference {
        old: name(old),
        new: name(new),
        changes: tree::changes(&whole(old), &whole(new)),
        risks: risks::risks(old, new),
    }
}

/// A package as a tree: its machine, with the sentences by their action, and its forms.
fn whole(package: &Package) -> Value {
    let mut tree = written(package.definition());
    let mut actions = json!({});
    for sentence in tree["transitions"].as_array().into_iter().flatten() {
        let of_action = &mut actions[sentence["action"].as_str().unwrap_or_default()];
        match of_action.as_array_mut() {
            Some(sentences) => sentences.push(sentence.clone()),
            None => *of_action = json!([sentence]),
        }
    }
    tree["transitions"] = actions;
    for (name, text) in package.table_texts() {
        tree["tables"][name]["rows"] = text.lines().skip(1).map(|row| json!({"name": row})).collect();
    }
    let form =
        |(name, schema): (&str, &str)| Some((name.to_owned(), serde_json::from_str::<Value>(schema).ok()?));
    tree["forms"] = Value::Object(package.form_schemas().filter_map(form).collect());
    tree
}

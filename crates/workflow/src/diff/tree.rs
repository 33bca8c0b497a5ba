//! Two trees of values compared: what is in one and not in the other, and what is otherwise.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// What happened to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Only the new one has it.
    Added,
    /// Only the old one has it.
    Removed,
    /// Both have it, and say something else.
    Changed,
    /// Both have the same parts, and try them in another order.
    Reordered,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Reordered => "reordered",
        })
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Edit {
    /// What happened.
    pub kind: Kind,
    /// To what: `states/closed`, `transitions/approve/answered/roles`, `forms/intake/properties/phone`.
    pub path: String,
    /// What the old one says.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// What the new one says.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub after: Value,
}

/// The parts of a package in the order of its files; others follow.
const ORDER: [&str; 9] =
    ["package", "version", "label", "states", "transitions", "forms", "clocks", "ladders", "routing"];
/// What tells the parts of a list apart: the first of these that they all have.
const NAMES: [&str; 5] = ["to", "level", "name", "state", "package"];

/// All differences between two packages.
pub(super) fn changes(old: &Value, new: &Value) -> Vec<Edit> {
    let mut found = Vec::new();
    compare("", old, new, &mut found);
    let place = |change: &Edit| {
        let part = change.path.split('/').next().unwrap_or_default();
        ORDER.iter().position(|known| *known == part).unwrap_or(ORDER.len())
    };
    found.sort_by_key(place);
    found
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<Edit>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Object(old), Value::Object(new)) => objects(path, old, new, found),
        (Value::Array(old), Value::Array(new)) => lists(path, old, new, found),
        _ => tell(Kind::Changed, path, old.clone(), new.clone(), found),
    }
}

fn tell(kind: Kind, path: &str, before: Value, after: Value, found: &mut Vec<Edit>) {
    found.push(Edit { kind, path: path.to_owned(), before, after });
}

fn objects(path: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<Edit>) {
    let within = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") };
    for (key, before) in old {
        match new.get(key) {
            Some(after) => compare(&within(key), before, after, found),
            None => tell(Kind::Removed, &within(key), before.clone(), Value::Null, found),
        }
    }
    for (key, after) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
        tell(Kind::Added, &within(key), Value::Null, after.clone(), found);
    }
}

/// Lists of the same things: first those that are alike, then those of one name, in their order.
fn lists(path: &str, old: &[Value], new: &[Value], found: &mut Vec<Edit>) {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let alike: [fn(&Value, &Value) -> bool; 2] = [|one, other| one == other, same_name];
    for same in alike {
        for (at, before) in old.iter().enumerate() {
            let free = |at: usize, pairs: &[(usize, usize)]| pairs.iter().all(|(_, new)| *new != at);
            if pairs.iter().any(|(old, _)| *old == at) {
                continue;
            }
            let mut others = new.iter().enumerate();
            if let Some((other, _)) =
                others.find(|(other, after)| free(*other, &pairs) && same(before, after))
            {
                pairs.push((at, other));
            }
        }
    }
    pairs.sort_unstable();
    for (at, before) in old.iter().enumerate() {
        match pairs.iter().find(|(old, _)| *old == at) {
            Some((_, other)) => compare(&within(path, before, at), before, &new[*other], found),
            None => tell(Kind::Removed, &within(path, before, at), before.clone(), Value::Null, found),
        }
    }
    for (at, after) in new.iter().enumerate().filter(|(at, _)| pairs.iter().all(|(_, new)| new != at)) {
        tell(Kind::Added, &within(path, after, at), Value::Null, after.clone(), found);
    }
    // A set, such as roles, is written in any order.
    let ordered = old.iter().chain(new).any(Value::is_object);
    if ordered && !pairs.is_sorted_by_key(|(_, new)| *new) {
        let names =
            |list: &[Value]| list.iter().enumerate().map(|(at, part)| Value::from(label(part, at))).collect();
        tell(Kind::Reordered, path, names(old), names(new), found);
    }
}

/// Parts of a list go by their name or number; a word of a set is what it is, and stands in `before` or `after`.
fn within(path: &str, part: &Value, at: usize) -> String {
    if part.is_object() { format!("{path}/{}", label(part, at)) } else { path.to_owned() }
}

fn label(part: &Value, at: usize) -> String {
    named(part).map_or_else(|| (at + 1).to_string(), str::to_owned)
}

fn same_name(one: &Value, other: &Value) -> bool {
    named(one).is_some_and(|name| named(other) == Some(name))
}

/// What a part of a list is called: an effect with fields, such as `notify`, by its kind and the name within.
fn named(part: &Value) -> Option<&str> {
    let parts = part.as_object()?;
    NAMES.iter().find_map(|name| parts.get(*name)?.as_str()).or_else(|| {
        let (kind, within) = parts.iter().next().filter(|_| parts.len() == 1)?;
        let inner = within.as_object()?;
        inner.get("template").or_else(|| inner.get("package")).and_then(Value::as_str).or(Some(kind))
    })
}

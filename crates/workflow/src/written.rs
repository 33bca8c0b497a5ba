//! A machine as one would write it down: each sentence once, and nothing that says no more than leaving it out.

use serde_json::{Value, json};

use crate::definition::SAME;
use crate::{Definition, Transition};

/// What a machine says, in the words of `workflow.yaml`; the words for many states are written out.
pub(crate) fn written(definition: &Definition) -> Value {
    let mut value = json!(definition);
    value["transitions"] = json!(sentences(definition));
    spoken(value).unwrap_or_default()
}

/// The transitions as sentences: what stays in several states is one again.
fn sentences(definition: &Definition) -> Vec<Transition> {
    let mut sentences: Vec<Transition> = Vec::new();
    for transition in &definition.transitions {
        let stays = transition.from.len() == 1 && transition.from.contains(&transition.to);
        match sentences.iter_mut().find(|sentence| sentence.sentence == transition.sentence) {
            Some(sentence) => sentence.from.extend(transition.from.iter().cloned()),
            None if stays => sentences.push(Transition { to: SAME.to_owned(), ..transition.clone() }),
            None => sentences.push(transition.clone()),
        }
    }
    sentences
}

/// A value without the parts that say nothing; none when it says nothing itself.
fn spoken(value: Value) -> Option<Value> {
    let said = match value {
        Value::Null | Value::Bool(false) => return None,
        Value::Array(parts) => Value::Array(parts.into_iter().filter_map(spoken).collect()),
        Value::Object(parts) => {
            let parts = parts.into_iter().filter_map(|(key, part)| Some((key, spoken(part)?)));
            Value::Object(parts.collect())
        }
        other => other,
    };
    let empty =
        said.as_array().is_some_and(Vec::is_empty) || said.as_object().is_some_and(serde_json::Map::is_empty);
    (!empty).then_some(said)
}

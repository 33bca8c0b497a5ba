//! What stands in a cell, and the named operations on it.

use std::borrow::Cow;
use std::collections::HashMap;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as ProtoValue};
use serde_json::Value as Json;

/// A value on its way from a cell into a form.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'v> {
    /// The cell is empty.
    Nothing,
    Text(Cow<'v, str>),
    Number(f64),
    /// What JSON has besides texts.
    Other(&'v Json),
}

impl<'v> Value<'v> {
    /// A text without the blanks around it; nothing when that is all it has.
    pub(super) fn text(text: &'v str) -> Self {
        match text.trim() {
            "" => Self::Nothing,
            text => Self::Text(Cow::Borrowed(text)),
        }
    }

    pub(super) fn of(json: &'v Json) -> Self {
        match json {
            Json::Null => Self::Nothing,
            Json::String(text) => Self::text(text),
            other => Self::Other(other),
        }
    }

    /// The value as a text, where it is no list or object; none when there is nothing.
    pub(super) fn into_text(self) -> Result<Option<Cow<'v, str>>, String> {
        match self {
            Self::Nothing => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Number(number) => Ok(Some(Cow::Owned(number.to_string()))),
            Self::Other(Json::Array(_) | Json::Object(_)) => Err("is a list or an object, not a text".into()),
            Self::Other(other) => Ok(Some(Cow::Owned(other.to_string()))),
        }
    }

    /// What a table of values says that this one means; what is not in the table stays.
    pub(super) fn mapped(self, table: &'v HashMap<String, Json>) -> Self {
        let meant = match &self {
            _ if table.is_empty() => None,
            Self::Text(text) => table.get(&folded(text)),
            Self::Other(scalar @ (Json::Bool(_) | Json::Number(_))) => {
                table.get(&folded(&scalar.to_string()))
            }
            _ => None,
        };
        meant.map_or(self, Value::of)
    }

    /// A code: the prefix, and the text in small letters with `_` for every run of other characters.
    pub(super) fn slug(self, prefix: &str) -> Self {
        let Self::Text(text) = &self else { return self };
        let mut slug = String::with_capacity(prefix.len() + text.len());
        slug.push_str(prefix);
        for part in text.split(|character: char| !character.is_ascii_alphanumeric()) {
            if part.is_empty() {
                continue;
            }
            if slug.len() > prefix.len() {
                slug.push('_');
            }
            slug.extend(part.chars().map(|character| character.to_ascii_lowercase()));
        }
        if slug.len() == prefix.len() { Self::Nothing } else { Self::Text(Cow::Owned(slug)) }
    }

    /// The number that a text says.
    pub(super) fn number(self) -> Result<Self, String> {
        match self {
            Self::Text(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Self::Number(number)),
                _ => Err(format!("`{text}` is no number")),
            },
            other => Ok(other),
        }
    }

    /// The value as a form has it; none when it says nothing.
    pub(super) fn into_proto(self) -> Option<ProtoValue> {
        match self {
            Self::Nothing => None,
            Self::Text(text) => Some(Kind::StringValue(text.into_owned())),
            Self::Number(number) => Some(Kind::NumberValue(number)),
            Self::Other(json) => kind(json),
        }
        .map(|kind| ProtoValue { kind: Some(kind) })
    }
}

/// As tables of values are looked up: capital and small letters are the same.
pub(super) fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A JSON value without the fields that say nothing.
fn kind(json: &Json) -> Option<Kind> {
    let value = |json: &Json| kind(json).map(|kind| ProtoValue { kind: Some(kind) });
    Some(match json {
        Json::Null => return None,
        Json::Bool(told) => Kind::BoolValue(*told),
        Json::Number(number) => Kind::NumberValue(number.as_f64()?),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(list) => Kind::ListValue(ListValue { values: list.iter().filter_map(value).collect() }),
        Json::Object(fields) => {
            let said = fields.iter().filter_map(|(name, json)| Some((name.clone(), value(json)?)));
            Kind::StructValue(Struct { fields: said.collect() })
        }
    })
}

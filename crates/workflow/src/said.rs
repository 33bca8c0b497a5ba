//! What fills a fact of a case, a field of a form or the name of a queue: a field of a form, what an expression gives, or what
//! a table says.

use serde_json::Value;

use crate::Code;
use crate::expression::{Expression, Reader, Scope, Spot};
use crate::form::Form;
use crate::table::{Asked, TABLE};

pub(crate) enum Said {
    /// What stands in a field of this name.
    Field(String),
    /// What it gives.
    Computed(Expression),
    /// What it says.
    Table(Asked),
}

impl Said {
    /// Reads it as packages write it: the name of a field, which the form must know if there is one, or `=` and an expression,
    /// or `table` and its name. None when it cannot be used.
    pub(crate) fn read(
        reader: &Reader<'_>,
        spot: &Spot<'_>,
        form: Option<&Form>,
        text: &str,
    ) -> Option<Self> {
        if Self::is_decided(text) {
            return Self::decided(reader, spot, text);
        }
        if form.is_some_and(|form| !form.knows(text)) {
            let message = format!("{} is said by `{text}`, which is no field of the form", spot.words);
            reader.wrong(Code::UnknownField, &spot.path, message);
        }
        Some(Self::Field(text.to_owned()))
    }

    /// True for `=` and an expression, and for `table` and its name.
    pub(crate) fn is_decided(text: &str) -> bool {
        text.starts_with('=') || text.starts_with(TABLE)
    }

    /// Reads what needs no form of its own: an expression or a table. None when it is neither, or cannot be used.
    pub(crate) fn decided(reader: &Reader<'_>, spot: &Spot<'_>, text: &str) -> Option<Self> {
        match (text.strip_prefix('='), text.strip_prefix(TABLE)) {
            (Some(expression), _) => reader.read(spot, expression).map(Self::Computed),
            (None, Some(table)) => Asked::read(reader, spot, table.trim()).map(Self::Table),
            (None, None) => None,
        }
    }

    /// What it says as a text, given what the place knows; a field says nothing without its form.
    pub(crate) fn text(&self, scope: &Scope<'_>) -> Option<String> {
        match self {
            Self::Field(_) => None,
            Self::Computed(expression) => expression.text(scope),
            Self::Table(asked) => asked.text(scope),
        }
    }

    /// What it says as a value.
    pub(crate) fn json(&self, scope: &Scope<'_>) -> Option<Value> {
        match self {
            Self::Field(_) => None,
            Self::Computed(expression) => expression.json(scope),
            // What reads as a number is one.
            Self::Table(asked) => asked.text(scope).map(|text| match text.parse::<i64>() {
                Ok(number) if number.to_string() == text => Value::from(number),
                _ => Value::String(text),
            }),
        }
    }
}

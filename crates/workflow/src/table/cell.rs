//! The cells of a table: words, ranges of numbers, nothing, or whatever comes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::TableInput;

/// Whatever comes.
const ANY: [&str; 2] = ["", "-"];
/// Nothing comes.
const NONE: &str = "none";

/// What comes in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Datum {
    /// Nothing, or nothing that the input takes.
    Missing,
    Word(String),
    Number(f64),
}

/// What a row holds for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Any,
    Missing,
    Words(BTreeSet<String>),
    Numbers(Range),
}

/// Numbers from and to an end, each with whether the end belongs to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) from: Option<(f64, bool)>,
    pub(super) to: Option<(f64, bool)>,
}

impl Datum {
    /// What a value is to an input.
    pub(super) fn of(input: &TableInput, value: Value) -> Self {
        let text = match value {
            Value::Null | Value::Array(_) | Value::Object(_) => return Self::Missing,
            Value::String(text) => text,
            other => other.to_string(),
        };
        match input.numbers {
            // What is known of a case is a text, also where it is a number.
            Some(_) => text.parse().map_or(Self::Missing, Self::Number),
            None => Self::Word(text),
        }
    }
}

impl Cell {
    /// Reads a cell of an input.
    pub(super) fn read(input: &TableInput, text: &str) -> Result<Self, String> {
        if ANY.contains(&text) {
            return Ok(Self::Any);
        }
        if text == NONE {
            return match input.optional {
                true => Ok(Self::Missing),
                false => Err(format!("`{NONE}` never comes: mark the input with `optional: true`")),
            };
        }
        if input.numbers.is_some() {
            return Range::read(text).map(Self::Numbers);
        }
        let words: BTreeSet<String> = text.split('|').map(|word| word.trim().to_owned()).collect();
        match words.iter().find(|word| !input.values.contains(*word)) {
            Some(word) => Err(format!("`{word}` is none of the input's `values`")),
            None => Ok(Self::Words(words)),
        }
    }

    pub(super) fn holds(&self, datum: &Datum) -> bool {
        match (self, datum) {
            (Self::Any, _) | (Self::Missing, Datum::Missing) => true,
            (Self::Words(words), Datum::Word(word)) => words.contains(word),
            (Self::Numbers(range), Datum::Number(number)) => range.holds(*number),
            _ => false,
        }
    }
}

impl Range {
    /// Reads `5`, `0..100`, `0..<100`, `0..`, `..100`, `< 5`, `<= 5`, `> 5` or `>= 5`; the ends of `..` belong to it, unless `<`
    /// says that the last does not.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| format!("`{text}` is no number, and no range such as 0..49, >= 90 or < 5"))
        };
        let end = |text: &str, closed: bool| match text.trim() {
            "" => Ok(None),
            text => number(text).map(|end| Some((end, closed))),
        };
        let range = if let Some((from, to)) = text.split_once("..") {
            match to.trim().strip_prefix('<') {
                Some(to) => Self { from: end(from, true)?, to: Some((number(to)?, false)) },
                None => Self { from: end(from, true)?, to: end(to, true)? },
            }
        } else if let Some(to) = text.strip_prefix("<=") {
            Self { from: None, to: Some((number(to)?, true)) }
        } else if let Some(to) = text.strip_prefix('<') {
            Self { from: None, to: Some((number(to)?, false)) }
        } else if let Some(from) = text.strip_prefix(">=") {
            Self { from: Some((number(from)?, true)), to: None }
        } else if let Some(from) = text.strip_prefix('>') {
            Self { from: Some((number(from)?, false)), to: None }
        } else {
            let only = Some((number(text)?, true));
            Self { from: only, to: only }
        };
        match (range.from, range.to) {
            (Some((from, _)), Some((to, _))) if from > to => Err(format!("`{text}` ends before it begins")),
            _ => Ok(range),
        }
    }

    pub(super) fn holds(&self, number: f64) -> bool {
        let above = |(end, closed): (f64, bool)| number > end || (closed && number >= end);
        let below = |(end, closed): (f64, bool)| number < end || (closed && number <= end);
        self.from.is_none_or(above) && self.to.is_none_or(below)
    }

    /// Its ends.
    pub(super) fn ends(&self) -> impl Iterator<Item = f64> {
        self.from.into_iter().chain(self.to).map(|(end, _)| end)
    }
}

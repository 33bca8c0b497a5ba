//! A log: cases, each with its events in order, whatever else is known of either as attributes.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use crate::{Error, Ocel, xes};

/// Bytes that a log may say, after it was unpacked.
const MOST: u64 = 1 << 30;
/// How a compressed file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The keys that tools for process mining agree on.
pub mod keys {
    /// What a case or an activity is called.
    pub const NAME: &str = "concept:name";
    /// When something happened.
    pub const TIME: &str = "time:timestamp";
    /// Who did it.
    pub const RESOURCE: &str = "org:resource";
    /// In which role.
    pub const ROLE: &str = "org:role";
    /// Which part of an activity it was; `complete` where nothing is said.
    pub const LIFECYCLE: &str = "lifecycle:transition";
}

/// A log of cases.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    /// What is known of all of it.
    pub attributes: Vec<Attribute>,
    /// Its cases.
    pub cases: Vec<LogCase>,
}

/// A case of a log; XES calls it a trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogCase {
    /// What is known of it.
    pub attributes: Vec<Attribute>,
    /// Its events, as the log lists them.
    pub events: Vec<LogEvent>,
}

/// Something that happened to a case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogEvent {
    /// What is known of it.
    pub attributes: Vec<Attribute>,
}

/// Something that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// What it is about.
    pub key: String,
    /// What is known.
    pub value: Value,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text or an id.
    Text(String),
    /// An instant.
    Time(Timestamp),
    /// A whole number.
    Integer(i64),
    /// Any other finite number.
    Number(f64),
    /// True or false.
    Truth(bool),
    /// Several attributes, whose keys may be the same.
    List(Vec<Attribute>),
}

/// An event that says what was done and when.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Its place in the case as the log lists it, from 0.
    pub index: usize,
    /// What was done.
    pub activity: &'a str,
    /// When.
    pub at: Timestamp,
    /// The event.
    pub event: &'a LogEvent,
}

impl Log {
    /// Reads XES, or OCEL 2.0 in JSON, either of them also compressed by gzip. Of an OCEL log the objects of a type
    /// become cases; when none is named, those of the type that most events are about.
    ///
    /// # Errors
    /// What cannot be read, with its line.
    pub fn read(bytes: &[u8], object_type: Option<&str>) -> Result<Self, Error> {
        let text = unpack(bytes)?;
        match text.trim_start().chars().next() {
            Some('<') => xes::read(&text),
            Some('{') => Ocel::read(&text)?.cases(object_type),
            _ => Err(Error::Format),
        }
    }

    /// The log as XES 1849-2016. Characters that XML cannot hold become U+FFFD.
    #[must_use]
    pub fn to_xes(&self) -> String {
        xes::write(self)
    }

    /// How many events it has.
    #[must_use]
    pub fn events(&self) -> usize {
        self.cases.iter().map(|case| case.events.len()).sum()
    }
}

impl LogCase {
    /// What it is called; empty when nothing is said.
    #[must_use]
    pub fn name(&self) -> &str {
        text(&self.attributes, keys::NAME)
    }

    /// The events that say what was done and when, in the order of time; those of one time as the log lists them.
    #[must_use]
    pub fn steps(&self) -> Vec<Step<'_>> {
        let step = |(index, event): (usize, &'_ LogEvent)| {
            (!event.activity().trim().is_empty()).then(|| event.at()).flatten().map(|at| (index, at))
        };
        let mut places: Vec<(usize, Timestamp)> = self.events.iter().enumerate().filter_map(step).collect();
        places.sort_by_key(|(index, at)| (*at, *index));
        let step = |(index, at): (usize, Timestamp)| {
            let event = &self.events[index];
            Step { index, activity: event.activity(), at, event }
        };
        places.into_iter().map(step).collect()
    }
}

impl LogEvent {
    /// What was done; empty when nothing is said.
    #[must_use]
    pub fn activity(&self) -> &str {
        text(&self.attributes, keys::NAME)
    }

    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        match find(&self.attributes, keys::TIME)? {
            Value::Time(at) => Some(*at),
            _ => None,
        }
    }

    /// Who did it; empty when nothing is said.
    #[must_use]
    pub fn resource(&self) -> &str {
        text(&self.attributes, keys::RESOURCE)
    }

    /// The role in which it was done; empty when nothing is said.
    #[must_use]
    pub fn role(&self) -> &str {
        text(&self.attributes, keys::ROLE)
    }
}

impl Attribute {
    /// Something that is known.
    pub fn new(key: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

impl Value {
    /// The value as JSON writes it; a list, for which neither a form nor OCEL has a kind, is none.
    pub(crate) fn json(&self) -> Option<Json> {
        match self {
            Self::Text(text) => Some(Json::from(text.as_str())),
            Self::Time(at) => Some(Json::from(at.to_string())),
            Self::Integer(number) => Some(Json::from(*number)),
            Self::Number(number) => Some(Json::from(*number)),
            Self::Truth(truth) => Some(Json::from(*truth)),
            Self::List(_) => None,
        }
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Time(at)
    }
}

/// The value under a key; of several the first.
pub(crate) fn find<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key == key).map(|attribute| &attribute.value)
}

fn text<'a>(attributes: &'a [Attribute], key: &str) -> &'a str {
    match find(attributes, key) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

/// An instant as logs write it: RFC 3339; without an offset, as UTC.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let local = || text.parse::<DateTime>().ok().and_then(|local| TimeZone::UTC.to_timestamp(local).ok());
    text.parse().ok().or_else(local)
}

/// The line of a byte of a text, from 1.
pub(crate) fn line(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// The text of a file, which may be compressed.
fn unpack(bytes: &[u8]) -> Result<String, Error> {
    let mut text = Vec::new();
    if bytes.starts_with(&GZIP) {
        let read = MultiGzDecoder::new(bytes).take(MOST + 1).read_to_end(&mut text);
        read.map_err(|error| Error::Gzip(error.to_string()))?;
    } else {
        text.extend_from_slice(bytes);
    }
    if text.len() as u64 > MOST {
        return Err(Error::TooLarge { most: MOST });
    }
    let text = String::from_utf8(text).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Error::Place { line, problem: "this is no UTF-8: convert the file first".to_owned() }
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

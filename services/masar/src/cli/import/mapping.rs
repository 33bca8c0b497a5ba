//! The mapping file: what an analyst writes to say how rows become cases. Its keys are described in
//! `demo/mappings/nyc-council.yaml`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use jiff::civil::Time;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

/// How the rows of a file become cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mapping {
    pub(super) case_type: String,
    pub(super) tenant: Option<Rule>,
    pub(super) source_system: Rule,
    pub(super) external_ref: Rule,
    #[serde(default)]
    pub(super) historical: bool,
    pub(super) time_zone: Option<String>,
    pub(super) received_at: Option<When>,
    pub(super) closed_at: Option<When>,
    pub(super) delimiter: Option<char>,
    #[serde(default)]
    pub(super) columns: BTreeMap<String, Rule>,
    #[serde(default)]
    pub(super) reject_if: Vec<RejectIf>,
    pub(super) form: BTreeMap<String, Rule>,
}

/// Where a value comes from: fixed, or made of columns.
#[derive(Debug)]
pub(super) enum Rule {
    Fixed(Json),
    Made(Box<Recipe>),
}

/// A value made of columns: one of `from`, `template`, `join`, then what is done to it, in this order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipe {
    pub(super) from: Option<String>,
    pub(super) template: Option<String>,
    pub(super) join: Option<Vec<String>>,
    pub(super) with: Option<String>,
    #[serde(default)]
    pub(super) map: BTreeMap<String, Json>,
    pub(super) slug: Option<String>,
    #[serde(default)]
    pub(super) number: bool,
    pub(super) default: Option<Json>,
}

/// A point in time that stands in a column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    pub(super) from: String,
    pub(super) format: Option<String>,
    #[serde(default)]
    pub(super) at: Time,
}

/// Rows that are not cases at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RejectIf {
    pub(super) column: String,
    pub(super) is: Option<Vec<String>>,
    pub(super) not: Option<Vec<String>>,
    pub(super) reason: String,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// The file and the key that is wrong.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("cannot read the mapping {}", file.display()))?;
        Self::parse(&file.display().to_string(), &text)
    }

    /// Reads the text of a mapping; `file` is its name, for messages.
    ///
    /// # Errors
    /// The file and the key that is wrong.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self> {
        serde_saphyr::from_str(text).map_err(|error| anyhow!("the mapping {file} cannot be used: {error}"))
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RuleVisitor)
    }
}

/// Tells a fixed value from a recipe, so that what is wrong in a recipe is told with its key.
struct RuleVisitor;

impl<'de> Visitor<'de> for RuleVisitor {
    type Value = Rule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fixed value, or where it comes from, such as {from: COLUMN}")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Rule, E> {
        Ok(Rule::Fixed(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Rule, E> {
        Ok(Rule::Fixed(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Rule, E> {
        Ok(Rule::Fixed(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Rule, E> {
        Ok(Rule::Fixed(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Rule, E> {
        Ok(Rule::Fixed(value.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rule, A::Error> {
        Recipe::deserialize(MapAccessDeserializer::new(map)).map(|recipe| Rule::Made(Box::new(recipe)))
    }
}

//! What a `workflow.yaml`, or a row of a form, says of quotas.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::BiText;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::bands::{self, Band, Bands};
#[cfg(test)]
use crate::tests::words::Text;

/// A set of children, and the shares of it that are needed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// What people call the set.
    #[cfg_attr(test, schemars(with = "Text"))]
    pub label: BiText,
    /// The package of the children that are counted.
    pub package: String,
    /// The states of that package in which they are.
    pub states: BTreeSet<String>,
    /// By what they are told apart: facts of the children, by name.
    pub dimensions: BTreeMap<String, Dimension>,
    /// The rules.
    #[serde(default)]
    pub rules: Vec<QuotaRule>,
    /// `form.field` of a form of the case: a list, each row of which is one more rule.
    pub rows: Option<String>,
}

/// A fact by which children are told apart.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// What people call it.
    #[cfg_attr(test, schemars(with = "Text"))]
    pub label: BiText,
    /// True for what says something of special nature of a person: whoever reads the counts finds none below five.
    #[serde(default)]
    pub special: bool,
    /// What it may be, and what people call that; without any, and without bands, it may be anything.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Text>"))]
    pub values: BTreeMap<String, BiText>,
    /// Bands of numbers: the fact is the code of one, or a number that falls into one.
    pub bands: Option<Bands>,
}

/// How many of the set must have a value. Shares are percentages of all that are counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct QuotaRule {
    /// The dimension.
    pub dimension: String,
    /// The value, or the code of a band.
    pub value: String,
    /// The least share.
    pub share_min: Option<f64>,
    /// The share that is wanted: neither less nor more, but for the tolerance.
    pub share_target: Option<f64>,
    /// The least number of persons.
    pub at_least: Option<u32>,
    /// How many persons a share may be missed by; two in a hundred of all, if that is more.
    #[serde(default)]
    pub tolerance: u32,
    /// True when something waits for it; others are only shown.
    #[serde(default)]
    pub hard: bool,
}

/// What a path such as `form.field` leads to.
pub(super) type Lookup<'a, 'v> = &'a dyn Fn(&str) -> Option<&'v Value>;

impl Quota {
    /// What is wrong with a rule, given the codes that a dimension knows.
    pub(crate) fn wrong(
        &self,
        rule: &QuotaRule,
        codes: &dyn Fn(&Dimension) -> BTreeSet<String>,
    ) -> Option<String> {
        let list = |words: Vec<&str>| words.join("`, `");
        let Some(dimension) = self.dimensions.get(&rule.dimension) else {
            let known = list(self.dimensions.keys().map(String::as_str).collect());
            return Some(format!("`{}` is no dimension of the quota: use `{known}`", rule.dimension));
        };
        let known = codes(dimension);
        if !known.is_empty() && !known.contains(&rule.value) {
            let known = list(known.iter().map(String::as_str).collect());
            return Some(format!("`{}` is no value of `{}`: use `{known}`", rule.value, rule.dimension));
        }
        let shares = [rule.share_min, rule.share_target];
        if shares.into_iter().flatten().any(|share| !(0.0..=100.0).contains(&share)) {
            return Some("a share is a percentage: use 0 to 100".to_owned());
        }
        if let [Some(min), Some(target)] = shares
            && min > target
        {
            return Some(format!("the least share, {min}, is more than the share that is wanted, {target}"));
        }
        let asks = rule.at_least.is_some() || shares.iter().any(Option::is_some);
        (!asks).then(|| "it asks for nothing: say `share_min`, `share_target` or `at_least`".to_owned())
    }
}

impl Dimension {
    /// The bands that are in force.
    pub(super) fn bands(&self, lookup: Lookup<'_, '_>) -> Vec<Band> {
        let Some(bands) = &self.bands else { return Vec::new() };
        let said = bands::read(bands.rows.as_deref().and_then(lookup));
        if said.is_empty() { bands.of.clone() } else { said }
    }

    /// The codes that rules may name; none where it may be anything.
    pub(crate) fn codes(&self, lookup: Lookup<'_, '_>) -> BTreeSet<String> {
        let bands = self.bands(lookup).into_iter().map(|band| band.code);
        bands.chain(self.values.keys().cloned()).collect()
    }

    /// The value that a fact of a child stands for.
    pub(super) fn value(&self, fact: &str, bands: &[Band]) -> String {
        let number = fact.parse::<u32>().ok();
        let band = number.and_then(|number| bands.iter().find(|band| band.takes(number)));
        band.map_or_else(|| fact.to_owned(), |band| band.code.clone())
    }

    /// What people call a value.
    pub(super) fn name(&self, value: &str, bands: &[Band]) -> BiText {
        let band = bands.iter().find(|band| band.code == value).map(Band::label);
        let plain = || band.unwrap_or_else(|| value.to_owned());
        self.values.get(value).cloned().unwrap_or_else(|| {
            let name = plain();
            BiText { ar: name.clone(), en: name }
        })
    }
}

/// The fields of a row that a rule is made of; a row may say more.
const FIELDS: [&str; 7] =
    ["dimension", "value", "share_min", "share_target", "at_least", "tolerance", "hard"];

/// The rules that a list of a form says, or why a row is none.
pub(super) fn rows(list: Option<&Value>) -> impl Iterator<Item = Result<QuotaRule, String>> {
    let rows = list.and_then(Value::as_array).into_iter().flatten();
    rows.map(|row| {
        let fields = FIELDS.iter().filter_map(|field| Some(((*field).to_owned(), row.get(field)?.clone())));
        serde_json::from_value(Value::Object(fields.collect::<Map<_, _>>()))
            .map_err(|error| error.to_string())
    })
}

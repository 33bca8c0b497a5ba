//! How the shares stand, and what may be told of them: of data of special nature nobody learns about a handful of people.

use std::collections::BTreeMap;

use masar_domain::BiText;

use super::rule::{QuotaRule, rows};
use super::{Band, Dimension, Quota};
use crate::{Case, Child, Definition};

/// Below so many, a count of special nature is not told.
const FEW: u32 = 5;
/// What a share is measured in: hundredths of a percent.
const WHOLE: u64 = 10_000;
/// The share of all by which any share may be missed: two in a hundred.
const TOLERATED: u64 = 200;

/// How a quota stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Its code.
    pub quota: String,
    /// What people call the set.
    pub label: BiText,
    /// How many children are counted.
    pub total: u32,
    /// One for each rule.
    pub standings: Vec<Standing>,
}

/// How a rule stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Code of the dimension.
    pub dimension: String,
    /// What people call it.
    pub dimension_label: BiText,
    /// Code of the value.
    pub value: String,
    /// What people call it.
    pub value_label: BiText,
    /// True when something waits for it.
    pub hard: bool,
    /// The fewest persons that are enough, of those that are counted now.
    pub least: u32,
    /// The most persons that are not too many, if there are.
    pub most: Option<u32>,
    /// True when it is met. Of nobody nothing is.
    pub met: bool,
    /// How many have the value, as far as that may be told.
    pub shown: Shown,
}

/// A count as it may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// So many.
    Count(u32),
    /// Fewer than this.
    FewerThan(u32),
    /// Not told, because it would say what another is that is not told.
    Withheld,
}

/// How the quotas of a case stand, given its children.
#[must_use]
pub fn tallies(definition: &Definition, case: &Case, children: &[Child]) -> Vec<Tally> {
    definition.quotas.iter().map(|(code, quota)| tally(code, quota, case, children)).collect()
}

/// How a quota of a case stands.
pub(super) fn tally(code: &str, quota: &Quota, case: &Case, children: &[Child]) -> Tally {
    let lookup = |path: &str| {
        let (form, field) = path.split_once('.')?;
        case.forms.get(form)?.get(field)
    };
    let counted: Vec<&Child> = (children.iter())
        .filter(|child| child.package == quota.package && quota.states.contains(&child.state))
        .collect();
    let total = number(counted.len());
    let said = rows(quota.rows.as_deref().and_then(lookup)).filter_map(Result::ok);
    let rules: Vec<QuotaRule> = quota.rules.iter().cloned().chain(said).collect();
    let mut standings = Vec::new();
    for (name, dimension) in &quota.dimensions {
        let bands = dimension.bands(&lookup);
        let cells = cells(name, dimension, &bands, &counted);
        let of: Vec<&QuotaRule> = rules.iter().filter(|rule| rule.dimension == *name).collect();
        let shown = shown(dimension.special, total, &cells, &of);
        standings.extend(of.into_iter().map(|rule| {
            let count = cells.get(&rule.value).copied().unwrap_or_default();
            let (least, most) = needed(rule, total);
            Standing {
                dimension: name.clone(),
                dimension_label: dimension.label.clone(),
                value: rule.value.clone(),
                value_label: dimension.name(&rule.value, &bands),
                hard: rule.hard,
                least,
                most,
                met: total > 0 && count >= least && most.is_none_or(|most| count <= most),
                shown: shown.get(rule.value.as_str()).copied().unwrap_or(Shown::Withheld),
            }
        }));
    }
    Tally { quota: code.to_owned(), label: quota.label.clone(), total, standings }
}

/// How many children have each value.
fn cells(name: &str, dimension: &Dimension, bands: &[Band], counted: &[&Child]) -> BTreeMap<String, u32> {
    let mut cells = BTreeMap::new();
    for fact in counted.iter().filter_map(|child| child.facts.get(name)) {
        *cells.entry(dimension.value(fact, bands)).or_default() += 1;
    }
    cells
}

/// The fewest persons that are enough for a rule, and the most that are not too many, of so many. A share may be missed by its
/// tolerance in persons or by two in a hundred of all, whichever is larger.
pub(crate) fn needed(rule: &QuotaRule, total: u32) -> (u32, Option<u32>) {
    let total = u64::from(total);
    let tolerance = (u64::from(rule.tolerance) * WHOLE).max(TOLERATED * total);
    let exact = |share: f64| hundredths(share) * total;
    let fewest = |share: f64| exact(share).saturating_sub(tolerance).div_ceil(WHOLE);
    let shares = [rule.share_min, rule.share_target].into_iter().flatten();
    let least = shares.map(fewest).chain(rule.at_least.map(u64::from)).max().unwrap_or_default();
    let most = rule.share_target.map(|share| (exact(share) + tolerance) / WHOLE);
    (persons(least), most.map(persons))
}

/// A percentage in hundredths of a percent.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentage lies between 0 and 100"
)]
fn hundredths(share: f64) -> u64 {
    (share.clamp(0.0, 100.0) * 100.0).round() as u64
}

fn persons(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The counts of the values that rules name, as they may be told. Where all values are named and only one is not told, the
/// smallest of the others is not told either: the total would say what is missing.
fn shown<'a>(
    special: bool,
    total: u32,
    cells: &BTreeMap<String, u32>,
    rules: &[&'a QuotaRule],
) -> BTreeMap<&'a str, Shown> {
    let count = |rule: &&'a QuotaRule| {
        let value = rule.value.as_str();
        (value, cells.get(value).copied().unwrap_or_default())
    };
    let counts: BTreeMap<&str, u32> = rules.iter().map(count).collect();
    let tell = |count: u32| if special && count < FEW { Shown::FewerThan(FEW) } else { Shown::Count(count) };
    let mut shown: BTreeMap<&str, Shown> =
        counts.iter().map(|(value, count)| (*value, tell(*count))).collect();
    let all = counts.values().sum::<u32>() == total;
    let few = shown.values().filter(|shown| **shown == Shown::FewerThan(FEW)).count();
    if all && few == 1 {
        let others = counts.iter().filter(|(_, count)| **count >= FEW);
        if let Some((value, _)) = others.min_by_key(|(_, count)| **count) {
            shown.insert(*value, Shown::Withheld);
        }
    }
    shown
}

impl Shown {
    /// The count in words.
    #[must_use]
    pub fn words(self) -> BiText {
        match self {
            Self::Count(count) => BiText { ar: count.to_string(), en: count.to_string() },
            Self::FewerThan(few) => {
                BiText { ar: format!("أقل من {few}"), en: format!("fewer than {few}") }
            }
            Self::Withheld => BiText { ar: "محجوب".to_owned(), en: "withheld".to_owned() },
        }
    }
}

impl Standing {
    /// How it stands, in a sentence of each language.
    #[must_use]
    pub fn sentence(&self, total: u32) -> BiText {
        let (dimension, value, shown) = (&self.dimension_label, &self.value_label, self.shown.words());
        let (ar, en) = match self.most {
            Some(most) => {
                (format!("من {} إلى {most}", self.least), format!("{} to {most} are needed", self.least))
            }
            None => (format!("{} على الأقل", self.least), format!("at least {} are needed", self.least)),
        };
        BiText {
            ar: format!("{} («{}»): {} من {total}، والمطلوب {ar}", value.ar, dimension.ar, shown.ar),
            en: format!("{} (“{}”): {} of {total}, and {en}", value.en, dimension.en, shown.en),
        }
    }
}

//! Targets: how long a clock may take, by the importance of the case, by what a form chooses, and before both by what a table of
//! the package says (CMP-13).

use std::collections::BTreeMap;

use masar_domain::Importance;
use masar_worktime::{Target, Unit};

use crate::decide::case_facts;
use crate::expression::{Read, Reader, Scope, Spot, TARGET};
use crate::table::{Asked, TABLE};
use crate::{Case, ClockRule, Code, Definition, Package};

/// What a row gives that leaves the target to the package.
const DEFAULT: &str = "default";

/// The tables that clocks ask for their targets, by clock.
pub(crate) struct TargetTables(BTreeMap<String, Asked>);

impl TargetTables {
    /// Reads what clocks name as their tables, and finds what those give that is no target.
    pub(crate) fn compile(reader: &Reader<'_>, definition: &Definition) -> Self {
        let read = |(code, rule): (&String, &ClockRule)| {
            let written = rule.target_from.as_deref()?;
            let path = format!("clocks/{code}/target_from");
            let spot =
                Spot { path, words: format!("the target of the clock `{code}`"), names: TARGET, form: None };
            let Some(table) = written.strip_prefix(TABLE) else {
                let message = format!("{}: `{written}` is no table: write `table NAME`", spot.words);
                reader.wrong(Code::UnknownTable, &spot.path, message);
                return None;
            };
            let asked = Asked::read(reader, &spot, table.trim())?;
            for (word, problem) in asked.answers().filter_map(|word| Some((word, problem(rule, word)?))) {
                let message = format!("{}: the table gives `{word}`: {problem}", spot.words);
                reader.wrong(Code::TargetTable, &spot.path, message);
            }
            Some((code.clone(), asked))
        };
        Self(definition.clocks.iter().filter_map(read).collect())
    }

    /// What its table reads to say the target of a clock.
    pub(crate) fn reads(&self, clock: &str) -> impl Iterator<Item = Read> {
        self.0.get(clock).into_iter().flat_map(Asked::reads)
    }

    /// What its table says of a clock; none where the clock has none, or the table leaves it to `target`.
    fn target(&self, clock: &str, case: &Case) -> Option<Target> {
        let asked = self.0.get(clock)?;
        let scope = Scope::default()
            .with("case", || case_facts(case))
            .with("importance", || case.importance().as_str());
        asked.text(&scope)?.parse().ok()
    }
}

/// Why a table cannot give this.
fn problem(rule: &ClockRule, word: &str) -> Option<String> {
    if word == DEFAULT {
        return None;
    }
    match word.parse::<Target>() {
        Err(error) => Some(error.to_string()),
        Ok(target) if target.amount == 0 => {
            Some("a promise takes some time: give more than nothing".to_owned())
        }
        Ok(target) if rule.extend.is_some() && target.unit != Unit::BusinessDays => {
            Some("the clock is extended by working days: give `business_days`".to_owned())
        }
        Ok(_) => None,
    }
}

impl ClockRule {
    /// What `target` says for a word: a degree of importance, or what `target_by` chooses by.
    #[must_use]
    pub fn target_of(&self, word: &str) -> Option<Target> {
        self.target.get(word).or_else(|| self.target.get("all")).copied()
    }
}

impl Package {
    /// The target that the package promises for a clock of the case: what its table says, or else its `target`.
    pub(crate) fn target(&self, clock: &str, rule: &ClockRule, case: &Case) -> Option<Target> {
        if let Some(target) = self.target_tables().target(clock, case) {
            return Some(target);
        }
        let importance: Importance = case.importance();
        match rule.target_by.as_deref().and_then(|path| path.split_once('.')) {
            Some((form, field)) => rule.target_of(case.forms.get(form)?.get(field)?.as_str()?),
            None => rule.target_of(importance.as_str()),
        }
    }
}

//! Quotas: which shares of a case's children it needs, how they stand, and what may be told of them (AMB-18 to AMB-22).

mod bands;
mod rule;
mod tally;

use std::collections::BTreeSet;

use masar_domain::BiText;
use serde_json::Value;

pub use self::bands::{Band, Bands};
pub use self::rule::{Dimension, Quota, QuotaRule};
pub use self::tally::{Shown, Standing, Tally, tallies};

#[cfg(test)]
pub(crate) use self::tally::needed;

use self::rule::rows;
use self::tally::tally;
use crate::{Case, Child, Definition, Refusal, Violation};

/// Refuses what needs a quota of which a hard rule is not met, in words that name the rules.
pub(crate) fn refuse(
    definition: &Definition,
    quota: &str,
    case: &Case,
    children: &[Child],
) -> Result<(), Refusal> {
    let Some(rule) = definition.quotas.get(quota) else { return Ok(()) };
    let tally = tally(quota, rule, case, children);
    if tally.standings.is_empty() {
        let BiText { ar, en } = &rule.label;
        let message = BiText {
            ar: format!("لم تحدد حصص «{ar}» بعد"),
            en: format!("{en}: no quotas are set yet"),
        };
        return Err(Refusal::Quota { message });
    }
    let failing = tally.standings.iter().filter(|standing| standing.hard && !standing.met);
    let sentences: Vec<BiText> = failing.map(|standing| standing.sentence(tally.total)).collect();
    if sentences.is_empty() {
        return Ok(());
    }
    let joined =
        |of: fn(&BiText) -> &str, between: &str| sentences.iter().map(of).collect::<Vec<_>>().join(between);
    let message = BiText { ar: joined(|text| &text.ar, "؛ "), en: joined(|text| &text.en, "; ") };
    Err(Refusal::Quota { message })
}

/// What is wrong with the rules and the bands that a filled-in form says.
pub(crate) fn violations(definition: &Definition, form: &str, data: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut wrong = |field: &str, number: usize, message: String| {
        found.push(Violation { field: format!("{form}.{field}.{number}"), message });
    };
    let here =
        |path: &Option<String>| path.as_deref().and_then(|path| field_of(path, form)).map(str::to_owned);
    for quota in definition.quotas.values() {
        for bands in quota.dimensions.values().filter_map(|dimension| dimension.bands.as_ref()) {
            let Some(field) = here(&bands.rows) else { continue };
            let said = data.get(&field);
            // As long as the form says none, those of the package hold.
            let asked = said.is_some() || bands.of.is_empty();
            if let Some((number, problem)) = bands.fault(&bands::read(said)).filter(|_| asked) {
                wrong(&field, number, problem);
            }
        }
        let Some(field) = here(&quota.rows) else { continue };
        for (number, row) in rows(data.get(&field)).enumerate() {
            let problem = match row {
                Ok(rule) => quota.wrong(&rule, &|dimension| codes(dimension, form, data)),
                Err(problem) => Some(problem),
            };
            problem.into_iter().for_each(|problem| wrong(&field, number, problem));
        }
    }
    found
}

/// The codes that a rule may name, as far as the form at hand says; none where another form says the bands.
fn codes(dimension: &Dimension, form: &str, data: &Value) -> BTreeSet<String> {
    let rows = dimension.bands.as_ref().and_then(|bands| bands.rows.as_deref());
    match rows {
        Some(path) if field_of(path, form).is_none() => BTreeSet::new(),
        _ => dimension.codes(&|path| data.get(field_of(path, form)?)),
    }
}

/// The field of the form at hand that a path names, if it is one of that form.
fn field_of<'p>(path: &'p str, form: &str) -> Option<&'p str> {
    path.split_once('.').filter(|(of, _)| *of == form).map(|(_, field)| field)
}

//! Quotas that can be counted: their rules name what is there, and of their bands every number falls into exactly one (AMB-18 to
//! AMB-20).

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::BiText;

use crate::finding::Found;
use crate::form::Form;
use crate::{Code, Definition, Dimension, Quota};

use super::{sentence, tasks};

/// Finds what is wrong with the quotas of a machine, given the forms that can be used.
pub(super) fn check(definition: &Definition, forms: &BTreeMap<String, Form>, found: &Found) {
    for (code, quota) in &definition.quotas {
        let path = format!("quotas/{code}");
        let asked = tasks(definition).any(|(_, task)| task.opens() == Some(&quota.package));
        if !asked {
            let message =
                format!("the quota `{code}` counts children of `{}`, which nothing asks for", quota.package);
            found.add(Code::Quota, &format!("{path}/package"), message);
        }
        if quota.rules.is_empty() && quota.rows.is_none() {
            let message =
                format!("the quota `{code}` has no rules: write `rules`, or name a list of a form in `rows`");
            found.add(Code::Quota, &path, message);
        }
        labels(quota, (code, &path), found);
        rules(quota, (code, &path), found);
        bands(quota, (code, &path), found);
        let of_bands = quota.dimensions.iter().filter_map(|(name, dimension)| {
            let rows = dimension.bands.as_ref()?.rows.as_ref()?;
            Some((format!("{path}/dimensions/{name}/bands/rows"), rows))
        });
        let lists = quota.rows.iter().map(|rows| (format!("{path}/rows"), rows));
        for (path, rows) in lists.chain(of_bands) {
            list(code, &path, rows, forms, found);
        }
    }
    for way in &definition.transitions {
        let Some(quota) = way.quotas.as_ref().filter(|quota| !definition.quotas.contains_key(*quota)) else {
            continue;
        };
        let (path, place) = sentence(way);
        let message = format!("{place} waits for the quota `{quota}`, which does not exist");
        found.add(Code::Quota, &format!("{path}/quotas"), message);
    }
}

fn labels(quota: &Quota, (code, path): (&str, &str), found: &Found) {
    let text = |path: &str, what: &str, text: &BiText| {
        if !text.is_complete() {
            let message =
                format!("{what} of the quota `{code}` is not translated: give it in Arabic and English");
            found.add(Code::Translation, path, message);
        }
    };
    text(&format!("{path}/label"), "the label", &quota.label);
    for (name, dimension) in &quota.dimensions {
        let path = format!("{path}/dimensions/{name}");
        text(&format!("{path}/label"), &format!("the label of `{name}`"), &dimension.label);
        for (value, label) in &dimension.values {
            text(&format!("{path}/values/{value}"), &format!("the value `{value}`"), label);
        }
    }
}

fn rules(quota: &Quota, (code, path): (&str, &str), found: &Found) {
    for (number, rule) in quota.rules.iter().enumerate() {
        // What a form says of bands is not known here.
        let codes = |dimension: &Dimension| match &dimension.bands {
            Some(bands) if bands.rows.is_some() => BTreeSet::new(),
            _ => dimension.codes(&|_| None),
        };
        if let Some(problem) = quota.wrong(rule, &codes) {
            let message = format!("a rule of the quota `{code}`: {problem}");
            found.add(Code::Quota, &format!("{path}/rules/{number}"), message);
        }
    }
}

fn bands(quota: &Quota, (code, path): (&str, &str), found: &Found) {
    for (name, dimension) in &quota.dimensions {
        let Some(bands) = &dimension.bands else { continue };
        let path = format!("{path}/dimensions/{name}/bands");
        // What a form says alone is looked at when it is filled in.
        if bands.rows.is_some() && bands.of.is_empty() {
            continue;
        }
        if let Some((number, problem)) = bands.fault(&bands.of) {
            let message = format!("the bands of `{name}` in the quota `{code}`: {problem}");
            found.add(Code::Bands, &format!("{path}/of/{number}"), message);
        }
    }
}

/// The list of a form that a path names is there.
fn list(code: &str, path: &str, rows: &str, forms: &BTreeMap<String, Form>, found: &Found) {
    let (form, field) = rows.split_once('.').unwrap_or((rows, ""));
    match forms.get(form) {
        None => {
            let message = format!("the quota `{code}` reads the form `{form}`, which does not exist");
            found.add(Code::UnknownForm, path, message);
        }
        Some(known) if field.is_empty() || !known.knows(field) => {
            let message = format!("the quota `{code}` reads `{rows}`: `{field}` is no field of the form");
            found.add(Code::UnknownField, path, message);
        }
        Some(_) => {}
    }
}

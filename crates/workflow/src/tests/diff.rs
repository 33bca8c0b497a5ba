//! What a new version changes and what would strand a case of the old one, told from the smallest package and all shipped ones.

use std::collections::BTreeSet;

use super::findings::{FORM, WORKFLOW, shipped, tiny};
use crate::{Difference, Kind, Package, RiskCode, Source, diff};

/// What the old version says, what the new one says instead, and the only difference that is told.
const CHANGED: &[(&str, &str, Kind, &str)] = &[
    ("version: 1.0.0", "version: 1.1.0", Kind::Changed, "version"),
    ("en: \"Done\"", "en: \"Finished\"", Kind::Changed, "states/done/label/en"),
    (
        "to: wait, roles: [case_handler]",
        "to: wait, roles: [case_handler, pqi_director]",
        Kind::Added,
        "transitions/hold/wait/roles",
    ),
    (
        "roles: [system, case_handler], label: {ar: \"إنهاء\"",
        "roles: [case_handler], label: {ar: \"إنهاء\"",
        Kind::Removed,
        "transitions/finish/done/roles",
    ),
    ("action: hold,", "action: hold, reason: true,", Kind::Added, "transitions/hold/wait/reason"),
    ("action: hold,", "action: hold, form: ask,", Kind::Added, "transitions/hold/wait/form"),
    (
        "action: hold,",
        "action: hold, guard: 'case.state == \"fresh\"', otherwise: {ar: \"ا\", en: \"a\"},",
        Kind::Added,
        "transitions/hold/wait/guard",
    ),
    ("{all: 1 business_day}", "{all: 2 business_days}", Kind::Changed, "clocks/answer/target/all"),
    ("warn: [75%]", "warn: [50%, 75%]", Kind::Added, "clocks/answer/warn"),
    (
        "to: [handler]}]",
        "to: [handler]}, {level: L2, at: {all: breach + 1 bd}, to: [pqi_director]}]",
        Kind::Added,
        "ladders/answer/levels/L2",
    ),
    ("to: [handler]}]", "to: [handler, pqi_director]}]", Kind::Added, "ladders/answer/levels/L1/to"),
    ("routing: {otherwise: desk}", "routing: {otherwise: counter}", Kind::Changed, "routing/otherwise"),
    ("routing: {", "routing: {rules: [{name: mine, when: 'true', queue: q}], ", Kind::Added, "routing/rules"),
    ("to: [customer]}}]", "to: [handler]}}]", Kind::Removed, "opening_effects/told/notify/to"),
    (
        "\"type\": \"string\", \"x-class\"",
        "\"type\": \"string\", \"maxLength\": 9, \"x-class\"",
        Kind::Added,
        "forms/ask/properties/phone/maxLength",
    ),
    ("from: [wait], to: fresh", "from: [any_waiting], to: fresh", Kind::Changed, ""),
];

fn compile(source: &Source) -> Package {
    Package::compile(source).unwrap_or_else(|error| panic!("{error}"))
}

/// The difference of the smallest package and one in which some texts are replaced.
fn changed(replaced: &[(&str, &str)]) -> Difference {
    let (mut workflow, mut form) = (WORKFLOW.to_owned(), FORM.to_owned());
    for (right, other) in replaced {
        assert!(workflow.contains(right) || form.contains(right), "{right}");
        workflow = workflow.replacen(right, other, 1);
        form = form.replacen(right, other, 1);
    }
    let old = compile(&tiny(WORKFLOW.to_owned(), FORM.to_owned()));
    diff(&old, &compile(&tiny(workflow, form)))
}

#[test]
fn every_kind_of_change_is_told_with_its_path() {
    for (right, other, kind, path) in CHANGED {
        let found = changed(&[(right, other)]);
        let told: Vec<_> = found.changes.iter().map(|change| (change.kind, change.path.as_str())).collect();
        match path.is_empty() {
            true => assert_eq!(told, [], "{other}"),
            false => assert_eq!(told.first(), Some(&(*kind, *path)), "{other}: {told:?}"),
        }
        assert_eq!(found.risks, [], "{other}");
    }
}

#[test]
fn what_is_tried_in_another_order_is_told() {
    let (one, other) = ("{name: a, when: 'true', queue: q}", "{name: b, when: 'true', queue: r}");
    let with = |rules: String| {
        compile(&tiny(
            WORKFLOW.replacen("routing: {", &format!("routing: {{rules: [{rules}], "), 1),
            FORM.to_owned(),
        ))
    };
    let found = diff(&with(format!("{one}, {other}")), &with(format!("{other}, {one}")));
    let told: Vec<_> = found.changes.iter().map(|change| (change.kind, change.path.as_str())).collect();
    assert_eq!(told, [(Kind::Reordered, "routing/rules")]);
    assert_eq!(
        (found.changes[0].before[0].as_str(), found.changes[0].after[0].as_str()),
        (Some("a"), Some("b"))
    );
}

/// What is replaced, and the risks that follow with the states of the cases that they concern.
type Stranding = (&'static [(&'static str, &'static str)], &'static [(RiskCode, &'static [&'static str])]);

const STRANDING: &[Stranding] = &[
    (
        &[
            ("  wait: {", "  pause: {"),
            ("to: wait", "to: pause"),
            ("from: [wait]", "from: [pause]"),
            ("pause: [wait]", "pause: [pause]"),
        ],
        &[(RiskCode::StateGone, &["wait"])],
    ),
    (
        &[("wait: {category: waiting", "wait: {category: closed"), (", pause: [wait]", "")],
        &[(RiskCode::StateEnds, &["wait"])],
    ),
    (
        &[(
            "roles: [system, case_handler], label: {ar: \"استئناف\"",
            "roles: [case_handler], count: rounds, guard: 'case.counts.rounds < 3', otherwise: {ar: \"ا\", en: \"a\"}, label: {ar: \"استئناف\"",
        )],
        &[(RiskCode::NoWayOn, &["wait"]), (RiskCode::GuardNeverHolds, &["wait"])],
    ),
    (
        &[(
            "action: hold,",
            "action: hold, count: rounds, guard: '!has(case.counts.rounds) || case.counts.rounds < 3', otherwise: {ar: \"ا\", en: \"a\"},",
        )],
        &[],
    ),
    (
        &[
            ("facts: {", "facts: {rank: text, "),
            (
                "action: hold,",
                "action: hold, guard: 'case.rank == \"a\"', otherwise: {ar: \"ا\", en: \"a\"},",
            ),
        ],
        &[(RiskCode::GuardNeverHolds, &["fresh"])],
    ),
    // What the case is still asked for, before the guard reads it, is no risk.
    (
        &[
            ("action: hold,", "action: hold, sets: {rank: text}, form: ask,"),
            (
                "action: resume,",
                "action: resume, guard: 'case.rank == \"a\"', otherwise: {ar: \"ا\", en: \"a\"},",
            ),
        ],
        &[],
    ),
    (
        &[("\"properties\"", "\"required\": [\"text\"], \"properties\"")],
        &[(RiskCode::FieldMissing, &["fresh", "wait"])],
    ),
    (
        &[("  answer: {kind", "  reply: {kind"), ("ladders:\n  answer", "ladders:\n  reply")],
        &[(RiskCode::ClockGone, &["fresh", "wait"]), (RiskCode::ClockMissed, &["fresh", "wait"])],
    ),
];

#[test]
fn what_would_strand_a_case_is_told_with_its_states() {
    for (replaced, expected) in STRANDING {
        let found = changed(replaced);
        let told: Vec<_> = found.risks.iter().map(|risk| (risk.code, risk.states.clone())).collect();
        let states =
            |states: &&[&str]| states.iter().map(|state| (*state).to_owned()).collect::<BTreeSet<_>>();
        let expected: Vec<_> = expected.iter().map(|(code, of)| (*code, states(of))).collect();
        assert_eq!(told, expected, "{replaced:?}: {:#?}", found.risks);
    }
}

#[test]
fn what_the_system_did_at_a_breach_must_still_be_its_to_do() {
    let bound = WORKFLOW.replace("warn: [75%]", "warn: [75%], on_breach: finish");
    let old = compile(&tiny(bound.clone(), FORM.to_owned()));
    let new = bound.replace(
        "from: [fresh], to: done, roles: [system, case_handler]",
        "from: [wait], to: done, roles: [system, case_handler]",
    );
    let found = diff(&old, &compile(&tiny(new, FORM.to_owned())));
    let told: Vec<_> = found
        .risks
        .iter()
        .map(|risk| (risk.code, risk.states.iter().map(String::as_str).collect::<Vec<_>>()))
        .collect();
    assert_eq!(told, [(RiskCode::BreachActionGone, vec!["fresh"])]);
}

#[test]
fn a_shipped_package_differs_in_nothing_from_itself() {
    for source in shipped() {
        let found = diff(&compile(&source), &compile(&source));
        assert!(found.changes.is_empty() && found.risks.is_empty(), "{found:?}");
    }
}

#[test]
fn the_page_explains_every_risk() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/workflow-diff.md");
    let page = std::fs::read_to_string(page).unwrap();
    let codes: Vec<_> = page.split("\n## ").skip(1).map(|section| section.lines().next().unwrap()).collect();
    assert_eq!(codes, RiskCode::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>());
}

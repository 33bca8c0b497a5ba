//! Quotas: how many are enough, of which bands, what may be told of a few, and who waits for what.

use std::collections::BTreeMap;

use masar_domain::{BiText, StateCategory};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{command, now, person, source};
use crate::quota::needed;
use crate::{
    Band, Bands, Case, Child, Code, Command, Error, Package, QuotaRule, Refusal, Shown, Situation, Source,
    decide, evolve, tallies,
};

const PANEL: &str = r#"
quotas:
  panel:
    label: {ar: اللجنة, en: The panel}
    package: member
    states: [active]
    rows: quotas.rules
    rules:
      - {dimension: age, value: 56+, at_least: 1}
    dimensions:
      origin: {label: {ar: الأصل, en: Origin}, special: true, values: {q: {ar: قطري, en: Qatari}, a: {ar: عربي, en: Arab}}}
      age: {label: {ar: العمر, en: Age}, bands: {from: 18, of: [{code: 18-34, from: 18, to: 34}, {code: 35-55, from: 35, to: 55}, {code: 56+, from: 56}], rows: quotas.bands}}
"#;

/// The improvement action with members, a quota of them, and two ways that wait for it.
fn quotaed(panel: &str) -> Source {
    let mut source = source();
    let ways = "
  - {action: set, from: [proposed], to: same, roles: [cx_member], form: quotas, label: {ar: ت, en: Set}}
  - {action: invite, from: [proposed], to: same, roles: [cx_member], label: {ar: د, en: Invite}, effects: [{child: {package: member, link: member_of}}]}
  - {action: launch, from: [proposed], to: cancelled, roles: [cx_member], quotas: panel, label: {ar: إ, en: Launch}}
  - {action: launch_anyway, from: [proposed], to: cancelled, roles: [pqi_director], reason: true, label: {ar: إ, en: Launch anyway}}";
    source.workflow = source.workflow.replace("\nclocks:", &format!("{ways}{panel}\nclocks:"));
    let label = json!({"ar": "ح", "en": "Quotas"});
    let list = json!({"type": "array", "x-label": label});
    let form = json!({"type": "object", "x-label": label, "properties": {"rules": list, "bands": list}});
    source.forms.insert("quotas".to_owned(), form.to_string());
    source
}

fn package() -> Package {
    Package::compile(&quotaed(PANEL)).unwrap_or_else(|error| panic!("{error}"))
}

/// A case whose quotas are set.
fn set(package: &Package, form: Value) -> Result<Case, Refusal> {
    let case = super::opened(package, "quick_fix", false);
    let command = Command { form: Some(form), ..command("set") };
    let event = decide(package, &case, &command, &person("cx_member"), super::today())?;
    Ok(evolve(Some(case), &event))
}

fn members(of: &[(&str, &str, usize)]) -> Vec<Child> {
    let member = |(origin, age, count): &(&str, &str, usize)| {
        let facts =
            [("origin", origin), ("age", age)].map(|(name, fact)| (name.to_owned(), (*fact).to_owned()));
        let child = Child {
            package: "member".to_owned(),
            link: "member_of".to_owned(),
            state: "active".to_owned(),
            category: StateCategory::Resolved,
            facts: facts.into(),
        };
        std::iter::repeat_n(child, *count)
    };
    of.iter().flat_map(member).collect()
}

fn half(hard: bool) -> Value {
    json!({"rules": [{"dimension": "origin", "value": "q", "share_target": 50, "tolerance": 1, "hard": hard}]})
}

fn launched(
    package: &Package,
    case: &Case,
    children: &[Child],
    action: &str,
    role: &str,
) -> Result<(), Refusal> {
    let windows = BTreeMap::new();
    let situation = Situation { at: now(), windows: &windows, children };
    let command = Command { reason: Some("too few applied".to_owned()), ..command(action) };
    decide(package, case, &command, &person(role), situation).map(drop)
}

/// Acceptance check 14.
#[test]
fn of_twenty_nine_to_eleven_are_half_and_eight_are_not_unless_somebody_says_why() {
    let package = package();
    let case = set(&package, half(true)).unwrap();
    for (qataris, met) in [(8, false), (9, true), (10, true), (11, true), (12, false)] {
        let children = members(&[("q", "40", qataris), ("a", "60", 20 - qataris)]);
        let done = launched(&package, &case, &children, "launch", "cx_member");
        if met {
            assert_eq!(done, Ok(()), "{qataris}");
            continue;
        }
        let message = BiText {
            ar: format!("قطري («الأصل»): {qataris} من 20، والمطلوب من 9 إلى 11"),
            en: format!("Qatari (“Origin”): {qataris} of 20, and 9 to 11 are needed"),
        };
        let refusal = Refusal::Quota { message: message.clone() };
        assert_eq!(refusal.to_string(), format!("{} / {}", message.en, message.ar));
        assert_eq!((refusal.code(), done), ("QUOTA", Err(refusal)), "{qataris}");
        assert_eq!(launched(&package, &case, &children, "launch_anyway", "pqi_director"), Ok(()));
        // A rule that is not hard holds nobody up.
        let soft = set(&package, half(false)).unwrap();
        assert_eq!(launched(&package, &soft, &children, "launch", "cx_member"), Ok(()));
    }
    let nobody = launched(&package, &case, &[], "launch", "cx_member");
    assert!(matches!(nobody, Err(Refusal::Quota { .. })), "of nobody nothing is met: {nobody:?}");
}

#[test]
fn what_waits_for_quotas_waits_until_there_are_some() {
    let without = PANEL.replace("    rules:\n      - {dimension: age, value: 56+, at_least: 1}\n", "");
    let package = Package::compile(&quotaed(&without)).unwrap_or_else(|error| panic!("{error}"));
    let case = super::opened(&package, "quick_fix", false);
    let refusal = launched(&package, &case, &members(&[("q", "40", 3)]), "launch", "cx_member").unwrap_err();
    assert_eq!(refusal.to_string(), "The panel: no quotas are set yet / لم تحدد حصص «اللجنة» بعد");
}

fn rule(share_min: Option<f64>, share_target: Option<f64>, tolerance: u32) -> QuotaRule {
    let (dimension, value) = (String::new(), String::new());
    QuotaRule { dimension, value, share_min, share_target, at_least: None, tolerance, hard: true }
}

#[test]
fn a_share_may_be_missed_by_persons_or_by_two_in_a_hundred_whichever_is_more() {
    for (min, target, tolerance, total, enough) in [
        (None, Some(50.0), 1, 20, (9, Some(11))),
        (None, Some(50.0), 0, 20, (10, Some(10))),
        (None, Some(50.0), 1, 200, (96, Some(104))),
        (Some(40.0), None, 0, 10, (4, None)),
        (Some(40.0), None, 1, 10, (3, None)),
        (Some(33.3), None, 0, 3, (1, None)),
        (Some(15.0), None, 0, 7, (1, None)),
        (Some(40.0), Some(50.0), 1, 20, (9, Some(11))),
        (Some(100.0), None, 0, 0, (0, None)),
    ] {
        assert_eq!(
            needed(&rule(min, target, tolerance), total),
            enough,
            "{min:?} {target:?} {tolerance} of {total}"
        );
    }
    let two = QuotaRule { at_least: Some(2), ..rule(Some(1.0), None, 0) };
    assert_eq!(needed(&two, 20), (2, None));
}

proptest! {
    /// What is enough is what the sum says, written out in exact fractions.
    #[test]
    fn enough_is_what_the_share_says(share in 0_u32..=100, tolerance in 0_u32..5, total in 0_u32..2_000) {
        let (least, most) = needed(&rule(None, Some(f64::from(share)), tolerance), total);
        let missed = |count: u32| (i64::from(count) * 100 - i64::from(share) * i64::from(total)).unsigned_abs();
        let allowed = (u64::from(tolerance) * 100).max(2 * u64::from(total));
        for count in 0..=total {
            let enough = count >= least && most.is_none_or(|most| count <= most);
            prop_assert_eq!(enough, missed(count) <= allowed, "{} of {}", count, total);
        }
    }

    /// Bands that are accepted take every number exactly once, and those that are refused do not.
    #[test]
    fn every_number_falls_into_exactly_one_band(
        edges in prop::collection::vec((0_u32..40, prop::option::of(0_u32..40)), 1..5),
    ) {
        let bands: Vec<Band> = edges.iter().enumerate()
            .map(|(number, (from, to))| Band { code: number.to_string(), from: *from, to: *to }).collect();
        let set = Bands { from: 10, of: bands.clone(), rows: None };
        let takers = |number: u32| bands.iter().filter(|band| band.from <= number && band.to.is_none_or(|to| number <= to)).count();
        let exact = (10..100).all(|number| takers(number) == 1) && (0..10).all(|number| takers(number) == 0);
        let backwards = bands.iter().any(|band| band.to.is_some_and(|to| to < band.from));
        prop_assert_eq!(set.fault(&bands).is_none(), exact && !backwards);
    }
}

/// Acceptance check 15.
#[test]
fn ages_fall_into_the_bands_that_somebody_set_and_bands_with_gap_or_overlap_are_refused() {
    let package = package();
    let standing = |case: &Case, ages: &[(&str, &str, usize)], value: &str| {
        let tally = tallies(package.definition(), case, &members(ages)).remove(0);
        let found = tally.standings.into_iter().find(|standing| standing.value == value);
        found.map(|standing| (standing.value_label.en, standing.shown, standing.met))
    };
    let case = super::opened(&package, "quick_fix", false);
    assert_eq!(
        standing(&case, &[("q", "56", 1), ("a", "55", 2)], "56+"),
        Some(("56+".into(), Shown::Count(1), true))
    );
    assert_eq!(standing(&case, &[("q", "55", 3)], "56+"), Some(("56+".into(), Shown::Count(0), false)));
    assert_eq!(
        standing(&case, &[("q", "56+", 3)], "56+"),
        Some(("56+".into(), Shown::Count(3), true)),
        "by its code"
    );

    let set_bands = |last: Value| {
        let bands = json!([{"code": "young", "from": 18, "to": 59}, last]);
        set(
            &package,
            json!({"rules": [{"dimension": "age", "value": "young", "share_min": 10}], "bands": bands}),
        )
    };
    let case = set_bands(json!({"code": "56+", "from": 60})).unwrap();
    assert_eq!(
        standing(&case, &[("q", "59", 2), ("q", "60", 1)], "young"),
        Some(("18–59".into(), Shown::Count(2), true))
    );
    for (last, problem) in [
        (json!({"code": "old", "from": 61}), "60 falls into no band: let one begin there"),
        (json!({"code": "old", "from": 59}), "59 falls into `old` and into another band"),
        (json!({"code": "old", "from": 60, "to": 90}), "91 falls into no band: let the highest have no end"),
        (json!({"code": "old", "from": 10, "to": 17}), "the band `old` begins before 18, the least there is"),
    ] {
        let Err(Refusal::Form(violations)) = set_bands(last) else { panic!("{problem}") };
        let first = violations.first().map(|found| (found.field.split('.').nth(1), found.message.as_str()));
        assert_eq!(first, Some((Some("bands"), problem)));
    }
}

#[test]
fn rules_of_a_form_name_what_is_there() {
    let package = package();
    for (rule, problem) in [
        (
            json!({"dimension": "height", "value": "tall", "share_min": 1}),
            "`height` is no dimension of the quota: use `age`, `origin`",
        ),
        (
            json!({"dimension": "origin", "value": "x", "share_min": 1}),
            "`x` is no value of `origin`: use `a`, `q`",
        ),
        (
            json!({"dimension": "age", "value": "old", "share_min": 1}),
            "`old` is no value of `age`: use `18-34`, `35-55`, `56+`",
        ),
        (
            json!({"dimension": "origin", "value": "q", "share_min": 101}),
            "a share is a percentage: use 0 to 100",
        ),
        (
            json!({"dimension": "origin", "value": "q", "share_min": 60, "share_target": 50}),
            "the least share, 60, is more than the share that is wanted, 50",
        ),
        (
            json!({"dimension": "origin", "value": "q"}),
            "it asks for nothing: say `share_min`, `share_target` or `at_least`",
        ),
        (json!({"value": "q", "share_min": 1}), "missing field `dimension`"),
    ] {
        let Err(Refusal::Form(violations)) = set(&package, json!({"rules": [rule]})) else {
            panic!("{problem}")
        };
        let found: Vec<_> =
            violations.iter().map(|found| (found.field.as_str(), found.message.as_str())).collect();
        assert_eq!(found, [("quotas.rules.0", problem)]);
    }
    // What else a row says is nobody's concern.
    let noted = json!({"rules": [{"dimension": "origin", "value": "q", "share_min": 1, "note": "by law"}]});
    assert!(set(&package, noted).is_ok());
}

#[test]
fn nobody_is_told_of_a_handful_of_people() {
    let package = package();
    let rule = |value: &str| json!({"dimension": "origin", "value": value, "share_min": 10});
    let case = |values: &[&str]| {
        set(&package, json!({"rules": values.iter().map(|value| rule(value)).collect::<Vec<_>>()})).unwrap()
    };
    let shown = |case: &Case, of: &[(&str, &str, usize)]| -> Vec<(String, Shown)> {
        let tally = tallies(package.definition(), case, &members(of)).remove(0);
        let of_origin = tally.standings.into_iter().filter(|standing| standing.dimension == "origin");
        of_origin.map(|standing| (standing.value, standing.shown)).collect()
    };
    let told = |of: &[(&str, Shown)]| {
        of.iter().map(|(value, shown)| ((*value).to_owned(), *shown)).collect::<Vec<_>>()
    };
    let (few, both) = (Shown::FewerThan(5), case(&["q", "a"]));
    assert_eq!(
        shown(&both, &[("q", "40", 5), ("a", "40", 7)]),
        told(&[("q", Shown::Count(5)), ("a", Shown::Count(7))])
    );
    // The total would say how many the others are.
    assert_eq!(shown(&both, &[("q", "40", 4), ("a", "40", 7)]), told(&[("q", few), ("a", Shown::Withheld)]));
    assert_eq!(
        shown(&both, &[("q", "40", 4), ("a", "40", 7), ("", "40", 1)]),
        told(&[("q", few), ("a", Shown::Count(7))])
    );
    assert_eq!(shown(&both, &[("q", "40", 4), ("a", "40", 0)]), told(&[("q", few), ("a", few)]));
    assert_eq!(shown(&case(&["q"]), &[("q", "40", 4), ("a", "40", 7)]), told(&[("q", few)]));
    // Ages are nothing of special nature.
    let ages = tallies(package.definition(), &both, &members(&[("q", "56", 1)])).remove(0);
    assert!(
        ages.standings
            .iter()
            .any(|standing| standing.dimension == "age" && standing.shown == Shown::Count(1))
    );
    let words = |shown: Shown| (shown.words().ar, shown.words().en);
    assert_eq!(words(few), ("أقل من 5".to_owned(), "fewer than 5".to_owned()));
    // Those who are counted are of the package, and in one of the states.
    let mut others = members(&[("q", "40", 9)]);
    others.iter_mut().take(3).for_each(|child| "suspended".clone_into(&mut child.state));
    others.iter_mut().skip(7).for_each(|child| "mission".clone_into(&mut child.package));
    assert_eq!(tallies(package.definition(), &both, &others)[0].total, 4);
}

#[test]
fn quotas_that_cannot_be_counted_are_refused() {
    let band = "{code: 35-55, from: 35, to: 55}";
    for (from, to, code) in [
        ("package: member", "package: stranger", Code::Quota),
        ("value: 56+, at_least: 1", "value: 90+, at_least: 1", Code::Quota),
        ("dimension: age, value: 56+", "dimension: height, value: 56+", Code::Quota),
        ("at_least: 1", "hard: true", Code::Quota),
        ("rows: quotas.rules", "rows: kwotas.rules", Code::UnknownForm),
        ("rows: quotas.rules", "rows: quotas.roles", Code::UnknownField),
        ("rows: quotas.bands", "rows: quotas", Code::UnknownField),
        (band, "{code: 35-55, from: 36, to: 55}", Code::Bands),
        (band, "{code: 35-55, from: 34, to: 55}", Code::Bands),
        (band, "{code: 35-55, from: 35}", Code::Bands),
        ("{code: 56+, from: 56}", "{code: 56+, from: 56, to: 99}", Code::Bands),
        ("en: The panel", "en: ''", Code::Translation),
        ("en: Qatari", "en: ''", Code::Translation),
        ("en: Origin", "en: ''", Code::Translation),
    ] {
        let panel = PANEL.replace(from, to);
        assert!(panel.contains(to), "{to}");
        // Where a form may say other bands a rule may name these.
        let panel = if to.contains("90+") { panel.replace(", rows: quotas.bands", "") } else { panel };
        match Package::compile(&quotaed(&panel)) {
            Err(Error::Findings(found)) => {
                assert!(found.iter().any(|found| found.code == code), "{to}: {found:?}")
            }
            Err(error) => panic!("{to}: {error}"),
            Ok(_) => panic!("{to} is sound"),
        }
    }
    let unknown = quotaed("");
    assert!(
        matches!(Package::compile(&unknown), Err(Error::Findings(found)) if found[0].code == Code::Quota)
    );
    let empty = PANEL
        .replace("    rules:\n      - {dimension: age, value: 56+, at_least: 1}\n", "")
        .replace("    rows: quotas.rules\n", "");
    assert!(
        matches!(Package::compile(&quotaed(&empty)), Err(Error::Findings(found)) if found[0].code == Code::Quota)
    );
}

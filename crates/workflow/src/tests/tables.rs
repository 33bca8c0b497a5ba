//! Decision tables and computed fields: what they give, and what the check finds in them.

use std::collections::BTreeSet;

use masar_domain::Role;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::findings::WORKFLOW;
use crate::{Actor, ClockEffect, ClockOperation, Code, Effect, Error, Finding, Opening, Package, Source};

/// The smallest package, whose importance a table says.
const TABLE: &str = r#"facts: {importance: table rank}
tables:
  rank: {hit: first, inputs: {score: {of: "form.score", numbers: "0..100"}, kind: {of: "form.kind", values: [a, b], optional: true}}, gives: [importance]}
"#;

const ROWS: &str =
    "score,kind,importance,note\n>= 90,-,high,the best\n40..<90,a|b,medium,\n40..<90,none,low,\n< 40,,low,\n";

const FORM: &str = r#"{"type": "object", "properties": {
  "score": {"type": "number", "x-label": {"ar": "درجة", "en": "Score"}},
  "kind": {"type": "string", "x-label": {"ar": "نوع", "en": "Kind"}},
  "rows": {"type": "array", "x-label": {"ar": "أسطر", "en": "Rows"}, "items": {"type": "object", "properties": {
    "n": {"type": "integer", "x-label": {"ar": "عدد", "en": "Number"}},
    "share": {"type": "number", "x-computed": "=round(double(row.n) * 100.0 / form.total, 1)", "x-label": {"ar": "حصة", "en": "Share"}}}}},
  "total": {"type": "number", "x-computed": "=sum(form.rows.map(r, r.n))", "x-label": {"ar": "مجموع", "en": "Total"}},
  "double": {"type": "number", "x-computed": "=form.total * 2.0", "x-label": {"ar": "ضعف", "en": "Double"}},
  "degree": {"type": "string", "x-computed": "table rank", "x-label": {"ar": "درجة الأهمية", "en": "Degree"}}}}"#;

fn source() -> Source {
    Source {
        workflow: WORKFLOW.replacen("facts: {importance: \"=form.text\"}\n", TABLE, 1),
        forms: [("ask".to_owned(), FORM.to_owned())].into(),
        tables: [("rank".to_owned(), ROWS.to_owned())].into(),
    }
}

fn package() -> Package {
    Package::compile(&source()).unwrap_or_else(|error| panic!("{error}"))
}

/// The form and the importance of a case that is opened with a form.
fn opened(package: &Package, form: Value) -> (Value, String) {
    let opening = Opening { case_id: masar_domain::CaseId(uuid::Uuid::nil()), historical: false, form };
    let actor = Actor { id: "a".into(), roles: BTreeSet::from([Role("customer".into())]), department: None };
    let event = package
        .open(opening, &actor, jiff::Timestamp::UNIX_EPOCH)
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    (event.form.unwrap().1, event.facts.get("importance").cloned().unwrap_or_default())
}

#[test]
fn the_first_row_that_holds_says_the_fact() {
    let package = package();
    for (form, importance) in [
        (json!({"score": 90}), "high"),
        (json!({"score": 95.5, "kind": "a"}), "high"),
        (json!({"score": 89.9, "kind": "b"}), "medium"),
        (json!({"score": 40}), "low"),
        (json!({"score": 0, "kind": "a"}), "low"),
        // What a table does not expect has no row, and nothing is said.
        (json!({"score": 50, "kind": "c"}), ""),
        (json!({"kind": "a"}), ""),
    ] {
        assert_eq!(opened(&package, form.clone()).1, importance, "{form}");
    }
}

#[test]
fn fields_are_computed_from_others_in_any_order_and_never_taken_from_the_caller() {
    let given = json!({"score": 95, "rows": [{"n": 1}, {"n": 2, "share": 99}], "total": 7, "degree": "low"});
    let (form, _) = opened(&package(), given);
    let expected = json!({
        "score": 95, "rows": [{"n": 1, "share": 33.3}, {"n": 2, "share": 66.7}], "total": 3.0, "double": 6.0, "degree": "high",
    });
    assert_eq!(form, expected);
    // What they need is not there: they are left out, and nothing fails.
    assert_eq!(opened(&package(), json!({"total": 7})).0, json!({}));
}

/// The code, what the sound package says, what a wrong one says instead, the file of the finding and its line.
pub(super) const REFUSED: &[(Code, &str, &str, &str, u64)] = &[
    (Code::UnknownTable, "table rank}", "table rnk}", "workflow.yaml", 6),
    (Code::UnknownTable, "table rank}", "table rank.size}", "workflow.yaml", 6),
    (Code::UnknownTable, "gives: [importance]", "gives: [importance, note]", "workflow.yaml", 6),
    (Code::UnknownTable, "  rank: {hit", "  rang: {hit", "workflow.yaml", 8),
    (Code::UnknownName, "form.score\", numbers", "frm.score\", numbers", "workflow.yaml", 6),
    (Code::UnknownField, "form.score\", numbers", "form.scor\", numbers", "workflow.yaml", 6),
    (Code::UnknownImportance, "< 40,,low", "< 40,,lowest", "workflow.yaml", 6),
    (Code::Table, "score,kind,importance", "score,sort,importance", "tables/rank.csv", 1),
    (Code::Table, ">= 90,-,high", ">= ninety,-,high", "tables/rank.csv", 2),
    (Code::Table, "a|b,medium", "a|c,medium", "tables/rank.csv", 3),
    (Code::Table, "< 40,,low", "< 40,,", "tables/rank.csv", 5),
    (Code::Table, "< 40,,low,", "< 40,,low", "tables/rank.csv", 5),
    (Code::Table, ", optional: true", "", "tables/rank.csv", 4),
    (Code::Table, "numbers: \"0..100\"", "numbers: \"0..100\", values: [a]", "workflow.yaml", 8),
    (Code::Table, ", values: [a, b]", "", "workflow.yaml", 8),
    (Code::TableGap, "< 40,", "< 30,", "tables/rank.csv", 1),
    (Code::TableGap, "40..<90,none,low,\n", "", "tables/rank.csv", 1),
    (Code::TableOverlap, "hit: first", "hit: unique", "tables/rank.csv", 3),
    (Code::TableRow, "40..<90,none,low,\n", "40..<90,none,low,\n>= 95,-,high,\n", "tables/rank.csv", 5),
    (Code::Expression, "=form.total * 2.0", "=form.total *", "forms/ask.json", 8),
    (Code::Expression, "=form.total * 2.0", "form.total", "forms/ask.json", 8),
    (Code::UnknownField, "=form.total * 2.0", "=form.totl", "forms/ask.json", 8),
    (Code::UnknownTable, "\"table rank\"", "\"table rak\"", "forms/ask.json", 9),
    (Code::ComputedCycle, "=sum(form.rows.map(r, r.n))", "=form.double / 2.0", "forms/ask.json", 7),
];

#[test]
fn what_is_wrong_with_a_table_or_a_computed_field_is_found_at_its_line() {
    let mut problems = Vec::new();
    for (code, right, wrong, file, line) in REFUSED {
        let mut spoilt = source();
        // The columns overlap at 90 under `unique` only when the range is closed.
        if *code == Code::TableOverlap {
            let rows = spoilt.tables.get_mut("rank").unwrap();
            *rows = rows.replacen("40..<90,a|b", "40..90,a|b", 1);
        }
        for text in std::iter::once(&mut spoilt.workflow)
            .chain(spoilt.forms.values_mut())
            .chain(spoilt.tables.values_mut())
        {
            *text = text.replacen(right, wrong, 1);
        }
        let findings = match Package::compile(&spoilt) {
            Err(Error::Findings(findings)) => findings,
            _ => Vec::new(),
        };
        let here = |found: &Finding| found.code == *code && found.file == *file && found.line == Some(*line);
        if !findings.iter().any(here) {
            problems.push(format!("{code} in {file}:{line} for {wrong}: {findings:#?}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The package whose clock has a table of targets with these rows, by what the form says and the importance.
fn promising(rows: &str, clock: &str) -> Result<Package, Vec<Finding>> {
    let mut source = source();
    let asked = "  span: {hit: unique, inputs: {kind: {of: \"case.forms.ask.kind\", values: [a, b], optional: true}, importance: {of: importance, values: [low, medium, high]}}, gives: [target]}\n";
    source.workflow = source.workflow.replacen("tables:\n", &format!("tables:\n{asked}"), 1).replacen(
        "kind: sla,",
        &format!("kind: sla, target_from: table span,{clock}"),
        1,
    );
    source.tables.insert("span".to_owned(), format!("kind,importance,target\n{rows}"));
    Package::compile(&source).map_err(|error| match error {
        Error::Findings(findings) => findings,
        Error::Catalog(problem) => panic!("{problem}"),
    })
}

#[test]
fn a_table_says_targets_before_the_importance_does() {
    const ROWS: &str =
        "a,high,2 business_hours\na,low|medium,4 business_hours\nb,-,default\nnone,-,default\n";
    let package = promising(ROWS, "").unwrap_or_else(|findings| panic!("{findings:?}"));
    for (form, expected) in [
        (json!({"kind": "a", "score": 95}), "2 business_hours"),
        (json!({"kind": "a"}), "4 business_hours"),
        // What the table leaves to the package, and what it does not expect.
        (json!({"kind": "b", "score": 95}), "1 business_day"),
        (json!({"kind": "c"}), "1 business_day"),
        (json!({}), "1 business_day"),
    ] {
        let opening = Opening {
            case_id: masar_domain::CaseId(uuid::Uuid::nil()),
            historical: false,
            form: form.clone(),
        };
        let event = package.open(opening, &Actor::system(), jiff::Timestamp::UNIX_EPOCH).unwrap();
        let targets: Vec<_> = event.effects.iter().filter_map(started).collect();
        assert_eq!(targets, [expected], "{form}");
    }
}

/// The target of a clock that starts.
fn started(effect: &Effect) -> Option<String> {
    match effect {
        Effect::Clock(ClockEffect { operation: ClockOperation::Start { target, .. }, .. }) => {
            Some(target.to_string())
        }
        _ => None,
    }
}

#[test]
fn a_table_of_targets_has_a_sound_target_for_everybody() {
    let codes = |rows: &str, clock: &str| {
        let findings = promising(rows, clock).err().unwrap_or_default();
        findings.iter().map(|found| found.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("a,-,2 business_hours\nb,-,default\n", ""), [Code::TableGap]);
    assert_eq!(codes("-,-,2 business_hours\nb,high,default\n", ""), [Code::TableOverlap]);
    assert_eq!(codes("-,-,2 fortnights\n", ""), [Code::TargetTable]);
    assert_eq!(codes("-,-,0 hours\n", ""), [Code::TargetTable]);
    // Working days are added to what the clock promises.
    let extended = " extend: {action: hold, days: days},";
    assert_eq!(codes("-,-,2 business_hours\n", extended), [Code::TargetTable]);
    assert_eq!(codes("-,-,2 business_days\n", extended), []);
}

/// Acceptance check 15: bands of ages are a table, in which every age from 18 falls into exactly one.
#[test]
fn every_age_falls_into_exactly_one_band() {
    let rank = TABLE.split_once("  rank: ").unwrap().1;
    let banded = |last: &str| {
        let mut source = source();
        let bands = "{hit: unique, inputs: {age: {of: \"form.score\", numbers: \"18..\", whole: true}}, gives: [band]}\n";
        source.workflow =
            source.workflow.replacen(rank, bands, 1).replacen("importance: table", "band: table", 1);
        source.forms.insert("ask".into(), FORM.replacen("table rank", "='x'", 1));
        source.tables.insert("rank".into(), format!("age,band\n18..34,18-34\n35..55,35-55\n{last},56+\n"));
        Package::compile(&source).map_err(|error| match error {
            Error::Findings(findings) => findings.iter().map(|found| found.code).collect::<Vec<_>>(),
            Error::Catalog(problem) => panic!("{problem}"),
        })
    };
    let package = banded("56..").unwrap_or_else(|codes| panic!("{codes:?}"));
    for (age, band) in [(18, "18-34"), (34, "18-34"), (35, "35-55"), (55, "35-55"), (56, "56+"), (99, "56+")]
    {
        let opening = Opening {
            case_id: masar_domain::CaseId(uuid::Uuid::nil()),
            historical: false,
            form: json!({"score": age}),
        };
        let event = package.open(opening, &Actor::system(), jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(event.facts["band"], band, "{age}");
    }
    assert_eq!(banded("57..").err(), Some(vec![Code::TableGap]));
    assert_eq!(banded("55..").err(), Some(vec![Code::TableOverlap]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever ranges the rows have: when the check finds no gap, every number has its row.
    #[test]
    fn a_table_without_a_gap_holds_for_every_number(
        ends in prop::collection::vec((0u32..100, 0u32..100, any::<bool>()), 1..6),
        score in 0.0f64..100.0,
    ) {
        let row = |(one, other, open): &(u32, u32, bool)| {
            let (from, to) = (one.min(other), one.max(other));
            format!("{from}..{}{to},-,high,\n", if *open { "<" } else { "" })
        };
        let rows: String = ends.iter().map(row).collect();
        let mut source = source();
        source.tables.insert("rank".to_owned(), format!("score,kind,importance,note\n{rows}"));
        match Package::compile(&source) {
            Ok(package) => prop_assert_eq!(opened(&package, json!({"score": score})).1, "high"),
            Err(Error::Findings(findings)) => {
                let known = [Code::Table, Code::TableGap, Code::TableRow];
                prop_assert!(findings.iter().all(|found| known.contains(&found.code)), "{:?}", findings);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

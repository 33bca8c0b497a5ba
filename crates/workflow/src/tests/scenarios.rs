//! The scenarios of every package that is shipped, and what they say when they do not hold.

use std::sync::LazyLock;

use crate::{Catalog, Code, Error, Package, Source, scenarios, shipped_files, trial};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::shipped().unwrap());

#[test]
fn every_shipped_package_does_what_its_scenarios_say_and_they_walk_all_of_it() {
    let mut problems = Vec::new();
    for package in CATALOG.packages() {
        let name = &package.definition().package;
        let texts = scenarios(&shipped_files(name).unwrap_or_default());
        let trial = trial(package, &texts, &|name| CATALOG.in_force(name).cloned());
        for (file, outcomes) in &trial.files {
            match outcomes {
                Err(error) => problems.push(format!("{name}/scenarios/{file}: {error}")),
                Ok(outcomes) => {
                    let failures = outcomes.iter().flat_map(|outcome| &outcome.failures);
                    problems.extend(failures.map(|failure| {
                        format!("{name}/scenarios/{file}:{}: {}", failure.line, failure.message)
                    }));
                }
            }
        }
        let never = trial.coverage.never.iter();
        problems.extend(never.map(|never| format!("{name}: no scenario walks {never}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// What scenarios of requests to departments say: the line and the message of every difference.
fn differences(text: &str) -> Vec<(u64, String)> {
    let package = CATALOG.in_force("department-request").unwrap();
    let texts = [("text.yaml".to_owned(), text.to_owned())].into();
    let trial = trial(package, &texts, &|name| CATALOG.in_force(name).cloned());
    let outcomes = trial.files["text.yaml"].as_ref().unwrap_or_else(|error| panic!("{error}"));
    let failures = outcomes.iter().flat_map(|outcome| &outcome.failures);
    failures.map(|failure| (failure.line, failure.message.clone())).collect()
}

#[test]
fn what_differs_is_told_with_its_line() {
    let head = "scenarios:\n  - scenario: {ar: \"طلب\", en: \"A request\"}\n    opening: {by: case_handler, form: {to: LAB-DISPUTES, text: \"Why?\"}}\n    steps:\n";
    let table = [
        ("{by: case_handler, does: accept}", None),
        (
            "{by: case_handler, does: accept, expect: {state: sent}}",
            Some("state: expected sent, and there is in_work"),
        ),
        ("{by: case_handler, does: answer, form: {text: \"So\"}}", Some("`answer` was refused with ACTION")),
        (
            "{by: case_handler, does: accept, refused: role}",
            Some("`accept` should be refused with role, and was done"),
        ),
        (
            "{by: case_handler, department: LAB-PERMITS, does: accept, refused: role}",
            Some("`accept` should be refused with role, and was with DEPARTMENT"),
        ),
        ("{by: case_handler, does: accept, form: own}", Some("there is no form `own` in this file")),
        ("{walk: on}", Some("there is no walk `on` in this file")),
        ("{at: 2026-11-14 08:00}", Some("time only passes")),
        ("{child: complaint, becomes: closed}", Some("there is no child `complaint`")),
        ("{by: case_handler}", Some("a step says `does`, or `child` and `becomes`")),
        (
            "{after: 5 business_days, expect: {clocks: {answer: running until 2026-11-22 14:00}}}",
            Some(
                "clock `answer`: expected running until 2026-11-22 14:00, and there is late until 2026-11-22 14:00",
            ),
        ),
        (
            "{after: 5 business_days, expect: {levels: []}}",
            Some("levels: expected nothing, and there is answer L1 to department_manager"),
        ),
        (
            "{after: 1 minute, expect: {may: {case_handler: []}}}",
            Some("what `case_handler` may do: expected nothing, and there is accept"),
        ),
    ];
    for (step, message) in table {
        let found = differences(&format!("{head}      - {step}\n"));
        match message {
            None => assert_eq!(found, [], "{step}"),
            Some(message) => {
                let [(line, told)] = found.as_slice() else { panic!("{step}: {found:?}") };
                assert!(*line == 5 && told.starts_with(message), "{step}: {line}: {told}");
            }
        }
    }
}

#[test]
fn what_scenarios_say_otherwise_keeps_a_package_from_being_published() {
    let package = CATALOG.in_force("department-request").unwrap();
    let verdict = |expected: &str| {
        let text = format!(
            "scenarios:\n  - scenario: {{ar: \"طلب\", en: \"A request\"}}\n    opening: {{by: case_handler, form: {{to: LAB-DISPUTES, text: \"Why?\"}}, expect: {{state: {expected}}}}}\n"
        );
        let texts = [("text.yaml".to_owned(), text)].into();
        match trial(package, &texts, &|name| CATALOG.in_force(name).cloned()).verdict() {
            Ok(()) => Vec::new(),
            Err(Error::Findings(findings)) => findings,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(verdict("sent"), []);
    let [finding] = <[_; 1]>::try_from(verdict("in_work")).unwrap();
    assert_eq!(
        (finding.code, finding.file.as_str(), finding.line),
        (Code::Scenario, "scenarios/text.yaml", Some(3))
    );
    assert_eq!(finding.message, "the scenario “A request”: state: expected in_work, and there is sent");
}

const AGAIN: &str = r#"package: again
version: 1.0.0
case_type: again
label: {ar: "مكررة", en: "Again"}
opening_form: ask
states:
  fresh: {category: open, initial: true, label: {ar: "جديدة", en: "New"}}
  done: {category: closed, label: {ar: "منتهية", en: "Done"}}
transitions:
  - {action: hurry, from: [fresh], to: same, roles: [system], sets: {importance: "='high'"}, label: {ar: "استعجال", en: "Hurry"}}
  - {action: finish, from: [fresh], to: done, roles: [case_handler], label: {ar: "إنهاء", en: "Finish"}}
clocks:
  answer: {kind: sla, target: {all: 1 business_day}, start: {actions: [open]}, stop: {states: [done]}, label: {ar: "رد", en: "Answer"}}
ladders:
  answer:
    safety_net: tenant_admin
    levels: [{level: L1, at: {all: breach}, to: [pqi_director], again: {every: 1 business_day, times: 2}, do: ["act:hurry"]}]
routing: {otherwise: desk}
"#;

#[test]
fn a_level_has_the_system_act_once_and_is_told_again() {
    let forms = [("ask".to_owned(), r#"{"type": "object"}"#.to_owned())].into();
    let package = Package::compile(&Source { workflow: AGAIN.to_owned(), forms, ..Source::default() });
    let package = package.unwrap_or_else(|error| panic!("{error}"));
    let text = "scenarios:
  - scenario: {ar: \"تكرار\", en: \"Again\"}
    opening: {by: customer, form: {}}
    steps:
      - {after: 1 business_day, expect: {levels: [\"answer L1 to pqi_director\"], acted: [hurry], facts: {importance: high}}}
      - {at: 2026-11-17 14:00, expect: {levels: [\"answer L1 to pqi_director again\"], acted: []}}
      - {at: 2026-11-18 14:00, expect: {levels: [\"answer L1 to pqi_director again\"]}}
      - {after: 5 business_days, expect: {levels: []}}
";
    let texts = [("text.yaml".to_owned(), text.to_owned())].into();
    let trial = trial(&package, &texts, &|name| CATALOG.in_force(name).cloned());
    let outcomes = trial.files["text.yaml"].as_ref().unwrap_or_else(|error| panic!("{error}"));
    let failures: Vec<_> = outcomes.iter().flat_map(|outcome| &outcome.failures).collect();
    assert!(outcomes.len() == 1 && failures.is_empty(), "{failures:?}");
}

#[test]
fn a_walk_that_leads_to_itself_ends() {
    let found = differences(
        "walks:\n  round: [{walk: round}]\nscenarios:\n  - scenario: {ar: \"طلب\", en: \"A request\"}\n    opening: {by: case_handler, form: {to: LAB-DISPUTES, text: \"Why?\"}}\n    steps: [{walk: round}]\n",
    );
    assert_eq!(found, [(2, "the walk `round` leads to itself".to_owned())]);
}

#[test]
fn an_agreement_that_is_none_is_refused_with_its_place() {
    let package = CATALOG.in_force("department-request").unwrap();
    let sound =
        "{kind: ola, provider: A, consumer: B, targets: [{clock: answer, importance: all, target: 1 hour}]}";
    let refused = |agreement: &str| {
        let text = format!(
            "scenarios:\n  - scenario: {{ar: \"طلب\", en: \"A request\"}}\n    agreements:\n      - {agreement}\n    opening: {{by: case_handler, form: {{to: A, from: B, text: \"Why?\"}}, expect: {{clocks: {{answer: running until 2026-11-15 09:00}}}}}}\n"
        );
        match trial(package, &[("text.yaml".to_owned(), text)].into(), &|_| None).verdict() {
            Ok(()) => Vec::new(),
            Err(Error::Findings(findings)) => findings,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(refused(sound), []);
    for (old, new, code, problem) in [
        ("importance: all", "importance: most", Code::Agreement, "`most` is no importance"),
        ("[{clock: answer, importance: all, target: 1 hour}]", "[]", Code::Agreement, "it promises nothing"),
        ("provider: A", "provider: \"\"", Code::Agreement, "say between whom it is"),
        ("kind: ola", "kind: ola, open_clocks: retarget", Code::Agreement, "leave `open_clocks` out"),
        ("kind: ola", "kind: ola, calendar: lunar", Code::UnknownCalendar, "the calendar `lunar` is none"),
    ] {
        let [finding] = <[_; 1]>::try_from(refused(&sound.replace(old, new))).unwrap();
        assert!(finding.code == code && finding.message.contains(problem), "{new}: {finding:?}");
        assert_eq!((finding.file.as_str(), finding.line), ("scenarios/text.yaml", Some(4)), "{new}");
    }
}

#[test]
fn a_case_that_its_package_does_not_open_is_told_too() {
    let found = differences(
        "scenarios:\n  - scenario: {ar: \"طلب\", en: \"A request\"}\n    opening: {by: customer, form: {to: LAB-DISPUTES, text: \"Why?\"}}\n",
    );
    assert!(found.len() == 1 && found[0].1.starts_with("the opening was refused with ROLE"), "{found:?}");
}

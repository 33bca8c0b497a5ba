//! The demonstration data loads and is what the requirements ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use masar_proto::events::v1::RegistryChanged;
use masar_worktime::{Calendar, Target};

use super::now;
use crate::seed::CalendarText;
use crate::{Seed, files};

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo")
}

fn entities() -> BTreeMap<String, RegistryChanged> {
    let files = files(&[demo().join("registry")]).unwrap();
    let publish = |file: &PathBuf| Seed::read(file).and_then(|seed| seed.publish(None, now()));
    files
        .iter()
        .map(|file| publish(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
        .map(|entity| (entity.tenant.clone(), entity))
        .collect()
}

#[test]
fn every_entity_loads_and_has_its_own_prefix() {
    let entities = entities();
    assert_eq!(entities.len(), 11);
    let prefixes: BTreeSet<_> = entities.values().map(|entity| &entity.reference_prefix).collect();
    assert_eq!(prefixes.len(), 11);
}

/// Ladders name these roles; one is vacant on purpose.
#[test]
fn every_department_has_its_roles_but_for_one() {
    let mut vacant = Vec::new();
    for (code, entity) in &entities() {
        let holders = |role: &str, department: &str| {
            let holds = |roles: &[String]| roles.iter().any(|held| held == role);
            entity.people.iter().filter(|p| holds(&p.roles) && p.department == department).count()
        };
        for department in &entity.departments {
            assert!(holders("case_handler", &department.code) >= 2, "{}", department.code);
            for role in ["department_manager", "department_director"] {
                if holders(role, &department.code) != 1 {
                    vacant.push((department.code.clone(), role));
                }
            }
        }
        assert_eq!(holders("triage_officer", ""), 2, "{code}");
        for role in [
            "pr_director",
            "pqi_director",
            "head_of_entity",
            "intake_agent",
            "independent_reviewer",
            "ops_monitor",
            "tenant_admin",
            "oversight_officer",
        ] {
            assert_eq!(holders(role, ""), 1, "{code} {role}");
        }
        assert!(holders("cx_member", "") > 0, "{code}");
        assert!(entity.people.iter().all(|p| p.email == format!("{}@{}.example", p.id, code.to_lowercase())));
    }
    assert_eq!(vacant, [("SOC-SUPPORT".to_owned(), "department_director")]);
}

/// Each sample case finds its entity, by the same names, and its service at the department that owns it.
#[test]
fn the_sample_cases_fit_the_entities() {
    let entities = entities();
    let samples = std::fs::read_to_string(demo().join("sample-cases.jsonl")).unwrap();
    assert_eq!(samples.lines().count(), 30);
    for line in samples.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let entity = &entities[case["entity"]["code"].as_str().unwrap()];
        let label = entity.entity_label.as_ref().unwrap();
        assert_eq!(
            (&case["entity"]["name_ar"], &case["entity"]["name_en"]),
            (&label.ar.as_str().into(), &label.en.as_str().into())
        );
        assert_eq!(case["expected"]["calendar"], entity.default_calendar);
        let service = entity.services.iter().find(|service| case["service"]["code"] == service.code).unwrap();
        let label = service.label.as_ref().unwrap();
        assert_eq!(
            (&case["service"]["name_ar"], &case["service"]["name_en"]),
            (&label.ar.as_str().into(), &label.en.as_str().into())
        );
        assert_eq!(case["department"], service.department, "{}", case["seq"]);
    }
}

/// The event is all that its consumers need: they never look into a file.
#[test]
fn calendars_travel_with_the_entities_that_name_them() {
    let entities = entities();
    let names =
        |code: &str| -> Vec<_> { entities[code].calendars.iter().map(|it| it.name.as_str()).collect() };
    assert_eq!(names("DEMO-MUN"), ["qa-gov-default"]);
    assert_eq!(names("DEMO-CGB"), ["qa-gov-centre-evening", "qa-gov-default"]);
    assert_eq!(names("NYC-COUNCIL"), ["nyc-council"]);
}

/// The working day after a day goes over the federal holidays, as the United States published them.
#[test]
fn federal_holidays_close_the_new_york_calendar() {
    let entities = entities();
    let text = CalendarText::read(entities["NYC-COUNCIL"].calendars[0].yaml.clone()).unwrap();
    let calendar = Calendar::compile(&text.file.whole(|_| None).unwrap()).unwrap();
    for (day_before, due) in [
        ("2015-07-02T14:00:00Z", "2015-07-06T21:00:00Z"), // 4 July 2015 was a Saturday
        ("2016-05-27T14:00:00Z", "2016-05-31T21:00:00Z"), // Memorial Day
        ("2017-11-22T15:00:00Z", "2017-11-24T22:00:00Z"), // Thanksgiving
        ("2020-06-18T14:00:00Z", "2020-06-19T21:00:00Z"), // Juneteenth was none yet
        ("2021-06-17T14:00:00Z", "2021-06-21T21:00:00Z"), // and was one, observed on Friday
        ("2021-12-30T15:00:00Z", "2022-01-03T22:00:00Z"), // New Year's Day 2022, observed in 2021
        ("2025-01-17T15:00:00Z", "2025-01-21T22:00:00Z"), // Martin Luther King Jr. Day
    ] {
        let answer = calendar.due(day_before.parse().unwrap(), Target::business_days(1)).unwrap();
        assert_eq!(answer.to_string(), due, "after {day_before}");
    }
}

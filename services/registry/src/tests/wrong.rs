//! Wrong files name their problems.

use masar_runtime::refuse;
use tonic::Status;

use super::{SMALL, now};
use crate::seed::CalendarText;
use crate::{Error, Seed};

fn problem(yaml: &str) -> Error {
    Seed::parse(yaml).and_then(|seed| seed.publish(None, now())).unwrap_err()
}

fn fields(error: Error) -> Vec<String> {
    match error {
        Error::Findings(findings) => findings.into_iter().map(|finding| finding.field).collect(),
        other => panic!("{other}"),
    }
}

/// The small entity with the line that begins so written twice.
fn doubled(start: &str) -> String {
    let line = SMALL.lines().find(|line| line.trim_start().starts_with(start)).unwrap();
    SMALL.replace(line, &format!("{line}\n{line}"))
}

#[test]
fn each_problem_is_named_by_its_field() {
    for (right, wrong, field) in [
        ("code: T-ONE", "code: \"T ONE\"", "code"),
        ("en: \"Entity\"", "en: \"\"", "label.en"),
        ("reference_prefix: ONE", "reference_prefix: one", "reference_prefix"),
        ("default_calendar: qa-gov-default", "default_calendar: nowhere", "default_calendar"),
        ("ar: \"إدارة\"", "ar: \" \"", "departments[ONE-A].label.ar"),
        ("core: true", "calendar: nowhere", "departments[ONE-A].calendar"),
        ("id: one-1", "id: \"\"", "people[0].id"),
        ("ar: \"سالم\"", "ar: \"\"", "people[one-1].name.ar"),
        ("one-1@one.example", "one-1", "people[one-1].email"),
        ("one-1@one.example", "one@one@one.example", "people[one-1].email"),
        ("department: ONE-A, roles", "department: ONE-B, roles", "people[one-1].department"),
        ("department: ONE-A, roles", "roles", "people[one-1].department"),
        ("[case_handler]", "[case_handler, centre_manager]", "people[one-1].centre"),
        ("[case_handler]", "[case_handler], centre: \"West 1\"", "people[one-1].centre"),
        ("[case_handler]", "[]", "people[one-1].roles"),
        ("[case_handler]", "[case_handler, Case-Handler]", "people[one-1].roles"),
        (
            "\"Service\"}, department: ONE-A",
            "\"Service\"}, department: ONE-B",
            "services[ONE-S01].department",
        ),
        ("\"Service\"}", "\"Service\"}, calendar: nowhere", "services[ONE-S01].calendar"),
        ("service: ONE-S01", "service: ONE-S02", "agreements[ONE-SLA].service"),
        ("high: 3 business_days", "urgent: 3 business_days", "agreements[ONE-SLA].targets.urgent"),
        ("high: 3 business_days", "high: 3 fortnights", "agreements[ONE-SLA].targets.high"),
        ("{high: 3 business_days}", "{}", "agreements[ONE-SLA].targets"),
        ("{time.delay: ONE-A}", "{time.delay: ONE-B}", "category_departments.time.delay"),
        ("[case_handler]", "[case_handler], calendar: nowhere", "people[one-1].calendar"),
        ("reference_prefix: ONE", "reference_prefix: ONE\nschedules: [monthly]", "schedules[0]"),
        ("reference_prefix: ONE", "reference_prefix: ONE\nschedules: [a/b, a/b]", "schedules[a/b]"),
        (
            "reference_prefix: ONE",
            "reference_prefix: ONE\nquiet_hours: {urgent_levels: [fourth]}",
            "quiet_hours.urgent_levels[0]",
        ),
        (
            "reference_prefix: ONE",
            "reference_prefix: ONE\nquiet_hours: {urgent_importance: [high, urgent]}",
            "quiet_hours.urgent_importance[1]",
        ),
    ] {
        let yaml = SMALL.replace(right, wrong);
        assert_ne!(yaml, SMALL, "{right}");
        assert_eq!(fields(problem(&yaml)), [field], "{wrong}");
    }
}

#[test]
fn what_is_there_twice_is_named() {
    for (start, field) in [
        ("- {code: ONE-A", "departments[ONE-A]"),
        ("- {id: one-1", "people[one-1]"),
        ("- {code: ONE-S01", "services[ONE-S01]"),
        ("- {id: ONE-SLA", "agreements[ONE-SLA]"),
    ] {
        assert_eq!(fields(problem(&doubled(start))), [field]);
    }
}

#[test]
fn all_problems_are_named_at_once_and_reach_the_caller() {
    let yaml =
        SMALL.replace("reference_prefix: ONE", "reference_prefix: one").replace("one-1@one.example", "x");
    let status = Status::from(problem(&yaml));
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert_eq!(refuse::reason(&status).as_deref(), Some("INVALID"));
    assert!(
        status.message().contains("reference_prefix: ") && status.message().contains("people[one-1].email: ")
    );
}

#[test]
fn what_is_missing_or_unknown_is_named_with_its_place() {
    for (right, wrong, named) in [
        (", en: \"Entity\"", "", "en"),
        ("core: true", "kore: true", "kore"),
        ("core: true", "core: yes", "core: yes"),
        ("roles: [case_handler]", "roles: [case_handler], language: fr", "fr"),
    ] {
        let error = problem(&SMALL.replace(right, wrong));
        assert!(
            matches!(&error, Error::Text(text) if text.contains(named) && text.contains("line")),
            "{error}"
        );
    }
}

#[test]
fn a_text_that_came_alone_names_no_files() {
    let (head, _) = SMALL.split_once("people:").unwrap();
    assert_eq!(fields(problem(&format!("{head}people: people.csv\n"))), ["people"]);
    assert_eq!(fields(problem(&format!("{SMALL}calendars: [c.yaml]\n"))), ["calendars"]);
}

#[test]
fn people_may_come_from_a_csv_file() {
    let folder = tempfile::tempdir().unwrap();
    let (head, _) = SMALL.split_once("people:").unwrap();
    let file = folder.path().join("one.yaml");
    std::fs::write(&file, format!("{head}people: people.csv\n")).unwrap();
    let columns = "id,name_ar,name_en,email,department,roles,language,centre,absent";
    let write = |rows: &str| std::fs::write(folder.path().join("people.csv"), rows).unwrap();
    let salem = "one-1,سالم,Salem,one-1@one.example,ONE-A,case_handler,,WEST,";
    let noura = "one-2,نورة,Noura,one-2@one.example,,pr_director cx_member,en,,true";
    write(&format!("\u{feff}{columns}\n{salem}\n{noura}\n"));
    let people = Seed::read(&file).unwrap().publish(None, now()).unwrap().people;
    let (first, second) = (&people[0], &people[1]);
    assert_eq!((first.department.as_str(), first.language.as_str(), first.absent), ("ONE-A", "ar", false));
    assert_eq!((second.department.as_str(), second.language.as_str(), second.absent), ("", "en", true));
    assert_eq!((first.centre.as_str(), second.centre.as_str()), ("WEST", ""));
    assert_eq!(second.roles, ["pr_director", "cx_member"]);
    write(&format!("{columns}\n{salem}maybe\n"));
    let error = Seed::read(&file).unwrap_err().to_string();
    assert!(error.contains("one.yaml: people: people.csv: ") && error.contains("line: 2"), "{error}");
}

/// A calendar may stand in the text of the entity, and is told as YAML.
#[test]
fn a_calendar_may_stand_in_the_text() {
    let calendar = r#"
calendars:
  - name: desk
    version: 1
    label: {ar: "مكتب", en: "Desk"}
    time_zone: Asia/Qatar
    covers: {from: 2026-01-01, to: 2026-12-31}
    week: {sunday: ["08:00-12:00"]}
    holidays: [{label: {ar: "يوم", en: "Day"}, when: {every_year: {month: 12, day: 18}}}]
"#;
    let yaml = format!("{}{calendar}", SMALL.replace("calendar: qa-gov-default", "calendar: desk"));
    let seed = Seed::parse(&yaml).unwrap();
    let published = seed.publish(None, now()).unwrap();
    let again = CalendarText::read(published.calendars[0].yaml.clone()).unwrap();
    assert_eq!((published.calendars.len(), &again.file), (1, &seed.calendars[0].file));
    let overlapping = yaml.replace("12:00\"", "12:00\", \"09:00-10:00\"");
    assert_eq!(fields(problem(&overlapping)), ["calendars[desk]", "default_calendar"]);
}

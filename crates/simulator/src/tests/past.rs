//! Cases of the past fare as they fared, under the rules that they had; under others the difference is told.

use std::collections::BTreeMap;

use jiff::Timestamp;
use masar_domain::{Role, StateCategory};
use masar_workflow::{Actor, Package, Source};
use serde_json::json;

use super::{FORM, PACKAGE, calendar, package};
use crate::{Broken, Change, DryRun, House, PastCase, PastChild, PastDeed, Rules, walk};

fn at(hour: u32, minute: u32) -> Timestamp {
    // The 15th has 24 hours, and what lies beyond stands on the 16th.
    format!("2026-11-{}T{:02}:{minute:02}:00Z", 15 + hour / 24, hour % 24).parse().expect("it is a time")
}

fn deed(at: Timestamp, actor: &str, action: &str) -> PastDeed {
    PastDeed { at, actor: actor.to_owned(), action: action.to_owned(), ..PastDeed::default() }
}

fn past(deeds: Vec<PastDeed>) -> PastCase {
    let form = json!({"importance": "high"});
    let (reference, opened_by) = ("R-1".to_owned(), "portal".to_owned());
    PastCase { reference, opened_by, form, opened_at: at(8, 0), deeds, ..PastCase::default() }
}

fn changed(changes: &[(&str, &str)]) -> Package {
    let workflow = changes.iter().fold(PACKAGE.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    });
    let forms = [("opening".to_owned(), FORM.to_owned())].into();
    Package::compile(&Source { workflow, forms, ..Source::default() })
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Compares the package of the tests with a draft.
fn compared(draft: &Package, house: &House, past: &PastCase) -> DryRun {
    let (package, calendar) = (package(), calendar("always-open"));
    let rules = Rules { package: &package, calendar: &calendar, house, until: at(40, 0) };
    let mut found = DryRun::default();
    found.add(rules, Rules { package: draft, ..rules }, past);
    found
}

#[test]
fn a_promise_that_was_kept_is_broken_under_a_shorter_one_and_the_other_way_round() {
    let done = past(vec![deed(at(8, 20), "mona", "answer"), deed(at(8, 45), "omar", "approve")]);
    let shorter = changed(&[("high: 1 hour", "high: 30 minutes")]);
    let found = compared(&shorter, &House::default(), &done);
    assert_eq!(found.broken["response"], Broken { now: 0, draft: 1 });
    let broken = Change::Broken { clock: "response".to_owned(), at: at(8, 30) };
    assert_eq!((found.alike, &found.lines[0].changes), (0, &vec![broken]));

    let late = past(vec![deed(at(8, 20), "mona", "answer"), deed(at(9, 45), "omar", "approve")]);
    let longer = changed(&[("high: 1 hour", "high: 3 hours")]);
    let found = compared(&longer, &House::default(), &late);
    assert_eq!(found.lines[0].changes, [Change::Kept { clock: "response".to_owned() }]);
    assert_eq!(compared(&package(), &House::default(), &late).alike, 1);
}

#[test]
fn the_system_acts_when_these_rules_say_so_and_not_when_it_did() {
    // The system gave up after a day; its deed is not repeated, and follows from the clock.
    let waited = past(vec![deed(at(9, 0), "mona", "ask"), deed(at(33, 0), "system", "give_up")]);
    let (package, calendar, house) = (package(), calendar("always-open"), House::default());
    let rules = |package| Rules { package, calendar: &calendar, house: &house, until: at(40, 0) };
    assert_eq!(walk(rules(&package), &waited).state, "done");
    let patient = changed(&[("{all: 1 day}", "{all: 3 days}")]);
    assert_eq!(walk(rules(&patient), &waited).state, "outside");
    let found = compared(&patient, &house, &waited);
    let ended = Change::Ended { now: "done".to_owned(), draft: "outside".to_owned() };
    assert_eq!((found.ended, &found.lines[0].changes), (1, &vec![ended]));
}

#[test]
fn what_a_draft_does_not_allow_stops_the_case_and_roles_are_those_of_today() {
    let done = past(vec![deed(at(8, 20), "mona", "answer"), deed(at(8, 45), "mona", "approve")]);
    let free = changed(&[("not_by: [answer], ", "")]);
    let one = |id: &str, role: &str| {
        let actor = Actor { id: id.to_owned(), roles: [Role(role.to_owned())].into(), department: None };
        (id.to_owned(), actor)
    };
    let handler = House { people: [one("mona", "case_handler")].into(), ..House::default() };
    // What is in force would not have allowed it: there is nothing to compare with.
    let found = compared(&free, &handler, &done);
    let Change::NotComparable { stopped } = &found.lines[0].changes[0] else { panic!("{found:?}") };
    assert_eq!((found.not_comparable, stopped.code.as_str()), (1, "SEPARATION_OF_DUTIES"));

    let done = past(vec![deed(at(8, 20), "mona", "answer"), deed(at(8, 45), "omar", "approve")]);
    let narrow =
        changed(&[("to: answered, roles: [case_handler]", "to: answered, roles: [department_manager]")]);
    let found = compared(&narrow, &handler, &done);
    let Change::Stuck { stopped } = &found.lines[0].changes[0] else { panic!("{found:?}") };
    assert_eq!((found.stuck, stopped.state.as_str(), stopped.code.as_str()), (1, "asked", "ROLE"));
    assert_eq!(compared(&narrow, &House::default(), &done).alike, 1, "who is not known may do what they did");
}

#[test]
fn services_go_to_their_departments_and_closed_children_move_their_parent() {
    let found = changed(&[
        (
            "facts: {importance: importance}",
            "facts: {importance: importance, service: importance}\non_child: [settle]",
        ),
        (
            "label: *l, count: answers, effects: [route]}",
            "label: *l, count: answers, effects: [route, {child: {package: inquiry, link: asked_by}}]}\n  - {action: settle, from: [answered], to: done, roles: [system], label: *l, guard: \"children.all(c, c.category == 'closed')\", otherwise: *l}",
        ),
        (
            "routing: {otherwise: desk}",
            "routing: {rules: [{name: n, when: \"has(service.department)\", queue: \"=service.department\"}], otherwise: desk}",
        ),
    ]);
    let mut asked = past(vec![deed(at(8, 20), "mona", "answer")]);
    let states = vec![
        (at(8, 21), "received".to_owned(), StateCategory::Open),
        (at(8, 50), "closed".to_owned(), StateCategory::Closed),
    ];
    asked.children.push(PastChild { package: "inquiry".to_owned(), states });
    let calendar = calendar("always-open");
    let services: BTreeMap<_, _> = [("high".to_owned(), "PERMITS".to_owned())].into();
    let house = House { services, ..House::default() };
    let rules = |until| Rules { package: &found, calendar: &calendar, house: &house, until };
    let before = walk(rules(at(8, 40)), &asked);
    assert_eq!((before.state.as_str(), before.queues), ("answered", vec!["PERMITS".to_owned()]));
    assert_eq!(walk(rules(at(9, 0)), &asked).state, "done");
}

//! Children are played as every other case: opened when they are asked for, worked on, heard of, counted and never lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use masar_workflow::{Package, Source};
use proptest::prelude::*;

use super::{FORM, Scene, calendar};
use crate::tally::Tally;
use crate::{Descendants, Error, Plan, Report, Sample, descendants};

/// A case that is split into three parts, and done when they are.
const WHOLE: &str = r#"
package: whole
version: 1.0.0
case_type: whole
label: &l {ar: "كل", en: "Whole"}
opening_form: opening
opened_by: [customer]
facts: {importance: importance}
on_child: [finish]
states:
  begun:   {category: open, initial: true, label: *l}
  waiting: {category: open, label: *l}
  done:    {category: closed, label: *l}
transitions:
  - {action: split, from: [begun], to: waiting, roles: [case_handler], label: *l, effects: [close_task, {child: {package: part, link: part_of, each: "[1, 2, 3]", with: {importance: "='high'"}}}]}
  - {action: finish, from: [waiting], to: done, roles: [system], label: *l, guard: "children.all(c, c.category == 'closed')", otherwise: *l}
  - {action: sign, from: [waiting], to: done, roles: [case_handler], label: *l, guard: "children.all(c, c.category == 'closed')", otherwise: *l}
clocks:
  whole: {label: *l, kind: sla, target: {all: 9 days}, start: {actions: [open]}, stop: {states: [done]}}
routing: {otherwise: desk}
"#;

/// A part, which may ask for a detail of its own, and waits for nobody.
const PART: &str = r#"
package: part
version: 1.0.0
case_type: part
label: &l {ar: "جزء", en: "Part"}
opening_form: opening
opened_by: [customer]
facts: {importance: importance}
states:
  asked: {category: open, initial: true, label: *l}
  done:  {category: closed, label: *l}
transitions:
  - {action: answer, from: [asked], to: done, roles: [case_handler], label: *l}
  - {action: look, from: [asked], to: done, roles: [case_handler], label: *l, effects: [close_task, {child: {package: detail, link: detail_of, with: {importance: "='low'"}}}]}
  - {action: drop, from: [asked], to: done, roles: [system], label: *l}
clocks:
  part: {label: *l, kind: ola, target: {high: 1 hour, all: 9 days}, start: {actions: [open]}, stop: {states: [done]}}
ladders: {part: {safety_net: tenant_admin, levels: [{level: L1, at: {all: breach}, to: [case_handler], do: ["act:drop"]}]}}
routing: {otherwise: parts}
"#;

fn compiled(workflow: &str) -> Package {
    let forms = [("opening".to_owned(), FORM.to_owned())].into();
    Package::compile(&Source { workflow: workflow.to_owned(), forms, ..Source::default() })
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The packages of these tests, and what a plan says of them.
fn scene(text: &str) -> Result<Scene, Error> {
    let detail =
        PART.replace("package: detail", "package: unknown").replace("package: part", "package: detail");
    let detail = detail.replace("action: look", "action: peer");
    let known: BTreeMap<&str, Arc<Package>> =
        [("part", Arc::new(compiled(PART))), ("detail", Arc::new(compiled(&detail)))].into();
    of(compiled(WHOLE), &|name| known.get(name).cloned(), text)
}

fn of(package: Package, lookup: masar_workflow::Lookup<'_>, text: &str) -> Result<Scene, Error> {
    let descendants: Descendants = descendants(&package, lookup);
    let plan = Plan::read(text, &package, &descendants)?;
    let calendar = calendar(&plan.calendar);
    Ok(Scene { package, descendants, plan, calendar, calendars: BTreeMap::new() })
}

fn read(text: &str) -> Scene {
    scene(text).unwrap_or_else(|error| panic!("{error}"))
}

const PLAN: &str = "calendar: always-open
arrivals: {per_hour: 1}
cases: 20
replications: 2
staff: {desk: 1000}
openings: [{by: customer}]
states: {begun: [{does: split, by: case_handler, takes: 0 minutes}]}
children:
  part:
    staff: {parts: 1}
    states: {asked: [{does: answer, by: case_handler, takes: 10 minutes}]}";

fn child<'a>(report: &'a Report, package: &str) -> &'a crate::ChildReport {
    let found = report.children.iter().find(|child| child.fared.package == package);
    found.unwrap_or_else(|| panic!("{package} is not in {:?}", report.children))
}

/// Nothing is left to chance: three parts of ten minutes each, one after the other, and then the whole is done.
#[test]
fn a_case_is_done_when_its_children_are() {
    let found = read(&PLAN.replace("cases: 20", "cases: 1")).report();
    assert!((found.own.hours.mean * 60.0 - 30.0).abs() < 1e-9, "{:?}", found.own.hours);
    let part = child(&found, "part");
    assert!((part.in_a_hundred.mean - 300.0).abs() < 1e-9 && part.fared.cases == 6, "{part:?}");
    assert!((part.fared.hours.mean * 60.0 - 20.0).abs() < 1e-9, "{:?}", part.fared.hours);
    assert!(part.fared.clocks[0].broken_percent.mean.abs() < 1e-9, "{:?}", part.fared.clocks);
    let desks = read(PLAN).report().desks;
    let desk = desks.iter().find(|desk| desk.queue == "parts").expect("they wait there");
    assert!(desk.people == 1 && desk.longest.mean > 1.5, "{desk:?}");
}

/// Without anybody who acts, the ladder of the children does after an hour.
#[test]
fn children_have_ladders_and_who_has_no_plan_is_told() {
    let alone = PLAN.split("children:").next().expect("it is split");
    let found = read(alone).report();
    assert!((found.own.hours.mean - 1.0).abs() < 1e-9, "{:?}", found.own.hours);
    let part = child(&found, "part");
    assert!((part.fared.closed_percent.mean - 100.0).abs() < 1e-9, "{:?}", part.fared.stuck);
    let without = PART.replace(", do: [\"act:drop\"]", "");
    let part = Arc::new(compiled(&without));
    let scene = of(compiled(WHOLE), &|name| (name == "part").then(|| Arc::clone(&part)), alone);
    let found = scene.unwrap_or_else(|error| panic!("{error}")).report();
    let reason =
        |stuck: &[crate::StuckReport]| stuck.iter().map(|line| line.reason.clone()).collect::<Vec<_>>();
    assert!(reason(&child(&found, "part").fared.stuck)[0].contains("nobody moves it: the plan"), "{found:?}");
    assert!(reason(&found.own.stuck)[0].contains("it has children that go no further"), "{found:?}");
}

/// People who may go on only when the children are over do so then, and nobody calls that a mistake of the plan.
#[test]
fn guards_over_children_are_asked_again() {
    let signed = WHOLE.replace("on_child: [finish]\n", "");
    let part = Arc::new(compiled(PART));
    let plan = PLAN.replace(
        "states: {begun:",
        "states: {waiting: [{does: sign, by: case_handler, queue: desk, takes: 1 minute}], begun:",
    );
    let scene = of(compiled(&signed), &|name| (name == "part").then(|| Arc::clone(&part)), &plan);
    let found = scene.unwrap_or_else(|error| panic!("{error}")).report();
    assert!((found.own.closed_percent.mean - 100.0).abs() < 1e-9, "{:?}", found.own.stuck);
    assert!(found.own.hours.mean * 60.0 >= 31.0 && found.own.refused.is_empty(), "{:?}", found.own);
}

/// A case that opens others of its own package for ever comes to a bound, and the report says so.
#[test]
fn what_has_children_for_ever_comes_to_a_bound_that_is_told() {
    let again = PART.replace("package: part", "package: whole").replace("package: detail", "package: whole");
    let again = again.replace(", do: [\"act:drop\"]", "");
    let whole = Arc::new(compiled(&again));
    let plan = "calendar: always-open
arrivals: {per_hour: 1}
cases: 2
replications: 2
staff: {parts: 1}
openings: [{by: customer}]
states: {asked: [{does: look, by: case_handler, takes: 1 minute}]}";
    let scene = of(compiled(&again), &|_| Some(Arc::clone(&whole)), plan);
    let found = scene.unwrap_or_else(|error| panic!("{error}")).report();
    assert_eq!((found.own.cases, child(&found, "whole").fared.cases), (4, 2_000));
    let told = &found.unopened[0];
    assert!(
        (told.in_a_hundred.mean - 100.0).abs() < 1e-9 && told.reason.contains("no more are opened"),
        "{told:?}"
    );
}

/// What seldom has children is told by the replications in which it has some.
#[test]
fn replications_without_children_say_nothing_about_them() {
    let seldom = PLAN.replace("cases: 20", "cases: 1").replace("replications: 2", "replications: 12");
    let scene = read(&seldom.replace("begun: [{", "begun: [{share: 3}, {"));
    let samples = scene.play();
    let with = samples.iter().filter(|sample| sample.tallies[2].cases > 0).count();
    let found = scene.report();
    let part = child(&found, "part");
    assert!(0 < with && with < 12 && part.fared.cases == 3 * with, "{with}");
    assert!((part.fared.closed_percent.mean - 100.0).abs() < 1e-9, "{:?}", part.fared.closed_percent);
}

#[test]
fn what_is_wrong_with_the_plan_for_children_is_told() {
    let wrong = |plan: &str| scene(plan).map(drop).expect_err("it is wrong").to_string();
    for (old, new, problem) in [
        ("  part:\n", "  piece:\n", "`children/piece`: no case that is played opens a child of this package"),
        ("{parts: 1}", "{parts: 1, desk: 2}", "`children/part/staff/desk`: who works there is said twice"),
        ("{parts: 1}", "{parts: 0}", "`staff/parts`: somebody must work there"),
        ("{asked: [", "{begun: [], asked: [", "`children/part/states/begun`: the package has no such state"),
        ("does: answer", "does: split", "`split` cannot be done in the state `asked`"),
    ] {
        assert!(PLAN.contains(old), "{old}");
        let found = wrong(&PLAN.replace(old, new));
        assert!(found.contains(problem), "{problem} is not in\n{found}");
    }
}

/// Every case of a package is over or has a reason.
fn accounted(tally: &Tally) -> bool {
    tally.cases == tally.closed + tally.stuck.values().sum::<usize>()
}

/// The longest lives first.
fn longest(tally: &Tally) -> Vec<f64> {
    tally.hours.iter().rev().copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever the numbers: the seed decides all of it, nobody is lost, and no case is over before its children are.
    #[test]
    fn no_child_is_lost_and_none_outlives_who_waits_for_it(
        seed: u64, rate in 1u32..40, people in 1usize..5, share in 1u32..9, minutes in 0u32..90,
    ) {
        let text = format!(
            "seed: {seed}
calendar: always-open
arrivals: {{per_hour: {rate}}}
cases: 30
replications: 2
staff: {{desk: 1000}}
openings: [{{by: customer}}]
states: {{begun: [{{does: split, by: case_handler, takes: 0 minutes}}]}}
children:
  part:
    staff: {{parts: {people}}}
    states:
      asked:
        - {{share: {share}, does: answer, by: case_handler, takes: 0 to {minutes} minutes}}
        - {{share: 3, does: look, by: case_handler, takes: about {minutes} minutes}}
        - {{share: 1}}
  detail:
    states: {{asked: [{{does: answer, by: case_handler, takes: 5 minutes}}, {{does: peer, by: case_handler, takes: 1 minutes}}]}}"
        );
        let scene = read(&text);
        let samples: Vec<Sample> = scene.play();
        let told = |samples: &[Sample]| {
            let report = Report::of(&scene.package, &scene.descendants, samples);
            serde_json::to_string(&report).expect("it can be written")
        };
        prop_assert_eq!(told(&samples), told(&scene.play()));
        for sample in &samples {
            let [whole, detail, part] = &sample.tallies[..] else { panic!("{sample:?}") };
            prop_assert!([whole, detail, part].into_iter().all(accounted), "{sample:?}");
            prop_assert_eq!((whole.cases, part.cases), (30, 90));
            let unknown: usize = sample.unopened.values().sum();
            prop_assert!(unknown <= detail.cases && detail.cases <= part.cases, "{sample:?}");
            // A case lives at least as long as each of its three children: it asks for them in its first moment.
            let (wholes, parts) = (longest(whole), longest(part));
            prop_assert_eq!((wholes.len(), parts.len()), (30, 90));
            for (place, whole) in wholes.iter().enumerate() {
                prop_assert!(*whole + 1e-9 >= parts[place * 3], "{whole} {}", parts[place * 3]);
            }
        }
    }
}

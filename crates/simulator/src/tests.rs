//! What is played agrees with what can be computed, with itself, and with the package.

mod children;
mod past;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use masar_workflow::{Catalog, Package, Source, shipped};
use masar_worktime::{Calendar, CalendarSpec, SHIPPED};
use proptest::prelude::*;

use crate::{Descendants, Error, Plan, Report, Sample, Simulation, descendants, replicate};

/// A request that is answered, may be sent back once, and is approved by somebody else than who answered it.
const PACKAGE: &str = r#"
package: request
version: 1.0.0
case_type: request
label: &l {ar: "طلب", en: "Request"}
opening_form: opening
opened_by: [customer]
facts: {importance: importance}
states:
  asked:    {category: open, initial: true, label: *l}
  answered: {category: open, label: *l}
  outside:  {category: waiting, label: *l}
  done:     {category: closed, label: *l}
transitions:
  - {action: answer, from: [asked], to: answered, roles: [case_handler], label: *l, count: answers, effects: [route]}
  - {action: ask, from: [asked], to: outside, roles: [case_handler], label: *l}
  - {action: reply, from: [outside], to: asked, roles: [customer], label: *l}
  - {action: give_up, from: [outside], to: done, roles: [system], label: *l}
  - {action: return, from: [answered], to: asked, roles: [case_handler], label: *l, guard: "case.counts.answers < 2", otherwise: *l}
  - {action: approve, from: [answered], to: done, roles: [case_handler], not_by: [answer], label: *l}
clocks:
  response: {label: *l, kind: sla, target: {high: 1 hour, all: 2 hours}, start: {actions: [open]}, stop: {states: [done]}, pause: [outside]}
  patience: {label: *l, kind: window, target: {all: 1 day}, start: {states: [outside]}, stop: {states: [asked]}, on_breach: give_up}
routing: {otherwise: desk}
"#;

const FORM: &str = r#"{"type": "object", "additionalProperties": false, "properties": {"importance": {"enum": ["high", "low"], "x-label": {"ar": "الأهمية", "en": "Importance"}}}}"#;

fn package() -> Package {
    let forms = [("opening".to_owned(), FORM.to_owned())].into();
    Package::compile(&Source { workflow: PACKAGE.to_owned(), forms, ..Source::default() })
        .unwrap_or_else(|error| panic!("{error}"))
}

fn calendar(name: &str) -> Calendar {
    let (_, text) = SHIPPED.iter().find(|(known, _)| *known == name).expect("it is shipped");
    let spec: CalendarSpec = serde_saphyr::from_str(text).expect("it can be read");
    Calendar::compile(&spec).expect("it can be compiled")
}

fn plan(package: &Package, text: &str) -> Plan {
    Plan::read(text, package, &Descendants::new()).unwrap_or_else(|error| panic!("{error}"))
}

fn play(package: &Package, plan: &Plan, calendar: &Calendar) -> Result<Vec<Sample>, Error> {
    let (calendars, descendants, log) = (BTreeMap::new(), Descendants::new(), None);
    let descendants = &descendants;
    let simulation = Simulation { package, descendants, plan, calendar, calendars: &calendars, log };
    replicate(simulation, 0..plan.replications)
}

fn report(text: &str, name: &str) -> Report {
    let package = package();
    let (plan, calendar) = (plan(&package, text), calendar(name));
    Report::of(
        &package,
        &Descendants::new(),
        &play(&package, &plan, &calendar).unwrap_or_else(|error| panic!("{error}")),
    )
}

/// Two desks in a row, arrivals and work by chance that knows nothing of the past: the mean wait at the first is known.
#[test]
fn a_queue_is_as_long_as_theory_says() {
    let found = report(
        "arrivals: {per_hour: 6, around_the_clock: true}
cases: 20000
warm_up: 1000
replications: 8
staff: {desk: 1, other: 9}
openings: [{by: customer}]
states:
  asked: [{does: answer, by: case_handler, takes: about 5 minutes}]
  answered: [{does: approve, by: case_handler, queue: other, takes: about 1 minute}]",
        "always-open",
    );
    // Half of the time busy: cases wait as long as one takes, and half a case waits on average.
    let desk = found.desks.iter().find(|desk| desk.queue == "desk").expect("it is there");
    assert!((desk.busy_percent.mean - 50.0).abs() < 2.0, "{desk:?}");
    assert!((desk.length.mean - 0.5).abs() < 0.06, "{desk:?}");
    assert!((desk.wait_hours.mean * 60.0 - 5.0).abs() < 0.6, "{desk:?}");
    assert!(desk.length.plus_minus > 0.0 && desk.length.plus_minus < 0.1 && !desk.overloaded, "{desk:?}");
    assert!((found.own.hours.mean * 60.0 - 11.0).abs() < 0.8, "{:?}", found.own.hours);
    assert!(
        (found.own.closed_percent.mean - 100.0).abs() < 1e-9 && found.own.stuck.is_empty(),
        "{:?}",
        found.own.stuck
    );
    let (first, all): (_, f64) =
        (&found.own.stages[0], found.own.stages.iter().map(|stage| stage.percent.mean).sum());
    assert!(first.state == "asked" && (all - 100.0).abs() < 1e-6, "{:?}", found.own.stages);
    assert!(
        (first.queued_percent - 50.0).abs() < 3.0 && (first.worked_percent - 50.0).abs() < 3.0,
        "{first:?}"
    );
}

/// Nothing is left to chance: the promise of an hour is broken by those that wait behind another, and by no other.
#[test]
fn promises_break_when_they_must() {
    let text = "arrivals: {per_hour: 1000, around_the_clock: true}
cases: 4
replications: 2
staff: {desk: 1, other: 9}
openings: [{by: customer, form: {importance: high}}]
states:
  asked: [{does: answer, by: case_handler, takes: 29 minutes}]
  answered: [{does: approve, by: case_handler, queue: other, takes: 1 minute}]";
    let found = report(text, "always-open");
    let response = found.own.clocks.iter().find(|clock| clock.clock == "response").expect("it ran");
    assert!((response.broken_percent.mean - 50.0).abs() < 1e-9, "the third and the fourth: {response:?}");
    assert_eq!(found.own.clocks.len(), 1, "a window is no promise");
    let slower = report(&text.replace("importance: high", "importance: low"), "always-open");
    assert!(slower.own.clocks[0].broken_percent.mean.abs() < 1e-9, "{:?}", slower.own.clocks);
}

/// Of two who wait the more important goes first, and nobody works at night.
#[test]
fn the_important_go_first_and_nights_are_nights() {
    let found = report(
        "arrivals: {per_day: 1000}
cases: 40
replications: 2
staff: {desk: 1, other: 1}
openings: [{by: customer, form: {importance: high}}, {by: customer, form: {importance: low}}]
states:
  asked: [{does: answer, by: case_handler, takes: 60 minutes}]
  answered: [{does: approve, by: case_handler, queue: other, takes: 1 minute}]",
        "qa-gov-default",
    );
    // 40 hours of work at one desk are six days of seven hours, a weekend among them.
    assert!((100.0..200.0).contains(&found.own.most_hours.mean), "{:?}", found.own.most_hours);
    assert!(found.desks[0].longest.mean > 30.0, "{:?}", found.desks[0]);
}

#[test]
fn clocks_move_who_waits_and_guards_have_another_choice_taken() {
    let found = report(
        "arrivals: {per_day: 20}
cases: 400
replications: 4
staff: {desk: 5}
openings: [{by: customer}]
states:
  asked:
    - {share: 1, does: ask, by: case_handler, takes: 1 minute}
    - {share: 3, does: answer, by: case_handler, takes: 1 minute}
  outside:
    - {share: 1, does: reply, by: customer, after: 1 hour}
    - {share: 1}
  answered:
    - {share: 9, does: return, by: case_handler, takes: 1 minute}
    - {share: 1, does: approve, by: case_handler, takes: 1 minute}",
        "qa-gov-default",
    );
    assert!((found.own.closed_percent.mean - 100.0).abs() < 1e-9, "{:?}", found.own.stuck);
    let refused = &found.own.refused[0];
    assert_eq!((refused.state.as_str(), refused.action.as_deref()), ("answered", Some("return")));
    let outside = found.own.stages.iter().find(|stage| stage.state == "outside").expect("some went there");
    assert!((outside.outside_percent - 100.0).abs() < 1e-9, "{outside:?}");
    // Half of them reply after an hour, the others are given up after a day.
    assert!((10.0..15.0).contains(&(outside.hours.mean / outside.visits.mean)), "{outside:?}");
}

#[test]
fn who_goes_no_further_is_told_with_a_reason() {
    let text = "arrivals: {per_day: 20}
cases: 20
replications: 2
staff: {desk: 5}
openings: [{by: customer}]
states: {asked: [{does: answer, by: case_handler, takes: 1 minute}]}";
    let found = report(text, "qa-gov-default");
    assert_eq!((found.own.stuck.len(), found.own.stuck[0].state.as_str()), (1, "answered"));
    assert!(
        found.own.stuck[0].reason.starts_with("nobody moves it")
            && found.own.closed_percent.mean.abs() < 1e-9
    );
    let package = package();
    let played = |text: &str| {
        let played = play(&package, &plan(&package, text), &calendar("qa-gov-default"));
        played.map(drop).expect_err("it cannot be played").to_string()
    };
    assert!(
        played(&text.replace("desk: 5", "elsewhere: 5")).contains("the queue `desk`, where nobody works")
    );
    assert!(played(&text.replace("cases: 20", "cases: 200000")).contains("play fewer cases"));
}

#[test]
fn what_is_wrong_with_a_plan_is_told_with_its_place() {
    let wrong = |text: &str| {
        Plan::read(text, &package(), &Descendants::new()).map(drop).expect_err("it is wrong").to_string()
    };
    let found = wrong(
        "arrivals: {per_day: 20, per_hour: 3}
cases: 5
warm_up: 9
replications: 1
staff: {desk: 0}
openings:
  - {by: partner, form: {importance: highest}}
states:
  asked:
    - {does: approve, by: case_handler, takes: 1 minute}
    - {does: answer, by: customer, takes: 1 minute, share: 0}
    - {does: answer, by: case_handler}
    - {takes: 1 minute}
  nowhere: []
  outside:
    - {does: give_up, by: system, after: 1 day}",
    );
    for part in [
        "1:11: `arrivals` says one of",
        "`cases` is above `warm_up`",
        "`replications` is above 1",
        "`staff/desk`: somebody must work there",
        "7:5: `partner` opens no case",
        "7:5: opening.importance",
        "10:7: `approve` cannot be done in the state `asked`",
        "11:7: a `share` of 0 never happens",
        "11:7: `answer` is not for `customer`",
        "12:7: `answer`: say how long it `takes`",
        "13:7: a choice without `does`",
        "`states/nowhere`: the package has no such state",
        "16:7: `give_up`: the system acts",
    ] {
        assert!(found.contains(part), "{part} is not in\n{found}");
    }
    assert!(
        wrong("arrivals: {per_day: 1}\nopenings: []\nstates: {asked: [{does: a, takes: long}]}")
            .contains("3:")
    );
    assert!(wrong("arivals: {}").contains("arivals"));
}

/// What a simulation needs besides its numbers.
struct Scene {
    package: Package,
    descendants: Descendants,
    plan: Plan,
    calendar: Calendar,
    calendars: BTreeMap<String, Calendar>,
}

impl Scene {
    fn simulation(&self) -> Simulation<'_> {
        let Self { package, descendants, plan, calendar, calendars } = self;
        Simulation { package, descendants, plan, calendar, calendars, log: None }
    }

    fn play(&self) -> Vec<Sample> {
        replicate(self.simulation(), 0..self.plan.replications).unwrap_or_else(|error| panic!("{error}"))
    }

    fn report(&self) -> Report {
        Report::of(&self.package, &self.descendants, &self.play())
    }
}

/// The plan that is shipped with the complaint, read for the shipped packages.
fn complaint() -> Scene {
    let catalog = Catalog::shipped().expect("all are sound");
    let source = shipped("complaint").expect("it is there");
    let package = Package::compile(&source).expect("it is sound");
    let descendants = descendants(&package, &|name| catalog.in_force(name).cloned());
    let text = include_str!("../../../workflows/complaint/simulation.yaml");
    let plan = Plan::read(text, &package, &descendants).unwrap_or_else(|error| panic!("{error}"));
    let calendar = calendar(&plan.calendar);
    Scene { package, descendants, plan, calendar, calendars: BTreeMap::new() }
}

/// What the shipped plan predicts is what its seed decides, however the replications are shared out.
#[test]
fn the_same_seed_predicts_the_same() {
    let mut scene = complaint();
    (scene.plan.cases, scene.plan.warm_up, scene.plan.replications) = (300, 50, 4);
    let text = |report: &Report| serde_json::to_string(report).expect("it can be written");
    let whole = scene.report();
    let halves =
        [2..4, 0..2].map(|numbers| replicate(scene.simulation(), numbers).expect("it can be played"));
    let [second, first] = halves;
    let parts: Vec<Sample> = first.into_iter().chain(second).collect();
    assert_eq!(text(&whole), text(&Report::of(&scene.package, &scene.descendants, &parts)));
    scene.plan.seed += 1;
    assert_ne!(text(&whole), text(&scene.report()));
    assert!(whole.own.stuck.is_empty() && whole.own.closed_percent.mean > 99.0, "{:?}", whole.own.stuck);
    let broken = whole.own.clocks.iter().any(|clock| clock.broken_percent.mean > 0.0);
    assert!(broken, "{:?}", whole.own.clocks);
    let inquiries = whole.children.iter().find(|child| child.fared.package == "inquiry");
    let inquiries = inquiries.expect("some complaints are inquiries");
    assert!((1.0..9.0).contains(&inquiries.in_a_hundred.mean), "{:?}", inquiries.in_a_hundred);
    assert!(inquiries.fared.closed_percent.mean > 99.0 && whole.unopened.is_empty(), "{inquiries:?}");
}

/// What it costs is a few happenings of each case, of which far fewer must be decided: most cases are by then what others
/// were before, whichever way they went.
#[test]
fn most_cases_go_where_others_went() {
    let mut scene = complaint();
    (scene.plan.cases, scene.plan.warm_up, scene.plan.replications) = (1_500, 0, 2);
    let samples = scene.play();
    let steps: u64 = samples.iter().map(|sample| sample.steps).sum();
    assert!((3_000 * 8..3_000 * 60).contains(&steps), "{steps}");
    assert!(samples[1].decided < 3_000, "{}", samples[1].decided);
}

#[test]
fn arrivals_of_a_log_come_when_they_came() {
    let package = package();
    let plan = plan(
        &package,
        "arrivals: {log: some.xes}
cases: 3
replications: 2
staff: {desk: 1, other: 1}
openings: [{by: customer}]
states:
  asked: [{does: answer, by: case_handler, takes: 30 minutes}]
  answered: [{does: approve, by: case_handler, queue: other, takes: 0 minutes}]",
    );
    let calendar = calendar("always-open");
    let first: Timestamp = "2026-11-15T08:00:00Z".parse().expect("it is a time");
    let log: Vec<Timestamp> =
        [0, 10, 100, 999].map(|minute| first + SignedDuration::from_mins(minute)).into();
    let (calendars, descendants) = (BTreeMap::new(), Descendants::new());
    let simulation = Simulation {
        package: &package,
        descendants: &descendants,
        plan: &plan,
        calendar: &calendar,
        calendars: &calendars,
        log: Some(&log),
    };
    let found =
        Report::of(&package, &Descendants::new(), &replicate(simulation, 0..2).expect("it can be played"));
    assert_eq!(found.own.cases, 6, "no more than the plan says");
    // 30 minutes, 20 in the queue and 30, and 30.
    assert!((found.own.hours.mean * 60.0 - 110.0 / 3.0).abs() < 1e-6, "{:?}", found.own.hours);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever the numbers: nothing panics, every case is over or has a reason, and time adds up.
    #[test]
    fn every_case_ends_or_says_why_not(
        seed: u64, rate in 1u32..200, people in 1usize..4, share in 1u32..9, minutes in 0u32..300, hours in 0u32..40,
    ) {
        let text = format!(
            "seed: {seed}
arrivals: {{per_day: {rate}}}
cases: 60
replications: 2
staff: {{desk: {people}}}
openings: [{{by: customer}}, {{by: customer, form: {{importance: high}}}}]
states:
  asked:
    - {{share: {share}, does: ask, by: case_handler, takes: 0 to {minutes} minutes}}
    - {{share: 2, does: answer, by: case_handler, takes: about {minutes} minutes}}
  outside: [{{does: reply, by: customer, after: 0 to {hours} hours}}, {{share: 0.5}}]
  answered: [{{share: {share}, does: return, by: case_handler, takes: 5 minutes}}, {{does: approve, by: case_handler, takes: 1 minute}}]"
        );
        let package = package();
        let samples = play(&package, &plan(&package, &text), &calendar("qa-gov-default")).expect("it can be played");
        for sample in samples {
            let tally = &sample.tallies[0];
            let stuck: usize = tally.stuck.values().sum();
            prop_assert_eq!(tally.closed + stuck, 60);
            let within: f64 = tally.stages.values().map(crate::tally::Stage::total).sum::<f64>() / 3_600.0;
            let lives: f64 = tally.hours.iter().sum();
            prop_assert!((within - lives).abs() < 1e-3 || stuck > 0, "{} {}", within, lives);
        }
    }
}

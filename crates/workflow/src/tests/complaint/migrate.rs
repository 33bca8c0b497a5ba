//! Complaints that go on in another version of their package, and back.

use std::collections::BTreeMap;

use masar_domain::StateCategory;
use proptest::prelude::*;

use super::super::now;
use super::{accepted, act, clocks, complaint, walk};
use crate::{
    Case, CaseEvent, Change, Effect, Fate, Migration, Occasion, Package, Stranded, available, evolve,
    shipped_files,
};

const OCCASION: fn() -> Occasion<'static> =
    || Occasion { actor: "admin", at: now(), reason: "a shorter way" };

/// The complaint with other words: `in_progress` is `handling`, `first_response` is `first_reply`, an answer is due two days
/// earlier, and the clock does not stand still.
fn anew() -> Package {
    let mut files = shipped_files("complaint").unwrap();
    let workflow = files.get_mut("workflow.yaml").unwrap();
    for (was, is) in [
        ("version: 1.0.0", "version: 2.0.0"),
        ("in_progress", "handling"),
        ("first_response", "first_reply"),
        ("high: 5 business_days, medium: 10 business_days", "high: 5 business_days, medium: 8 business_days"),
        ("stop: {states: [answered]}\n    pause: [awaiting_customer]", "stop: {states: [answered]}"),
        ("count: bounces,", "count: returns_to_triage,"),
        ("case.counts.bounces", "case.counts.returns_to_triage"),
    ] {
        assert!(workflow.contains(was), "{was}");
        *workflow = workflow.replace(was, is);
    }
    Package::of(&files).unwrap_or_else(|error| panic!("{error}"))
}

fn map(states: &[(&str, &str)], clocks: &[(&str, Fate)]) -> Migration {
    let states = states.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    let clocks = clocks.iter().map(|(clock, fate)| ((*clock).to_owned(), *fate)).collect();
    Migration { states, clocks, route: false }
}

/// The case after it, and what happens to its clocks.
fn migrated(to: &Package, case: &Case, map: &Migration) -> Result<(Case, CaseEvent), Stranded> {
    let event = to.take_over(&complaint(), case, map, &OCCASION())?;
    Ok((evolve(Some(case.clone()), &event), event))
}

#[test]
fn a_case_goes_on_in_the_state_that_the_map_names_with_its_clocks_as_it_says() {
    let (old, new) = (complaint(), anew());
    let (case, _) = walk(&old, "medium", &accepted(&[]));
    let stranded = migrated(&new, &case, &Migration::default()).map(drop).unwrap_err();
    assert_eq!((stranded.code(), stranded.to_string().contains("`in_progress`")), ("STATE", true));

    let (after, event) = migrated(&new, &case, &map(&[("in_progress", "handling")], &[])).unwrap();
    assert_eq!((after.state.as_str(), after.version), ("handling", case.version + 1));
    assert_eq!(
        clocks(&event.effects),
        ["first_response:cancel"],
        "what the new version lacks ends, the rest is kept"
    );
    assert_eq!(after.counts["returns_to_triage"], 0, "guards find the counters of the new version");
    assert!(!event.effects.contains(&Effect::Route), "whoever has it keeps it");
    assert_eq!((event.reason.as_deref(), event.actor.as_str()), (Some("a shorter way"), "admin"));

    let fates = [("response", Fate::Retarget), ("first_reply", Fate::Start), ("whole_life", Fate::Cancel)];
    let map = Migration { route: true, ..map(&[("in_progress", "handling")], &fates) };
    let (after, event) = migrated(&new, &case, &map).unwrap();
    assert_eq!(
        clocks(&event.effects),
        [
            "first_reply:start(2 business_days)",
            "first_response:cancel",
            "response:retarget(8 business_days)",
            "whole_life:cancel"
        ]
    );
    assert!(event.effects.contains(&Effect::Route));
    // It goes on as every case of the new version does.
    let mut after = after;
    act(&new, &mut after, "ask_customer by h:case_handler").unwrap();
    assert_eq!(after.state, "awaiting_customer");
}

#[test]
fn a_clock_that_stood_still_counts_on_where_the_new_version_lets_it_run() {
    let (old, new) = (complaint(), anew());
    let (case, _) = walk(&old, "medium", &accepted(&["ask_customer by h:case_handler"]));
    let (after, event) = migrated(&new, &case, &Migration::default()).unwrap();
    assert!(clocks(&event.effects).contains(&"response:resume".to_owned()), "{:?}", clocks(&event.effects));
    let back = old.take_back(&new, &after, &event, &OCCASION()).unwrap();
    assert!(clocks(&back.effects).contains(&"response:pause".to_owned()), "{:?}", clocks(&back.effects));
}

#[test]
fn what_is_over_or_would_be_stays() {
    let new = anew();
    let (case, _) = walk(&complaint(), "medium", &["start_triage by triage_officer"]);
    let ends = migrated(&new, &case, &map(&[("triage", "closed")], &[])).map(drop).unwrap_err();
    assert_eq!(ends, Stranded::Ends { state: "closed".to_owned() });
    let closed = Case { category: StateCategory::Closed, ..case };
    assert_eq!(migrated(&new, &closed, &Migration::default()).map(drop).unwrap_err(), Stranded::Over);
}

#[test]
fn a_migration_is_taken_back_until_something_else_happens() {
    let (old, new) = (complaint(), anew());
    let (case, _) = walk(&old, "medium", &accepted(&[]));
    let fates = [("response", Fate::Retarget), ("first_reply", Fate::Start)];
    let (after, event) = migrated(&new, &case, &map(&[("in_progress", "handling")], &fates)).unwrap();
    let undone = old.take_back(&new, &after, &event, &OCCASION()).unwrap();
    assert_eq!(
        clocks(&undone.effects),
        [
            "first_reply:cancel",
            "first_response:start(2 business_days)",
            "response:retarget(10 business_days)"
        ]
    );
    let back = evolve(Some(after.clone()), &undone);
    assert_eq!((&back.state, &back.clocks, &back.facts), (&case.state, &case.clocks, &case.facts));

    let mut moved = after;
    act(&new, &mut moved, "ask_customer by h:case_handler").unwrap();
    assert_eq!(old.take_back(&new, &moved, &event, &OCCASION()).map(drop), Err(Stranded::Moved));
    let other = CaseEvent { change: Change::Moved { count: None }, ..event };
    assert_eq!(old.take_back(&new, &moved, &other, &OCCASION()).map(drop), Err(Stranded::Moved));
}

#[test]
fn a_map_that_names_what_is_not_there_is_refused_by_its_place() {
    let (old, new) = (complaint(), anew());
    let right = map(
        &[("in_progress", "handling")],
        &[("first_response", Fate::Cancel), ("first_reply", Fate::Start)],
    );
    assert_eq!(right.violations(old.definition(), new.definition()), []);
    let wrong =
        map(&[("handling", "in_progress")], &[("first_response", Fate::Keep), ("riddle", Fate::Cancel)]);
    let places = wrong.violations(old.definition(), new.definition()).into_iter().map(|(place, _)| place);
    assert_eq!(
        places.collect::<Vec<_>>(),
        ["states.handling", "states.handling", "clocks.first_response", "clocks.riddle"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever was done to a complaint, it goes on in the new version with a way on, its clocks are those of that version, and
    /// it comes back to what it was.
    #[test]
    fn wherever_a_case_is_it_goes_on_and_comes_back(steps in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        const STEPS: [&str; 9] = ["start_triage by triage_officer", "route by triage_officer", "accept by h:case_handler",
            "ask_customer by h:case_handler", "customer_replies by customer", "bounce by h:case_handler",
            "extend by department_director", "draft_answer by h:case_handler", "approve by department_manager"];
        let (old, new) = (complaint(), anew());
        let (mut case, _) = super::opened(&old, "medium", false);
        for step in steps {
            // What is not possible now is not done.
            let _ = act(&old, &mut case, STEPS[step.index(STEPS.len())]);
        }
        prop_assume!(case.category != StateCategory::Closed);
        let map = map(&[("in_progress", "handling")], &[]);
        let (after, event) = migrated(&new, &case, &map).unwrap();
        prop_assert!(after.clocks.iter().all(|clock| new.definition().clocks.contains_key(clock)), "{:?}", after.clocks);
        let situation = crate::Situation { at: now(), windows: &BTreeMap::new(), children: &[] };
        prop_assert!(!available(&new, &after, &super::person("case_handler"), situation).is_empty());
        let undone = old.take_back(&new, &after, &event, &OCCASION()).unwrap();
        let back = evolve(Some(after), &undone);
        prop_assert_eq!((&back.state, back.category, &back.clocks), (&case.state, case.category, &case.clocks));
    }
}

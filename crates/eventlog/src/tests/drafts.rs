//! Whatever a log tells, its draft is sound and allows it; a package that allows less refuses with reasons.

use masar_simulator::{Descendants, Plan};
use masar_workflow::{Package, Source, trial};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{Attribute, Draft, Error, Log, LogCase, LogEvent, Replay, keys, replay};

/// A log of cases by the names of what was done, an hour apart.
fn log(cases: &[Vec<&str>]) -> Log {
    let event = |(hour, name): (usize, &&str)| LogEvent {
        attributes: vec![
            Attribute::new(keys::NAME, *name),
            Attribute::new(keys::TIME, time(hour)),
            Attribute::new(keys::RESOURCE, format!("person of {name}")),
            Attribute::new("channel", "phone"),
        ],
    };
    let case = |(number, names): (usize, &Vec<&str>)| LogCase {
        attributes: vec![Attribute::new(keys::NAME, format!("C-{number}"))],
        events: names.iter().enumerate().map(event).collect(),
    };
    Log { attributes: Vec::new(), cases: cases.iter().enumerate().map(case).collect() }
}

fn time(hour: usize) -> jiff::Timestamp {
    // A test has few hours.
    jiff::Timestamp::from_second(1_763_000_000 + 3_600 * hour as i64).expect("it is within the range")
}

fn compiled(draft: &Draft) -> Package {
    let source = Source { workflow: draft.workflow.clone(), forms: draft.forms.clone(), ..Source::default() };
    Package::compile(&source).unwrap_or_else(|error| panic!("{error}\n{}", draft.workflow))
}

fn replayed(draft: &Draft, log: &Log) -> Replay {
    let package = compiled(draft);
    let trial = trial(&package, &draft.scenarios, &|_| None);
    let told = || format!("{:?}\n{}\n{}", trial.files, draft.scenarios["log.yaml"], draft.workflow);
    assert!(trial.holds(), "{}", told());
    let plan = Plan::read(&draft.simulation, &package, &Descendants::new());
    assert!(plan.is_ok(), "{:?}\n{}", plan.err(), draft.simulation);
    replay(&package, log)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Names are anything, also what YAML, CEL and templates take for something else.
    #[test]
    fn a_draft_is_sound_and_allows_what_happened(
        names in vec("[a-cA-Cء-ت0-9 _{}'\"#:%\\\\\\n\u{1}\u{85}\u{2028}\u{feff}-]{1,8}|same|any_open|open|Begun|Wait", 1..6),
        ways in vec(vec(0usize..6, 1..8), 1..12),
    ) {
        let name = |place: &usize| names[place % names.len()].as_str();
        let log = log(&ways.iter().map(|way| way.iter().map(name).collect()).collect::<Vec<_>>());
        let nameless = log.cases.iter().flat_map(|case| &case.events).filter(|event| event.activity().trim().is_empty());
        let nameless = nameless.count();
        match Draft::of(&log, &names[0]) {
            Err(error) => prop_assert_eq!((error, nameless), (Error::Empty, log.events())),
            Ok(draft) => {
                let replay = replayed(&draft, &log);
                let told = format!("{:?}\n{}", replay.reasons, draft.workflow);
                prop_assert_eq!((replay.accepted, replay.refused), (log.events() - nameless, nameless), "{}", told);
            }
        }
    }
}

#[test]
fn a_draft_says_what_was_seen() {
    let usual = vec!["Ask", "Wait for reply", "Answer", "Close"];
    let mut cases = vec![usual; 150];
    cases.push(vec!["Ask", "Close"]);
    let draft = Draft::of(&log(&cases), "Help desk 2").expect("a draft follows");
    let summary = &draft.summary;
    assert_eq!((summary.package.as_str(), summary.states, summary.transitions), ("help-desk-2", 5, 5));
    assert_eq!(summary.ends, ["after_close"]);
    assert_eq!(summary.rare.len(), 1);
    assert_eq!(
        (summary.rare[0].from.as_str(), summary.rare[0].action.as_str(), summary.rare[0].times),
        ("after_ask", "close", 1)
    );
    let stay = summary.stays.iter().find(|stay| stay.state == "after_ask").expect("it was left often");
    assert_eq!((stay.times, stay.half_seconds, stay.target.to_string()), (151, 3_600, "1 hour".to_owned()));
    assert_eq!(summary.teams.len(), 4, "four people, each with one thing to do");
    let package = compiled(&draft);
    let category = |state: &str| package.definition().states[state].category.as_str();
    let found = ["begun", "after_wait_for_reply", "after_answer", "after_close"].map(category);
    assert_eq!(found, ["open", "waiting", "resolved", "closed"]);
    assert_eq!(package.definition().states["after_ask"].label.ar, "بعد «Ask»");
    assert!(draft.forms["opening"].contains("\"channel\""));
}

/// A package says no where it does not know, does not allow, or is not told enough.
#[test]
fn what_is_refused_is_counted_with_its_reason() {
    let draft = Draft::of(&log(&[vec!["Ask", "Answer", "Close"]]), "small").expect("a draft follows");
    let mut other = log(&[vec!["Ask", "Close", "Answer"], vec!["Ask", "Sing"], vec!["Ask"]]);
    other.cases[2].events.push(LogEvent { attributes: vec![Attribute::new(keys::TIME, time(9))] });
    other.cases[2].events.push(LogEvent { attributes: vec![Attribute::new(keys::NAME, "Answer")] });
    let replay = replay(&compiled(&draft), &other);
    assert_eq!((replay.accepted, replay.refused, replay.whole, replay.closed), (4, 4, 0, 0));
    let mut found: Vec<_> = replay
        .reasons
        .iter()
        .map(|reason| (reason.code.as_str(), reason.example.activity.as_str()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("ACTION", "Close"), ("NO_ACTION", "Sing"), ("NO_NAME", ""), ("NO_TIME", "Answer")]);
    let action = replay.reasons.iter().find(|reason| reason.code == "ACTION").expect("it is there");
    assert_eq!(action.reason, "`close` cannot be done in the state `after_ask`; possible are: answer");
    assert_eq!((action.example.case.as_str(), action.example.event), ("C-0", 2));
}

#[test]
fn what_no_package_can_be_made_of_is_refused() {
    assert_eq!(Draft::of(&Log::default(), "x").map(drop), Err(Error::Empty));
    let many: Vec<String> = (0..301).map(|number| format!("a{number}")).collect();
    let wide = log(&[many.iter().map(String::as_str).collect()]);
    assert!(matches!(Draft::of(&wide, "x"), Err(Error::TooMany { found: 301, most: 300 })));
}

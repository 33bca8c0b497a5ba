//! A real log of a service desk, where it is at hand.

use std::io::{Write, stderr};
use std::path::PathBuf;

use masar_simulator::{Descendants, Plan};
use masar_workflow::{Package, Source, trial};

use crate::{Draft, Log, replay};

/// The log, in the folder that `MASAR_TEST_LOGS` names or in `shared/data` beside the checkout.
fn helpdesk() -> Option<Vec<u8>> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let folder = std::env::var_os("MASAR_TEST_LOGS").map_or_else(beside, PathBuf::from);
    std::fs::read(folder.join("helpdesk.xes.gz")).ok()
}

#[test]
fn a_real_log_becomes_a_sound_package_that_allows_all_of_it() {
    let Some(bytes) = helpdesk() else {
        let told = writeln!(stderr(), "skipped: helpdesk.xes.gz is not there (set MASAR_TEST_LOGS)");
        return told.expect("standard error takes it");
    };
    let log = Log::read(&bytes, None).expect("it is XES");
    assert_eq!((log.cases.len(), log.events()), (4_580, 21_348));
    let draft = Draft::of(&log, "helpdesk").expect("a draft follows");
    let source = Source { workflow: draft.workflow.clone(), forms: draft.forms.clone(), ..Source::default() };
    let package = Package::compile(&source).unwrap_or_else(|error| panic!("{error}\n{}", draft.workflow));
    assert_eq!((draft.summary.states, draft.summary.ends.contains(&"after_closed".to_owned())), (15, true));
    assert!(draft.summary.teams.len() > 1, "{:?}", draft.summary.teams);
    assert!(!draft.summary.rare.is_empty() && draft.workflow.contains("# Rare, and kept"));

    let replay = replay(&package, &log);
    assert_eq!((replay.cases, replay.events), (4_580, 21_348));
    assert_eq!((replay.accepted, replay.refused, replay.reasons), (21_348, 0, Vec::new()));
    assert!(replay.closed > 4_500, "{}", replay.closed);

    let trial = trial(&package, &draft.scenarios, &|_| None);
    assert!(trial.holds(), "{:?}", trial.files);
    let plan = Plan::read(&draft.simulation, &package, &Descendants::new());
    assert!(plan.is_ok(), "{:?}", plan.err());
    assert_eq!(Log::read(log.to_xes().as_bytes(), None), Ok(log), "what is written is read as it was");
}

//! Whatever the bytes: a log is read or refused with a reason. One that was read is written and read again as it was, its
//! draft is sound, and every event of it is accepted or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masar_eventlog::{Draft, Log, replay};
use masar_workflow::{Package, Source};

fuzz_target!(|bytes: &[u8]| {
    let Ok(log) = Log::read(bytes, None) else { return };
    // What XML cannot hold is replaced once, and stays as it is then.
    let written = Log::read(log.to_xes().as_bytes(), None).expect("what is written can be read");
    assert_eq!(Log::read(written.to_xes().as_bytes(), None).as_ref(), Ok(&written));
    let Ok(draft) = Draft::of(&log, "fuzz") else { return };
    let source = Source { workflow: draft.workflow.clone(), forms: draft.forms.clone(), ..Source::default() };
    let package = Package::compile(&source).unwrap_or_else(|error| panic!("{error}\n{}", draft.workflow));
    let replay = replay(&package, &log);
    assert_eq!(replay.accepted + replay.refused, log.events());
});

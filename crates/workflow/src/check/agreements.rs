//! Agreements: a task says all that one needs, and clocks name as their parties what somebody says of a case (SVC-05).

use crate::definition::Between;
use crate::finding::Found;
use crate::{Code, Definition, Task};

/// The parts that an agreement cannot be without, and the others.
const NEEDED: [&str; 4] = ["kind", "provider", "consumer", "targets"];
const OTHERS: [&str; 5] = ["subjects", "calendar", "from", "until", "open_clocks"];

pub(super) fn check(definition: &Definition, found: &Found) {
    tasks(definition, found);
    parties(definition, found);
}

/// An agreement comes into force by a transition, with all its parts.
fn tasks(definition: &Definition, found: &Found) {
    for (number, task) in definition.opening_effects.iter().enumerate() {
        if matches!(task, Task::Agree { .. } | Task::EndAgreement) {
            let message =
                "an agreement comes into force, and ends, by a transition: the opening is none".to_owned();
            found.add(Code::Agreement, &format!("opening_effects/{number}"), message);
        }
    }
    for way in &definition.transitions {
        for (number, task) in way.effects.iter().enumerate() {
            let Task::Agree { with } = task else { continue };
            let path = format!("transitions/{}/effects/{number}/agree/with", way.sentence);
            for part in NEEDED.iter().filter(|part| !with.contains_key(**part)) {
                let message = format!("the agreement of `{}` does not say `{part}`", way.action);
                found.add(Code::Agreement, &path, message);
            }
            let unknown = |part: &&String| !NEEDED.iter().chain(&OTHERS).any(|known| *known == part.as_str());
            for part in with.keys().filter(unknown) {
                let known = [NEEDED.as_slice(), &OTHERS].concat().join(", ");
                let message =
                    format!("the agreement of `{}` says `{part}`, which is none of {known}", way.action);
                found.add(Code::Agreement, &format!("{path}/{part}"), message);
            }
        }
    }
}

/// What names the parties of a clock is a fact.
fn parties(definition: &Definition, found: &Found) {
    let said = |fact: &String| {
        definition.facts.contains_key(fact)
            || definition.transitions.iter().any(|way| way.sets.contains_key(fact))
    };
    for (code, clock) in &definition.clocks {
        let Some(Between { provider, consumer }) = &clock.between else { continue };
        for (party, fact) in [("provider", provider), ("consumer", consumer)] {
            if !said(fact) {
                let message =
                    format!("the {party} of the clock `{code}` is the fact `{fact}`, which nothing says");
                found.add(Code::Agreement, &format!("clocks/{code}/between/{party}"), message);
            }
        }
    }
}

//! Ladders: each belongs to a clock, tells somebody for every promise of it, and ends at somebody of the entity.

use std::collections::BTreeSet;

use masar_domain::Importance;

use crate::definition::ADD_TO_QUEUE;
use crate::finding::Found;
use crate::ladder::ACT;
use crate::{Again, CUSTOMER, Code, Definition, Ladder, Level, SYSTEM, Transition};

pub(super) fn check(definition: &Definition, found: &Found) {
    for (clock, ladder) in &definition.ladders {
        let path = format!("ladders/{clock}");
        if !definition.clocks.contains_key(clock) {
            let message = format!("there is a ladder for the clock `{clock}`, which does not exist");
            found.add(Code::UnknownClock, &path, message);
        }
        if [CUSTOMER, "partner", SYSTEM].contains(&ladder.safety_net.0.as_str()) {
            let message = format!(
                "the safety net of the ladder of `{clock}` is `{}`: name a role of the entity",
                ladder.safety_net
            );
            found.add(Code::SafetyNet, &format!("{path}/safety_net"), message);
        }
        if ladder.levels.is_empty() {
            let message = format!("the ladder of `{clock}` has no levels");
            found.add(Code::LadderWithoutEnd, &path, message);
        } else {
            promises(definition, clock, ladder, found);
        }
        levels(definition, clock, ladder, found);
    }
}

/// Whatever the importance, a clock with a target has a level that fires.
fn promises(definition: &Definition, clock: &str, ladder: &Ladder, found: &Found) {
    let Some(rule) = definition.clocks.get(clock) else { return };
    for importance in Importance::ALL {
        let word = importance.as_str();
        let promised =
            rule.target_by.is_some() || rule.target.contains_key("all") || rule.target.contains_key(word);
        let fires =
            |at: &std::collections::BTreeMap<String, _>| at.contains_key("all") || at.contains_key(word);
        if promised && !ladder.levels.iter().any(|level| fires(&level.at)) {
            let message = format!("the ladder of `{clock}` has no level for the importance `{word}`");
            found.add(Code::LadderWithoutEnd, &format!("ladders/{clock}"), message);
        }
    }
}

fn levels(definition: &Definition, clock: &str, ladder: &Ladder, found: &Found) {
    let mut codes = BTreeSet::new();
    for (number, level) in ladder.levels.iter().enumerate() {
        let path = format!("ladders/{clock}/levels/{number}");
        let place = format!("level {} of the ladder of `{clock}`", level.level);
        if level.to.is_empty() || level.at.is_empty() {
            found.add(Code::Level, &path, format!("{place} needs `at` and `to`"));
        }
        let customer = level.to.iter().any(|word| word == CUSTOMER);
        if customer && (level.to.len() > 1 || level.template.is_none()) {
            let message = format!("{place} tells the customer: nobody else, and in a `template` of its own");
            found.add(Code::Reminder, &path, message);
        }
        if !codes.insert(&level.level) {
            let message = format!("the ladder of `{clock}` has the level {} twice", level.level);
            found.add(Code::LevelTwice, &format!("{path}/level"), message);
        }
        again(level, &path, &place, found);
        does(definition, level, &path, &place, found);
    }
}

/// What is told again comes at a time that can be said: so long after the breach.
fn again(level: &Level, path: &str, place: &str, found: &Found) {
    let Some(again) = level.again else { return };
    let path = format!("{path}/again");
    if !(1..=Again::MOST).contains(&again.times) || again.every.amount == 0 {
        let message = format!("{place} is told again {} times: use 1 to {}", again.times, Again::MOST);
        found.add(Code::LevelAgain, &path, message);
    }
    if level.to.iter().any(|word| word == CUSTOMER) {
        let message = format!("{place} tells the customer, who need not take notice: it is told once");
        found.add(Code::LevelAgain, &path, message);
    }
    for first in level.at.values().filter(|first| again.marks(**first).is_none()) {
        let message = format!(
            "{place} is told again every {} and fires at `{first}`: only what fires at a breach, or so long after it in the same unit, is told again",
            again.every
        );
        found.add(Code::LevelAgain, &path, message);
    }
}

/// A level does what is known, and the system what is its to do.
fn does(definition: &Definition, level: &Level, path: &str, place: &str, found: &Found) {
    let path = format!("{path}/do");
    for action in &level.actions {
        if let Some(act) = action.strip_prefix(ACT) {
            let mut ways = definition.transitions.iter().filter(|way| way.action == act).peekable();
            if ways.peek().is_none() {
                let message = format!("{place} names the action `{act}`, which does not exist");
                found.add(Code::UnknownAction, &path, message);
            } else if !ways.any(Transition::is_the_systems_to_do) {
                let message = format!(
                    "{place} has the system do `{act}`, which names no role `system`, or asks for a form or a reason"
                );
                found.add(Code::SystemAction, &path, message);
            }
        } else if action != "require_reason" && !action.starts_with(ADD_TO_QUEUE) {
            let message =
                format!("{place} does `{action}`: use require_reason, add_to_queue:QUEUE or act:ACTION");
            found.add(Code::LevelAction, &path, message);
        }
    }
}

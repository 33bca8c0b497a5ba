//! Ladders: each belongs to a clock, tells somebody for every promise of it, and ends at somebody of the entity.

use std::collections::BTreeSet;

use masar_domain::Importance;

use crate::definition::ADD_TO_QUEUE;
use crate::finding::Found;
use crate::{CUSTOMER, Code, Definition, Ladder, SYSTEM};

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
        levels(clock, ladder, found);
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

fn levels(clock: &str, ladder: &Ladder, found: &Found) {
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
        let known = |action: &&String| *action == "require_reason" || action.starts_with(ADD_TO_QUEUE);
        for action in level.actions.iter().filter(|action| !known(action)) {
            let message = format!("{place} does `{action}`: use require_reason or add_to_queue:QUEUE");
            found.add(Code::LevelAction, &format!("{path}/do"), message);
        }
    }
}

//! The ways of an overlay: none is a way around, and every end is still reached through all stages that are mandatory for it.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::BiText;

use super::apply::Laying;
use crate::check::stages::{ends_through, ways_around};
use crate::definition::SAME;
use crate::{Code, Definition, Transition};

/// Where a case may go from a state of the overlay, among the states of the package.
type Exits = BTreeMap<String, BTreeSet<String>>;

/// What is said of a mandatory stage.
pub(super) fn mandatory(state: &str, stage: &BiText, problem: &str) -> String {
    format!("the stage `{state}` {problem}: it is mandatory ({})", stage.en)
}

pub(super) fn check(laying: &Laying<'_>) {
    let (below, own) = (laying.below.definition(), &laying.overlay.states);
    let exits = exits(laying);
    for (number, way) in laying.overlay.transitions.iter().enumerate() {
        let path = format!("transitions/{number}");
        if way.to == SAME || own.contains_key(&way.to) {
            continue;
        }
        for from in laying.definition.named_by(&way.from) {
            let allowed = exits.get(&from);
            if own.contains_key(&from) && allowed.is_some_and(|allowed| allowed.contains(&way.to)) {
                continue;
            }
            let message = match allowed {
                None => format!(
                    "`{}` leads from `{from}` to `{}` past the package: lead into a state of the overlay, or let a sentence of the package go `through` one",
                    way.action, way.to
                ),
                Some(allowed) => {
                    let allowed = allowed.iter().map(String::as_str).collect::<Vec<_>>().join("`, `");
                    format!(
                        "`{}` leads from `{from}` to `{}`: from there a case goes on to `{allowed}`, where it came from or was on its way to",
                        way.action, way.to
                    )
                }
            };
            laying.refuse(Code::OverlayWay, &path, message);
        }
    }
    let mut whole = laying.definition.clone();
    whole.spell_out();
    for (state, stage) in &below.mandatory_states {
        let kept = ends_through(&whole, state);
        for end in ends_through(below, state).iter().filter(|end| !kept.contains(*end)) {
            stage_is_passed_by(laying, &whole, (state, stage), end);
        }
    }
}

/// Names the sentences of the overlay that lead past a stage.
fn stage_is_passed_by(laying: &Laying<'_>, whole: &Definition, (state, stage): (&str, &BiText), end: &str) {
    let around = ways_around(whole, state, end);
    for way in around.iter().filter(|way| laying.own.contains(&way.sentence)) {
        let message = mandatory(state, stage, &format!("is passed by on the way to `{end}`"));
        laying.refuse(
            Code::MandatoryStage,
            &format!("transitions/{}", way.sentence - laying.own.start),
            message,
        );
    }
}

/// From a state into which a sentence of the package leads: to where that led, or back. From one into which the overlay's own
/// sentences lead: back. What can be entered in several ways is left only by what all of them allow.
fn exits(laying: &Laying<'_>) -> Exits {
    let (below, own) = (laying.below.definition(), &laying.overlay.states);
    let mut exits = Exits::new();
    for asked in &laying.overlay.tighten {
        let Some(through) = &asked.through else { continue };
        let stays = |way: &&Transition| way.from.len() == 1 && way.from.contains(&way.to);
        let known = |way: &&Transition| {
            way.action == asked.action && (asked.from.is_empty() || !asked.from.is_disjoint(&way.from))
        };
        for way in below.transitions.iter().filter(known).filter(|way| !stays(way)) {
            let from = way.from.iter().filter(|from| asked.from.is_empty() || asked.from.contains(*from));
            allow(&mut exits, through, from.chain([&way.to]).cloned().collect());
        }
    }
    // What leads on from one state of the overlay to another takes along what is allowed; that can only become less.
    for _ in 0..=own.len() {
        for way in laying.overlay.transitions.iter().filter(|way| own.contains_key(&way.to)) {
            for from in laying.definition.named_by(&way.from) {
                match (own.contains_key(&from), exits.get(&from).cloned()) {
                    (true, Some(allowed)) if from != way.to => allow(&mut exits, &way.to, allowed),
                    (true, _) => {}
                    (false, _) => allow(&mut exits, &way.to, [from].into()),
                }
            }
        }
    }
    exits
}

fn allow(exits: &mut Exits, state: &str, allowed: BTreeSet<String>) {
    exits
        .entry(state.to_owned())
        .and_modify(|there| there.retain(|exit| allowed.contains(exit)))
        .or_insert(allowed);
}

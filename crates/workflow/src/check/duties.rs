//! Who does what: no sentence stands where it never comes to be, and none is a way around a separation of duties.

use crate::finding::Found;
use crate::{Code, Definition, Transition};

use super::sentence;

/// Every two sentences that somebody could choose between in the same state.
pub(super) fn check(definition: &Definition, found: &Found) {
    for (number, first) in definition.transitions.iter().enumerate() {
        for second in &definition.transitions[number + 1..] {
            if first.from.is_disjoint(&second.from) || first.roles.is_disjoint(&second.roles) {
                continue;
            }
            if first.action == second.action && hides(first, second) {
                let (path, place) = sentence(second);
                let roles: Vec<_> =
                    first.roles.intersection(&second.roles).map(|role| role.0.as_str()).collect();
                let message = format!(
                    "{place} is never done by `{}`: another sentence of this action comes first and has no other guard",
                    roles.join("`, `")
                );
                found.add(Code::Overlap, &path, message);
            }
            around(first, second, found);
            around(second, first, found);
        }
    }
}

/// True when somebody who could do the second always does the first.
fn hides(first: &Transition, second: &Transition) -> bool {
    let guard = first.guard.is_none() || first.guard == second.guard;
    let within = first.within.is_none() || first.within == second.within;
    let quotas = first.quotas.is_none() || first.quotas == second.quotas;
    guard && within && quotas && first.not_by.is_subset(&second.not_by)
}

/// A way that is open to those whom the other keeps out, and does the same.
fn around(separated: &Transition, way: &Transition, found: &Found) {
    let stays = separated.from.contains(&separated.to);
    let same = separated.action == way.action || (!stays && separated.to == way.to);
    if !same || separated.to != way.to || separated.not_by.is_subset(&way.not_by) {
        return;
    }
    let (path, place) = sentence(way);
    let kept: Vec<_> = separated.not_by.difference(&way.not_by).map(String::as_str).collect();
    let message = format!(
        "{place} leads to `{}` as `{}` does, and is open to who did `{}`: give it the same `not_by`, or other roles",
        way.to,
        separated.action,
        kept.join("`, `")
    );
    found.add(Code::SeparationOfDuties, &path, message);
}

//! Who does what: activities that the same people do go to one role.

use std::collections::BTreeMap;

use super::observed::{Activity, Observed};

/// The roles that are suggested, for the team that does most first. What is left over goes to the first.
const ROLES: [&str; 6] =
    ["case_handler", "triage_officer", "department_manager", "service_owner", "qc_reviewer", "analyst"];
/// From this likeness on, people who do two things are one team: the cosine of the angle between who did them how often.
const ALIKE: f64 = 0.5;

/// The role of each activity, in their order.
pub(super) fn roles(observed: &Observed<'_>) -> Vec<String> {
    let activities = &observed.activities;
    let mut team: Vec<usize> = (0..activities.len()).collect();
    for (one, first) in activities.iter().enumerate() {
        for (other, second) in activities.iter().enumerate().skip(one + 1) {
            let (mine, theirs) = (team[one], team[other]);
            if mine != theirs && likeness(first, second) >= ALIKE {
                team.iter_mut().filter(|team| **team == theirs).for_each(|team| *team = mine);
            }
        }
    }
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for (team, activity) in team.iter().zip(activities) {
        *sizes.entry(*team).or_default() += activity.events;
    }
    let mut largest: Vec<(usize, usize)> = sizes.into_iter().collect();
    largest.sort_by_key(|(team, events)| (std::cmp::Reverse(*events), *team));
    let suggested: BTreeMap<usize, &str> = largest
        .iter()
        .map(|(team, _)| *team)
        .zip(ROLES.into_iter().chain(std::iter::repeat(ROLES[0])))
        .collect();
    let role =
        |(team, activity): (&usize, &Activity<'_>)| said(activity).unwrap_or(suggested[team]).to_owned();
    team.iter().zip(activities).map(role).collect()
}

/// The role that the log itself names for most of what was done.
fn said<'a>(activity: &Activity<'a>) -> Option<&'a str> {
    let (role, times) = activity.roles.iter().max_by_key(|(_, times)| **times)?;
    (times * 2 > activity.events).then_some(*role)
}

fn likeness(one: &Activity<'_>, other: &Activity<'_>) -> f64 {
    if one.people.is_empty() && other.people.is_empty() {
        return 1.0;
    }
    // Counts of events are far below what a double keeps exactly.
    let length =
        |people: &BTreeMap<&str, usize>| people.values().map(|n| (*n as f64).powi(2)).sum::<f64>().sqrt();
    let both = one.people.iter().map(|(who, n)| *n as f64 * other.people.get(who).map_or(0.0, |m| *m as f64));
    let lengths = length(&one.people) * length(&other.people);
    if lengths > 0.0 { both.sum::<f64>() / lengths } else { 0.0 }
}

//! What a log shows: what was done, by whom, what followed it, and how long that took.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use masar_domain::Role;

use crate::{Log, Step};

/// What a log shows. Activities go by their place in the order in which the log first names them.
pub(super) struct Observed<'a> {
    pub(super) activities: Vec<Activity<'a>>,
    /// How often an activity followed another; `None` stands for the beginning of a case.
    pub(super) ways: BTreeMap<(Option<usize>, usize), usize>,
    /// The seconds from each activity to the next, added up by the two.
    pub(super) gaps: BTreeMap<(usize, usize), i64>,
    /// The ways that cases went, with how many went so and the place of the first.
    pub(super) variants: BTreeMap<Vec<usize>, (usize, usize)>,
    /// The last activity of each case, and how many seconds after the first it was.
    pub(super) lives: Vec<(usize, i64)>,
    pub(super) steps: usize,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// What was done under one name.
pub(super) struct Activity<'a> {
    pub(super) name: &'a str,
    pub(super) events: usize,
    /// How many cases ended with it.
    pub(super) last: usize,
    /// Who did it how often.
    pub(super) people: BTreeMap<&'a str, usize>,
    /// The roles that the log itself names.
    pub(super) roles: BTreeMap<&'a str, usize>,
    /// Seconds until something else was done.
    pub(super) stays: Vec<i64>,
}

impl<'a> Observed<'a> {
    pub(super) fn of(log: &'a Log) -> Self {
        let mut observed = Self {
            activities: Vec::new(),
            ways: BTreeMap::new(),
            gaps: BTreeMap::new(),
            variants: BTreeMap::new(),
            lives: Vec::new(),
            steps: 0,
            first: Timestamp::MAX,
            last: Timestamp::MIN,
        };
        let mut places = BTreeMap::new();
        for (number, case) in log.cases.iter().enumerate() {
            let steps = case.steps();
            let way: Vec<usize> = steps.iter().map(|step| observed.see(&mut places, step)).collect();
            let (Some(first), Some(last)) = (steps.first(), steps.last()) else { continue };
            observed.follow(&way, &steps);
            observed.lives.push((way[way.len() - 1], seconds(first.at, last.at)));
            (observed.first, observed.last) = (observed.first.min(first.at), observed.last.max(last.at));
            observed.variants.entry(way).or_insert((0, number)).0 += 1;
        }
        observed.activities.iter_mut().for_each(|activity| activity.stays.sort_unstable());
        observed
    }

    fn see(&mut self, places: &mut BTreeMap<&'a str, usize>, step: &Step<'a>) -> usize {
        let place = *places.entry(step.activity).or_insert(self.activities.len());
        if place == self.activities.len() {
            self.activities.push(Activity {
                name: step.activity,
                events: 0,
                last: 0,
                people: BTreeMap::new(),
                roles: BTreeMap::new(),
                stays: Vec::new(),
            });
        }
        self.steps += 1;
        let activity = &mut self.activities[place];
        activity.events += 1;
        if !step.event.resource().is_empty() {
            *activity.people.entry(step.event.resource()).or_default() += 1;
        }
        if Role(step.event.role().to_owned()).is_known() {
            *activity.roles.entry(step.event.role()).or_default() += 1;
        }
        place
    }

    /// What followed what, and how long something lasted until another thing was done.
    fn follow(&mut self, way: &[usize], steps: &[Step<'_>]) {
        let mut before = None;
        let (mut since, mut last) = (steps[0].at, steps[0].at);
        for (place, step) in way.iter().zip(steps) {
            *self.ways.entry((before, *place)).or_default() += 1;
            if let Some(before) = before {
                *self.gaps.entry((before, *place)).or_default() += seconds(last, step.at);
            }
            last = step.at;
            if before != Some(*place) {
                if let Some(before) = before {
                    self.activities[before].stays.push(seconds(since, step.at));
                }
                since = step.at;
            }
            before = Some(*place);
        }
        self.activities[way[way.len() - 1]].last += 1;
    }

    /// The activities after which a case is over: those that mostly come last and, where none of them can follow, those
    /// with which cases did end.
    pub(super) fn ends(&self) -> BTreeSet<usize> {
        let places = 0..self.activities.len();
        let mostly_last = |place: &usize| self.activities[*place].last * 2 >= self.activities[*place].events;
        let mut ends: BTreeSet<usize> = places.clone().filter(mostly_last).collect();
        let lost: Vec<usize> = self.without(&ends, places);
        ends.extend(lost.into_iter().filter(|place| self.activities[*place].last > 0));
        ends
    }

    /// The activities from which none of the ends follows.
    fn without(&self, ends: &BTreeSet<usize>, places: std::ops::Range<usize>) -> Vec<usize> {
        let mut ending = ends.clone();
        loop {
            let more: Vec<usize> = (self.ways.keys())
                .filter_map(|(from, to)| from.filter(|from| ending.contains(to) && !ending.contains(from)))
                .collect();
            if more.is_empty() {
                return places.filter(|place| !ending.contains(place)).collect();
            }
            ending.extend(more);
        }
    }

    /// How often something followed an activity, or began a case.
    pub(super) fn left(&self, from: Option<usize>) -> usize {
        self.ways.iter().filter(|((before, _), _)| *before == from).map(|(_, times)| times).sum()
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second() - from.as_second()
}

/// The value below which a share of sorted values lies, in percent: the nearest rank.
pub(super) fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

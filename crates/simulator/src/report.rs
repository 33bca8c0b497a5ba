//! What all replications show together: means, and how far chance may have moved them.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::BiText;
use masar_workflow::Package;
use serde::Serialize;

use crate::tally::{Stage, Tally};
use crate::{Descendants, Sample};

/// Student's t for 95% by degrees of freedom from 1; beyond, the normal distribution is near enough.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const NORMAL: f64 = 1.960;
/// From this share of their time on, the people of a queue cannot keep up with it.
const OVERLOADED: f64 = 95.0;

/// A mean over replications, with the half of its 95% confidence interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The true mean lies within so much of it, in 95 of a hundred such estimates.
    pub plus_minus: f64,
}

/// What was predicted.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How the cases that arrived fare.
    #[serde(flatten)]
    pub own: PackageReport,
    /// Replications.
    pub replications: usize,
    /// The queues.
    pub desks: Vec<DeskReport>,
    /// How children fare, and children's children, by the names of their packages; those of which none was opened left out.
    pub children: Vec<ChildReport>,
    /// Why children were not opened.
    pub unopened: Vec<UnopenedReport>,
    /// Everything that happened in all replications.
    pub steps: u64,
}

/// How cases of a package fare.
#[derive(Debug, Clone, Serialize)]
pub struct PackageReport {
    /// Name of the package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Cases that were counted, in all replications.
    pub cases: usize,
    /// Of a hundred cases those that were over in the end.
    pub closed_percent: Estimate,
    /// Hours on the wall from the first moment of a case to its end, on average.
    pub hours: Estimate,
    /// Half of the cases took no longer.
    pub median_hours: Estimate,
    /// Nine of ten cases took no longer.
    pub most_hours: Estimate,
    /// The promises, those that are broken most often first.
    pub clocks: Vec<ClockReport>,
    /// The states, the one in which most time goes first.
    pub stages: Vec<StageReport>,
    /// Why cases went no further.
    pub stuck: Vec<StuckReport>,
    /// What the plan has and the package did not allow: something else was chosen.
    pub refused: Vec<StuckReport>,
}

/// How children of a package fare.
#[derive(Debug, Clone, Serialize)]
pub struct ChildReport {
    /// How many were opened for a hundred cases that arrived.
    pub in_a_hundred: Estimate,
    /// How they fare, by the replications in which some were opened.
    #[serde(flatten)]
    pub fared: PackageReport,
}

/// Why children were not opened although they were asked for.
#[derive(Debug, Clone, Serialize)]
pub struct UnopenedReport {
    /// The package of the children.
    pub package: String,
    /// Why.
    pub reason: String,
    /// How many for a hundred cases that arrived.
    pub in_a_hundred: Estimate,
}

/// How often a promise is broken.
#[derive(Debug, Clone, Serialize)]
pub struct ClockReport {
    /// Code of the clock.
    pub clock: String,
    /// What people call it.
    pub label: BiText,
    /// Runs of it in a hundred cases.
    pub runs: Estimate,
    /// Of a hundred runs those that were broken.
    pub broken_percent: Estimate,
}

/// Where the time of cases goes.
#[derive(Debug, Clone, Serialize)]
pub struct StageReport {
    /// Code of the state.
    pub state: String,
    /// What people call it.
    pub label: BiText,
    /// How often a case comes there.
    pub visits: Estimate,
    /// Hours on the wall that a case spends there, over all visits.
    pub hours: Estimate,
    /// Its share of the time of all cases.
    pub percent: Estimate,
    /// Of that time in a queue.
    pub queued_percent: f64,
    /// Of that time while somebody works on it, the nights within included.
    pub worked_percent: f64,
    /// Of that time until somebody outside, or a clock, acts.
    pub outside_percent: f64,
}

/// How a queue fares.
#[derive(Debug, Clone, Serialize)]
pub struct DeskReport {
    /// Code of the queue.
    pub queue: String,
    /// How many people work there.
    pub people: usize,
    /// Cases that wait, on average over its open hours.
    pub length: Estimate,
    /// The most cases that waited at once.
    pub longest: Estimate,
    /// Open hours until a case is taken up.
    pub wait_hours: Estimate,
    /// Of a hundred hours of its people those in which they work on cases.
    pub busy_percent: Estimate,
    /// True when more comes than can be done: figures then grow with the number of cases played.
    pub overloaded: bool,
}

/// Something that went no further.
#[derive(Debug, Clone, Serialize)]
pub struct StuckReport {
    /// Code of the state.
    pub state: String,
    /// The action, where one was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Why.
    pub reason: String,
    /// How often in a hundred cases.
    pub in_a_hundred: Estimate,
}

impl Estimate {
    /// From one value of each replication.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let n = values.len() as f64;
        if values.is_empty() {
            return Self::default();
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let t = STUDENT.get(values.len().wrapping_sub(2)).copied().unwrap_or(NORMAL);
        let plus_minus = if values.len() > 1 { t * (squares / (n - 1.0) / n).sqrt() } else { 0.0 };
        Self { mean, plus_minus }
    }
}

impl Report {
    /// Adds up the replications of a simulation of these packages.
    #[must_use]
    pub fn of(package: &Package, descendants: &Descendants, samples: &[Sample]) -> Self {
        let children = descendants.values().enumerate().filter_map(|(place, child)| {
            let tallies = tallies(samples, place + 1);
            // A replication in which none was opened says nothing about how they fare.
            let seen: Vec<&Tally> = tallies.iter().copied().filter(|tally| tally.cases > 0).collect();
            let fared = PackageReport::of(child, &seen);
            let opened = samples
                .iter()
                .zip(&tallies)
                .map(|(sample, tally)| percent(tally.cases as f64, arrived(sample)));
            (fared.cases > 0).then(|| ChildReport { in_a_hundred: Estimate::of(opened), fared })
        });
        Self {
            own: PackageReport::of(package, &tallies(samples, 0)),
            replications: samples.len(),
            desks: desks(samples),
            children: children.collect(),
            unopened: unopened(samples),
            steps: samples.iter().map(|sample| sample.steps).sum(),
        }
    }
}

/// What was seen of the cases of one package, in each replication.
fn tallies(samples: &[Sample], kind: usize) -> Vec<&Tally> {
    samples.iter().filter_map(|sample| sample.tallies.get(kind)).collect()
}

/// How many cases arrived and were counted.
fn arrived(sample: &Sample) -> f64 {
    sample.tallies.first().map_or(0, |tally| tally.cases) as f64
}

impl PackageReport {
    fn of(package: &Package, samples: &[&Tally]) -> Self {
        let all = |figure: fn(&Tally) -> f64| Estimate::of(samples.iter().map(|tally| figure(tally)));
        let definition = package.definition();
        Self {
            package: definition.package.clone(),
            version: definition.version.clone(),
            cases: samples.iter().map(|sample| sample.cases).sum(),
            closed_percent: all(|sample| percent(sample.closed as f64, sample.cases as f64)),
            hours: all(|sample| sample.hours.iter().sum::<f64>() / (sample.hours.len().max(1)) as f64),
            median_hours: all(|sample| rank(&sample.hours, 50)),
            most_hours: all(|sample| rank(&sample.hours, 90)),
            clocks: clocks(package, samples),
            stages: stages(package, samples),
            stuck: counted(
                samples,
                |sample| &sample.stuck,
                |(state, reason)| (state.clone(), None, reason.clone()),
            ),
            refused: counted(
                samples,
                |sample| &sample.refused,
                |(state, action, reason)| (state.clone(), Some(action.clone()), reason.clone()),
            ),
        }
    }
}

fn clocks(package: &Package, samples: &[&Tally]) -> Vec<ClockReport> {
    let codes: BTreeSet<&String> = samples.iter().flat_map(|sample| sample.clocks.keys()).collect();
    let clock = |code: &String| {
        let kept = |sample: &Tally| sample.clocks.get(code).copied().unwrap_or_default();
        let share = |sample: &Tally| percent(kept(sample).broken as f64, kept(sample).ended as f64);
        ClockReport {
            clock: code.clone(),
            label: package.definition().clocks.get(code).map(|rule| rule.label.clone()).unwrap_or_default(),
            runs: Estimate::of(samples.iter().map(|one| percent(kept(one).ended as f64, one.cases as f64))),
            broken_percent: Estimate::of(samples.iter().copied().map(share)),
        }
    };
    let mut clocks: Vec<ClockReport> = codes.into_iter().map(clock).collect();
    clocks.sort_by(|one, other| other.broken_percent.mean.total_cmp(&one.broken_percent.mean));
    clocks
}

fn stages(package: &Package, samples: &[&Tally]) -> Vec<StageReport> {
    let codes: BTreeSet<&String> = samples.iter().flat_map(|sample| sample.stages.keys()).collect();
    let whole = |sample: &Tally| sample.stages.values().map(Stage::total).sum::<f64>();
    let stage = |code: &String| {
        let of = |sample: &Tally| sample.stages.get(code).copied().unwrap_or_default();
        let per_case = |figure: fn(&Stage) -> f64| {
            Estimate::of(samples.iter().map(move |sample| figure(&of(sample)) / (sample.cases.max(1)) as f64))
        };
        let total: f64 = samples.iter().map(|sample| of(sample).total()).sum();
        let part = |figure: fn(&Stage) -> f64| {
            percent(samples.iter().map(|sample| figure(&of(sample))).sum::<f64>(), total)
        };
        StageReport {
            state: code.clone(),
            label: package.definition().states.get(code).map(|state| state.label.clone()).unwrap_or_default(),
            visits: per_case(|stage| stage.visits as f64),
            hours: per_case(|stage| stage.total() / 3_600.0),
            percent: Estimate::of(samples.iter().map(|sample| percent(of(sample).total(), whole(sample)))),
            queued_percent: part(|stage| stage.queued),
            worked_percent: part(|stage| stage.worked),
            outside_percent: part(|stage| stage.outside),
        }
    };
    let mut stages: Vec<StageReport> = codes.into_iter().map(stage).collect();
    stages.sort_by(|one, other| other.hours.mean.total_cmp(&one.hours.mean));
    stages
}

fn desks(samples: &[Sample]) -> Vec<DeskReport> {
    let queues: BTreeMap<&String, usize> = samples
        .iter()
        .flat_map(|sample| &sample.desks)
        .map(|(queue, (_, people))| (queue, *people))
        .collect();
    let desk = |(queue, people): (&String, usize)| {
        let of = |sample: &Sample| sample.desks.get(queue).map(|(figures, _)| *figures).unwrap_or_default();
        let all = |figure: &dyn Fn(&Sample) -> f64| Estimate::of(samples.iter().map(figure));
        let busy = all(&|sample| percent(of(sample).worked, of(sample).open * people as f64));
        DeskReport {
            queue: queue.clone(),
            people,
            length: all(&|sample| ratio(of(sample).waited, of(sample).open)),
            longest: all(&|sample| of(sample).longest as f64),
            wait_hours: all(&|sample| ratio(of(sample).waited, of(sample).taken as f64) / 3_600.0),
            busy_percent: busy,
            overloaded: busy.mean > OVERLOADED,
        }
    };
    queues.into_iter().map(desk).collect()
}

/// What was counted under a key, as how often in a hundred cases; the most frequent first.
fn counted<K: Ord>(
    samples: &[&Tally],
    of: impl Fn(&Tally) -> &BTreeMap<K, usize>,
    said: impl Fn(&K) -> (String, Option<String>, String),
) -> Vec<StuckReport> {
    let keys: BTreeSet<&K> = samples.iter().flat_map(|sample| of(sample).keys()).collect();
    let line = |key: &K| {
        let (state, action, reason) = said(key);
        let times = |sample: &Tally| of(sample).get(key).copied().unwrap_or_default() as f64;
        let in_a_hundred =
            Estimate::of(samples.iter().map(|sample| percent(times(sample), sample.cases as f64)));
        StuckReport { state, action, reason, in_a_hundred }
    };
    let mut lines: Vec<StuckReport> = keys.into_iter().map(line).collect();
    lines.sort_by(|one, other| other.in_a_hundred.mean.total_cmp(&one.in_a_hundred.mean));
    lines
}

fn unopened(samples: &[Sample]) -> Vec<UnopenedReport> {
    let keys: BTreeSet<&(String, String)> =
        samples.iter().flat_map(|sample| sample.unopened.keys()).collect();
    let line = |key: &(String, String)| {
        let times = |sample: &Sample| sample.unopened.get(key).copied().unwrap_or_default() as f64;
        let in_a_hundred = Estimate::of(samples.iter().map(|one| percent(times(one), arrived(one))));
        UnopenedReport { package: key.0.clone(), reason: key.1.clone(), in_a_hundred }
    };
    keys.into_iter().map(line).collect()
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn percent(part: f64, whole: f64) -> f64 {
    100.0 * ratio(part, whole)
}

/// The value below which a share of sorted values lies: the nearest rank.
fn rank(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

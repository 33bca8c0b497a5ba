//! What was seen in one replication.

use std::collections::BTreeMap;

use masar_workflow::{ClockKind, ClockOperation};

use crate::clocks::Ended;
use crate::desk::Figures;

/// What was seen in one replication.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// What was seen of the cases of each package: first of those that arrived, then of children, by the names of their packages.
    pub(crate) tallies: Vec<Tally>,
    /// By queue: what was seen of it, and how many people worked there.
    pub(crate) desks: BTreeMap<String, (Figures, usize)>,
    /// Children that were asked for and not opened, by package and reason.
    pub(crate) unopened: BTreeMap<(String, String), usize>,
    /// Everything that happened: what the playing itself costs is proportional to it.
    pub steps: u64,
    /// Things that had to be decided because no case had been the same before.
    pub decided: usize,
}

/// What was seen of cases of one package.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Cases that were counted.
    pub(crate) cases: usize,
    /// Those that were over at the end.
    pub(crate) closed: usize,
    /// Hours from the first moment of each to its end, sorted.
    pub(crate) hours: Vec<f64>,
    /// By clock: how often it ran to an end, and how often it was broken.
    pub(crate) clocks: BTreeMap<String, Kept>,
    /// By state.
    pub(crate) stages: BTreeMap<String, Stage>,
    /// Why cases went no further, by state and reason.
    pub(crate) stuck: BTreeMap<(String, String), usize>,
    /// What the package did not allow although the plan has it, by state, action and reason.
    pub(crate) refused: BTreeMap<(String, String, String), usize>,
}

impl Tally {
    /// Counts runs that have ended; a window promises nothing, and what no longer matters was neither kept nor broken.
    pub(crate) fn count(&mut self, ended: Vec<Ended>) {
        for Ended { start, broken_at } in ended {
            if !matches!(start.effect.operation, ClockOperation::Start { kind: ClockKind::Window, .. }) {
                let kept = self.clocks.entry(start.effect.clock.clone()).or_default();
                kept.ended += 1;
                kept.broken += usize::from(broken_at.is_some());
            }
        }
    }

    /// A case went no further.
    pub(crate) fn stuck(&mut self, state: &str, reason: &str) {
        *self.stuck.entry((state.to_owned(), reason.to_owned())).or_default() += 1;
    }

    /// Notes what is seen of a state.
    pub(crate) fn stage(&mut self, state: &str, note: impl FnOnce(&mut Stage)) {
        match self.stages.get_mut(state) {
            Some(stage) => note(stage),
            None => note(self.stages.entry(state.to_owned()).or_default()),
        }
    }
}

/// How often a promise was kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) ended: usize,
    pub(crate) broken: usize,
}

/// The time that cases spent in a state, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Stage {
    pub(crate) visits: usize,
    /// In a queue.
    pub(crate) queued: f64,
    /// While somebody worked on them, nights included.
    pub(crate) worked: f64,
    /// While somebody outside had to act, or only a clock.
    pub(crate) outside: f64,
}

impl Stage {
    pub(crate) fn total(&self) -> f64 {
        self.queued + self.worked + self.outside
    }
}

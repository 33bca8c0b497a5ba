//! What was seen in one replication.

use std::collections::BTreeMap;

use crate::desk::Figures;

/// What was seen in one replication.
#[derive(Debug, Clone, Default)]
pub struct Sample {
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
    /// By queue: what was seen of it, and how many people worked there.
    pub(crate) desks: BTreeMap<String, (Figures, usize)>,
    /// Why cases went no further, by state and reason.
    pub(crate) stuck: BTreeMap<(String, String), usize>,
    /// What the package did not allow although the plan has it, by state, action and reason.
    pub(crate) refused: BTreeMap<(String, String, String), usize>,
    /// Children that were asked for, by package.
    pub(crate) children: BTreeMap<String, usize>,
    /// Everything that happened: what the playing itself costs is proportional to it.
    pub steps: u64,
    /// Things that had to be decided because no case had gone that way before.
    pub decided: usize,
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

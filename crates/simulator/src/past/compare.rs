//! How cases would have fared under a draft, compared with how they fare under what is in force.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Fared, PastCase, Rules, Stopped, walk};

/// What a draft would have changed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DryRun {
    /// Cases that were walked.
    pub cases: usize,
    /// Those that fare alike.
    pub alike: usize,
    /// Those of which what is in force allows less than was done, such as since roles have changed: nothing can be compared.
    pub not_comparable: usize,
    /// By clock: cases in which it is broken, under what is in force and under the draft; those that are stuck left out.
    pub broken: BTreeMap<String, Broken>,
    /// Cases that are stopped under the draft by something that it does not allow.
    pub stuck: usize,
    /// Cases that go to other queues.
    pub routed: usize,
    /// Cases that come to another state in the end.
    pub ended: usize,
    /// The cases that fare otherwise.
    pub lines: Vec<Line>,
}

/// How often a promise is broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Cases in which it is, under what is in force.
    pub now: usize,
    /// Cases in which it is, under the draft.
    pub draft: usize,
}

/// A case that fares otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its reference number.
    pub reference: String,
    /// What is otherwise.
    pub changes: Vec<Change>,
}

/// What is otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// A promise that is kept now is broken.
    Broken {
        /// Code of the clock.
        clock: String,
        /// When it would have been.
        at: Timestamp,
    },
    /// A promise that is broken now is kept.
    Kept {
        /// Code of the clock.
        clock: String,
    },
    /// Something that was done is not allowed.
    Stuck {
        /// What, and why not.
        #[serde(flatten)]
        stopped: Stopped,
    },
    /// The case goes to other queues.
    Routed {
        /// The queues now.
        now: Vec<String>,
        /// Those under the draft.
        draft: Vec<String>,
    },
    /// The case comes to another state in the end.
    Ended {
        /// The state now.
        now: String,
        /// That under the draft.
        draft: String,
    },
    /// Nothing can be compared.
    NotComparable {
        /// What is not allowed although it was done, and why not.
        #[serde(flatten)]
        stopped: Stopped,
    },
}

impl DryRun {
    /// Walks a case under both rules, and adds what is otherwise.
    pub fn add(&mut self, now: Rules<'_>, draft: Rules<'_>, past: &PastCase) {
        let (now, draft) = (walk(now, past), walk(draft, past));
        self.cases += 1;
        let changes = match &now.stopped {
            Some(stopped) => {
                self.not_comparable += 1;
                vec![Change::NotComparable { stopped: stopped.clone() }]
            }
            None => self.compare(&now, &draft),
        };
        match changes.is_empty() {
            true => self.alike += 1,
            false => self.lines.push(Line { reference: past.reference.clone(), changes }),
        }
    }

    fn compare(&mut self, now: &Fared, draft: &Fared) -> Vec<Change> {
        let mut changes: Vec<Change> = (draft.broken.iter())
            .filter(|(clock, _)| !now.broken.contains_key(*clock))
            .map(|(clock, at)| Change::Broken { clock: clock.clone(), at: *at })
            .collect();
        if let Some(stopped) = &draft.stopped {
            // How it would have gone on is not known.
            self.stuck += 1;
            changes.push(Change::Stuck { stopped: stopped.clone() });
            return changes;
        }
        for clock in now.broken.keys() {
            self.broken.entry(clock.clone()).or_default().now += 1;
        }
        for clock in draft.broken.keys() {
            self.broken.entry(clock.clone()).or_default().draft += 1;
        }
        let kept = now.broken.keys().filter(|clock| !draft.broken.contains_key(*clock));
        changes.extend(kept.map(|clock| Change::Kept { clock: clock.clone() }));
        if now.queues != draft.queues {
            self.routed += 1;
            changes.push(Change::Routed { now: now.queues.clone(), draft: draft.queues.clone() });
        }
        if now.state != draft.state {
            self.ended += 1;
            changes.push(Change::Ended { now: now.state.clone(), draft: draft.state.clone() });
        }
        changes
    }
}

//! What came of scenarios: which hold, where the others differ, and which transitions of the package nobody has walked.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::BiText;
use serde::Serialize;
use serde_saphyr::Location;

use super::{Lookup, Scenarios};
use crate::{Code, Finding, Package};

/// What came of one scenario.
#[derive(Debug)]
pub struct Outcome {
    /// What it shows.
    pub name: BiText,
    /// The places of the transitions that were walked, in the order of the file.
    pub walked: BTreeSet<usize>,
    /// Where what happened is not what was expected; empty when it holds.
    pub failures: Vec<Failure>,
}

/// A difference, and where the scenario expects something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Line of the file, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What was expected, and what was there.
    pub message: String,
}

impl Outcome {
    pub(super) fn fail(&mut self, place: Location, message: String) {
        self.failures.push(Failure { line: place.line(), column: place.column(), message });
    }
}

/// All scenarios of a package, and what they walk of it.
pub struct Trial {
    /// What came of those of each file, or why it cannot be read.
    pub files: BTreeMap<String, Result<Vec<Outcome>, crate::Error>>,
    /// What they walk.
    pub coverage: Coverage,
}

/// How much of a package is walked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Transitions that were walked.
    pub walked: usize,
    /// Transitions that the package has.
    pub transitions: usize,
    /// Those that were never walked, as `action (from -> to)`.
    pub never: Vec<String>,
}

impl Coverage {
    /// Walked transitions in a hundred.
    #[must_use]
    pub fn percent(&self) -> usize {
        (self.walked * 100).checked_div(self.transitions).unwrap_or(100)
    }
}

impl Trial {
    /// True when every scenario holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        let hold = |found: &Vec<Outcome>| found.iter().all(|outcome| outcome.failures.is_empty());
        self.files.values().all(|outcomes| outcomes.as_ref().is_ok_and(hold))
    }

    /// Whether every scenario holds, for those who publish the package.
    ///
    /// # Errors
    /// `SCENARIO` for each difference, at its place, and what cannot be read.
    pub fn verdict(self) -> Result<(), crate::Error> {
        let mut findings = Vec::new();
        for (name, outcomes) in self.files {
            let outcomes = match outcomes {
                Ok(outcomes) => outcomes,
                Err(crate::Error::Findings(unread)) => {
                    findings.extend(unread);
                    continue;
                }
                Err(error) => return Err(error),
            };
            for Outcome { name: scenario, failures, .. } in outcomes {
                findings.extend(failures.into_iter().map(|Failure { line, column, message }| {
                    let message = format!("the scenario “{}”: {message}", scenario.en);
                    Finding::at(Code::Scenario, &format!("scenarios/{name}"), Some((line, column)), message)
                }));
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(crate::Error::Findings(findings)) }
    }
}

/// Runs the scenarios of a package, given by the names of their files.
#[must_use]
pub fn trial(package: &Package, texts: &BTreeMap<String, String>, lookup: Lookup<'_>) -> Trial {
    let run = |(name, text): (&String, &String)| {
        let scenarios = Scenarios::read(name, text);
        (name.clone(), scenarios.map(|scenarios| scenarios.run(package, lookup)))
    };
    let files: BTreeMap<_, _> = texts.iter().map(run).collect();
    let outcomes = files.values().flatten().flatten();
    let walked = outcomes.flat_map(|outcome| outcome.walked.iter().copied()).collect();
    Trial { coverage: coverage(package, &walked), files }
}

fn coverage(package: &Package, walked: &BTreeSet<usize>) -> Coverage {
    let mut never: BTreeMap<usize, (&str, BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for transition in &package.definition().transitions {
        all.insert(transition.sentence);
        if !walked.contains(&transition.sentence) {
            let entry = never.entry(transition.sentence);
            let (_, from, to) =
                entry.or_insert_with(|| (&transition.action, BTreeSet::new(), BTreeSet::new()));
            from.extend(transition.from.iter().map(String::as_str));
            to.insert(&transition.to);
        }
    }
    let joined = |states: BTreeSet<&str>| states.into_iter().collect::<Vec<_>>().join(", ");
    let line = |(action, from, to)| match (joined(from), joined(to)) {
        (from, to) if from == to => format!("{action} ({from})"),
        (from, to) => format!("{action} ({from} -> {to})"),
    };
    let never: Vec<String> = never.into_values().map(line).collect();
    Coverage { walked: all.len() - never.len(), transitions: all.len(), never }
}

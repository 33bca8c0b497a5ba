//! The checker: counts what was lost, doubled, early or out of order among all that was seen.

mod cases;
mod clocks;
mod desks;
mod replay;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;
use masar_workflow::Catalog;

use self::replay::Replayed;
use crate::seen::{Readers, Seen};

/// How long the services may take in the end.
const SETTLED: Duration = Duration::from_secs(180);
/// Between two looks.
const PACE: Duration = Duration::from_secs(1);

/// What callers were told, and so must be there.
#[derive(Clone, Default)]
pub(crate) struct Told {
    /// The reference of each submission, by its external reference.
    pub(crate) submissions: BTreeMap<String, String>,
    pub(crate) steps: Vec<Step>,
    /// What callers were told that cannot be: two references for one submission, a refusal of what is allowed.
    pub(crate) contradictions: Vec<String>,
}

/// A transition that was acknowledged.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) reference: String,
    /// The version that the case had after it.
    pub(crate) version: u64,
    pub(crate) action: String,
}

/// What a check came to.
pub(crate) struct Verdict {
    pub(crate) check: &'static str,
    pub(crate) looked_at: usize,
    pub(crate) findings: Vec<String>,
}

/// Cases with what their histories make of them; those whose history cannot be are a finding of their own.
type Replays = BTreeMap<String, Result<Replayed, String>>;

/// Judges all that was seen. `catalog` holds the packages of the installation.
pub(crate) fn judge(seen: &Seen, told: &Told, catalog: &Catalog) -> Vec<Verdict> {
    let actors = replay::actors(seen.events.values().flatten());
    let replays: Replays = seen
        .cases
        .iter()
        .map(|case| {
            let events = seen.events.get(&case.case_id).map(Vec::as_slice).unwrap_or_default();
            (case.case_id.clone(), replay::replay(catalog, &actors, case, events))
        })
        .collect();
    vec![
        cases::submissions(seen, told),
        cases::events(seen, told),
        cases::states(seen, &replays),
        clocks::asked_for(seen, &replays),
        clocks::folds(seen),
        clocks::marks(seen, &replays),
        desks::levels(seen, catalog),
        desks::tasks(seen),
        desks::owners(seen),
        desks::outboxes(seen),
        desks::parked(seen),
    ]
}

/// Reads and judges until nothing is found any more, or for so long as the services may take until all that was accepted is
/// done; gives the last verdicts.
pub(crate) async fn settle(
    readers: &Readers,
    now: impl Fn() -> Result<Timestamp>,
    told: &Told,
    catalog: &Catalog,
) -> Result<Vec<Verdict>> {
    let began = Instant::now();
    let mut pace = tokio::time::interval(PACE);
    loop {
        pace.tick().await;
        let late = began.elapsed() > SETTLED;
        match readers.read(now()?).await {
            Ok(seen) => {
                let verdicts = judge(&seen, told, catalog);
                if late || verdicts.iter().all(|verdict| verdict.findings.is_empty()) {
                    return Ok(verdicts);
                }
            }
            Err(error) if late => return Err(error.context("not all can be read")),
            Err(_) => {}
        }
    }
}

impl Verdict {
    fn new(check: &'static str, looked_at: usize, findings: Vec<String>) -> Self {
        Self { check, looked_at, findings }
    }
}

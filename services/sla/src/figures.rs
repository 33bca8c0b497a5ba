//! What sla counts, for those who watch the promises: as metrics, and in the summary.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use masar_clock::{Event as ClockEvent, Mark};
use masar_runtime::telemetry::Counted;
use masar_runtime::{Stage, Worker};
use masar_store::Store;
use opentelemetry::{KeyValue, global};

use crate::app::{Changed, Keeper, LOOK};
use crate::store::case;
use crate::store::clock::Model;
use crate::store::figures::{self, Dimension, Line, Of};

/// Between two looks at how the promises stand, of the one replica that looks for all.
const PACE: Duration = Duration::from_secs(30);
/// Of ten million clocks one look takes seconds: whoever looks rests so many times longer than that.
const REST: u32 = 20;
/// Marks of which the lateness is remembered.
const REMEMBERED: usize = 1_024;

/// How late the last marks fired at this replica.
#[derive(Default)]
pub(crate) struct Lateness(Mutex<VecDeque<f64>>);

/// The lateness of marks in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Of how many marks.
    pub(crate) fired: usize,
}

impl Lateness {
    /// Remembers how late marks fired.
    pub(crate) fn note(&self, late: &[SignedDuration]) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.extend(late.iter().map(SignedDuration::as_secs_f64));
        let over = last.len().saturating_sub(REMEMBERED);
        last.drain(..over);
    }

    /// How late the last marks were.
    pub(crate) fn percentiles(&self) -> Percentiles {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<_> = last.iter().copied().collect();
        drop(last);
        sorted.sort_by(f64::total_cmp);
        let at =
            |percent: usize| sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)));
        let at = |percent| at(percent).copied().unwrap_or_default();
        Percentiles { p50: at(50), p99: at(99), fired: sorted.len() }
    }
}

/// Counts the promises that were kept, when they were, and those that were broken, as soon as they are.
pub(crate) fn decided(changed: &[Changed]) {
    for (row, mark) in changed {
        let Some(outcome) = outcome(row, mark.as_deref()) else { continue };
        add_promises([&row.tenant, &row.kind, &row.clock], outcome, 1);
    }
}

/// Says again and again how the promises stand. Nothing was decided yet: of no entity, so that there is always something to
/// see.
pub(crate) fn worker(store: Store, keeper: Arc<Keeper>) -> Worker {
    ["kept", "broken"].into_iter().for_each(|outcome| add_promises([""; 3], outcome, 0));
    Worker::new("sla figures", Stage::Consumer, async move |stop| {
        stop.run_until_cancelled(watch(store, keeper)).await;
        Ok(())
    })
}

fn add_promises(of: [&str; 3], outcome: &'static str, promises: u64) {
    let of = ["tenant", "kind", "clock"].into_iter().zip(of);
    let labels = of.map(|(key, value)| KeyValue::new(key, value.to_owned()));
    let labels: Vec<_> = labels.chain([KeyValue::new("outcome", outcome)]).collect();
    global::meter("masar").u64_counter("masar_sla_promises").build().add(promises, &labels);
}

/// What a change has decided of a promise, if it has.
fn outcome(row: &Model, mark: Option<&str>) -> Option<&'static str> {
    let promises = !row.is_window() && row.tells;
    match (mark, row.phase.as_str(), row.breached_at) {
        _ if !promises => None,
        (Some("breach"), ..) => Some("broken"),
        (None, "stopped", None) => Some("kept"),
        // Too late, and before the timer could say so.
        (None, "stopped", Some(_)) if !was_told(row) => Some("broken"),
        _ => None,
    }
}

/// True when the breach of a clock has fired.
fn was_told(row: &Model) -> bool {
    let breach = ClockEvent::MarkFired { mark: Mark::Breach };
    row.run().is_ok_and(|run| run.ledger.iter().any(|entry| entry.event == breach))
}

async fn watch(store: Store, keeper: Arc<Keeper>) {
    let mut clocks = Counted::new("masar_sla_clocks", ["tenant", "clock", "standing"]);
    let mut alone = Counted::new("masar_sla_cases_without_clock", ["tenant", "promised"]);
    let by = [Dimension::Tenant, Dimension::Clock];
    loop {
        let (looked, leads) = (Instant::now(), keeper.leads.load(Ordering::Relaxed));
        let counted = if leads {
            tokio::try_join!(figures::standing(&store, Of::default(), &by), case::count_without_clock(&store))
        } else {
            Ok((Vec::new(), Vec::new()))
        };
        match counted {
            Ok((lines, without_clock)) => {
                clocks.show(lines.iter().flat_map(standing));
                let label =
                    |(tenant, promised, cases): (String, bool, i64)| ([tenant, promised.to_string()], cases);
                alone.show(without_clock.into_iter().map(label));
            }
            Err(error) => {
                tracing::warn!(%error, "how the promises stand cannot be counted; tried again");
            }
        }
        tokio::time::sleep(if leads { PACE.max(REST * looked.elapsed()) } else { LOOK }).await;
    }
}

fn standing(line: &Line) -> [([String; 3], i64); 3] {
    [("open", line.open), ("at_risk", line.at_risk), ("breached", line.breached)]
        .map(|(standing, clocks)| ([line.tenant.clone(), line.clock.clone(), standing.to_owned()], clocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_of_the_last_marks() {
        let lateness = Lateness::default();
        assert_eq!(lateness.percentiles(), Percentiles::default());
        // What a clock that was set back calls early is on time.
        lateness.note(&[SignedDuration::ZERO]);
        assert_eq!(lateness.percentiles(), Percentiles { fired: 1, ..Percentiles::default() });
        let late: Vec<_> = (1..=1_024).map(SignedDuration::from_millis).collect();
        lateness.note(&late);
        assert_eq!(lateness.percentiles(), Percentiles { p50: 0.513, p99: 1.014, fired: 1_024 });
    }
}

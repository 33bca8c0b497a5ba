//! The search for the highest rate that is kept up: up in steps until one is too high, then between the two.

use super::Report;
use super::load::Measured;

/// The first rate that is offered, as a share of what callers achieve who wait for their answers.
const FIRST: f64 = 0.7;
/// How much higher the next one is, as long as all were kept up; as much lower is it when none was.
const STEP: f64 = 1.25;
/// Steps of a bench, and of a quick one.
const STEPS: u32 = 8;
const QUICK: u32 = 2;
/// Two rates that are no further apart are the same.
const CLOSE: f64 = 1.06;

/// What was offered so far and what came of it.
pub(super) struct Search {
    next: f64,
    left: u32,
    /// What callers achieve who wait for their answers.
    probe: Measured,
    /// The highest rate that was kept up.
    best: Option<Measured>,
    /// The lowest that was not.
    too_high: Option<f64>,
    /// A rate that was not kept up is offered once more: once may be the machine's doing.
    again: bool,
}

impl Search {
    /// A search around what callers achieve who wait for their answers.
    pub(super) fn from(probe: Measured, quick: bool) -> Self {
        let (next, left) = (probe.achieved * FIRST, if quick { QUICK } else { STEPS });
        Self { next, left, probe, best: None, too_high: None, again: false }
    }

    /// The rate to offer next; none when the search is over.
    pub(super) fn next(&mut self) -> Option<f64> {
        self.left = self.left.checked_sub(1)?;
        let mut bounds = self.best().zip(self.too_high).into_iter();
        (!bounds.any(|(best, too_high)| too_high < best * CLOSE)).then_some(self.next)
    }

    /// What came of it.
    pub(super) fn heard(&mut self, measured: Measured) {
        self.again = !measured.kept_up() && !self.again;
        if self.again {
            return;
        }
        if measured.kept_up() {
            self.best = Some(measured);
        } else {
            self.too_high = Some(self.next);
        }
        self.next = match (self.best(), self.too_high) {
            (Some(best), Some(too_high)) => (best * too_high).sqrt(),
            (Some(_), None) => self.next * STEP,
            (None, _) => self.next / STEP,
        };
    }

    /// The highest rate that was kept up. Where none was, it is what callers achieve who wait for their answers, and the
    /// report says so.
    pub(super) fn end(self, report: &mut Report) -> f64 {
        report.note("kept_up", self.best.is_some());
        let measured = self.best.unwrap_or(self.probe);
        report.result(&measured);
        measured.achieved
    }

    fn best(&self) -> Option<f64> {
        self.best.as_ref().and_then(|measured| measured.offered)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;
    use crate::bench::load::Latencies;

    fn measured(offered: Option<f64>, achieved: f64) -> Result<Measured> {
        Ok(Measured { offered, achieved, latencies: Latencies::new()? })
    }

    /// What is found on a machine that does so many in a second, when callers who wait achieve so many.
    fn found(most: f64, probe: f64, quick: bool) -> Result<f64> {
        let mut search = Search::from(measured(None, probe)?, quick);
        while let Some(rate) = search.next() {
            search.heard(measured(Some(rate), rate.min(most))?);
        }
        Ok(search.end(&mut Report::new(false)))
    }

    #[test]
    fn the_highest_rate_is_found_from_above_and_from_below() -> Result<()> {
        for probe in [600.0, 1_000.0, 1_500.0] {
            let found = found(1_000.0, probe, false)?;
            assert!((900.0..=1_000.0).contains(&found), "{probe}: {found}");
        }
        Ok(())
    }

    #[test]
    fn what_was_not_kept_up_once_is_offered_again() -> Result<()> {
        let mut search = Search::from(measured(None, 1_000.0)?, false);
        let first = search.next();
        search.heard(measured(first, 1.0)?);
        assert_eq!(search.next(), first);
        search.heard(measured(first, 700.0)?);
        assert_eq!(search.next(), first.map(|rate| rate * STEP));
        Ok(())
    }

    #[test]
    fn a_machine_that_keeps_nothing_up_has_what_callers_achieve_who_wait() -> Result<()> {
        let found = found(10.0, 1_000.0, true)?;
        assert!((found - 1_000.0).abs() < 1.0, "{found}");
        Ok(())
    }
}

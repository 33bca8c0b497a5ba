//! The search for the highest rate that is kept up: up in steps until one is too high, then between the two.

use super::Report;
use super::load::Measured;

/// The first rate that is offered, as a share of what callers achieve who wait for their answers.
const FIRST: f64 = 0.7;
/// How much higher the next one is, as long as all were kept up; as much lower is it when none was.
const STEP: f64 = 1.25;
/// Steps of a bench, and of a quick one.
const STEPS: u32 = 8;
const QUICK: u32 = 3;
/// Two rates that are no further apart are the same.
const CLOSE: f64 = 1.06;

/// What was offered so far and what came of it.
pub(super) struct Search {
    next: f64,
    left: u32,
    /// The highest rate that was kept up.
    best: Option<Measured>,
    /// The lowest that was not, twice: once may be the machine's doing.
    too_high: Option<Measured>,
    /// A rate that was not kept up is offered once more.
    again: bool,
}

impl Search {
    /// A search around what callers achieve who wait for their answers.
    pub(super) fn from(probe: f64, quick: bool) -> Self {
        let left = if quick { QUICK } else { STEPS };
        Self { next: probe * FIRST, left, best: None, too_high: None, again: false }
    }

    /// The rate to offer next; none when the search is over.
    pub(super) fn next(&mut self) -> Option<f64> {
        self.left = self.left.checked_sub(1)?;
        let close = |best: f64, too_high: f64| too_high / best < CLOSE;
        let (best, too_high) = (offered(self.best.as_ref()), offered(self.too_high.as_ref()));
        let over = best.zip(too_high).is_some_and(|(best, too_high)| close(best, too_high));
        (!over).then_some(self.next)
    }

    /// What came of it.
    pub(super) fn heard(&mut self, measured: Measured) {
        if measured.kept_up() {
            self.again = false;
            self.best = Some(measured);
        } else if !self.again && self.left > 1 {
            self.again = true;
            return;
        } else {
            self.again = false;
            self.too_high = Some(measured);
        }
        self.next = match (offered(self.best.as_ref()), offered(self.too_high.as_ref())) {
            (Some(best), Some(too_high)) => (best * too_high).sqrt(),
            (Some(best), None) => best * STEP,
            (None, Some(too_high)) => too_high / STEP,
            (None, None) => self.next,
        };
    }

    /// The highest rate that was kept up; where none was, what was achieved of the lowest. Returns it.
    pub(super) fn end(self, report: &mut Report) -> f64 {
        report.note("kept_up", self.best.is_some());
        let Some(measured) = self.best.or(self.too_high) else { return self.next };
        report.result(&measured);
        measured.achieved
    }
}

fn offered(measured: Option<&Measured>) -> Option<f64> {
    measured.and_then(|measured| measured.offered)
}

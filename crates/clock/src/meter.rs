//! How much of a target a clock uses while it runs, and when it will have used so much.

use jiff::{SignedDuration, Timestamp};
use masar_worktime::{Calendar, Unit};

use crate::{Error, Pause};

/// A measure of running time in one unit: milliseconds, or closings of working days after day 0 (T5b).
pub(crate) struct Meter<'a> {
    pub(crate) unit: Unit,
    pub(crate) calendar: &'a Calendar,
    pub(crate) started_at: Timestamp,
    pub(crate) pauses: &'a [Pause],
    /// When a pause that goes on is taken to end.
    pub(crate) resumed_at: Timestamp,
}

impl Meter<'_> {
    /// The earliest instant by which so much was used.
    pub(crate) fn when(&self, budget: i64) -> Result<Timestamp, Error> {
        let mut missing = budget;
        for (from, to) in self.ended_runs() {
            let used = self.between(from, to)?;
            if missing <= used {
                return self.after(from, missing);
            }
            missing -= used;
        }
        self.after(self.last_run(), missing)
    }

    /// How much was used before an instant.
    pub(crate) fn used_by(&self, until: Timestamp) -> Result<i64, Error> {
        let last = (self.last_run(), until);
        let mut used = 0;
        for (from, to) in self.ended_runs().chain([last]).filter(|(from, _)| *from < until) {
            used += self.between(from, to.min(until))?;
        }
        Ok(used)
    }

    /// The runs that a pause ended, from their start up to, and without, their end.
    fn ended_runs(&self) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let starts = std::iter::once(self.started_at).chain(self.pauses.iter().map(|pause| self.end(pause)));
        starts.zip(self.pauses.iter().map(|pause| pause.from))
    }

    fn last_run(&self) -> Timestamp {
        self.pauses.last().map_or(self.started_at, |pause| self.end(pause))
    }

    fn end(&self, pause: &Pause) -> Timestamp {
        pause.to.unwrap_or(self.resumed_at)
    }

    fn between(&self, from: Timestamp, to: Timestamp) -> Result<i64, Error> {
        match self.unit {
            Unit::Elapsed => Ok(to.as_millisecond() - from.as_millisecond()),
            Unit::BusinessHours => Ok(millis(self.calendar.open_between(from, to)?)),
            Unit::BusinessDays => {
                let first = self.first_counted(from)?;
                let passed = self.calendar.closing_from(to)?.ordinal.saturating_sub(first);
                Ok(i64::try_from(passed).unwrap_or(i64::MAX))
            }
        }
    }

    fn after(&self, from: Timestamp, missing: i64) -> Result<Timestamp, Error> {
        let span = SignedDuration::from_millis(missing);
        match self.unit {
            Unit::Elapsed => Ok(from.checked_add(span).unwrap_or(Timestamp::MAX)),
            Unit::BusinessHours => Ok(self.calendar.after_open(from, span)?),
            Unit::BusinessDays => match usize::try_from(missing) {
                Ok(days @ 1..) => Ok(self.calendar.working_day(self.first_counted(from)? + days - 1)?.close),
                // A target of no days is due when day 0 closes.
                Ok(0) | Err(_) => Ok(self.calendar.received_day(self.started_at)?.close),
            },
        }
    }

    /// Ordinal of the first day whose closing counts for a run that starts here; day 0 never counts.
    fn first_counted(&self, from: Timestamp) -> Result<usize, Error> {
        let day0 = self.calendar.received_day(self.started_at)?;
        Ok(self.calendar.closing_from(from)?.ordinal.max(day0.ordinal + 1))
    }
}

fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

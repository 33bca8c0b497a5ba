//! What a clock answers: when it is due, what it has used, whether it was kept, which marks are ahead.

use jiff::Timestamp;
use jiff::civil::Date;
use masar_worktime::{Calendar, Target, Unit};

use crate::clock::OPEN;
use crate::meter::Meter;
use crate::{
    Breach, BreachCause, CalendarRef, Calendars, Clock, Error, Mark, MarkDue, Pause, Phase, Verdict,
};

impl Clock {
    /// When it was started.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// When it was due as first promised; pauses, retargets and extensions do not move it.
    #[must_use]
    pub fn original_due_at(&self) -> Timestamp {
        self.original_due_at
    }

    /// The target it runs towards, without its extension.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// Which target this is, from 1: with the clock and the mark the key under which a warning fires once (T12).
    #[must_use]
    pub fn target_number(&self) -> u32 {
        self.target_number
    }

    /// The calendar it counts on.
    #[must_use]
    pub fn calendar(&self) -> &CalendarRef {
        &self.calendar
    }

    /// When it stood still, and why.
    #[must_use]
    pub fn pauses(&self) -> &[Pause] {
        &self.pauses
    }

    /// When it is due. For a paused clock: when it would be due if it were resumed at its last entry.
    ///
    /// # Errors
    /// `UnknownCalendar`, or `Calendar` when the answer is not covered.
    pub fn due_at(&self, calendars: &(impl Calendars + ?Sized)) -> Result<Timestamp, Error> {
        self.due_if_resumed(self.last_at, calendars)
    }

    /// When it is due if a pause that goes on were to end at this instant.
    ///
    /// # Errors
    /// As `due_at`.
    pub fn due_if_resumed(
        &self,
        resumed_at: Timestamp,
        calendars: &(impl Calendars + ?Sized),
    ) -> Result<Timestamp, Error> {
        let calendar = calendars.pinned(&self.calendar)?;
        let meter = Meter { resumed_at, ..self.meter(self.target.unit, calendar) };
        let extension = self.extension.map_or(0, |extension| i64::from(extension.amount));
        let due_at = meter.when((i64::from(self.target.amount) + extension) * scale(self.target.unit))?;
        planned(due_at, self.not_after, calendar)
    }

    /// What it has used of its target: whole seconds, or working days closed while it ran (T5, T5b).
    ///
    /// # Errors
    /// As `due_at`.
    pub fn used_by(&self, now: Timestamp, calendars: &(impl Calendars + ?Sized)) -> Result<Target, Error> {
        let until = if OPEN.contains(&self.phase()) { now } else { now.min(self.last_at) };
        let unit = self.target.unit;
        let meter = Meter { resumed_at: until, ..self.meter(unit, calendars.pinned(&self.calendar)?) };
        let amount = meter.used_by(until)? / scale(unit);
        Ok(Target { unit, amount: u32::try_from(amount).unwrap_or(u32::MAX) })
    }

    /// How the promise was broken, as far as is known at `now`.
    ///
    /// # Errors
    /// As `due_at`.
    pub fn breach_by(
        &self,
        now: Timestamp,
        calendars: &(impl Calendars + ?Sized),
    ) -> Result<Option<Breach>, Error> {
        if self.breach.is_some() || self.phase() != Phase::Running {
            return Ok(self.breach);
        }
        let at = self.due_at(calendars)?;
        Ok((at < now).then_some(Breach { at, cause: BreachCause::Due }))
    }

    /// What became of the promise; none before the clock has stopped.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.stopped_at()?;
        Some(if self.breach.is_some() { Verdict::Broken } else { Verdict::Kept })
    }

    /// When a mark is reached if nothing else happens. A share of a day target is that share of the open time
    /// between start and due time, so that warnings spread over the working days (T12).
    ///
    /// # Errors
    /// As `due_at`.
    pub fn mark_due(&self, mark: Mark, calendars: &(impl Calendars + ?Sized)) -> Result<MarkDue, Error> {
        let calendar = calendars.pinned(&self.calendar)?;
        let due_at = self.due_at(calendars)?;
        let breached_at = self.breach.map_or(due_at, |breach| breach.at);
        let at = match mark {
            Mark::Breach => breached_at,
            Mark::Overdue(late) => overdue(breached_at, late, calendar)?,
            Mark::Share(percent) => {
                let unit =
                    if self.target.unit == Unit::Elapsed { Unit::Elapsed } else { Unit::BusinessHours };
                let meter = self.meter(unit, calendar);
                meter.when(meter.used_by(due_at)? * i64::from(percent) / 100)?
            }
        };
        Ok(MarkDue { mark, at })
    }

    /// The marks still to fire, in the order of time.
    ///
    /// A clock that ended fires nothing. One that is paused fires only what follows from a breach before. After
    /// a breach no share is worth a warning. A mark beyond the calendar is left out until a version that covers
    /// more days is published; the due time itself is always covered.
    ///
    /// # Errors
    /// As `due_at`.
    pub fn marks_due(
        &self,
        marks: &[Mark],
        calendars: &(impl Calendars + ?Sized),
    ) -> Result<Vec<MarkDue>, Error> {
        let ahead = |mark: &Mark| {
            let warns = matches!(mark, Mark::Share(_));
            let pending = if self.breach.is_some() { !warns } else { self.phase() == Phase::Running };
            OPEN.contains(&self.phase()) && pending && !self.fired.contains(mark)
        };
        let mut due = Vec::new();
        for mark in marks.iter().copied().filter(ahead) {
            match self.mark_due(mark, calendars) {
                Ok(mark) => due.push(mark),
                Err(Error::Calendar(masar_worktime::Error::BeyondHorizon { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        due.sort_by_key(|mark| mark.at);
        Ok(due)
    }

    /// Refuses a mark that has fired or is not reached. One that a restart made late still fires.
    pub(crate) fn may_fire(
        &self,
        mark: Mark,
        now: Timestamp,
        calendars: &(impl Calendars + ?Sized),
    ) -> Result<(), Error> {
        let follows_breach = self.breach.is_some() && !matches!(mark, Mark::Share(_));
        self.expect(if follows_breach { OPEN } else { &[Phase::Running] }, "marked")?;
        if self.fired.contains(&mark) {
            return Err(Error::MarkTwice(mark));
        }
        let at = self.mark_due(mark, calendars)?.at;
        if now < at { Err(Error::MarkEarly { mark, at }) } else { Ok(()) }
    }

    fn meter<'a>(&'a self, unit: Unit, calendar: &'a Calendar) -> Meter<'a> {
        let (started_at, pauses) = (self.started_at, self.pauses.as_slice());
        Meter { unit, calendar, started_at, pauses, resumed_at: self.last_at }
    }
}

/// The due time where a day was planned: the closing of that day, or of the next working day where nobody works on it,
/// if that is earlier. Pauses and extensions do not move a plan.
pub(crate) fn planned(
    due_at: Timestamp,
    not_after: Option<Date>,
    calendar: &Calendar,
) -> Result<Timestamp, Error> {
    let zone = calendar.time_zone();
    // A plan beyond the due time asks nothing of the calendar, which may not reach so far.
    let earlier = not_after.filter(|date| *date < zone.to_datetime(due_at).date());
    let midnight = earlier.and_then(|date| zone.to_timestamp(date.at(0, 0, 0, 0)).ok());
    let Some(midnight) = midnight else { return Ok(due_at) };
    Ok(due_at.min(calendar.closing_from(midnight)?.close))
}

/// How many steps of a meter make one of a target's amount: milliseconds of a second, or one day.
fn scale(unit: Unit) -> i64 {
    match unit {
        Unit::Elapsed | Unit::BusinessHours => 1_000,
        Unit::BusinessDays => 1,
    }
}

/// An instant so long after a breach. In days, the day that closes with the breach, or next after it, is day 0:
/// a breach at closing time plus two days is the closing of the second working day after it.
fn overdue(breached_at: Timestamp, late: Target, calendar: &Calendar) -> Result<Timestamp, Error> {
    match late.unit {
        Unit::BusinessDays => {
            let day0 = calendar.closing_from(breached_at)?;
            Ok(calendar.close_of_nth_day_after(day0, late.amount)?)
        }
        Unit::Elapsed | Unit::BusinessHours => Ok(calendar.due(breached_at, late)?),
    }
}

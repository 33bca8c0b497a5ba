//! A compiled calendar: sorted open intervals with prefix sums, and working days by ordinal.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::spec::{CalendarSpec, Day, Hours};
use crate::{Error, Target, Unit};

/// A calendar ready for questions; each costs one or two binary searches.
#[derive(Debug, Clone)]
pub struct Calendar {
    name: String,
    version: u32,
    zone: TimeZone,
    /// First and last instant that may be asked about, in milliseconds.
    covers: (i64, i64),
    intervals: Vec<Interval>,
    days: Vec<WorkingDay>,
    /// Spans of tentative overlays and holidays, sorted by their start.
    tentative: Vec<(i64, i64)>,
}

/// An open interval in milliseconds since 1970, with the open time before it.
#[derive(Debug, Clone, Copy)]
struct Interval {
    open: i64,
    close: i64,
    before: i64,
}

/// A day with opening hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkingDay {
    /// Its place among the working days of the calendar, from 0.
    pub ordinal: usize,
    /// The local date.
    pub date: Date,
    /// When it opens first.
    pub open: Timestamp,
    /// When it closes for good; the moment that a day target is due (T2).
    pub close: Timestamp,
}

impl Calendar {
    /// Compiles a calendar. Daylight saving is resolved here and nowhere else.
    ///
    /// # Errors
    /// What is wrong with the specification, by field.
    pub fn compile(spec: &CalendarSpec) -> Result<Self, Error> {
        spec.check()?;
        let zone = TimeZone::get(&spec.time_zone).map_err(|_| Error::TimeZone(spec.time_zone.clone()))?;
        let midnight = |date: Date| local(&zone, date, 0);
        let covers = (midnight(spec.covers.from), midnight(next(spec.covers.to)));
        let mut calendar = Self {
            name: spec.name.clone(),
            version: spec.version,
            covers,
            intervals: Vec::new(),
            days: Vec::new(),
            tentative: Vec::new(),
            zone,
        };
        for date in spec.dates() {
            calendar.add_day(spec.day(date));
        }
        if calendar.intervals.is_empty() {
            return Err(Error::NeverOpen(spec.name.clone()));
        }
        Ok(calendar)
    }

    fn add_day(&mut self, day: Day<'_>) {
        if day.tentative {
            self.tentative.push((local(&self.zone, day.date, 0), local(&self.zone, next(day.date), 0)));
        }
        self.open_day(day.date, day.hours);
    }

    fn open_day(&mut self, date: Date, hours: &[Hours]) {
        let first = self.intervals.len();
        for interval in hours {
            let latest = self.intervals.last().map_or(i64::MIN, |last| last.close);
            // A clock put forward can move a closing past the next opening, or swallow an interval whole.
            let open = local(&self.zone, date, interval.open).max(latest);
            let close = local(&self.zone, date, interval.close);
            if open < close {
                let before = self.intervals.last().map_or(0, Interval::after);
                self.intervals.push(Interval { open, close, before });
            }
        }
        if let [first, ..] = self.intervals[first..] {
            let close = self.intervals.last().map_or(first.close, |last| last.close);
            let ordinal = self.days.len();
            self.days.push(WorkingDay { ordinal, date, open: instant(first.open), close: instant(close) });
        }
    }

    /// Code of the calendar.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version that was compiled; clocks are pinned to it (T7).
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The time zone in which people read its times.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Open time between two instants; negative when they are exchanged.
    ///
    /// # Errors
    /// `BeyondHorizon` when an instant is not covered.
    pub fn open_between(&self, from: Timestamp, to: Timestamp) -> Result<SignedDuration, Error> {
        Ok(SignedDuration::from_millis(self.open_until(to)? - self.open_until(from)?))
    }

    /// The earliest instant by which so much open time has passed since `from`.
    ///
    /// A budget that ends exactly at a closing is used up at that closing, not at the next opening.
    ///
    /// # Errors
    /// `BeyondHorizon` when the answer is not covered.
    pub fn after_open(&self, from: Timestamp, open_time: SignedDuration) -> Result<Timestamp, Error> {
        let budget = i64::try_from(open_time.as_millis()).unwrap_or(i64::MAX);
        let start = self.open_until(from)?;
        if budget <= 0 {
            return Ok(from);
        }
        let goal = start.saturating_add(budget);
        let index = self.intervals.partition_point(|interval| interval.after() < goal);
        let interval = self.intervals.get(index).ok_or_else(|| self.beyond(self.covers.1))?;
        Ok(instant(interval.open + goal - interval.before))
    }

    /// The working day on which something counts as received (T3): day 0.
    ///
    /// On a day off, or at or after closing, that is the next working day.
    ///
    /// # Errors
    /// `BeyondHorizon` when there is no such day.
    pub fn received_day(&self, at: Timestamp) -> Result<WorkingDay, Error> {
        self.covered(at)?;
        self.working_day(self.days.partition_point(|day| day.close <= at))
    }

    /// The working day with this ordinal.
    ///
    /// # Errors
    /// `BeyondHorizon` when the calendar ends before it.
    pub fn working_day(&self, ordinal: usize) -> Result<WorkingDay, Error> {
        self.days.get(ordinal).copied().ok_or_else(|| self.beyond(self.covers.1))
    }

    /// The first working day that closes at this instant or later.
    ///
    /// # Errors
    /// `BeyondHorizon` when there is no such day.
    pub fn closing_from(&self, at: Timestamp) -> Result<WorkingDay, Error> {
        self.covered(at)?;
        self.working_day(self.days.partition_point(|day| day.close < at))
    }

    /// The closing of the nth working day after a day (T2); its own closing when `days` is 0.
    ///
    /// # Errors
    /// `BeyondHorizon` when the calendar ends before it.
    pub fn close_of_nth_day_after(&self, day0: WorkingDay, days: u32) -> Result<Timestamp, Error> {
        // A 32-bit count of days fits the machine word of every supported target.
        Ok(self.working_day(day0.ordinal.saturating_add(days as usize))?.close)
    }

    /// How many working days come before a date.
    pub(crate) fn before(&self, date: Date) -> usize {
        self.days.partition_point(|day| day.date < date)
    }

    /// Makes sure that a date lies in the time that may be asked about.
    ///
    /// # Errors
    /// `BeyondHorizon` when it does not.
    pub(crate) fn covers_date(&self, date: Date) -> Result<(), Error> {
        // The end of its last day is the start of the day after.
        self.covered(instant(local(&self.zone, date, 0)))?;
        self.covered(instant(local(&self.zone, next(date), 0)))
    }

    /// The first open instant from here on: the instant itself when it is open.
    ///
    /// # Errors
    /// `BeyondHorizon` when the calendar ends before the next opening.
    pub fn next_opening(&self, at: Timestamp) -> Result<Timestamp, Error> {
        self.covered(at)?;
        let index = self.intervals.partition_point(|interval| interval.close <= at.as_millisecond());
        let interval = self.intervals.get(index).ok_or_else(|| self.beyond(self.covers.1))?;
        Ok(at.max(instant(interval.open)))
    }

    /// When a target that starts at `from` is due, without any pause.
    ///
    /// # Errors
    /// `BeyondHorizon` when the answer is not covered.
    pub fn due(&self, from: Timestamp, target: Target) -> Result<Timestamp, Error> {
        let seconds = SignedDuration::from_secs(i64::from(target.amount));
        match target.unit {
            Unit::Elapsed => from.checked_add(seconds).map_err(|_| self.beyond(self.covers.1)),
            Unit::BusinessHours => self.after_open(from, seconds),
            Unit::BusinessDays => self.close_of_nth_day_after(self.received_day(from)?, target.amount),
        }
    }

    /// True when the instant lies in opening hours; a closing is outside.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        let at = at.as_millisecond();
        let index = self.intervals.partition_point(|interval| interval.close <= at);
        self.intervals.get(index).is_some_and(|interval| interval.open <= at)
    }

    /// True when a day of the span is tentative: a due time in it may still move (T7).
    #[must_use]
    pub fn is_tentative_between(&self, from: Timestamp, to: Timestamp) -> bool {
        let (from, to) = (from.as_millisecond(), to.as_millisecond());
        let index = self.tentative.partition_point(|span| span.1 <= from);
        self.tentative.get(index).is_some_and(|span| span.0 <= to)
    }

    /// Open milliseconds from the start of the calendar up to the instant.
    fn open_until(&self, at: Timestamp) -> Result<i64, Error> {
        self.covered(at)?;
        let at = at.as_millisecond();
        let index = self.intervals.partition_point(|interval| interval.open <= at);
        let Some(last) = index.checked_sub(1).map(|index| self.intervals[index]) else { return Ok(0) };
        Ok(last.before + at.min(last.close) - last.open)
    }

    fn covered(&self, at: Timestamp) -> Result<(), Error> {
        let (first, last) = self.covers;
        if (first..=last).contains(&at.as_millisecond()) {
            Ok(())
        } else {
            Err(self.beyond(at.as_millisecond()))
        }
    }

    fn beyond(&self, at: i64) -> Error {
        Error::BeyondHorizon { calendar: self.name.clone(), at: instant(at) }
    }
}

impl Interval {
    /// Open time up to and including this interval.
    fn after(&self) -> i64 {
        self.before + self.close - self.open
    }
}

fn instant(millis: i64) -> Timestamp {
    // Every value here came from a timestamp or lies between two of them.
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

fn next(date: Date) -> Date {
    date.tomorrow().unwrap_or(Date::MAX)
}

/// The instant of a local time, `minutes` after midnight of the date.
fn local(zone: &TimeZone, date: Date, minutes: u16) -> i64 {
    let (date, minutes) = if minutes == 24 * 60 { (next(date), 0) } else { (date, minutes) };
    // Both are below 60 after the division of at most 24 hours.
    let (hour, minute) = ((minutes / 60) as i8, (minutes % 60) as i8);
    zone.to_timestamp(date.at(hour, minute, 0, 0)).unwrap_or(Timestamp::MAX).as_millisecond()
}

//! What comes again and again: on a day of every so many months, or so long after something (E21).

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::{Span as Months, Timestamp};
use masar_domain::BiText;
use serde::{Deserialize, Serialize};

use crate::{Calendar, Error, Target, WorkingDay};

/// The most months between two occurrences: ten years.
const MOST_MONTHS: u16 = 120;
/// The last day that any month has.
const LAST_DAY: i8 = 31;

/// A day of every so many months (E21). What it gives is always the opening of a working day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recurrence {
    /// Every so many months, from 1.
    pub months: u16,
    /// A month in which it comes, from 1 to 12: `months: 12, from_month: 3` comes every March.
    #[serde(default = "january")]
    pub from_month: i8,
    /// The day of the month, from 1, or from its end with -1: that day, or the first working day after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<i8>,
    /// The working day of the month instead, from 1, or from its end with -1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_day: Option<i8>,
}

fn january() -> i8 {
    1
}

/// When something comes: the month that gives it its name, whatever day it falls on, and the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// The first of its month. It stays the same when a new version of the calendar moves the day.
    pub month: Date,
    /// The opening of its working day.
    pub at: Timestamp,
}

impl Recurrence {
    /// Says whether it can come at all.
    ///
    /// # Errors
    /// `Recurrence` with what is wrong.
    pub fn check(&self) -> Result<(), Error> {
        let is_day = |day: i8| day != 0 && (-LAST_DAY..=LAST_DAY).contains(&day);
        let wrong = |problem: &'static str| Err(Error::Recurrence(problem));
        match (self.day, self.working_day) {
            _ if self.months == 0 || self.months > MOST_MONTHS => wrong("`months` is from 1 to 120"),
            _ if !(1..=12).contains(&self.from_month) => wrong("`from_month` is from 1 to 12"),
            (Some(day), None) | (None, Some(day)) if is_day(day) => Ok(()),
            (Some(_), None) | (None, Some(_)) => wrong("a day is from 1 to 31, or from the end with -1"),
            _ => wrong("give either `day` or `working_day`"),
        }
    }

    /// The first occurrence after an instant.
    ///
    /// # Errors
    /// `BeyondHorizon` when the calendar ends before it.
    pub fn first_after(&self, calendar: &Calendar, after: Timestamp) -> Result<Occurrence, Error> {
        let here = calendar.time_zone().to_datetime(after).date().first_of_month();
        // The day of a month may roll on into the next: the month before may still have its day to come.
        let mut month = self.in_step(earlier(here, 1))?;
        loop {
            match self.at(calendar, month) {
                // A calendar may begin with the month at hand.
                Err(Error::BeyondHorizon { .. }) if month < here => {}
                at => {
                    let at = at?;
                    if at > after {
                        return Ok(Occurrence { month, at });
                    }
                }
            }
            month = self.later(month)?;
        }
    }

    /// The occurrence of a month that has one.
    ///
    /// # Errors
    /// `BeyondHorizon` when the calendar does not cover it.
    pub fn of_month(&self, calendar: &Calendar, month: Date) -> Result<Occurrence, Error> {
        let month = month.first_of_month();
        Ok(Occurrence { month, at: self.at(calendar, month)? })
    }

    /// The occurrence after that of a month.
    ///
    /// # Errors
    /// `BeyondHorizon` when the calendar ends before it.
    pub fn following(&self, calendar: &Calendar, month: Date) -> Result<Occurrence, Error> {
        self.of_month(calendar, self.later(month)?)
    }

    /// The last day of the time that begins with the month of an occurrence and ends before that of the next.
    #[must_use]
    pub fn last_day(&self, month: Date) -> Date {
        let next = self.later(month.first_of_month()).unwrap_or(Date::MAX);
        next.yesterday().unwrap_or(next)
    }

    /// The month of the occurrence before that of a month.
    #[must_use]
    pub fn month_before(&self, month: Date) -> Date {
        earlier(month.first_of_month(), i32::from(self.months))
    }

    fn at(&self, calendar: &Calendar, month: Date) -> Result<Timestamp, Error> {
        let last = month.last_of_month();
        let day = match (self.day, self.working_day) {
            (_, Some(number)) => calendar.working_day_of(month, last, number)?,
            (day, None) => calendar.working_day_from(day_of(month, last, day.unwrap_or(1)))?,
        };
        Ok(day.open)
    }

    /// The month itself if something comes in it, or else the next in which it does.
    fn in_step(&self, month: Date) -> Result<Date, Error> {
        let months = i32::from(self.months);
        let number = i32::from(month.year()) * 12 + i32::from(month.month()) - i32::from(self.from_month);
        let missing = (months - number.rem_euclid(months)) % months;
        month.checked_add(Months::new().months(missing)).map_err(|_| Error::Recurrence("it comes too late"))
    }

    fn later(&self, month: Date) -> Result<Date, Error> {
        let later = month.checked_add(Months::new().months(self.months));
        later.map_err(|_| Error::Recurrence("it comes too late"))
    }

    /// As people say it: `on working day 1 of every month`.
    #[must_use]
    pub fn in_words(&self) -> BiText {
        let (kind_ar, kind, number) = match (self.day, self.working_day) {
            (_, Some(number)) => ("يوم العمل", "working day", number),
            (day, None) => ("اليوم", "day", day.unwrap_or(1)),
        };
        let (day_ar, day) = match number {
            -1 => (format!("{kind_ar} الأخير"), format!("the last {kind}")),
            number if number < 0 => {
                (format!("{kind_ar} {} من النهاية", -number), format!("{kind} {} from the end", -number))
            }
            number => (format!("{kind_ar} {number}"), format!("{kind} {number}")),
        };
        let (of_ar, of) = match self.months {
            1 => ("من كل شهر".to_owned(), "of every month".to_owned()),
            months => (
                format!("كل {months} شهرًا بدءًا من الشهر {}", self.from_month),
                format!("every {months} months, counted from month {}", self.from_month),
            ),
        };
        BiText::new(format!("{day_ar} {of_ar}"), format!("on {day} {of}"))
    }
}

/// The day of a month that a number names; a month that is shorter has its last.
fn day_of(first: Date, last: Date, number: i8) -> Date {
    let from_start = if number > 0 { number - 1 } else { last.day() + number };
    let days = i64::from(from_start.clamp(0, last.day() - 1));
    first.checked_add(Months::new().days(days)).unwrap_or(last)
}

fn earlier(month: Date, months: i32) -> Date {
    month.checked_sub(Months::new().months(months)).unwrap_or(Date::MIN)
}

/// How long something waits: calendar months, such as `12 months`, or a target, such as `10 business_days` (E21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Wait {
    /// So many months: the same day of the month, or the first working day after it, at its opening.
    Months(u16),
    /// Elapsed or working time.
    Time(Target),
}

impl Wait {
    /// When it is over for the nth time, counted from one instant, so that what comes again does not drift.
    ///
    /// # Errors
    /// `BeyondHorizon` when the calendar ends before it.
    pub fn over(self, calendar: &Calendar, from: Timestamp, times: u32) -> Result<Timestamp, Error> {
        match self {
            Self::Months(months) => {
                let date = calendar.time_zone().to_datetime(from).date();
                let months = i64::from(months) * i64::from(times);
                let late = || Error::Recurrence("it comes too late");
                let months = Months::new().try_months(months).map_err(|_| late())?;
                let date = date.checked_add(months).map_err(|_| late())?;
                Ok(calendar.working_day_from(date)?.open)
            }
            Self::Time(target) => {
                let amount = target.amount.saturating_mul(times);
                calendar.due(from, Target { amount, ..target })
            }
        }
    }

    /// True when it is over at once.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        matches!(self, Self::Months(0) | Self::Time(Target { amount: 0, .. }))
    }

    /// As people say it: `12 months`, `10 working days`.
    #[must_use]
    pub fn in_words(self) -> BiText {
        match self {
            Self::Time(target) => target.in_words(),
            Self::Months(1) => BiText::new("شهر", "1 month"),
            Self::Months(2) => BiText::new("شهران", "2 months"),
            Self::Months(months @ 3..=10) => {
                BiText::new(format!("{months} أشهر"), format!("{months} months"))
            }
            Self::Months(months) => BiText::new(format!("{months} شهرًا"), format!("{months} months")),
        }
    }
}

impl FromStr for Wait {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some((number, "month" | "months")) =
            text.trim().split_once(' ').map(|(n, unit)| (n, unit.trim()))
        else {
            return text.parse().map(Self::Time);
        };
        let months = number.parse().ok().filter(|months| *months <= MOST_MONTHS);
        months.map(Self::Months).ok_or_else(|| Error::Target(text.to_owned()))
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Months(1) => f.write_str("1 month"),
            Self::Months(months) => write!(f, "{months} months"),
            Self::Time(target) => target.fmt(f),
        }
    }
}

impl TryFrom<String> for Wait {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Wait> for String {
    fn from(wait: Wait) -> Self {
        wait.to_string()
    }
}

impl Calendar {
    /// The first working day that is this date or a later one.
    ///
    /// # Errors
    /// `BeyondHorizon` when the calendar does not reach it.
    fn working_day_from(&self, date: Date) -> Result<WorkingDay, Error> {
        self.covers_date(date)?;
        self.working_day(self.before(date))
    }

    /// The nth working day between two dates, both included, from their start or, below 0, from their end; where there are
    /// fewer, the last or the first.
    ///
    /// # Errors
    /// `BeyondHorizon` when the calendar does not cover both.
    fn working_day_of(&self, first: Date, last: Date, number: i8) -> Result<WorkingDay, Error> {
        self.covers_date(first)?;
        self.covers_date(last)?;
        let (start, end) = (self.before(first), self.before(last.tomorrow().unwrap_or(last)));
        // A time without any working day has the next that there is.
        let most = end.max(start + 1) - 1;
        let back = usize::from(number.unsigned_abs());
        let place = if number > 0 { start + back - 1 } else { end.saturating_sub(back) };
        self.working_day(place.clamp(start, most))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::CalendarSpec;

    fn calendar() -> Calendar {
        let text = include_str!("../calendars/qa-gov-default.yaml");
        let spec: CalendarSpec = serde_saphyr::from_str(text).unwrap();
        Calendar::compile(&spec).unwrap()
    }

    fn local(calendar: &Calendar, at: Timestamp) -> String {
        calendar.time_zone().to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string()
    }

    fn at(text: &str) -> Timestamp {
        format!("{text}:00+03:00").parse().unwrap()
    }

    fn on(months: u16, from_month: i8, day: Option<i8>, working_day: Option<i8>) -> Recurrence {
        Recurrence { months, from_month, day, working_day }
    }

    #[test]
    fn comes_when_its_working_day_opens() {
        let calendar = calendar();
        for (rule, after, month, opens) in [
            // The first of November 2026 is a Sunday, and 1 January 2027 a Friday.
            (on(1, 1, None, Some(1)), "2026-10-20T08:00", "2026-11-01", "2026-11-01 07:00"),
            (on(1, 1, None, Some(1)), "2026-11-01T07:00", "2026-12-01", "2026-12-01 07:00"),
            (on(1, 1, None, Some(1)), "2026-12-15T07:00", "2027-01-01", "2027-01-03 07:00"),
            (on(1, 1, Some(1), None), "2026-12-15T07:00", "2027-01-01", "2027-01-03 07:00"),
            // The last day of the month is a day off: the next working day, and still that of the month.
            (on(1, 1, Some(31), None), "2026-10-30T08:00", "2026-10-01", "2026-11-01 07:00"),
            (on(1, 1, Some(-1), None), "2026-11-01T08:00", "2026-11-01", "2026-11-30 07:00"),
            (on(1, 1, None, Some(-1)), "2026-10-20T08:00", "2026-10-01", "2026-10-29 07:00"),
            (on(1, 1, None, Some(31)), "2026-10-20T08:00", "2026-10-01", "2026-10-29 07:00"),
            (on(12, 4, Some(15), None), "2026-11-01T08:00", "2027-04-01", "2027-04-15 07:00"),
            (on(3, 2, None, Some(2)), "2026-08-10T08:00", "2026-11-01", "2026-11-02 07:00"),
        ] {
            assert_eq!(rule.check(), Ok(()));
            let found = rule.first_after(&calendar, at(after)).unwrap();
            assert_eq!(
                (found.month.to_string().as_str(), local(&calendar, found.at).as_str()),
                (month, opens),
                "{rule:?}"
            );
        }
        let quarter = on(3, 1, None, Some(1));
        let month = "2026-10-01".parse().unwrap();
        assert_eq!(quarter.last_day(month).to_string(), "2026-12-31");
        assert_eq!(quarter.month_before(month).to_string(), "2026-07-01");
    }

    #[test]
    fn refuses_what_never_comes() {
        for wrong in [
            on(0, 1, Some(1), None),
            on(121, 1, Some(1), None),
            on(1, 13, Some(1), None),
            on(1, 1, None, None),
            on(1, 1, Some(1), Some(1)),
            on(1, 1, Some(0), None),
            on(1, 1, None, Some(32)),
        ] {
            assert!(matches!(wrong.check(), Err(Error::Recurrence(_))), "{wrong:?}");
        }
        let calendar = calendar();
        let beyond = on(12, 1, Some(1), None).first_after(&calendar, at("2028-06-01T08:00"));
        assert!(matches!(beyond, Err(Error::BeyondHorizon { .. })), "{beyond:?}");
    }

    #[test]
    fn months_do_not_drift() {
        let calendar = calendar();
        let wait: Wait = "1 month".parse().unwrap();
        let over = |times| local(&calendar, wait.over(&calendar, at("2026-08-31T12:00"), times).unwrap());
        // The 31st of October is a Saturday, and the month after is counted from August again.
        assert_eq!([1, 2, 3].map(over), ["2026-09-30 07:00", "2026-11-01 07:00", "2026-11-30 07:00"]);
        let days: Wait = "10 business_days".parse().unwrap();
        let twice = days.over(&calendar, at("2026-11-15T08:00"), 2).unwrap();
        assert_eq!(twice, calendar.due(at("2026-11-15T08:00"), Target::business_days(20)).unwrap());
        for wrong in ["", "months", "121 months", "-1 months", "1 year"] {
            assert!(wrong.parse::<Wait>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn is_said_as_people_say_it() {
        let said = on(1, 1, None, Some(1)).in_words();
        assert_eq!(
            (said.ar.as_str(), said.en.as_str()),
            ("يوم العمل 1 من كل شهر", "on working day 1 of every month")
        );
        assert_eq!(
            on(12, 3, Some(-1), None).in_words().en,
            "on the last day every 12 months, counted from month 3"
        );
        assert_eq!(Wait::Months(12).in_words(), BiText::new("12 شهرًا", "12 months"));
    }

    proptest! {
        /// What follows comes later, a step of months further on, and is what the first after the one before is.
        #[test]
        fn one_comes_after_the_other(
            months in 1u16..=6, from_month in 1i8..=12, number in prop::sample::select(&[1i8, 2, 5, 15, 28, 31, -1, -3][..]),
            working: bool, day in 0i64..300,
        ) {
            let calendar = calendar();
            let rule = if working { on(months, from_month, None, Some(number)) } else { on(months, from_month, Some(number), None) };
            let after = at("2026-02-01T08:00") + jiff::SignedDuration::from_hours(24 * day);
            let first = rule.first_after(&calendar, after).unwrap();
            prop_assert!(first.at > after && calendar.is_open(first.at));
            let next = rule.following(&calendar, first.month).unwrap();
            prop_assert!(next.at > first.at);
            prop_assert_eq!(rule.first_after(&calendar, first.at).unwrap(), next);
            prop_assert_eq!(rule.month_before(next.month), first.month);
            prop_assert_eq!(rule.last_day(first.month).tomorrow().unwrap(), next.month);
        }

        #[test]
        fn reads_the_wait_that_it_wrote(months in 0u16..=120, seconds: u32) {
            for wait in [Wait::Months(months), Wait::Time(Target::elapsed_seconds(seconds))] {
                prop_assert_eq!(wait.to_string().parse(), Ok(wait));
            }
        }
    }
}

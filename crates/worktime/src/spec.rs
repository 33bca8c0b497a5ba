//! A calendar as people write it: weekly hours, holidays by rule or date, dated overlays.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use masar_domain::BiText;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A calendar as data. Versions are immutable: a change is a new version (T7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarSpec {
    /// Code of the calendar, such as `qa-gov-default`.
    pub name: String,
    /// Version, counted from 1.
    pub version: u32,
    /// What people call it.
    pub label: BiText,
    /// IANA name of the time zone in which all hours and dates are meant.
    pub time_zone: String,
    /// The days that holidays are known for; questions beyond are refused.
    pub covers: DateRange,
    /// Opening hours of the ordinary week.
    pub week: Week,
    /// Other hours for working days of a range, such as those of Ramadan. A later entry wins.
    #[serde(default)]
    pub overlays: Vec<Overlay>,
    /// Days that are closed, emergency closures included.
    #[serde(default)]
    pub holidays: Vec<Holiday>,
}

/// A range of dates, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateRange {
    /// First date.
    pub from: Date,
    /// Last date.
    pub to: Date,
}

/// What a calendar says of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day<'a> {
    /// The date.
    pub date: Date,
    /// When it is open; empty on a day off.
    pub hours: &'a [Hours],
    /// The holiday or overlay that makes it another day than the week says.
    pub why: Option<&'a BiText>,
    /// True while what makes it another day is not announced.
    pub tentative: bool,
}

/// Opening hours of one day of the week; a day without any is not a working day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names of the days say it")]
pub struct Week {
    pub sunday: Vec<Hours>,
    pub monday: Vec<Hours>,
    pub tuesday: Vec<Hours>,
    pub wednesday: Vec<Hours>,
    pub thursday: Vec<Hours>,
    pub friday: Vec<Hours>,
    pub saturday: Vec<Hours>,
}

/// Other opening hours for the working days of a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// What people call it.
    pub label: BiText,
    /// First date.
    pub from: Date,
    /// Last date.
    pub to: Date,
    /// The hours that replace those of the week.
    pub hours: Vec<Hours>,
    /// True until the dates are announced.
    #[serde(default)]
    pub tentative: bool,
}

/// A closed day or range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// What people call it.
    pub label: BiText,
    /// When it is.
    pub when: HolidayRule,
    /// True until the dates are announced.
    #[serde(default)]
    pub tentative: bool,
}

/// How the dates of a holiday are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HolidayRule {
    /// These dates and no others.
    Dates(DateRange),
    /// The same day of every year.
    EveryYear {
        /// Month, 1 to 12.
        month: i8,
        /// Day of the month.
        day: i8,
    },
    /// The nth weekday of a month of every year.
    WeekdayOfMonth {
        /// Month, 1 to 12.
        month: i8,
        /// Which day of the week.
        #[serde(with = "weekday")]
        weekday: Weekday,
        /// Which one of the month, 1 to 5.
        nth: i8,
    },
}

/// One opening interval of a day, in minutes after local midnight; written `07:00-14:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    pub(crate) open: u16,
    pub(crate) close: u16,
}

impl Week {
    /// The hours of a day of the week.
    #[must_use]
    pub fn hours(&self, day: Weekday) -> &[Hours] {
        match day {
            Weekday::Sunday => &self.sunday,
            Weekday::Monday => &self.monday,
            Weekday::Tuesday => &self.tuesday,
            Weekday::Wednesday => &self.wednesday,
            Weekday::Thursday => &self.thursday,
            Weekday::Friday => &self.friday,
            Weekday::Saturday => &self.saturday,
        }
    }
}

impl DateRange {
    /// True when the date lies in the range.
    #[must_use]
    pub fn contains(&self, date: Date) -> bool {
        (self.from..=self.to).contains(&date)
    }
}

impl Overlay {
    pub(crate) fn range(&self) -> DateRange {
        DateRange { from: self.from, to: self.to }
    }
}

impl HolidayRule {
    /// True when the rule names the date.
    #[must_use]
    pub fn names(&self, date: Date) -> bool {
        match *self {
            Self::Dates(range) => range.contains(date),
            Self::EveryYear { month, day } => date.month() == month && date.day() == day,
            Self::WeekdayOfMonth { month, weekday, nth } => {
                date.month() == month && date.weekday() == weekday && (date.day() - 1) / 7 + 1 == nth
            }
        }
    }
}

impl CalendarSpec {
    /// What the calendar says of a date. A day of the week without hours is never a working day.
    #[must_use]
    pub fn day(&self, date: Date) -> Day<'_> {
        let ordinary = self.week.hours(date.weekday());
        let mut day = Day { date, hours: ordinary, why: None, tentative: false };
        if ordinary.is_empty() {
            return day;
        }
        let holidays = self.holidays.iter().filter(|holiday| holiday.when.names(date));
        // An announced holiday closes the day whatever becomes of a tentative one.
        let holiday = holidays.min_by_key(|holiday| holiday.tentative);
        let overlay = self.overlays.iter().rev().find(|overlay| overlay.range().contains(date));
        if let Some(holiday) = holiday {
            day = Day { hours: &[], why: Some(&holiday.label), tentative: holiday.tentative, ..day };
        } else if let Some(overlay) = overlay {
            let (hours, tentative) = (overlay.hours.as_slice(), overlay.tentative);
            day = Day { hours, why: Some(&overlay.label), tentative, ..day };
        }
        day
    }

    /// Every date that the calendar covers, in order.
    pub fn dates(&self) -> impl Iterator<Item = Date> + use<> {
        let last = self.covers.to;
        self.covers.from.series(1.day()).take_while(move |date| *date <= last)
    }

    /// Checks what the types cannot: what must not be empty, ranges, rules and the order of intervals.
    ///
    /// # Errors
    /// The first thing that is wrong, with the field it stands in.
    pub fn check(&self) -> Result<(), Error> {
        for (field, given) in [
            ("name", !self.name.trim().is_empty()),
            ("version", self.version > 0),
            ("label", self.label.is_complete()),
        ] {
            if !given {
                return Err(Error::Missing { field });
            }
        }
        check_range("covers", self.covers)?;
        for day in Weekday::Sunday.cycle_forward().take(7) {
            check_order(|| format!("week.{}", weekday::name(day)), self.week.hours(day))?;
        }
        for (n, overlay) in self.overlays.iter().enumerate() {
            check_range(&format!("overlays[{n}]"), overlay.range())?;
            check_order(|| format!("overlays[{n}].hours"), &overlay.hours)?;
        }
        for (n, holiday) in self.holidays.iter().enumerate() {
            check_rule(&format!("holidays[{n}].when"), holiday.when)?;
        }
        Ok(())
    }
}

fn check_range(field: &str, range: DateRange) -> Result<(), Error> {
    if range.from <= range.to {
        return Ok(());
    }
    Err(Error::Range { field: field.to_owned(), from: range.from, to: range.to })
}

fn check_order(field: impl Fn() -> String, hours: &[Hours]) -> Result<(), Error> {
    if hours.windows(2).all(|pair| pair[0].close <= pair[1].open) {
        return Ok(());
    }
    Err(Error::Overlap { field: field() })
}

fn check_rule(field: &str, rule: HolidayRule) -> Result<(), Error> {
    let (month, exists) = match rule {
        HolidayRule::Dates(range) => return check_range(field, range),
        // 2028 is a leap year, so 29 February is a date that exists in some years.
        HolidayRule::EveryYear { month, day } => (month, Date::new(2028, month, day).is_ok()),
        HolidayRule::WeekdayOfMonth { month, nth, .. } => {
            (month, (1..=12).contains(&month) && (1..=5).contains(&nth))
        }
    };
    if exists { Ok(()) } else { Err(Error::Rule { field: field.to_owned(), month }) }
}

impl FromStr for Hours {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let (open, close) = text.split_once('-')?;
            let hours = Self { open: minutes(open)?, close: minutes(close)? };
            (hours.open < hours.close).then_some(hours)
        };
        read().ok_or_else(|| Error::Hours(text.to_owned()))
    }
}

/// Minutes after midnight of `HH:MM`, up to 24:00.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2)?;
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    (minute < 60).then_some(hour * 60 + minute).filter(|total| *total <= 24 * 60)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = (self.open, self.close);
        write!(f, "{:02}:{:02}-{:02}:{:02}", open / 60, open % 60, close / 60, close % 60)
    }
}

impl TryFrom<String> for Hours {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.to_string()
    }
}

/// The English names of the days of the week, as the calendar file spells them.
mod weekday {
    use jiff::civil::Weekday;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn name(day: Weekday) -> &'static str {
        match day {
            Weekday::Sunday => "sunday",
            Weekday::Monday => "monday",
            Weekday::Tuesday => "tuesday",
            Weekday::Wednesday => "wednesday",
            Weekday::Thursday => "thursday",
            Weekday::Friday => "friday",
            Weekday::Saturday => "saturday",
        }
    }

    // The signature is serde's, which passes fields by reference.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    pub(super) fn serialize<S: Serializer>(day: &Weekday, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(name(*day))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Weekday, D::Error> {
        let given = String::deserialize(deserializer)?;
        Weekday::Sunday.cycle_forward().take(7).find(|day| name(*day) == given).ok_or_else(|| {
            D::Error::custom(format!("`{given}` is not a day of the week: write it in full, such as tuesday"))
        })
    }
}

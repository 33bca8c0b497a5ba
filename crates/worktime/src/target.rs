//! How long something may take: a number with one of three kinds of unit (T1).

use std::fmt;
use std::str::FromStr;

use masar_domain::BiText;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The kind of time that a target counts (T1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds on the wall, day and night.
    Elapsed,
    /// Seconds of open time of the calendar.
    BusinessHours,
    /// Working days by date (T2).
    BusinessDays,
}

/// How long something may take.
///
/// The text form is a number and a unit: `15 minutes`, `4 hours`, `90 days` are elapsed time;
/// `4 business_hours` (`4 bh`) and `10 business_days` (`10 bd`) follow the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    /// What is counted.
    pub unit: Unit,
    /// How many: seconds for `Elapsed` and `BusinessHours`, days for `BusinessDays`.
    pub amount: u32,
}

/// The units of the text form, longest first, with their length in the unit's own measure.
const UNITS: &[(&str, Unit, u32)] = &[
    ("day", Unit::Elapsed, 86_400),
    ("hour", Unit::Elapsed, 3_600),
    ("minute", Unit::Elapsed, 60),
    ("second", Unit::Elapsed, 1),
    ("business_hour", Unit::BusinessHours, 3_600),
    ("business_minute", Unit::BusinessHours, 60),
    ("business_second", Unit::BusinessHours, 1),
    ("business_day", Unit::BusinessDays, 1),
];

impl Target {
    /// A number of working days.
    #[must_use]
    pub const fn business_days(days: u32) -> Self {
        Self { unit: Unit::BusinessDays, amount: days }
    }

    /// A number of open seconds of the calendar.
    #[must_use]
    pub const fn business_seconds(seconds: u32) -> Self {
        Self { unit: Unit::BusinessHours, amount: seconds }
    }

    /// A number of seconds on the wall.
    #[must_use]
    pub const fn elapsed_seconds(seconds: u32) -> Self {
        Self { unit: Unit::Elapsed, amount: seconds }
    }

    /// As people say it: `10 working days`, `10 أيام عمل`.
    #[must_use]
    pub fn in_words(self) -> BiText {
        let (word, number) = self.counted();
        let (noun, working) = match word.strip_prefix("business_") {
            Some(noun) => (noun, true),
            None => (word, false),
        };
        let (one, two, few, many) = match noun {
            "day" => ("يوم", if working { "يوما" } else { "يومان" }, "أيام", "يومًا"),
            "hour" => ("ساعة", if working { "ساعتا" } else { "ساعتان" }, "ساعات", "ساعة"),
            "minute" => ("دقيقة", if working { "دقيقتا" } else { "دقيقتان" }, "دقائق", "دقيقة"),
            _ => ("ثانية", if working { "ثانيتا" } else { "ثانيتان" }, "ثوانٍ", "ثانية"),
        };
        let ar = match (number, number % 100) {
            (1, _) => one.to_owned(),
            (2, _) => two.to_owned(),
            (_, 3..=10) => format!("{number} {few}"),
            // A noun that another follows ends as it does alone.
            (..) => format!("{number} {}", if working { one } else { many }),
        };
        let (of_work, work, plural) =
            (if working { " عمل" } else { "" }, if working { "working " } else { "" }, plural(number));
        BiText::new(format!("{ar}{of_work}"), format!("{number} {work}{noun}{plural}"))
    }

    /// The largest unit of the text form that fits, and how many of it.
    fn counted(self) -> (&'static str, u32) {
        let fits = |&&(_, unit, length): &&(&str, Unit, u32)| {
            unit == self.unit && self.amount.is_multiple_of(length)
        };
        // Each unit's last row has length 1, so one always fits.
        let (word, _, length) = UNITS.iter().find(fits).copied().unwrap_or(("second", self.unit, 1));
        (word, self.amount / length)
    }
}

const fn plural(number: u32) -> &'static str {
    if number == 1 { "" } else { "s" }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unreadable = || Error::Target(text.to_owned());
        let (number, unit) = text.trim().split_once(' ').ok_or_else(unreadable)?;
        let unit = match unit.trim() {
            "bd" => "business_day",
            "bh" => "business_hour",
            unit => unit.strip_suffix('s').unwrap_or(unit),
        };
        let (_, unit, length) = UNITS.iter().find(|(word, ..)| *word == unit).ok_or_else(unreadable)?;
        let amount =
            number.parse::<u32>().ok().and_then(|n| n.checked_mul(*length)).ok_or_else(unreadable)?;
        Ok(Self { unit: *unit, amount })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, number) = self.counted();
        write!(f, "{number} {word}{}", plural(number))
    }
}

impl TryFrom<String> for Target {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_unit() {
        for (text, target) in [
            ("15 minutes", Target::elapsed_seconds(900)),
            ("1 hour", Target::elapsed_seconds(3_600)),
            ("90 days", Target::elapsed_seconds(7_776_000)),
            ("4 business_hours", Target::business_seconds(14_400)),
            ("4 bh", Target::business_seconds(14_400)),
            ("10 business_days", Target::business_days(10)),
            ("1 bd", Target::business_days(1)),
        ] {
            assert_eq!(text.parse(), Ok(target), "{text}");
        }
    }

    #[test]
    fn is_said_as_people_say_it() {
        for (target, ar, en) in [
            (Target::business_days(1), "يوم عمل", "1 working day"),
            (Target::business_days(2), "يوما عمل", "2 working days"),
            (Target::business_days(10), "10 أيام عمل", "10 working days"),
            (Target::business_days(15), "15 يوم عمل", "15 working days"),
            (Target::business_seconds(14_400), "4 ساعات عمل", "4 working hours"),
            (Target::elapsed_seconds(900), "15 دقيقة", "15 minutes"),
            (Target::elapsed_seconds(7_776_000), "90 يومًا", "90 days"),
        ] {
            assert_eq!(target.in_words(), BiText::new(ar, en));
        }
    }

    #[test]
    fn refuses_what_is_no_target() {
        for text in ["", "10", "ten days", "-1 days", "1.5 hours", "10 working_days", "99999999 days"] {
            assert_eq!(text.parse::<Target>(), Err(Error::Target(text.into())));
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_wrote(amount: u32, unit in prop::sample::select(&[Unit::Elapsed, Unit::BusinessHours, Unit::BusinessDays][..])) {
            let target = Target { unit, amount };
            prop_assert_eq!(target.to_string().parse(), Ok(target));
        }
    }
}

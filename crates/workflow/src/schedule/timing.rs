//! When a schedule comes, counted again from its rule whenever somebody asks: nothing drifts, and a new version of a calendar
//! is followed at once.

use jiff::Timestamp;
use jiff::civil::Date;
use masar_worktime::{Calendar, Error, Occurrence, Recurrence, Wait};
use serde::{Deserialize, Serialize};

use super::Missed;

/// The most that come at once; what comes on top does at the next look.
const MOST: usize = 100;

/// When a schedule comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// On days of the calendar.
    On(Recurrence),
    /// Some time after a moment.
    After {
        /// The moment.
        from: Timestamp,
        /// How long.
        wait: Wait,
        /// True when it comes again after each further time.
        repeats: bool,
    },
}

/// One time that a schedule comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// What tells it from the others of its schedule and never changes: the month, such as `2026-12`, or its number from 1.
    pub name: String,
    /// When it comes.
    pub at: Timestamp,
}

/// What of a schedule has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Come {
    /// Those of which cases begin, oldest first.
    pub now: Vec<Coming>,
    /// The name of what comes next; none when it comes no more.
    pub next: Option<String>,
}

impl Timing {
    /// The first that comes after a moment.
    ///
    /// # Errors
    /// `BeyondHorizon` when the calendar ends before it.
    pub fn first(&self, calendar: &Calendar, after: Timestamp) -> Result<Coming, Error> {
        match self {
            Self::On(rule) => Ok(by_month(rule.first_after(calendar, after)?)),
            Self::After { .. } => self.named(calendar, "1"),
        }
    }

    /// The one of a name.
    ///
    /// # Errors
    /// `BeyondHorizon` when the calendar ends before it; `Recurrence` for a name that is none of its own.
    pub fn named(&self, calendar: &Calendar, name: &str) -> Result<Coming, Error> {
        match self {
            Self::On(rule) => Ok(by_month(rule.of_month(calendar, month(name)?)?)),
            Self::After { from, wait, .. } => {
                Ok(Coming { name: name.to_owned(), at: wait.over(calendar, *from, number(name)?)? })
            }
        }
    }

    /// The name of the one after that of a name; none when it comes no more. A name is known before the calendar is.
    ///
    /// # Errors
    /// `Recurrence` for a name that is none of its own.
    pub fn name_after(&self, name: &str) -> Result<Option<String>, Error> {
        match self {
            Self::On(rule) => Ok(Some(named_by(rule.last_day(month(name)?).tomorrow().unwrap_or(Date::MAX)))),
            Self::After { repeats: false, .. } => Ok(None),
            Self::After { .. } => Ok(Some(number(name)?.saturating_add(1).to_string())),
        }
    }

    /// What has come by now, from the one of a name on. What comes after that may lie beyond the calendar, and keeps none from
    /// beginning that has come.
    ///
    /// # Errors
    /// As `named`, of the first.
    pub fn come(
        &self,
        calendar: &Calendar,
        name: &str,
        missed: Missed,
        now: Timestamp,
    ) -> Result<Come, Error> {
        let (mut coming, mut come) = (self.named(calendar, name)?, Vec::new());
        while coming.at <= now && come.len() < MOST {
            let next = self.name_after(&coming.name)?;
            if missed == Missed::Last {
                come.clear();
            }
            come.push(coming);
            let Some(next) = next else { return Ok(Come { now: come, next: None }) };
            match self.named(calendar, &next) {
                Ok(found) => coming = found,
                Err(_) => return Ok(Come { now: come, next: Some(next) }),
            }
        }
        Ok(Come { now: come, next: Some(coming.name) })
    }
}

fn by_month(found: Occurrence) -> Coming {
    Coming { name: named_by(found.month), at: found.at }
}

fn named_by(month: Date) -> String {
    month.strftime("%Y-%m").to_string()
}

/// The first day of the month that a name names.
pub(super) fn month(name: &str) -> Result<Date, Error> {
    format!("{name}-01").parse().map_err(|_| Error::Recurrence("its name is no month"))
}

fn number(name: &str) -> Result<u32, Error> {
    name.parse().map_err(|_| Error::Recurrence("its name is no number"))
}

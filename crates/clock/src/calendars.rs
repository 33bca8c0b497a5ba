//! Which calendar a clock is pinned to, and who knows it (T7).

use std::fmt;

use masar_worktime::Calendar;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The name and version of a calendar. Versions never change, so a pin always means the same days.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarRef {
    /// Code of the calendar.
    pub name: String,
    /// Its version.
    pub version: u32,
}

/// Whoever holds compiled calendars and can find one by its pin.
pub trait Calendars {
    /// The calendar, when it is known.
    fn calendar(&self, pin: &CalendarRef) -> Option<&Calendar>;

    /// The calendar that must be there.
    ///
    /// # Errors
    /// `UnknownCalendar`.
    fn pinned(&self, pin: &CalendarRef) -> Result<&Calendar, Error> {
        self.calendar(pin).ok_or_else(|| Error::UnknownCalendar(pin.clone()))
    }
}

impl CalendarRef {
    /// The pin of a compiled calendar.
    #[must_use]
    pub fn of(calendar: &Calendar) -> Self {
        Self { name: calendar.name().to_owned(), version: calendar.version() }
    }
}

impl fmt::Display for CalendarRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.name, self.version)
    }
}

impl Calendars for Calendar {
    fn calendar(&self, pin: &CalendarRef) -> Option<&Calendar> {
        (self.name() == pin.name && self.version() == pin.version).then_some(self)
    }
}

impl Calendars for [Calendar] {
    fn calendar(&self, pin: &CalendarRef) -> Option<&Calendar> {
        self.iter().find_map(|calendar| calendar.calendar(pin))
    }
}

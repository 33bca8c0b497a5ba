//! Working time: calendars compiled so that every question about open time is a binary search.
//!
//! Pure: instants come in as arguments. Units never mix: elapsed time, business hours and business days
//! are three kinds of [`Target`] (T1).

mod calendar;
mod confirm;
mod derived;
mod error;
mod recurrence;
mod spec;
mod target;
#[cfg(test)]
mod tests;

pub use calendar::{Calendar, WorkingDay};
pub use derived::{Base, CalendarFile, Shelf, published};
pub use error::Error;
pub use recurrence::{Occurrence, Recurrence, Wait};
pub use spec::{CalendarSpec, DateRange, Day, Holiday, HolidayRule, Hours, Overlay, Week};
pub use target::{Target, Unit};

/// The calendar of an entity that has named none.
pub const DEFAULT: &str = "qa-gov-default";

/// Name and text of the calendars that the product brings.
pub const SHIPPED: &[(&str, &str)] = &[
    ("qa-gov-default", include_str!("../calendars/qa-gov-default.yaml")),
    ("qa-gov-centre-evening", include_str!("../calendars/qa-gov-centre-evening.yaml")),
    ("always-open", include_str!("../calendars/always-open.yaml")),
];

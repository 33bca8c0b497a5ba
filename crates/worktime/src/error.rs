//! What can be wrong with a calendar, a target or a question about one.

use jiff::Timestamp;
use jiff::civil::Date;

/// Why a calendar or a target cannot be used. Each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Opening hours that cannot be read.
    #[error(
        "`{0}` are no opening hours: write them as HH:MM-HH:MM, the end after the start, 24:00 at the latest"
    )]
    Hours(String),
    /// A field that says nothing.
    #[error(
        "`{field}` is empty: give the calendar a name, a version from 1, a label in Arabic and English, a time zone, the dates that it covers and its week"
    )]
    Missing {
        /// Where in the calendar.
        field: &'static str,
    },
    /// A calendar that is based on one that is not known.
    #[error(
        "it is based on {name} version {version}, which is not known: publish that first, or name another version"
    )]
    Base {
        /// Name of the calendar on which it is based.
        name: String,
        /// Its version.
        version: u32,
    },
    /// A calendar that covers days that the one on which it is based does not.
    #[error(
        "`covers`: the calendar on which it is based says nothing before {from} and after {to}: stay within"
    )]
    Reach {
        /// The first date of the other.
        from: Date,
        /// Its last date.
        to: Date,
    },
    /// Intervals of one day that overlap or are out of order.
    #[error("`{field}`: the intervals of a day must be in order and must not overlap")]
    Overlap {
        /// Where in the calendar.
        field: String,
    },
    /// A range that ends before it starts.
    #[error("`{field}`: {from} is after {to}; exchange them")]
    Range {
        /// Where in the calendar.
        field: String,
        /// First date of the range.
        from: Date,
        /// Last date of the range.
        to: Date,
    },
    /// Dates to be confirmed of which none are tentative.
    #[error("nothing on {0} is tentative: name a date on which something is, as `masar calendar show` says")]
    NothingTentative(Date),
    /// Other dates for more than one part of a calendar.
    #[error(
        "more than one thing is tentative on {0}: name a date on which only that one is which was announced"
    )]
    SeveralTentative(Date),
    /// A yearly rule that names no date.
    #[error("`{field}`: month {month} has no such day; correct the rule")]
    Rule {
        /// Where in the calendar.
        field: String,
        /// The month of the rule.
        month: i8,
    },
    /// A time zone that is not in the time zone database.
    #[error("`{0}` is not a time zone of the IANA database: use a name such as Asia/Qatar")]
    TimeZone(String),
    /// A calendar without any opening hours.
    #[error("calendar `{0}` is never open: give at least one day of the week its hours")]
    NeverOpen(String),
    /// A question about a time that the calendar does not cover.
    #[error("calendar `{calendar}` does not reach {at}: publish a version that covers more days")]
    BeyondHorizon {
        /// Name of the calendar.
        calendar: String,
        /// The instant asked for, or the last one covered when the answer lies beyond it.
        at: Timestamp,
    },
    /// A target that cannot be read.
    #[error(
        "`{0}` is not a target: write a number and a unit, such as `15 minutes`, `4 business_hours` or `10 business_days`"
    )]
    Target(String),
    /// A recurrence that never comes, or beyond all time.
    #[error("this cannot come again and again: {0}")]
    Recurrence(&'static str),
}

//! Why a ledger entry is refused or a question about a clock has no answer.

use jiff::Timestamp;

use crate::{CalendarRef, Mark};

/// What is wrong. Nothing of the clock has changed when an entry is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first entry of a ledger starts the clock, and no other does.
    #[error("a ledger begins with `started` and has it once")]
    Start,
    /// Entries are in the order of time.
    #[error("the entry at {at} is older than the last one at {last}: entries are added in the order of time")]
    Order {
        /// When the refused entry happened.
        at: Timestamp,
        /// When the last entry happened.
        last: Timestamp,
    },
    /// The clock is not in a phase in which this can happen.
    #[error("a clock that is {phase} cannot be {wanted}")]
    Phase {
        /// The phase the clock is in.
        phase: &'static str,
        /// What was to happen to it.
        wanted: &'static str,
    },
    /// A pause that is entered later lies where it can have been.
    #[error(
        "a pause that is entered later begins at {started_at} or after, has ended by {now}, and overlaps no other: correct its times"
    )]
    PauseSpan {
        /// When the clock was started.
        started_at: Timestamp,
        /// When the pause was entered.
        now: Timestamp,
    },
    /// An extension counts in the unit of its target (T9).
    #[error("an extension counts in the unit of the target: give it in the same unit")]
    ExtensionUnit,
    /// An extension is granted once (T9).
    #[error("the clock was extended before: an extension is granted once")]
    ExtensionTwice,
    /// An extension is granted before the due time or not at all (T9).
    #[error("the clock was due at {due_at}: an extension is granted before that; explain the breach instead")]
    ExtensionLate {
        /// When it was due.
        due_at: Timestamp,
    },
    /// A mark fires once per target (T12).
    #[error("mark `{0}` has fired: it fires once per target")]
    MarkTwice(Mark),
    /// A mark fires when it is reached and not before.
    #[error("mark `{mark}` is reached at {at}: compute the clock again and fire it then")]
    MarkEarly {
        /// The mark.
        mark: Mark,
        /// When it is reached as things stand.
        at: Timestamp,
    },
    /// A mark that cannot be read.
    #[error("`{0}` is not a mark: write a share such as `75%`, `breach`, or `breach + 2 bd`")]
    Mark(String),
    /// The calendar that the clock is pinned to is not known.
    #[error("{0} is not known: publish it, or move the clock to a version that is")]
    UnknownCalendar(CalendarRef),
    /// The calendar has no answer.
    #[error(transparent)]
    Calendar(#[from] masar_worktime::Error),
}

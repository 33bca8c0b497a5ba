//! Why a ledger entry is refused or a question about a clock has no answer.

use jiff::Timestamp;

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
    /// An extension counts in the unit of its target (T9).
    #[error("an extension counts in the unit of the target: give it in the same unit")]
    ExtensionUnit,
    /// A mark that cannot be read.
    #[error("`{0}` is not a mark: write a share such as `75%`, `breach`, or `breach + 2 bd`")]
    Mark(String),
    /// The calendar has no answer.
    #[error(transparent)]
    Calendar(#[from] masar_worktime::Error),
}

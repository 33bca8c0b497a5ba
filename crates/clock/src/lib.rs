//! A clock is a fold over its ledger: nothing is stored that cannot be recomputed (T4).
//!
//! Pure: calendars and every instant come in as arguments. A breach is a fact that follows from the due
//! time and can never be removed (T10); firing a mark only tells people.

mod calendars;
mod clock;
mod error;
mod ledger;
mod mark;
mod meter;
mod questions;
mod run;
#[cfg(test)]
mod tests;

pub use calendars::{CalendarRef, Calendars};
pub use clock::{Breach, BreachCause, Clock, Pause, Phase, Verdict};
pub use error::Error;
pub use ledger::{Entry, Event};
pub use mark::{Mark, MarkDue};
pub use run::{Run, Standing};

//! A clock is a fold over its ledger: nothing is stored that cannot be recomputed (T4).
//!
//! Of each clock two judgements hold at any moment: as it was promised, and under the rules of today. Beside them stand whose
//! time it was (T14), a ledger in plain sentences, and what looks like gaming, which is shown and not judged.
//!
//! Pure: calendars and every instant come in as arguments. A breach is a fact that follows from the due
//! time and can never be removed (T10); firing a mark only tells people.

mod attribution;
mod calendars;
mod clock;
mod error;
mod evidence;
mod explain;
mod judgement;
mod ledger;
mod mark;
mod meter;
mod questions;
mod run;
#[cfg(test)]
mod tests;

pub use attribution::{Attribution, Span, attribute};
pub use calendars::{CalendarRef, Calendars};
pub use clock::{Breach, BreachCause, Clock, Pause, Phase, Verdict};
pub use error::Error;
pub use evidence::{Evidence, Pattern, handed_over, in_last, reopened};
pub use explain::explain;
pub use judgement::{Judgement, Rules};
pub use ledger::{Entry, Event};
pub use mark::{Mark, MarkDue};
pub use run::{Run, Standing};

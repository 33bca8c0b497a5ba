//! State machines as data: packages, the cases that walk them, and who may move a case.
//!
//! Pure: [`decide`] turns a command into an event or a refusal, [`evolve`] turns events into a case; production
//! and replay use the same two functions.

mod case;
mod check;
mod decide;
mod definition;
mod error;
mod graph;
mod package;
#[cfg(test)]
mod tests;

pub use case::{Actor, Case, CaseEvent, Change, Step, evolve};
pub use decide::{Availability, Command, Opening, Refusal, Violation, available, decide};
pub use definition::{Definition, State, Transition};
pub use error::Error;
pub use graph::graph;
pub use package::{Package, Source};

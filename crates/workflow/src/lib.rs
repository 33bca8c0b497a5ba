//! State machines as data: packages, the cases that walk them, and who may move a case.
//!
//! Pure: [`decide`] turns a command into an event or a refusal, [`evolve`] turns events into a case; production
//! and replay use the same two functions.

mod agreement;
mod alive;
mod case;
mod catalog;
mod check;
mod children;
mod codes;
mod computed;
mod concealed;
mod decide;
mod definition;
mod diff;
mod effect;
mod error;
mod explain;
mod expression;
mod fact;
mod files;
mod finding;
mod form;
mod graph;
mod ladder;
mod link;
mod migrate;
mod overlay;
mod package;
mod places;
mod quota;
mod recurrence;
mod routing;
mod said;
mod scenario;
mod schedule;
mod schema;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod written;

pub use agreement::{AgreedTarget, Agreement, AgreementKind, Bounds, OpenClocks, Parties, Promise, binding};
pub use case::{Actor, Case, CaseEvent, Change, SYSTEM, Step, evolve};
pub use catalog::{Catalog, Version, shipped, shipped_files, shipped_simulation};
pub use children::{Child, Named};
pub use concealed::Concealed;
pub use decide::{
    Availability, Command, ENDED_ELSEWHERE, OPEN, Opening, Refusal, Situation, Violation, available, decide,
};
pub use definition::{
    Begin, Between, ClockKind, ClockRule, Definition, Extension, Moments, Routing, Rule, State, Task,
    Template, Transition,
};
pub use diff::{Difference, Edit, Kind, Risk, RiskCode, diff};
pub use effect::{ClockEffect, ClockOperation, Effect};
pub use error::Error;
pub use explain::explain;
pub use files::{Files, files, scenarios};
pub use finding::{Code, Finding};
pub use graph::graph;
pub use ladder::{Again, CUSTOMER, Climb, Holders, Ladder, LadderStep, Level, acts, climb};
pub use link::NamedCase;
pub use migrate::{Fate, Migration, Occasion, Stranded};
pub use overlay::{Fields, Labels, Overlaid, Overlay, Tightening, Without, overlay};
pub use package::{Package, Source};
pub use quota::{Band, Bands, Dimension, Quota, QuotaRule, Shown, Standing, Tally, tallies};
pub use recurrence::{Counted, Matter, Noted, Proposal, RECURRENCE, RecurrenceRule};
pub use routing::{Routed, Tried};
pub use scenario::{Coverage, Failure, Lookup, Outcome, Scenarios, Trial, trial};
pub use schedule::{
    Come, Coming, Entity, Missed, Per, Place, Schedule, ScheduleEffect, ScheduleOperation, Timing,
};
pub use schema::{FileKind, schema};
pub use table::{Hit, TableInput, TableRule};

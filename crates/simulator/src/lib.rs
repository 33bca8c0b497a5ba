//! What would happen: arrivals and staff played against a package, and cases of the past replayed through a draft.
//!
//! Pure: calendars, plans and seeds come in as arguments. Cases walk with the same `decide`, `evolve` and clocks as in
//! production.

mod clocks;
mod desk;
mod error;
mod family;
mod past;
mod paths;
mod plan;
mod report;
mod span;
mod tally;
#[cfg(test)]
mod tests;
mod world;

pub use error::{Error, Problem};
pub use family::{Descendants, descendants};
pub use past::{
    Broken, Change, DryRun, Fared, House, Line, PastCase, PastChild, PastDeed, Rules, Stopped, walk,
};
pub use plan::{Arrivals, ChildPlan, Choice, Opening, Plan, Staff};
pub use report::{
    ChildReport, ClockReport, DeskReport, Estimate, PackageReport, Report, StageReport, StuckReport,
    UnopenedReport,
};
pub use span::Span;
pub use tally::Sample;
pub use world::{Simulation, replicate};

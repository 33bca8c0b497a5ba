//! Event logs of other systems: read and written as XES and OCEL 2.0, turned into draft packages, and replayed through
//! packages case by case.
//!
//! Pure: bytes come in as arguments, and a replay uses the same `decide` and `evolve` as production.

mod draft;
mod error;
mod log;
mod ocel;
mod replay;
#[cfg(test)]
mod tests;
mod xes;

pub use draft::{Draft, Rare, Stay, Summary, Team};
pub use error::Error;
pub use log::{Attribute, Log, LogCase, LogEvent, Step, Value, keys};
pub use ocel::{Declared, Ocel, OcelEvent, OcelObject, OcelType, Relationship, Stated};
pub use replay::{Example, Reason, Replay, replay};

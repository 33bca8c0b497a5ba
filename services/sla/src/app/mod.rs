//! Keeping time: clocks are folds over their ledgers, and every change of one is told.

mod agreements;
mod alarm;
mod evidence;
mod extension;
mod keeper;
mod promises;
mod session;
mod state;
mod told;

pub(crate) use agreements::{Agreement, Terms};
pub(crate) use alarm::{Alarm, LOOK, NEAR};
pub(crate) use evidence::{Handed, bursts};
pub(crate) use extension::Extension;
pub(crate) use keeper::Keeper;
pub(crate) use promises::{Compiled, ENTITIES, Promises, Registered};
pub(crate) use session::{Changed, Session};
pub(crate) use state::state;

/// Why a clock was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The pure core refused an entry.
    #[error("the clock `{clock}`: {error}")]
    Clock { clock: String, error: masar_clock::Error },
    /// A text of an event that says no target or mark.
    #[error("{0}")]
    Text(String),
    #[error("a stored clock cannot be read: {0}")]
    Ledger(#[from] serde_json::Error),
    #[error(transparent)]
    Bus(#[from] masar_bus::Error),
    #[error(transparent)]
    Store(#[from] masar_store::Error),
}

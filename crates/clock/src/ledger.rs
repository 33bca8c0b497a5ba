//! The ledger of a clock: what happened to it, and when.

use jiff::Timestamp;
use masar_worktime::Target;
use serde::{Deserialize, Serialize};

/// One line of a ledger. Lines are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen to a clock (T4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// It began to count towards its target.
    Started {
        /// How long it may take.
        target: Target,
    },
    /// It stands still, because the customer must act (T8).
    Paused {
        /// Why.
        reason: String,
    },
    /// It counts again.
    Resumed,
    /// Importance, service or agreement changed; what was used and paused is kept (T6).
    Retargeted {
        /// How long it may take now, from the same start.
        target: Target,
        /// Why.
        cause: String,
    },
    /// More time was granted (T9).
    Extended {
        /// How much, in the unit of the target.
        by: Target,
        /// Why.
        reason: String,
    },
    /// What was promised was done.
    Stopped,
    /// It no longer matters whether it is kept.
    Cancelled {
        /// Why.
        reason: String,
    },
}

//! The ledger of a clock: what happened to it, and when.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use masar_worktime::Target;
use serde::{Deserialize, Serialize};

use crate::{CalendarRef, Mark};

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
        /// The calendar it counts on.
        calendar: CalendarRef,
        /// What promised the target, such as a package's clock or an agreement with its version.
        policy: String,
        /// A day that somebody planned: due at its closing where that is earlier.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_after: Option<Date>,
    },
    /// It stands still, because the customer must act (T8).
    Paused {
        /// Why.
        reason: String,
    },
    /// It counts again.
    Resumed,
    /// A pause that nobody entered when it began (T8): it counts from when it was, and undoes no breach (T10).
    PauseEntered {
        /// When it began.
        from: Timestamp,
        /// When it ended, before this entry.
        to: Timestamp,
        /// Why.
        reason: String,
        /// Who entered it.
        entered_by: String,
    },
    /// Importance, service or agreement changed; what was used and paused is kept (T6).
    Retargeted {
        /// How long it may take now, from the same start.
        target: Target,
        /// A day that somebody planned: due at its closing where that is earlier.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_after: Option<Date>,
        /// Why.
        cause: String,
    },
    /// More time was granted: once, and only before the due time (T9).
    Extended {
        /// How much, in the unit of the target.
        by: Target,
        /// Why.
        reason: String,
        /// Who granted it.
        granted_by: String,
    },
    /// A new version of the calendar holds for the open clock (T7).
    CalendarChanged {
        /// The calendar it counts on now.
        calendar: CalendarRef,
    },
    /// Somebody was told that a mark was reached (T12).
    MarkFired {
        /// The mark.
        mark: Mark,
    },
    /// What was promised was done.
    Stopped {
        /// How, where the entry of the case does not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// It no longer matters whether it is kept.
    Cancelled {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { target, calendar, policy, not_after } => {
                write!(f, "started: {target}{} on {calendar}, as {policy} promises", planned(*not_after))
            }
            Self::Paused { reason } => write!(f, "paused: {reason}"),
            Self::Resumed => f.write_str("resumed"),
            Self::PauseEntered { from, to, reason, entered_by } => {
                write!(f, "paused from {from} to {to}, entered later by {entered_by}: {reason}")
            }
            Self::Retargeted { target, not_after, cause } => {
                write!(f, "retargeted to {target}{}: {cause}", planned(*not_after))
            }
            Self::Extended { by, reason, granted_by } => {
                write!(f, "extended by {by}, granted by {granted_by}: {reason}")
            }
            Self::CalendarChanged { calendar } => write!(f, "moved to {calendar}"),
            Self::MarkFired { mark } => write!(f, "fired {mark}"),
            Self::Stopped { reason: None } => f.write_str("stopped"),
            Self::Stopped { reason: Some(reason) } => write!(f, "stopped: {reason}"),
            Self::Cancelled { reason } => write!(f, "cancelled: {reason}"),
        }
    }
}

fn planned(not_after: Option<Date>) -> String {
    not_after.map(|date| format!(", not after {date}")).unwrap_or_default()
}

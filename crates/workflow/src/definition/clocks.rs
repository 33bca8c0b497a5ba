//! Clocks as a `workflow.yaml` writes them.

use std::collections::{BTreeMap, BTreeSet};

use masar_clock::Mark;
use masar_domain::BiText;
use masar_worktime::Target;
use serde::{Deserialize, Serialize};

#[cfg(test)]
use crate::tests::words::{Duration, Moment, Text};

/// Moments of a case: actions done, states entered, or people told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Moments {
    /// Actions; `open` is the first of every case.
    pub actions: BTreeSet<String>,
    /// States that are entered.
    pub states: BTreeSet<String>,
    /// Templates: a message of one of them was delivered, or there is nobody to tell. Only a clock's `stop` knows these.
    pub messages: BTreeSet<String>,
}

impl Moments {
    /// True when only that people are told brings them about.
    pub(crate) fn is_told(&self) -> bool {
        !self.messages.is_empty() && self.actions.is_empty() && self.states.is_empty()
    }
}

/// A promise about time, or a time for something. A clock that still runs when a case is closed is cancelled, unless
/// something can still be done within it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClockRule {
    /// What people call it.
    #[cfg_attr(test, schemars(with = "Text"))]
    pub label: BiText,
    /// Whose promise it is.
    pub kind: ClockKind,
    /// How long, by importance (or by the field that `target_by` names); `all` stands for the rest. Where there is
    /// none, there is no clock.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Duration>"))]
    pub target: BTreeMap<String, Target>,
    /// `form.field` of a form of the case whose value chooses the target instead of the importance.
    pub target_by: Option<String>,
    /// `table NAME`, or `table NAME.COLUMN`: a decision table over `case` and `importance` that goes before `target`, such as
    /// for a service or a category; a row that gives `default`, and what no row expects, leave it to `target` (CMP-13).
    pub target_from: Option<String>,
    /// Between whom it is promised, by facts of the case: an agreement of both goes before all targets (SVC-05, T14).
    pub between: Option<Between>,
    /// `form.field` of forms of the case: the first that says a date is a plan, at whose closing the clock is due if that
    /// is earlier than its target.
    #[serde(default)]
    pub until: Vec<String>,
    /// A CEL condition for starting it.
    pub when: Option<String>,
    /// When it starts, or starts afresh (T13).
    pub start: Moments,
    /// When what was promised is done.
    #[serde(default)]
    pub stop: Moments,
    /// The waiting states in which it stands still (T8).
    #[serde(default)]
    pub pause: BTreeSet<String>,
    /// The shares at which people are warned (T12).
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<Moment>"))]
    pub warn: Vec<Mark>,
    /// How it can be extended (T9).
    pub extend: Option<Extension>,
    /// The action that the system does when it is broken.
    pub on_breach: Option<String>,
    /// True when it also runs for cases that were handled elsewhere before.
    #[serde(default)]
    pub historical: bool,
}

/// Whose promise a clock is (T14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClockKind {
    /// To the customer.
    Sla,
    /// Between departments or entities.
    Ola,
    /// Of a provider.
    Uc,
    /// Housekeeping.
    Internal,
    /// Nobody's: a time in which something may be done, or after which the system acts. When it is over nothing is
    /// broken, and the clock stops.
    Window,
}

impl ClockKind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sla => "sla",
            Self::Ola => "ola",
            Self::Uc => "uc",
            Self::Internal => "internal",
            Self::Window => "window",
        }
    }

    /// Whose promise it is in a case that answers to another case and not to the customer.
    pub(crate) const fn inward(self) -> Self {
        match self {
            Self::Sla => Self::Ola,
            other @ (Self::Ola | Self::Uc | Self::Internal | Self::Window) => other,
        }
    }
}

/// Whose promise to whom a clock is: the facts that name them, such as two departments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// The fact that names who promises.
    pub provider: String,
    /// The fact that names whom it is promised.
    pub consumer: String,
}

/// How a clock can be extended (T9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// The action that grants it.
    pub action: String,
    /// The field of its form that says how many working days.
    pub days: String,
    /// The template of the message to the customer: the extension holds once it was delivered before the due time, and
    /// otherwise not. Without one it holds at once.
    pub told: Option<String>,
}

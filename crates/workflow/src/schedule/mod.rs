//! Cases that begin by themselves: what a package says of when and with which form (E21, GEN-05, CXT-07, STR-14).

mod form;
mod timing;

use std::collections::BTreeMap;

use masar_domain::BiText;
use masar_worktime::{Recurrence, Wait};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::form::{Entity, Place};
pub(crate) use self::form::{Schedules, check_forms};
pub use self::timing::{Come, Coming, Timing};
#[cfg(test)]
use crate::tests::words::{DayOfMonths, Text, WaitingTime};
use crate::{Definition, Moments};

/// Cases of a package that begin by themselves: `every` so many months on a day of the calendar, for the entities that have asked for it, or some
/// time `after` something happened to a case (E21).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// What people call it.
    #[cfg_attr(test, schemars(with = "Text"))]
    pub label: BiText,
    /// The package whose cases begin; this one without it.
    pub opens: Option<String>,
    /// The days on which they begin, at the opening of the entity's calendar.
    #[cfg_attr(test, schemars(with = "Option<DayOfMonths>"))]
    pub every: Option<Recurrence>,
    /// For whom one begins on such a day.
    #[serde(default, skip_serializing_if = "Per::is_entity")]
    pub per: Per,
    /// What must happen to a case of this package instead, from when the time is counted.
    pub after: Option<Moments>,
    /// How long after that: `12 months`, `30 days`, `10 business_days`.
    #[cfg_attr(test, schemars(with = "Option<WaitingTime>"))]
    pub wait: Option<Wait>,
    /// True when another begins after each further time, until `stop`. It keeps its pace when `after` happens again; what does
    /// not repeat is counted afresh then.
    #[serde(default)]
    pub repeats: bool,
    /// What ends it.
    #[serde(default)]
    pub stop: Moments,
    /// How the case that begins relates to the case from which it is counted.
    pub link: Option<String>,
    /// Which of those begin that were missed while the platform was down.
    #[serde(default, skip_serializing_if = "Missed::is_last")]
    pub missed: Missed,
    /// The fields of the opening form: `=` and a CEL expression, or `table NAME`. It knows `occurrence`, `entity` and `place` of
    /// a day of the calendar, and `case` and `form`, that of the event, of what happened to a case.
    #[serde(default)]
    pub with: BTreeMap<String, String>,
}

/// For whom a case begins on a day of the calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// One for the entity.
    #[default]
    Entity,
    /// One for each of its departments.
    Department,
    /// One for each service of its catalogue.
    Service,
    /// One for each of its service centres, which are those of its people.
    Centre,
}

/// Which of the cases begin for which the time has come while nobody looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// The last alone.
    #[default]
    Last,
    /// Each of them.
    Each,
}

impl Per {
    const fn is_entity(&self) -> bool {
        matches!(self, Self::Entity)
    }
}

impl Missed {
    const fn is_last(&self) -> bool {
        matches!(self, Self::Last)
    }
}

/// What an event asks of a schedule of its case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleEffect {
    /// Its code in the package.
    pub schedule: String,
    /// What happens to it.
    pub operation: ScheduleOperation,
}

/// What can happen to a schedule of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleOperation {
    /// It is counted from now on.
    Begin {
        /// The package whose cases begin.
        opens: String,
        /// How each relates to this case.
        link: String,
        /// How long it waits.
        wait: Wait,
        /// True when it comes again and again.
        repeats: bool,
        /// Which of those begin that were missed.
        missed: Missed,
        /// The form with which each begins.
        form: Value,
    },
    /// It comes no more.
    End,
}

impl Definition {
    /// The package whose cases a schedule of this one opens.
    #[must_use]
    pub fn opened_by_schedule<'a>(&'a self, schedule: &'a Schedule) -> &'a str {
        schedule.opens.as_deref().unwrap_or(&self.package)
    }

    /// The schedules by the days of a calendar, by code.
    pub fn on_days(&self) -> impl Iterator<Item = (&str, &Schedule, Recurrence)> {
        self.schedules.iter().filter_map(|(code, rule)| Some((code.as_str(), rule, rule.every?)))
    }
}

//! A case as its events tell it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use masar_domain::{CaseId, Role, StateCategory};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who acts on a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Stable id of the person or system.
    pub id: String,
    /// Its roles.
    pub roles: BTreeSet<Role>,
    /// The department of a person who belongs to one.
    pub department: Option<String>,
}

/// A case: the fold of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its identity.
    pub id: CaseId,
    /// Code of its state.
    pub state: String,
    /// Category of its state.
    pub category: StateCategory,
    /// How many events it has had; a writer names the version it has seen.
    pub version: u64,
    /// The department that handles it.
    pub department: Option<String>,
    /// The last data of each form.
    pub forms: BTreeMap<String, Value>,
    /// The counters of the package.
    pub counts: BTreeMap<String, i64>,
    /// Who did what, oldest first; separation of duties reads it (E13).
    pub history: Vec<Step>,
}

/// One thing that was done to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Code of the action; `open` for the first.
    pub action: String,
    /// Id of the actor.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

/// What happened to a case. Events are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseEvent {
    /// The case.
    pub case_id: CaseId,
    /// The version that the case has after it, from 1.
    pub version: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Id of who did it.
    pub actor: String,
    /// Code of the action; `open` for the first event.
    pub action: String,
    /// Code and category of the state after it.
    pub to: (String, StateCategory),
    /// Why, where a reason was given.
    pub reason: Option<String>,
    /// The form that was filled in, and its data.
    pub form: Option<(String, Value)>,
    /// What else it changed.
    pub change: Change,
}

/// What an event changes besides the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The case begins.
    Opened {
        /// The department that handles it.
        department: Option<String>,
        /// The counters of the package, which begin at zero.
        counters: BTreeSet<String>,
    },
    /// The case moves; a counter may go up by one.
    Moved {
        /// The counter.
        count: Option<String>,
    },
}

/// The case after an event. The events of one case are given in the order of their versions.
#[must_use]
pub fn evolve(case: Option<Case>, event: &CaseEvent) -> Case {
    let mut case = case.unwrap_or_else(|| Case {
        id: event.case_id,
        state: String::new(),
        category: event.to.1,
        version: 0,
        department: None,
        forms: BTreeMap::new(),
        counts: BTreeMap::new(),
        history: Vec::new(),
    });
    (case.state, case.category) = event.to.clone();
    case.version = event.version;
    case.forms.extend(event.form.clone());
    match &event.change {
        Change::Opened { department, counters } => {
            case.department.clone_from(department);
            case.counts = counters.iter().map(|counter| (counter.clone(), 0)).collect();
        }
        Change::Moved { count: Some(counter) } => *case.counts.entry(counter.clone()).or_default() += 1,
        Change::Moved { count: None } => {}
    }
    case.history.push(Step { action: event.action.clone(), actor: event.actor.clone(), at: event.at });
    case
}

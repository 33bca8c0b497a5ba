//! A case as its events tell it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use masar_domain::{CaseId, Importance, Role, StateCategory};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::decide::ENDED_ELSEWHERE;
use crate::{ClockEffect, ClockOperation, Effect, ScheduleEffect, ScheduleOperation};

/// The id and the role of the system, which acts when a clock says so.
pub const SYSTEM: &str = "system";

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

impl Actor {
    /// The system, which acts when a clock says so.
    #[must_use]
    pub fn system() -> Self {
        Self { id: SYSTEM.to_owned(), roles: [Role(SYSTEM.to_owned())].into(), department: None }
    }
}

/// A case: the fold of its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its identity.
    pub id: CaseId,
    /// Code of its state.
    pub state: String,
    /// Category of its state.
    pub category: StateCategory,
    /// How many events it has had; a writer names the version it has seen.
    pub version: u64,
    /// What is known of it: `importance`, `service`, `department`, `classification` and what else the package names.
    pub facts: BTreeMap<String, String>,
    /// True when it was handled elsewhere before and nobody has acted on it here: nobody is told.
    pub historical: bool,
    /// True when it answers to the case that asked for it, and not to the customer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inward: bool,
    /// Who last took it on: the person whom messages to the handler reach.
    pub handler: Option<String>,
    /// The clocks that run or stand still.
    pub clocks: BTreeSet<String>,
    /// The schedules that are counted from it.
    #[serde(default)]
    pub schedules: BTreeSet<String>,
    /// The last data of each form.
    pub forms: BTreeMap<String, Value>,
    /// The counters of the package.
    pub counts: BTreeMap<String, i64>,
    /// How many children of each package it has asked for.
    #[serde(default)]
    pub asked: BTreeMap<String, u32>,
    /// Who did what, oldest first; separation of duties reads it (E13).
    pub history: Vec<Step>,
}

impl Case {
    /// What is known of it under a name, if anything.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str).filter(|fact| !fact.is_empty())
    }

    /// The department that handles it.
    #[must_use]
    pub fn department(&self) -> Option<&str> {
        self.fact("department")
    }

    /// What routing rules may read of it.
    #[must_use]
    pub fn routing_facts(&self) -> Value {
        let mut facts = json!({"state": self.state, "counts": self.counts});
        if let Value::Object(facts) = &mut facts {
            facts.extend(self.facts.iter().map(|(name, fact)| (name.clone(), json!(fact))));
        }
        facts
    }

    /// Its degree of importance; medium until somebody says otherwise (CMP-11).
    #[must_use]
    pub fn importance(&self) -> Importance {
        self.fact("importance").and_then(|word| word.parse().ok()).unwrap_or(Importance::Medium)
    }
}

/// One thing that was done to a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Facts of the case that it changed.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// What it asks of other services.
    #[serde(default)]
    pub effects: Vec<Effect>,
}

/// What an event changes besides the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The case begins.
    Opened {
        /// True when it was handled elsewhere before.
        historical: bool,
        /// True when it answers to the case that asked for it, and not to the customer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        inward: bool,
        /// The counters of the package, which begin at zero.
        counters: BTreeSet<String>,
    },
    /// The case goes on in another version of its package.
    Migrated {
        /// The version before.
        from: String,
        /// The version from now on.
        to: String,
        /// The state before.
        state: String,
        /// The clocks that ran or stood still before.
        ran: BTreeSet<String>,
        /// The counters of the new version; those that the case does not have yet begin at zero.
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
        facts: BTreeMap::new(),
        historical: false,
        inward: false,
        handler: None,
        clocks: BTreeSet::new(),
        schedules: BTreeSet::new(),
        forms: BTreeMap::new(),
        counts: BTreeMap::new(),
        asked: BTreeMap::new(),
        history: Vec::new(),
    });
    (case.state, case.category) = event.to.clone();
    case.version = event.version;
    // What a concealed child began with stays with the event: what else is known of the case must not tell of it.
    if event.concealed().next().is_none() {
        case.forms.extend(event.form.clone());
    }
    match &event.change {
        Change::Opened { historical, inward, counters } => {
            (case.historical, case.inward) = (*historical, *inward);
            case.counts = counters.iter().map(|counter| (counter.clone(), 0)).collect();
        }
        Change::Migrated { counters, .. } => {
            for counter in counters {
                case.counts.entry(counter.clone()).or_default();
            }
        }
        Change::Moved { count } => {
            case.historical &= event.action == ENDED_ELSEWHERE;
            if let Some(counter) = count {
                *case.counts.entry(counter.clone()).or_default() += 1;
            }
        }
    }
    case.facts.extend(event.facts.clone());
    if event.effects.contains(&Effect::AssignActor) {
        case.handler = Some(event.actor.clone());
    }
    for effect in &event.effects {
        if let Effect::Child { package, .. } = effect {
            *case.asked.entry(package.clone()).or_default() += 1;
        }
        if let Effect::Schedule(ScheduleEffect { schedule, operation }) = effect {
            match operation {
                ScheduleOperation::Begin { .. } => case.schedules.insert(schedule.clone()),
                ScheduleOperation::End => case.schedules.remove(schedule),
            };
        }
        let Effect::Clock(ClockEffect { clock, operation, .. }) = effect else { continue };
        match operation {
            ClockOperation::Start { .. } => case.clocks.insert(clock.clone()),
            ClockOperation::Stop | ClockOperation::Cancel { .. } => case.clocks.remove(clock),
            ClockOperation::Pause { .. }
            | ClockOperation::Resume
            | ClockOperation::Retarget { .. }
            | ClockOperation::Extend { .. } => continue,
        };
    }
    case.history.push(Step { action: event.action.clone(), actor: event.actor.clone(), at: event.at });
    case
}

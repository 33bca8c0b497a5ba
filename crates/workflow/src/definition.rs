//! What a `workflow.yaml` says, as it says it.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::{BiText, Role, StateCategory};
use serde::Deserialize;

/// A package as written. A version is immutable; a case stays on the version it was opened in (NFR-11).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Name of the package, which is its folder.
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// The type of its cases.
    pub case_type: String,
    /// What people call it.
    pub label: BiText,
    /// The form that opens a case.
    pub opening_form: String,
    /// The states by code.
    pub states: BTreeMap<String, State>,
    /// The transitions, in the order in which they are tried.
    pub transitions: Vec<Transition>,
}

/// A state of the machine (E03).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// What kind of state it is.
    pub category: StateCategory,
    /// What people call it.
    pub label: BiText,
    /// True for the one state in which a case begins.
    #[serde(default)]
    pub initial: bool,
}

/// One sentence: who may do what in which states, and where that leads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// Code of the action.
    pub action: String,
    /// What people call it.
    pub label: BiText,
    /// The states in which it can be done.
    pub from: BTreeSet<String>,
    /// The state it leads to.
    pub to: String,
    /// The roles of which the actor needs one.
    pub roles: BTreeSet<Role>,
    /// A CEL condition over `case`, `actor` and `form`.
    pub guard: Option<String>,
    /// What to tell people when the guard does not hold.
    pub otherwise: Option<BiText>,
    /// The form that must be filled in.
    pub form: Option<String>,
    /// True when a reason must be given.
    #[serde(default)]
    pub reason: bool,
    /// A counter of the case that goes up by one.
    pub count: Option<String>,
    /// Actions whose last actor may not do this one (E13).
    #[serde(default)]
    pub not_by: BTreeSet<String>,
}

impl Definition {
    /// The code of the state in which a case begins, if there is one.
    #[must_use]
    pub fn initial(&self) -> Option<&str> {
        self.states.iter().find(|(_, state)| state.initial).map(|(code, _)| code.as_str())
    }

    /// The names of all counters, which begin at zero.
    pub fn counters(&self) -> impl Iterator<Item = &str> {
        self.transitions.iter().filter_map(|transition| transition.count.as_deref())
    }
}

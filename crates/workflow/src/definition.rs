//! What a `workflow.yaml` says, as it says it.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::{BiText, Role, StateCategory};
use serde::{Deserialize, Serialize};

use crate::table::{TABLE, TableRule};
#[cfg(test)]
use crate::tests::words::{Category, RoleCode, Text};
use crate::{Concealed, Ladder, Quota, RecurrenceRule, Refusal, SYSTEM, Schedule};

mod clocks;

pub use clocks::{Between, ClockKind, ClockRule, Extension, Moments};

/// What a level does that puts the case on the list of a queue.
pub(crate) const ADD_TO_QUEUE: &str = "add_to_queue:";
/// Where a transition leads that changes no state.
pub(crate) const SAME: &str = "same";

/// A package as written. A version is immutable; a case stays on the version it was opened in (NFR-11).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Name of the package, which is its folder.
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// The type of its cases.
    pub case_type: String,
    /// What people call it.
    #[cfg_attr(test, schemars(with = "Text"))]
    pub label: BiText,
    /// The form that opens a case.
    pub opening_form: String,
    /// The roles that may open a case by themselves; children are opened by those who may do what asks for them.
    #[serde(default = "openers")]
    #[cfg_attr(test, schemars(with = "BTreeSet<RoleCode>"))]
    pub opened_by: BTreeSet<Role>,
    /// The closed state of cases that were over before they came to us; without it none such can be brought in.
    pub historical_end: Option<String>,
    /// What is known of a case, and the field of the opening form that says it, or `=` and a CEL expression over `form`, or
    /// `table NAME`:
    /// `importance`, `service`, `department`, `classification` and others that rules and lists read.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// Where a case begins that says much already: in the first of these whose condition holds, or else in the initial
    /// state.
    #[serde(default)]
    pub begin: Vec<Begin>,
    /// What else the opening asks for.
    #[serde(default)]
    pub opening_effects: Vec<Task>,
    /// The states by code.
    pub states: BTreeMap<String, State>,
    /// The stages that no case may pass by on its way to an end, by their state, with the requirement that says so. No
    /// overlay can take them away.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Text>"))]
    pub mandatory_states: BTreeMap<String, BiText>,
    /// Where overlays may lead a case through states of their own: `after:STATE` and `before:STATE`; anywhere without any.
    #[serde(default)]
    pub overlay_points: BTreeSet<String>,
    /// The transitions, in the order in which they are tried.
    pub transitions: Vec<Transition>,
    /// What the system tries when a child has changed; each must have a guard.
    #[serde(default)]
    pub on_child: Vec<String>,
    /// The clocks by code (section 4.3).
    #[serde(default)]
    pub clocks: BTreeMap<String, ClockRule>,
    /// The ladders by the clock that they belong to (section 4.4).
    #[serde(default)]
    pub ladders: BTreeMap<String, Ladder>,
    /// Where the tasks of its cases go.
    pub routing: Routing,
    /// Decision tables by name; each has its rows in `tables/NAME.csv`.
    #[serde(default)]
    pub tables: BTreeMap<String, TableRule>,
    /// What shares of its children a case needs, by code (E14).
    #[serde(default)]
    pub quotas: BTreeMap<String, Quota>,
    /// What makes cases the same matter, by code, and what follows when it comes again (CMP-04).
    #[serde(default)]
    pub recurrence: BTreeMap<String, RecurrenceRule>,
    /// The cases that begin by themselves, by code (E21).
    #[serde(default)]
    pub schedules: BTreeMap<String, Schedule>,
    /// What people are told.
    #[serde(default)]
    pub templates: BTreeMap<String, Template>,
}

/// Whoever brings in what customers say.
fn openers() -> BTreeSet<Role> {
    ["customer", "intake_agent", "partner", "tenant_admin", "triage_officer"]
        .map(|role| Role(role.to_owned()))
        .into()
}

/// A state of the machine (E03).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct State {
    /// What kind of state it is.
    #[cfg_attr(test, schemars(with = "Category"))]
    pub category: StateCategory,
    /// What people call it.
    #[cfg_attr(test, schemars(with = "Text"))]
    pub label: BiText,
    /// True for the one state in which a case begins unless `begin` says otherwise.
    #[serde(default)]
    pub initial: bool,
}

/// A state in which a case may begin instead of the initial one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// Code of the state.
    pub state: String,
    /// A CEL condition over `form`, the opening form, and `historical`: true when it was handled elsewhere before.
    pub when: String,
}

/// One sentence: who may do what in which states, and where that leads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// Its place among the sentences of the file, from 0: one that holds in several states is still one sentence.
    #[serde(skip)]
    pub sentence: usize,
    /// Code of the action.
    pub action: String,
    /// What people call it.
    #[cfg_attr(test, schemars(with = "Text"))]
    pub label: BiText,
    /// The states in which it can be done; `any_open`, `any_waiting`, `any_resolved`, `any_closed` and `any` stand for
    /// all states of a category, or simply all.
    pub from: BTreeSet<String>,
    /// The state it leads to; `same` stays.
    pub to: String,
    /// The roles of which the actor needs one.
    #[cfg_attr(test, schemars(with = "BTreeSet<RoleCode>"))]
    pub roles: BTreeSet<Role>,
    /// A CEL condition over `case`, `actor`, `form` and `children`.
    pub guard: Option<String>,
    /// What to tell people when the guard does not hold.
    #[cfg_attr(test, schemars(with = "Option<Text>"))]
    pub otherwise: Option<BiText>,
    /// A quota of which every hard rule must be met.
    pub quotas: Option<String>,
    /// The form that must be filled in.
    pub form: Option<String>,
    /// True when a reason must be given.
    #[serde(default)]
    pub reason: bool,
    /// A clock of the kind `window` until whose due time it can be done; one that never started sets no limit.
    pub within: Option<String>,
    /// A counter of the case that goes up by one.
    pub count: Option<String>,
    /// Actions whose actors may not do this one, however long ago (E13).
    #[serde(default)]
    pub not_by: BTreeSet<String>,
    /// Facts of the case that the form changes, and the field that says how, or `=` and a CEL expression over `form`, or
    /// `table NAME`.
    #[serde(default)]
    pub sets: BTreeMap<String, String>,
    /// What it asks of others.
    #[serde(default)]
    pub effects: Vec<Task>,
}

/// Something that a transition asks of another service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Put the case into the queue that the routing rules name.
    Route,
    /// Nobody needs to act any more.
    CloseTask,
    /// Whoever did this acts on.
    AssignActor,
    /// Tell somebody.
    Notify {
        /// Name of the template.
        template: String,
        /// `customer`, `handler` or role codes.
        to: Vec<String>,
    },
    /// Open child cases.
    Child {
        /// Its package.
        package: String,
        /// How it relates to this case.
        link: String,
        /// A CEL expression over `case` and `form` that gives a list: each of its rows has a child.
        each: Option<String>,
        /// The fields of the child's opening form: a field of the row or of the form, or `=` and a CEL expression over
        /// `case`, `form` and `row`, or `table NAME`. Without any the child begins with the form of the transition.
        #[serde(default)]
        with: BTreeMap<String, String>,
        /// The entity in which it is opened: a field of the row or of the form, or `=` and a CEL expression over `case`, `form`
        /// and `row`, or `table NAME`, that gives its code. Without it, and where it says nothing, that of this case (STR-13).
        entity: Option<String>,
        /// True for a child that answers to this case and not to the customer: what its package promises to customers is
        /// promised between entities or departments (`ola`), and the customer is told nothing (T14).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        inward: bool,
        /// True for a child that belongs to whoever submitted this case, such as what it is converted into: they find it and may
        /// act on it. Others belong to whoever asks for them.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        for_customer: bool,
        /// Set for a child that nobody finds to be one (CMP-07).
        concealed: Option<Concealed>,
    },
    /// Ask the customer how it was (HAP-04): a child that belongs to whoever submitted this case. Nobody is asked where the
    /// customer is not known, where the case answers to another, and of what was over elsewhere.
    AskSurvey {
        /// Its package.
        package: String,
        /// The fields of its opening form, said as those of other children.
        with: BTreeMap<String, String>,
    },
    /// Link this case to others that are there.
    Link {
        /// How it relates to them, such as `merged_into`.
        link: String,
        /// The field of the form that names the other case by its reference or id, or several.
        to: String,
    },
    /// Put an agreement into force, in the place of the one that the case has put into force before: from then on it goes
    /// before the targets of the clocks between its parties (SVC-05).
    Agree {
        /// What it says, by the names of [`crate::Agreement`]'s parts, each a field of the form, or `=` and a CEL expression
        /// over `case` and `form`.
        with: BTreeMap<String, String>,
    },
    /// End the agreement that the case has put into force: what begins afterwards has the targets of its package again.
    EndAgreement,
}

/// Where tasks go: the first rule that holds, or else the desk that always takes them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// In the order in which they are tried.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// The queue of all cases that no rule takes.
    pub otherwise: String,
}

/// A routing rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it says, for people.
    pub name: String,
    /// A CEL condition over `case`, `service` and `category`.
    pub when: String,
    /// The code of the queue, or `=` and a CEL expression that gives it, or `table NAME`.
    pub queue: String,
}

/// What people are told, in both languages; the texts are minijinja templates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The subject line.
    #[cfg_attr(test, schemars(with = "Text"))]
    pub subject: BiText,
    /// The text.
    #[cfg_attr(test, schemars(with = "Text"))]
    pub body: BiText,
}

impl Transition {
    /// True when the system may do it, which gives no reasons and fills in no forms.
    pub(crate) fn is_the_systems_to_do(&self) -> bool {
        self.roles.iter().any(|role| role.0 == SYSTEM) && self.form.is_none() && !self.reason
    }
}

impl Definition {
    /// Numbers the sentences, in the order of the file.
    pub(crate) fn number(&mut self) {
        for (sentence, transition) in self.transitions.iter_mut().enumerate() {
            transition.sentence = sentence;
        }
    }

    /// The states that some words name: a code names its state, `any_open` and the like name many.
    pub(crate) fn named_by(&self, words: &BTreeSet<String>) -> BTreeSet<String> {
        // What is no such word is the code of a state, so that a misspelt one is refused as unknown.
        let category = |word: &str| match word.strip_prefix("any_") {
            Some(category) => category.parse().ok().map(Some),
            None => (word == "any").then_some(None),
        };
        let (many, mut states): (BTreeSet<_>, BTreeSet<_>) =
            words.iter().cloned().partition(|word| category(word).is_some());
        let wanted: Vec<Option<StateCategory>> = many.iter().filter_map(|word| category(word)).collect();
        let named = |state: &State| wanted.iter().any(|any| any.is_none_or(|any| any == state.category));
        states.extend(self.states.iter().filter(|(_, state)| named(state)).map(|(code, _)| code.clone()));
        states
    }

    /// Writes out the words for many states and for staying, so that every transition names its states.
    pub(crate) fn spell_out(&mut self) {
        let mut transitions = std::mem::take(&mut self.transitions);
        for transition in &mut transitions {
            transition.from = self.named_by(&transition.from);
            for (_, concealed) in transition.effects.iter_mut().filter_map(Task::concealed_mut) {
                concealed.revealed_in = self.named_by(&concealed.revealed_in);
            }
        }
        let stays = |transition: &Transition| transition.to == SAME;
        self.transitions = transitions
            .into_iter()
            .flat_map(|transition| match stays(&transition) {
                false => vec![transition],
                true => (transition.from.iter().cloned())
                    .map(|state| Transition { from: [state.clone()].into(), to: state, ..transition.clone() })
                    .collect(),
            })
            .collect();
    }

    /// May somebody with these roles open a case?
    ///
    /// # Errors
    /// `Role` with those of which one is needed.
    pub fn may_open(&self, roles: &BTreeSet<Role>) -> Result<(), Refusal> {
        match self.opened_by.is_disjoint(roles) {
            true => Err(Refusal::Role { needed: self.opened_by.iter().cloned().collect() }),
            false => Ok(()),
        }
    }

    /// The codes of all states in which a case may begin, the initial one first.
    pub fn beginnings(&self) -> impl Iterator<Item = &str> {
        self.initial().into_iter().chain(self.begin.iter().map(|begin| begin.state.as_str()))
    }

    /// The code of the state in which a case begins unless `begin` says otherwise, if there is one.
    #[must_use]
    pub fn initial(&self) -> Option<&str> {
        self.states.iter().find(|(_, state)| state.initial).map(|(code, _)| code.as_str())
    }

    /// True when a case in a state allows something only until the clock is due.
    pub(crate) fn is_window(&self, clock: &str, state: &str) -> bool {
        let within = |transition: &Transition| transition.within.as_deref() == Some(clock);
        self.transitions.iter().any(|transition| within(transition) && transition.from.contains(state))
    }

    /// True when a clock waits for a message of this template, to stop or to be extended.
    #[must_use]
    pub fn awaits(&self, template: &str) -> bool {
        self.clocks.values().any(|clock| {
            let told = clock.extend.as_ref().and_then(|extension| extension.told.as_deref());
            clock.stop.messages.contains(template) || told == Some(template)
        })
    }

    /// The desks that it names; departments, which a rule computes, are none of them, and those of tables stand there.
    pub(crate) fn desks(&self) -> impl Iterator<Item = &str> {
        let routing = &self.routing;
        let named = |queue: &&str| !queue.starts_with('=') && !queue.starts_with(TABLE);
        let rules = routing.rules.iter().map(|rule| rule.queue.as_str()).filter(named);
        let levels = self.ladders.values().flat_map(|ladder| &ladder.levels);
        let listed =
            levels.flat_map(|level| &level.actions).filter_map(|action| action.strip_prefix(ADD_TO_QUEUE));
        rules.chain([routing.otherwise.as_str()]).chain(listed)
    }

    /// The names of all counters, which begin at zero.
    pub fn counters(&self) -> impl Iterator<Item = &str> {
        self.transitions.iter().filter_map(|transition| transition.count.as_deref())
    }
}

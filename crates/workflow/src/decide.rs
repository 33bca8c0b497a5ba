//! May this actor do that to this case, and what follows if so?

use std::collections::BTreeMap;

use jiff::Timestamp;
use masar_domain::{BiText, CaseId, Role, StateCategory};
use serde_json::{Value, json};

use crate::children::children_facts;
use crate::expression::Scope;
use crate::{Actor, Case, CaseEvent, Change, Child, Definition, Package, Transition, quota};

/// The action of the first event of every case.
pub const OPEN: &str = "open";
/// The action that ends a case that was over before it came to us.
pub const ENDED_ELSEWHERE: &str = "ended_elsewhere";

/// The action that takes a case over into another version of its package.
pub(crate) const MIGRATED: &str = "migrated";

/// What somebody wants to do to a case.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// Code of the action.
    pub action: String,
    /// The form's data, if the action has a form.
    pub form: Option<Value>,
    /// Why.
    pub reason: Option<String>,
    /// The version that the caller has seen; `None` skips the check.
    pub expected_version: Option<u64>,
}

/// What holds when something is decided, besides the case itself.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The time.
    pub at: Timestamp,
    /// The due times of the last runs of the clocks that [`Package::windows`] names, as far as they are known.
    pub windows: &'a BTreeMap<String, Timestamp>,
    /// What is known of the children of the case.
    pub children: &'a [Child],
}

/// What a case begins with.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Its identity, chosen at intake.
    pub case_id: CaseId,
    /// True when it was handled elsewhere before: until somebody acts on it here nobody is told, and only clocks so
    /// marked run.
    pub historical: bool,
    /// The data of the opening form.
    pub form: Value,
}

/// A field of a form that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, such as `answer.text.ar`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// Why something may not be done. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody was faster.
    #[error("the case is at version {current}, not {expected}: read it again and decide anew")]
    Version {
        /// The version that the caller has seen.
        expected: u64,
        /// The version of the case.
        current: u64,
    },
    /// The action does not exist in the state of the case.
    #[error("`{action}` cannot be done in the state `{state}`; possible are: {}", .possible.join(", "))]
    Action {
        /// What was asked for.
        action: String,
        /// The state of the case.
        state: String,
        /// The actions of the state.
        possible: Vec<String>,
    },
    /// The actor has none of the roles.
    #[error("one of these roles is needed: {}", .needed.iter().map(|role| role.0.as_str()).collect::<Vec<_>>().join(", "))]
    Role {
        /// The roles of which one is needed.
        needed: Vec<Role>,
    },
    /// The actor's role reaches only as far as the own department.
    #[error("the case belongs to the department `{department}`: only its people may do this")]
    Department {
        /// The department of the case.
        department: String,
    },
    /// The actor did something that excludes this (E13).
    #[error("`{actor}` did `{step}` and may not do this too: somebody else must")]
    SeparationOfDuties {
        /// The action that the actor did.
        step: String,
        /// The actor.
        actor: String,
    },
    /// The time in which it could be done is over.
    #[error("the time for this ended at {ended_at} (`{clock}`)")]
    Window {
        /// The clock that said how long.
        clock: String,
        /// When it was due.
        ended_at: Timestamp,
    },
    /// The condition of the transition does not hold.
    #[error("{}", .message.en)]
    Guard {
        /// What to tell people.
        message: BiText,
    },
    /// A hard rule of a quota is not met (AMB-18).
    #[error("{} / {}", .message.en, .message.ar)]
    Quota {
        /// Which, and what is needed.
        message: BiText,
    },
    /// A child would be opened in an entity that is not there, or does not take it (STR-13).
    #[error("{} / {}", .message.en, .message.ar)]
    Entity {
        /// Which, and why not.
        message: BiText,
    },
    /// A reason must be given.
    #[error("a reason must be given")]
    Reason,
    /// Fields of the form are not as they should be.
    #[error("{}", .0.iter().map(|v| format!("{}: {}", v.field, v.message)).collect::<Vec<_>>().join("; "))]
    Form(Vec<Violation>),
}

/// An action of the current state, and whether the actor may do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// Code of the action.
    pub action: String,
    /// What people call it.
    pub label: BiText,
    /// The form it asks for.
    pub form: Option<String>,
    /// True when a reason must be given.
    pub reason: bool,
    /// Why the actor may not do it; `None` when the actor may.
    pub refusal: Option<Refusal>,
}

impl Refusal {
    /// The stable code by which programs and scenarios know it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } => "VERSION",
            Self::Action { .. } => "ACTION",
            Self::Role { .. } => "ROLE",
            Self::Department { .. } => "DEPARTMENT",
            Self::SeparationOfDuties { .. } => "SEPARATION_OF_DUTIES",
            Self::Window { .. } => "WINDOW",
            Self::Guard { .. } => "GUARD",
            Self::Quota { .. } => "QUOTA",
            Self::Entity { .. } => "ENTITY",
            Self::Reason => "REASON",
            Self::Form(_) => "FORM",
        }
    }
}

impl Package {
    /// Opens a case.
    ///
    /// # Errors
    /// `Form` with every violation of the opening form.
    pub fn open(&self, opening: Opening, actor: &Actor, at: Timestamp) -> Result<CaseEvent, Refusal> {
        self.opened(opening, false, actor, at)
    }

    /// Opens a case that answers to the case that asked for it, and not to the customer: what is promised to customers is
    /// promised to that case, and the customer is told nothing.
    ///
    /// # Errors
    /// As [`Package::open`].
    pub fn open_inward(&self, opening: Opening, actor: &Actor, at: Timestamp) -> Result<CaseEvent, Refusal> {
        self.opened(opening, true, actor, at)
    }

    fn opened(
        &self,
        mut opening: Opening,
        inward: bool,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<CaseEvent, Refusal> {
        let definition = self.definition();
        let form = &definition.opening_form;
        opening.form = self.computed(form, None, opening.form);
        refuse_form(self.violations_of(form, &opening.form))?;
        let beginning = self.beginning(&opening);
        let facts = self.facts(&opening.form);
        let event = CaseEvent {
            case_id: opening.case_id,
            version: 1,
            at,
            actor: actor.id.clone(),
            action: OPEN.to_owned(),
            to: state(definition, beginning),
            reason: None,
            form: Some((form.clone(), opening.form)),
            change: Change::Opened {
                historical: opening.historical,
                inward,
                counters: definition.counters().map(str::to_owned).collect(),
            },
            facts,
            effects: Vec::new(),
        };
        Ok(self.with_effects(None, event, &definition.opening_effects, self.opening_children()))
    }

    /// Ends a case that was over before it came to us: what was promised is taken as done at that time. `None` where the
    /// package has no state for such cases.
    #[must_use]
    pub fn end_elsewhere(&self, case: &Case, actor: &Actor, at: Timestamp) -> Option<CaseEvent> {
        let event = CaseEvent {
            case_id: case.id,
            version: case.version + 1,
            at,
            actor: actor.id.clone(),
            action: ENDED_ELSEWHERE.to_owned(),
            to: state(self.definition(), self.definition().historical_end.as_deref()?),
            reason: None,
            form: None,
            change: Change::Moved { count: None },
            facts: BTreeMap::new(),
            effects: Vec::new(),
        };
        Some(self.with_effects(Some(case), event, &[], &[]))
    }
}

/// Decides a command: the event that follows, or why not.
///
/// # Errors
/// The refusal of the first transition of the action, in the order of the package, unless a later one allows it.
pub fn decide(
    package: &Package,
    case: &Case,
    command: &Command,
    actor: &Actor,
    situation: Situation<'_>,
) -> Result<CaseEvent, Refusal> {
    decided(package, case, command, actor, situation).map(|(_, event)| event)
}

/// As [`decide`], with the place of the transition in the package.
pub(crate) fn decided(
    package: &Package,
    case: &Case,
    command: &Command,
    actor: &Actor,
    situation: Situation<'_>,
) -> Result<(usize, CaseEvent), Refusal> {
    if let Some(expected) = command.expected_version.filter(|expected| *expected != case.version) {
        return Err(Refusal::Version { expected, current: case.version });
    }
    let scope = guard_scope(case, actor, command.form.as_ref(), situation.children);
    let asked = Asked { case, action: &command.action, actor, situation, scope: &scope };
    let (index, transition, data) = permitted(package, asked, command.form.as_ref())?;
    let reason = command.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    if transition.reason && reason.is_none() {
        return Err(Refusal::Reason);
    }
    let form = transition.form.as_ref().map(|name| (name.clone(), data.unwrap_or(Value::Null)));
    if let Some((name, data)) = &form {
        refuse_form(package.violations_of(name, data))?;
    }
    let data = form.as_ref().map_or(&Value::Null, |(_, data)| data);
    let event = CaseEvent {
        facts: package.facts_set(index, data),
        effects: Vec::new(),
        case_id: case.id,
        version: case.version + 1,
        at: situation.at,
        actor: actor.id.clone(),
        action: command.action.clone(),
        to: state(package.definition(), &transition.to),
        reason: reason.map(str::to_owned),
        form,
        change: Change::Moved { count: transition.count.clone() },
    };
    let agreed = package.agreed(index, case, &event)?;
    let mut event = package.with_effects(Some(case), event, &transition.effects, package.children_of(index));
    event.effects.extend(agreed);
    Ok((index, event))
}

/// What the actor may do with the case now, and why not the rest; one line for each action of the state.
#[must_use]
pub fn available(
    package: &Package,
    case: &Case,
    actor: &Actor,
    situation: Situation<'_>,
) -> Vec<Availability> {
    let scope = guard_scope(case, actor, None, situation.children);
    let mut lines: Vec<Availability> = Vec::new();
    for (_, transition) in of_state(package.definition(), case) {
        if lines.iter().any(|line| line.action == transition.action) {
            continue;
        }
        lines.push(Availability {
            action: transition.action.clone(),
            label: transition.label.clone(),
            form: transition.form.clone(),
            reason: transition.reason,
            refusal: permitted(
                package,
                Asked { case, action: &transition.action, actor, situation, scope: &scope },
                None,
            )
            .err(),
        });
    }
    lines
}

/// A case as conditions see it.
pub(crate) fn case_facts(case: &Case) -> Value {
    let mut facts = case.routing_facts();
    (facts["id"], facts["forms"]) = (json!(case.id), json!(case.forms));
    facts["inward"] = json!(case.inward);
    facts
}

/// What guards may ask about.
fn guard_scope<'a>(
    case: &'a Case,
    actor: &'a Actor,
    form: Option<&'a Value>,
    children: &'a [Child],
) -> Scope<'a> {
    Scope::default()
        .with("case", || case_facts(case))
        .with("actor", move || actor)
        .with("form", move || form)
        .with("children", || children_facts(case, children))
}

/// What somebody asks to do.
#[derive(Clone, Copy)]
struct Asked<'a, 's> {
    case: &'a Case,
    action: &'a str,
    actor: &'a Actor,
    situation: Situation<'a>,
    /// What guards may ask about, made once for all of them.
    scope: &'a Scope<'s>,
}

/// The first transition of the action that the actor may do, its place in the package, and the form with its computed fields.
fn permitted<'a>(
    package: &'a Package,
    asked: Asked<'_, '_>,
    form: Option<&Value>,
) -> Result<(usize, &'a Transition, Option<Value>), Refusal> {
    let Asked { case, action, actor, situation, scope } = asked;
    let definition = package.definition();
    let mut refusal = None;
    for (index, transition) in of_state(definition, case).filter(|(_, t)| t.action == action) {
        let computes = transition.form.as_deref().filter(|name| package.computes(name));
        let computed = computes.and_then(|name| Some(package.computed(name, Some(case), form?.clone())));
        let allowed = may(transition, case, actor, situation).and_then(|()| {
            let holds = match &computed {
                Some(form) => {
                    package.guard_holds(index, &guard_scope(case, actor, Some(form), situation.children))
                }
                None => package.guard_holds(index, scope),
            };
            if !holds {
                return Err(Refusal::Guard { message: transition.otherwise.clone().unwrap_or_default() });
            }
            let quota = transition.quotas.as_deref();
            quota.map_or(Ok(()), |quota| quota::refuse(definition, quota, case, situation.children))
        });
        match allowed {
            Ok(()) => return Ok((index, transition, computed.or_else(|| form.cloned()))),
            Err(reason) => refusal = Some(nearer(refusal, reason)),
        }
    }
    Err(refusal.unwrap_or_else(|| Refusal::Action {
        action: action.to_owned(),
        state: case.state.clone(),
        possible: possible(definition, case),
    }))
}

/// Of two refusals the one that says more: missing roles add up, and anything else came closer.
fn nearer(earlier: Option<Refusal>, later: Refusal) -> Refusal {
    match (earlier, later) {
        (None, later) => later,
        (Some(Refusal::Role { mut needed }), Refusal::Role { needed: more }) => {
            needed.extend(more);
            Refusal::Role { needed }
        }
        (Some(Refusal::Role { .. }), later) => later,
        (Some(earlier), _) => earlier,
    }
}

fn may(transition: &Transition, case: &Case, actor: &Actor, situation: Situation<'_>) -> Result<(), Refusal> {
    let held: Vec<_> = transition.roles.intersection(&actor.roles).collect();
    if held.is_empty() {
        return Err(Refusal::Role { needed: transition.roles.iter().cloned().collect() });
    }
    if let Some(department) = case.department().filter(|own| actor.department.as_deref() != Some(own))
        && held.iter().all(|role| role.is_of_a_department())
    {
        return Err(Refusal::Department { department: department.to_owned() });
    }
    for step in &transition.not_by {
        if case.history.iter().any(|past| past.action == *step && past.actor == actor.id) {
            return Err(Refusal::SeparationOfDuties { step: step.clone(), actor: actor.id.clone() });
        }
    }
    let due = |clock: &String| Some((clock.clone(), *situation.windows.get(clock)?));
    if let Some((clock, ended_at)) = transition.within.as_ref().and_then(due)
        && situation.at > ended_at
    {
        return Err(Refusal::Window { clock, ended_at });
    }
    Ok(())
}

fn of_state<'a>(definition: &'a Definition, case: &Case) -> impl Iterator<Item = (usize, &'a Transition)> {
    let state = case.state.clone();
    definition.transitions.iter().enumerate().filter(move |(_, transition)| transition.from.contains(&state))
}

fn possible(definition: &Definition, case: &Case) -> Vec<String> {
    let mut actions: Vec<_> = of_state(definition, case).map(|(_, t)| t.action.clone()).collect();
    actions.dedup();
    actions
}

fn refuse_form(violations: Vec<Violation>) -> Result<(), Refusal> {
    if violations.is_empty() { Ok(()) } else { Err(Refusal::Form(violations)) }
}

/// Code and category of a state; a checked package knows every state that it names.
pub(crate) fn state(definition: &Definition, code: &str) -> (String, StateCategory) {
    (code.to_owned(), definition.states.get(code).map_or(StateCategory::Open, |state| state.category))
}

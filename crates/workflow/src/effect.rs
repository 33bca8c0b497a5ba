//! What an event asks of other services: clocks, queues, messages, child cases.

use std::collections::BTreeSet;

use jiff::civil::Date;
use masar_clock::{CalendarRef, Event, Mark};
use masar_domain::StateCategory;
use masar_worktime::{Calendar, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agreement::{Agreement, Parties};
use crate::children::Asking;
use crate::decide::{ENDED_ELSEWHERE, case_facts};
use crate::expression::Scope;
use crate::{
    CUSTOMER, Case, CaseEvent, ClockKind, ClockRule, Moments, Package, ScheduleEffect, Task, evolve, link,
};

/// One thing that an event asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Something happens to a clock.
    Clock(ClockEffect),
    /// The case needs a queue.
    Route,
    /// The actor of the event acts on.
    AssignActor,
    /// Nobody needs to act any more.
    CloseTask,
    /// Somebody is told.
    Notify {
        /// Name of the template.
        template: String,
        /// `customer`, `handler` or role codes.
        recipients: Vec<String>,
    },
    /// A child case is opened.
    Child {
        /// Its package.
        package: String,
        /// How it relates to this case.
        link: String,
        /// Its place among the children that the event asks for by the same task, from 0.
        #[serde(default)]
        number: u32,
        /// Its opening form.
        #[serde(default)]
        form: Value,
        /// The entity in which it is opened, where the package names one; it may be that of this case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entity: Option<String>,
        /// True when it answers to this case and not to the customer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        inward: bool,
        /// True when it belongs to whoever submitted this case.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        for_customer: bool,
        /// Set for a concealed child: the name under which it is lodged, empty where it is nobody's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lodged_by: Option<String>,
    },
    /// The case is linked to another.
    Link {
        /// How it relates to the other.
        link: String,
        /// The reference or the id of the other.
        to: String,
    },
    /// What two parties promise each other comes into force, in the place of what the case put into force before.
    Agree(Agreement),
    /// What the case has put into force ends.
    EndAgreement,
    /// Something happens to a schedule of the case (E21).
    Schedule(ScheduleEffect),
}

/// What happens to a clock of the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockEffect {
    /// Code of the clock in the package.
    pub clock: String,
    /// What happens to it.
    pub operation: ClockOperation,
    /// Between whom it is promised, where the package and the case say so: an agreement of both may go before its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Parties>,
}

/// What can happen to a clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockOperation {
    /// It begins a run; one that is under way ends with it (T13).
    Start {
        /// Whose promise it is.
        kind: ClockKind,
        /// How long it may take, unless an agreement says otherwise (CMP-13).
        target: Target,
        /// The day that was planned: due at its closing where that is earlier.
        #[serde(default)]
        not_after: Option<Date>,
        /// The marks at which people are told.
        marks: BTreeSet<Mark>,
        /// What promises it, such as `complaint@1.0.0/response`.
        policy: String,
        /// What the system does when it is broken.
        on_breach: Option<String>,
        /// The templates of the messages that stop it.
        #[serde(default)]
        messages: BTreeSet<String>,
    },
    /// It stands still.
    Pause {
        /// Why.
        reason: String,
    },
    /// It counts again.
    Resume,
    /// It may have another target from the same start (T6): the package promises something else, or the case has another
    /// importance, service or party, with which an agreement may.
    Retarget {
        /// How long it may take now.
        target: Target,
        /// The day that is planned now.
        #[serde(default)]
        not_after: Option<Date>,
        /// The marks from now on.
        marks: BTreeSet<Mark>,
        /// Why.
        cause: String,
    },
    /// More time was granted (T9).
    Extend {
        /// How much.
        by: Target,
        /// Why.
        reason: String,
        /// Who granted it.
        granted_by: String,
        /// The template of the message by which the customer must be told before.
        #[serde(default)]
        told: Option<String>,
    },
    /// What was promised was done.
    Stop,
    /// It no longer matters.
    Cancel {
        /// Why.
        reason: String,
    },
}

impl ClockOperation {
    /// The entry that it is in the ledger of a clock which counts on this calendar.
    #[must_use]
    pub fn event(&self, calendar: &Calendar) -> Event {
        match self {
            Self::Start { target, not_after, policy, .. } => Event::Started {
                target: *target,
                calendar: CalendarRef::of(calendar),
                policy: policy.clone(),
                not_after: *not_after,
            },
            Self::Pause { reason } => Event::Paused { reason: reason.clone() },
            Self::Resume => Event::Resumed,
            Self::Retarget { target, not_after, cause, .. } => {
                Event::Retargeted { target: *target, not_after: *not_after, cause: cause.clone() }
            }
            Self::Extend { by, reason, granted_by, .. } => {
                Event::Extended { by: *by, reason: reason.clone(), granted_by: granted_by.clone() }
            }
            Self::Stop => Event::Stopped { reason: None },
            Self::Cancel { reason } => Event::Cancelled { reason: reason.clone() },
        }
    }
}

impl Package {
    /// The event with all that follows from it.
    pub(crate) fn with_effects(
        &self,
        before: Option<&Case>,
        mut event: CaseEvent,
        tasks: &[Task],
        children: &[Asking],
    ) -> CaseEvent {
        let after = evolve(before.cloned(), &event);
        // What asks for a concealed child does nothing that others would hear of.
        if children.iter().any(Asking::conceals) {
            let (case, form) = (case_facts(&after), event.form.as_ref().map(|(_, data)| data));
            event.effects = children.iter().flat_map(|asking| asking.effects(&case, form)).collect();
            return event;
        }
        let mut effects = self.clock_effects(before, &after, &event);
        let form = event.form.as_ref().map(|(_, data)| data);
        effects.extend(tasks.iter().filter_map(|task| asked(task, &after)));
        effects.extend(tasks.iter().flat_map(|task| link::effects(task, form)));
        // What was over elsewhere before it came to us begins nothing by coming.
        if !children.is_empty() && (before.is_some() || !after.historical) {
            let (case, wanted) =
                (case_facts(&after), children.iter().filter(|asking| asking.is_wanted(&after)));
            effects.extend(wanted.flat_map(|asking| asking.effects(&case, form)));
        }
        effects.extend(self.schedule_effects(before, &after, &event));
        if let Some(effect) = desk(before, &after, &effects) {
            effects.push(effect);
        }
        event.effects = effects;
        event
    }

    fn clock_effects(&self, before: Option<&Case>, after: &Case, event: &CaseEvent) -> Vec<Effect> {
        let scope = clock_scope(after, event.form.as_ref().map(|(_, data)| data));
        let effect = |(clock, rule): (&String, &ClockRule)| {
            let operation = if happens(&rule.start, before, event) {
                self.clock_wanted(clock, &scope).then(|| self.start(clock, rule, after)).flatten()?
            } else {
                after
                    .clocks
                    .contains(clock)
                    .then(|| self.change(clock, rule, before, after, event))
                    .flatten()?
            };
            Some(Effect::Clock(ClockEffect { clock: clock.clone(), operation, between: rule.parties(after) }))
        };
        self.definition().clocks.iter().filter_map(effect).collect()
    }

    /// The start of a clock, whatever its condition says; none where nothing is promised.
    pub(crate) fn start(&self, clock: &str, rule: &ClockRule, after: &Case) -> Option<ClockOperation> {
        let target = self.target(clock, rule, after).filter(|_| !after.historical || rule.historical)?;
        // Nothing would stop a clock that waits for the customer to be told.
        if after.inward && rule.stop.is_told() {
            return None;
        }
        let definition = self.definition();
        Some(ClockOperation::Start {
            kind: if after.inward { rule.kind.inward() } else { rule.kind },
            target,
            not_after: planned(rule, after),
            marks: self.marks(clock, rule, after),
            policy: format!("{}@{}/{clock}", definition.package, definition.version),
            on_breach: rule.on_breach.clone(),
            messages: rule.stop.messages.clone(),
        })
    }

    /// What happens to a clock that runs or stands still.
    fn change(
        &self,
        clock: &str,
        rule: &ClockRule,
        before: Option<&Case>,
        after: &Case,
        event: &CaseEvent,
    ) -> Option<ClockOperation> {
        if happens(&rule.stop, before, event) || event.action == ENDED_ELSEWHERE {
            return Some(ClockOperation::Stop);
        }
        let over = after.category == StateCategory::Closed;
        if over && !self.definition().is_window(clock, &after.state) {
            return Some(ClockOperation::Cancel { reason: format!("the case is {}", after.state) });
        }
        if let Some(extension) = rule.extend.as_ref().filter(|extension| extension.action == event.action) {
            let days = event.form.as_ref().and_then(|(_, form)| form.get(&extension.days)?.as_u64())?;
            return Some(ClockOperation::Extend {
                by: Target::business_days(u32::try_from(days).ok()?),
                reason: event.reason.clone().unwrap_or_default(),
                granted_by: event.actor.clone(),
                told: extension.told.clone().filter(|_| !after.inward),
            });
        }
        let stood = before.is_some_and(|before| rule.pause.contains(&before.state));
        match (stood, rule.pause.contains(&after.state)) {
            (false, true) => return Some(ClockOperation::Pause { reason: after.state.clone() }),
            (true, false) => return Some(ClockOperation::Resume),
            _ => {}
        }
        let promised = |case: &Case| {
            Some((self.target(clock, rule, case)?, planned(rule, case), self.marks(clock, rule, case)))
        };
        let (target, not_after, marks) = promised(after)?;
        let before = before?;
        // Under another importance, for another service or between others an agreement may promise something else, and
        // the same mark may mean another level.
        let agreed =
            |case: &Case| (case.importance(), case.fact("service").map(str::to_owned), rule.parties(case));
        let same = agreed(before) == agreed(after)
            && promised(before).is_some_and(|was| was == (target, not_after, marks.clone()));
        (!same).then(|| ClockOperation::Retarget { target, not_after, marks, cause: event.action.clone() })
    }

    /// The marks of a clock: its warnings, its breach, and the levels of its ladder.
    pub(crate) fn marks(&self, clock: &str, rule: &ClockRule, case: &Case) -> BTreeSet<Mark> {
        let ladder = self.ladder(clock, case.importance());
        rule.warn
            .iter()
            .copied()
            .chain([Mark::Breach])
            .chain(ladder.into_iter().flat_map(|step| step.again.into_iter().chain([step.mark])))
            .collect()
    }
}

/// What the conditions of clocks may ask about.
pub(crate) fn clock_scope<'a>(after: &'a Case, form: Option<&'a Value>) -> Scope<'a> {
    Scope::default().with("case", || case_facts(after)).with("form", move || form)
}

/// True when the event is one of the moments.
pub(crate) fn happens(moments: &Moments, before: Option<&Case>, event: &CaseEvent) -> bool {
    let entered = before.is_none_or(|before| before.state != event.to.0);
    moments.actions.contains(&event.action) || (entered && moments.states.contains(&event.to.0))
}

/// The day that somebody planned for what the clock promises.
pub(crate) fn planned(rule: &ClockRule, case: &Case) -> Option<Date> {
    rule.until.iter().find_map(|path| {
        let (form, field) = path.split_once('.')?;
        case.forms.get(form)?.get(field)?.as_str()?.parse().ok()
    })
}

fn asked(task: &Task, after: &Case) -> Option<Effect> {
    match task {
        Task::Route => Some(Effect::Route),
        Task::CloseTask => Some(Effect::CloseTask),
        Task::AssignActor => Some(Effect::AssignActor),
        // What is long past is kept, and nobody gets mail.
        Task::Notify { .. } if after.historical => None,
        Task::Notify { template, to } => {
            // The case that asked for this one faces the customer.
            let to = to.iter().filter(|to| !after.inward || *to != CUSTOMER);
            let recipients: Vec<_> = to.cloned().collect();
            (!recipients.is_empty()).then(|| Effect::Notify { template: template.clone(), recipients })
        }
        // See `Asking`, `link` and `Package::agreed`.
        Task::Child { .. }
        | Task::AskSurvey { .. }
        | Task::Link { .. }
        | Task::Agree { .. }
        | Task::EndAgreement => None,
    }
}

/// No case that is open is without a desk, and none that is over keeps one, whatever the package says.
pub(crate) fn desk(before: Option<&Case>, after: &Case, effects: &[Effect]) -> Option<Effect> {
    let said = |effect: &Effect| matches!(effect, Effect::Route | Effect::CloseTask | Effect::AssignActor);
    if effects.iter().any(said) {
        return None;
    }
    let needed = |case: &Case| case.category.needs_owner();
    match (before.is_some_and(needed), needed(after)) {
        (false, true) => Some(Effect::Route),
        (true, false) => Some(Effect::CloseTask),
        _ => None,
    }
}

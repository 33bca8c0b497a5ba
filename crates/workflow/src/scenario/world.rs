//! A case that walks its package on a simulated clock, with its desk, its clocks, its ladders and its children.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::DateTime;
use masar_domain::{CaseId, Role, StateCategory};
use masar_worktime::Calendar;
use serde_json::{Value, json};

use super::Lookup;
use super::agenda::Agenda;
use super::story::{Book, Step, Story};
use super::timing::{Clocks, Fired};
use crate::decide::decided;
use crate::{
    Actor, CUSTOMER, Case, CaseEvent, Child, ClockEffect, ClockOperation, Command, Counted, Effect, Holders,
    LadderStep, Matter, Opening, Package, Promise, Refusal, SYSTEM, Situation, acts, binding, climb, evolve,
};

/// The word of ladders for the person who handles the case.
const HANDLER: &str = "handler";

pub(super) struct World<'a> {
    package: &'a Package,
    pub(super) calendar: &'a Calendar,
    /// That one, and those on which clocks under agreements count.
    pub(super) calendars: &'a [Calendar],
    lookup: Lookup<'a>,
    pub(super) book: &'a Book,
    story: &'a Story,
    pub(super) now: Timestamp,
    pub(super) case: Case,
    pub(super) clocks: Clocks,
    pub(super) schedules: Agenda,
    pub(super) queue: String,
    pub(super) assignee: String,
    pub(super) children: Vec<Child>,
    /// The sentences of the package that were walked.
    pub(super) walked: BTreeSet<usize>,
    /// What happened in the step at hand.
    pub(super) step: Happened,
    problem: Option<String>,
}

/// What happened in a step besides the move itself.
#[derive(Default)]
pub(super) struct Happened {
    pub(super) messages: BTreeSet<String>,
    pub(super) children: Vec<String>,
    pub(super) links: Vec<String>,
    pub(super) scheduled: Vec<String>,
    pub(super) levels: Vec<String>,
    pub(super) acted: Vec<String>,
}

impl<'a> World<'a> {
    pub(super) fn open(
        package: &'a Package,
        calendars: &'a [Calendar],
        lookup: Lookup<'a>,
        book: &'a Book,
        story: &'a Story,
    ) -> Result<Self, String> {
        let calendar = calendars.first().ok_or("a scenario has a calendar")?;
        let now = instant(calendar, &story.starts)?;
        let said = &story.opening.value;
        let form = book.form(&said.form, &said.with)?;
        let opening = Opening { case_id: CaseId(uuid()), historical: said.historical, form };
        let actor = Actor { id: said.by.clone(), roles: [Role(said.by.clone())].into(), department: None };
        let opened = package.definition().may_open(&actor.roles);
        let event = opened.and_then(|()| match said.inward {
            true => package.open_inward(opening, &actor, now),
            false => package.open(opening, &actor, now),
        });
        let event =
            event.map_err(|refusal| format!("the opening was refused with {}: {refusal}", refusal.code()))?;
        let (event, _) = package.recurring(None, event, |matter| counted(story, matter));
        let mut world = Self {
            case: evolve(None, &event),
            package,
            calendar,
            calendars,
            lookup,
            book,
            story,
            now,
            clocks: Clocks::default(),
            schedules: Agenda::default(),
            queue: String::new(),
            assignee: String::new(),
            children: Vec::new(),
            walked: BTreeSet::new(),
            step: Happened::default(),
            problem: None,
        };
        world.follow(&event);
        world.problem().map(|()| world)
    }

    /// Forgets what happened in the step before.
    pub(super) fn begin_step(&mut self) {
        self.step = Happened::default();
    }

    /// What went wrong where nobody was refused, such as a child that its package would not open.
    pub(super) fn problem(&mut self) -> Result<(), String> {
        self.problem.take().map_or(Ok(()), Err)
    }

    /// Lets time pass until a step is taken.
    pub(super) fn pass(&mut self, step: &Step) -> Result<(), String> {
        let until = match (&step.at, step.after) {
            (None, None) => return Ok(()),
            (Some(at), None) => instant(self.calendar, at)?,
            (None, Some(span)) => self.calendar.due(self.now, span).map_err(|error| error.to_string())?,
            (Some(_), Some(_)) => return Err("a step says either `at` or `after`".to_owned()),
        };
        if until < self.now {
            return Err("time only passes: this is before the step that went before".to_owned());
        }
        loop {
            let (mark, coming) = (self.clocks.next(until), self.schedules.first(until));
            if let Some(coming) = coming.filter(|coming| mark.as_ref().is_none_or(|(_, at)| coming <= at)) {
                self.now = self.now.max(coming);
                self.scheduled()?;
                continue;
            }
            let Some((clock, at)) = mark else { break };
            self.now = self.now.max(at);
            if let Some(fired) = self.clocks.fire(&clock, self.now, self.calendars)? {
                self.marked(fired);
            }
            self.problem()?;
        }
        self.now = until;
        Ok(())
    }

    /// Somebody does something, or is refused.
    pub(super) fn act(&mut self, step: &Step, action: &str) -> Result<Result<(), Refusal>, String> {
        let role = step.by.clone().unwrap_or_default();
        let name = step.name.clone().unwrap_or_else(|| role.clone());
        let actor = match role.as_str() {
            SYSTEM => Actor::system(),
            _ => Actor { id: name, department: step.department.clone(), ..self.person(&role) },
        };
        let actor = Actor { department: actor.department.or_else(|| self.person(&role).department), ..actor };
        let command = Command {
            action: action.to_owned(),
            form: step.form.as_ref().map(|form| self.book.form(form, &step.with)).transpose()?,
            reason: step.reason.clone(),
            expected_version: None,
        };
        Ok(self.obey(&command, &actor))
    }

    /// A child changes, and the system does what the package says of that.
    pub(super) fn change_child(&mut self, child: &str, step: &Step) -> Result<(), String> {
        let becomes = step.becomes.as_deref().unwrap_or_default();
        let (package, number) = child.split_once(' ').unwrap_or((child, "1"));
        let number: usize = number.parse().map_err(|_| format!("`{number}` is no number of a child"))?;
        let known = (self.lookup)(package);
        let known = known.ok_or_else(|| format!("`{package}` is no package"))?;
        let state = known.definition().states.get(becomes);
        let state = state.ok_or_else(|| format!("`{package}` has no state `{becomes}`"))?;
        let mut children = self.children.iter_mut().filter(|child| child.package == package);
        let found = children.nth(number.saturating_sub(1));
        let found = found.ok_or_else(|| format!("there is no child `{child}`"))?;
        becomes.clone_into(&mut found.state);
        found.category = state.category;
        found.facts.extend(step.knows.clone());
        for action in self.package.definition().on_child.clone() {
            self.system(action);
        }
        self.problem()
    }

    /// The person who holds a role for the case.
    pub(super) fn person(&self, role: &str) -> Actor {
        let known = Role(role.to_owned());
        let department = self.case.department().filter(|_| known.is_of_a_department()).map(str::to_owned);
        Actor { id: role.to_owned(), roles: [known].into(), department }
    }

    /// What stands in a form of the case, by the name of the form and the steps within it.
    pub(super) fn field(&self, path: &str) -> Option<&Value> {
        let mut steps = path.split('.');
        let form = self.case.forms.get(steps.next()?)?;
        steps.try_fold(form, |part, step| match part {
            Value::Array(rows) => rows.get(step.parse::<usize>().ok()?),
            part => part.get(step),
        })
    }

    /// The actions that a person of a role may do now.
    pub(super) fn may(&self, role: &str) -> BTreeSet<String> {
        let (windows, actor) = (self.windows(), self.person(role));
        let lines = crate::available(self.package, &self.case, &actor, self.situation(&windows));
        lines.into_iter().filter(|line| line.refusal.is_none()).map(|line| line.action).collect()
    }

    fn windows(&self) -> BTreeMap<String, Timestamp> {
        self.clocks.due(self.package.windows().into_iter())
    }

    fn situation<'s>(&'s self, windows: &'s BTreeMap<String, Timestamp>) -> Situation<'s> {
        Situation { at: self.now, windows, children: &self.children }
    }

    fn obey(&mut self, command: &Command, actor: &Actor) -> Result<(), Refusal> {
        let windows = self.windows();
        let (index, event) = decided(self.package, &self.case, command, actor, self.situation(&windows))?;
        let (event, _) =
            self.package.recurring(Some(&self.case), event, |matter| counted(self.story, matter));
        self.walked.extend(self.package.definition().transitions.get(index).map(|found| found.sentence));
        self.case = evolve(Some(self.case.clone()), &event);
        self.follow(&event);
        Ok(())
    }

    /// The system acts; where the case has moved on meanwhile, there is nothing left to do.
    fn system(&mut self, action: String) {
        let command = Command { action: action.clone(), ..Command::default() };
        if self.obey(&command, &Actor::system()).is_ok() {
            self.step.acted.push(action);
        }
    }

    /// Does what an event asks of the other services.
    fn follow(&mut self, event: &CaseEvent) {
        for effect in &event.effects {
            let done = match effect {
                Effect::Clock(effect) => {
                    let (importance, tells) = (self.case.importance(), !self.case.historical);
                    let (effect, calendar) = self.promised(effect, event.at);
                    let calendars = (calendar, self.calendars);
                    self.clocks.apply(&effect, importance, tells, event.at, calendars)
                }
                Effect::Route => {
                    self.queue = self.routed();
                    self.assignee.clear();
                    Ok(())
                }
                Effect::AssignActor => {
                    self.assignee.clone_from(&event.actor);
                    Ok(())
                }
                Effect::CloseTask => {
                    self.queue.clear();
                    self.assignee.clear();
                    Ok(())
                }
                Effect::Notify { template, recipients } => {
                    let told = recipients.iter().map(|recipient| format!("{template} to {recipient}"));
                    self.step.messages.extend(told);
                    match self.story.undelivered.contains(template) {
                        true => Ok(()),
                        false => self.clocks.told(template, event.at, self.calendars),
                    }
                }
                Effect::Child { package, link, form, entity, inward, .. } => {
                    let entity = entity.as_ref().map(|entity| format!(" in {entity}")).unwrap_or_default();
                    let opened = self.child((package, link), form.clone(), *inward, &event.actor);
                    self.step.children.push(format!("{package}{entity}"));
                    opened
                }
                Effect::Link { link, to } => {
                    self.step.links.push(format!("{link} {to}"));
                    Ok(())
                }
                // It is for the clocks of other cases.
                Effect::Agree(_) | Effect::EndAgreement => Ok(()),
                Effect::Schedule(effect) => self.schedules.apply(effect, event.at, self.calendar),
            };
            if let Err(problem) = done {
                self.problem.get_or_insert(problem);
            }
        }
    }

    /// What happens to a clock under the agreements of the scenario, and the calendar on which one that starts counts.
    fn promised(&self, effect: &ClockEffect, at: Timestamp) -> (ClockEffect, &'a Calendar) {
        let definition = self.package.definition();
        let named = effect.between.as_ref().map(|parties| (&*parties.provider, &*parties.consumer));
        let (provider, consumer) = named.unwrap_or_default();
        let promise = Promise {
            entity: &self.story.entity,
            case_type: &definition.case_type,
            service: self.case.fact("service").unwrap_or_default(),
            clock: &effect.clock,
            kind: definition.clocks.get(&effect.clock).map_or("", |rule| rule.kind.word()),
            importance: self.case.importance(),
            provider,
            consumer,
            at,
        };
        let agreements = self.story.agreements.iter().map(|agreement| &agreement.value);
        let bounds = agreements.map(|agreement| (agreement.bounds(Timestamp::MIN, None), agreement));
        let binding = binding(bounds, &promise, self.calendar.time_zone());
        let agreed = binding.into_iter().find_map(|agreement| {
            Some((agreement.target(&effect.clock, promise.importance)?, agreement.calendar.as_deref()))
        });
        let mut effect = effect.clone();
        let Some((agreed, calendar)) = agreed else { return (effect, self.calendar) };
        if let ClockOperation::Start { target, .. } | ClockOperation::Retarget { target, .. } =
            &mut effect.operation
        {
            *target = agreed;
        }
        let known = self.calendars.iter().find(|known| Some(known.name()) == calendar);
        (effect, known.unwrap_or(self.calendar))
    }

    /// Opens the cases of schedules whose time has come.
    fn scheduled(&mut self) -> Result<(), String> {
        for due in self.schedules.come(self.now, self.calendar)? {
            self.child((&due.opens, &due.link), due.form, false, SYSTEM)?;
            self.step.children.push(due.opens.clone());
            self.step.scheduled.push(due.opens);
        }
        Ok(())
    }

    fn routed(&self) -> String {
        let named = |departments: &BTreeMap<String, String>, code: &str| match departments.get(code) {
            Some(department) => json!({"code": code, "department": department}),
            None => json!({"code": code}),
        };
        let fact = |name| self.case.fact(name).unwrap_or_default();
        let service = named(&self.story.services, fact("service"));
        let category = named(&self.story.categories, fact("classification"));
        let case = self.case.routing_facts();
        self.package.route(&json!({"case": case, "service": service, "category": category})).queue
    }

    /// A child is opened by its own package.
    fn child(
        &mut self,
        (package, link): (&str, &str),
        form: serde_json::Value,
        inward: bool,
        actor: &str,
    ) -> Result<(), String> {
        let known = (self.lookup)(package).ok_or_else(|| format!("the child `{package}` is no package"))?;
        let opening = Opening { case_id: CaseId(uuid()), historical: false, form };
        let actor = Actor { id: actor.to_owned(), roles: BTreeSet::new(), department: None };
        let event = match inward {
            true => known.open_inward(opening, &actor, self.now),
            false => known.open(opening, &actor, self.now),
        };
        let event = event.map_err(|refusal| format!("the child `{package}` cannot be opened: {refusal}"))?;
        self.children.push(Child {
            package: package.to_owned(),
            link: link.to_owned(),
            state: event.to.0,
            category: event.to.1,
            facts: event.facts,
        });
        Ok(())
    }

    /// A mark has fired: whoever must know is told, and the system acts where the package says so.
    fn marked(&mut self, fired: Fired) {
        let steps = self.package.ladder(&fired.clock, fired.importance);
        let over = self.case.category == StateCategory::Closed;
        let mut asked = Vec::new();
        if let Some(net) = self.package.safety_net(&fired.clock).filter(|_| !over) {
            let fires = |step: &LadderStep| step.mark == fired.mark || step.again.contains(&fired.mark);
            for (index, step) in steps.iter().enumerate().filter(|(_, step)| fires(step)) {
                let first = self.clocks.climbs(&fired.clock, &step.level);
                let people = climb(&steps, index, net, |role| self.people(role)).people;
                let again = if first { "" } else { " again" };
                let line = format!("{} {} to {}{again}", fired.clock, step.level, people.join(", "));
                self.step.levels.push(line);
                asked.extend(acts(&step.actions).filter(|_| first).map(str::to_owned));
            }
        }
        for action in fired.asks.into_iter().chain(asked) {
            self.system(action);
        }
    }

    /// One person holds each role, unless the scenario says that nobody does.
    fn people(&self, role: &str) -> Holders {
        let nowhere = Role(role.to_owned()).is_of_a_department() && self.case.department().is_none();
        let present = match role {
            _ if nowhere || self.story.vacant.contains(role) => Vec::new(),
            CUSTOMER => vec![CUSTOMER.to_owned()],
            HANDLER => self.case.handler.iter().cloned().collect(),
            role => vec![role.to_owned()],
        };
        Holders { present, absent: Vec::new() }
    }
}

/// The other cases of a matter are those of which the scenario says that they were before.
fn counted(story: &Story, matter: &Matter) -> Counted {
    Counted { earlier: story.earlier.get(&matter.rule).copied().unwrap_or_default(), proposed: false }
}

/// A scenario has one case; its identity tells nobody anything.
fn uuid() -> uuid::Uuid {
    uuid::Uuid::nil()
}

/// A time as people of the calendar's zone write it.
pub(super) fn instant(calendar: &Calendar, text: &str) -> Result<Timestamp, String> {
    let unreadable = |error: jiff::Error| format!("`{text}` is no time such as 2026-11-15 08:00: {error}");
    let local: DateTime = text.parse().map_err(unreadable)?;
    calendar.time_zone().to_timestamp(local).map_err(unreadable)
}

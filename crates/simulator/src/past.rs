//! Cases of the past, walked once more: what people did happens when it did, and what clocks and children cause follows
//! from the package and the calendar at hand.

mod compare;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use masar_domain::{CaseId, StateCategory};
use masar_workflow::{
    Actor, Case, CaseEvent, Child, Command, ENDED_ELSEWHERE, Effect, Opening, Package, Refusal, SYSTEM,
    Situation, decide, evolve,
};
use masar_worktime::Calendar;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

pub use compare::{Broken, Change, DryRun, Line};

use crate::clocks::{Asked, Clocks, Ended};
use crate::paths::routing_facts;

/// A case of the past, as far as it must be known to walk once more.
#[derive(Debug, Clone, Default)]
pub struct PastCase {
    /// Its reference number.
    pub reference: String,
    /// The opening form.
    pub form: Value,
    /// Who opened it.
    pub opened_by: String,
    /// When.
    pub opened_at: Timestamp,
    /// True when it was handled elsewhere before.
    pub historical: bool,
    /// True when it answers to the case that asked for it, and not to the customer.
    pub inward: bool,
    /// What was done, in order, the opening left out.
    pub deeds: Vec<PastDeed>,
    /// Its children, in the order in which they were asked for.
    pub children: Vec<PastChild>,
}

/// Something that was done to a case.
#[derive(Debug, Clone, Default)]
pub struct PastDeed {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// Code of the action.
    pub action: String,
    /// The form, where one was filled in.
    pub form: Option<Value>,
    /// Why, where a reason was given.
    pub reason: Option<String>,
}

/// A child of a case, and what became of it.
#[derive(Debug, Clone, Default)]
pub struct PastChild {
    /// Its package.
    pub package: String,
    /// Its states, with when it came to them.
    pub states: Vec<(Timestamp, String, StateCategory)>,
}

/// The entity as it is known now.
#[derive(Debug, Clone, Default)]
pub struct House {
    /// People by their ids. Whoever is not among them may do what they did.
    pub people: BTreeMap<String, Actor>,
    /// The departments of services.
    pub services: BTreeMap<String, String>,
    /// The departments of categories.
    pub categories: BTreeMap<String, String>,
}

/// The rules that a case is walked under.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The package.
    pub package: &'a Package,
    /// The calendar of all clocks.
    pub calendar: &'a Calendar,
    /// The entity.
    pub house: &'a House,
    /// Up to when: what is due later may still be kept.
    pub until: Timestamp,
}

/// How a case fared under some rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fared {
    /// The queues that it was in, one after the other.
    pub queues: Vec<String>,
    /// The promises that were broken, with when they first were.
    pub broken: BTreeMap<String, Timestamp>,
    /// What stopped it: from there on it is not known how it would have gone on.
    pub stopped: Option<Stopped>,
    /// The state in which it was at last.
    pub state: String,
}

/// Something that was done and is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// When.
    pub at: Timestamp,
    /// The state of the case.
    pub state: String,
    /// The action; `open` for the opening.
    pub action: String,
    /// The code of the refusal.
    pub code: String,
    /// Why.
    pub reason: String,
}

/// Walks a case of the past under some rules.
///
/// People act when they did, in the roles and departments that they have now; those who are not known any more may do what
/// they did. The system acts when a clock or a child of these rules says so, and messages are delivered at once.
#[must_use]
pub fn walk(rules: Rules<'_>, past: &PastCase) -> Fared {
    let mut walk = match Walk::open(rules, past) {
        Ok(walk) => walk,
        Err(refusal) => {
            let stopped = stopped(past.opened_at, "", "open", &refusal);
            return Fared { stopped: Some(stopped), ..Fared::default() };
        }
    };
    for deed in past.deeds.iter().filter(|deed| deed.actor != SYSTEM) {
        walk.pass(deed.at);
        if let Err(refusal) = walk.act(deed) {
            walk.fared.stopped = Some(stopped(deed.at, &walk.case.state, &deed.action, &refusal));
            return walk.end(deed.at);
        }
    }
    walk.pass(rules.until);
    walk.end(rules.until)
}

fn stopped(at: Timestamp, state: &str, action: &str, refusal: &Refusal) -> Stopped {
    Stopped {
        at,
        state: state.to_owned(),
        action: action.to_owned(),
        code: refusal.code().to_owned(),
        reason: refusal.to_string(),
    }
}

struct Walk<'a> {
    rules: Rules<'a>,
    past: &'a PastCase,
    case: Case,
    clocks: Clocks,
    children: Vec<Child>,
    /// The place of each child among those of the past, and how many of its states it has come to.
    known: Vec<(usize, usize)>,
    fared: Fared,
}

impl<'a> Walk<'a> {
    fn open(rules: Rules<'a>, past: &'a PastCase) -> Result<Self, Refusal> {
        let definition = rules.package.definition();
        let opener = rules.house.people.get(&past.opened_by).cloned();
        // Systems and customers, who are no people of the entity, may open what they opened.
        let roles = || definition.opened_by.clone();
        let opener =
            opener.unwrap_or_else(|| Actor { id: past.opened_by.clone(), roles: roles(), department: None });
        // A replay keeps no case: it needs no identity of its own.
        let opening =
            Opening { case_id: CaseId(Uuid::nil()), historical: past.historical, form: past.form.clone() };
        let event = match past.inward {
            true => rules.package.open_inward(opening, &opener, past.opened_at)?,
            false => rules.package.open(opening, &opener, past.opened_at)?,
        };
        let mut walk = Self {
            rules,
            past,
            case: evolve(None, &event),
            clocks: Clocks::default(),
            children: Vec::new(),
            known: Vec::new(),
            fared: Fared::default(),
        };
        walk.follow(&event);
        Ok(walk)
    }

    /// Lets time pass: clocks that are over and children that change have the system act.
    fn pass(&mut self, until: Timestamp) {
        loop {
            let due = self.clocks.next(self.rules.calendar).ok().flatten().filter(|at| *at <= until);
            let changed = self.next_change().filter(|(at, _)| *at <= until);
            match (due, changed) {
                (None, None) => return,
                (Some(due), changed) if changed.is_none_or(|(at, _)| due <= at) => {
                    let mut ended = Vec::new();
                    let fired = self.clocks.fire(due, self.rules.calendar, &mut ended).unwrap_or_default();
                    self.note(ended);
                    let over = self.case.category == StateCategory::Closed;
                    fired.acts(over).for_each(|action| self.system(action, due));
                }
                (_, Some((at, child))) => self.change_child(child, at),
                (Some(_), None) => return,
            }
        }
    }

    /// The child that changes next, and when.
    fn next_change(&self) -> Option<(Timestamp, usize)> {
        let changes = self.known.iter().enumerate().filter_map(|(child, (past, seen))| {
            Some((self.past.children.get(*past)?.states.get(*seen)?.0, child))
        });
        changes.min()
    }

    fn change_child(&mut self, child: usize, at: Timestamp) {
        let (past, seen) = self.known[child];
        self.known[child].1 += 1;
        let Some((_, state, category)) = self.past.children[past].states.get(seen) else { return };
        self.children[child].state.clone_from(state);
        self.children[child].category = *category;
        for action in self.rules.package.definition().on_child.clone() {
            self.system(action, at);
        }
    }

    fn act(&mut self, deed: &PastDeed) -> Result<(), Refusal> {
        if deed.action == ENDED_ELSEWHERE {
            let actor = self.actor(deed);
            let ended = self.rules.package.end_elsewhere(&self.case, &actor, deed.at);
            let missing = || Refusal::Action {
                action: deed.action.clone(),
                state: self.case.state.clone(),
                possible: Vec::new(),
            };
            let event = ended.ok_or_else(missing)?;
            self.go(&event);
            return Ok(());
        }
        let command = Command {
            action: deed.action.clone(),
            form: deed.form.clone(),
            reason: deed.reason.clone(),
            expected_version: None,
        };
        self.obey(&command, &self.actor(deed), deed.at)
    }

    /// Who did it, as they are known now.
    fn actor(&self, deed: &PastDeed) -> Actor {
        if let Some(known) = self.rules.house.people.get(&deed.actor) {
            return known.clone();
        }
        let ways = self.rules.package.definition().transitions.iter().filter(|way| way.action == deed.action);
        let roles = ways.flat_map(|way| way.roles.iter().cloned()).collect::<BTreeSet<_>>();
        Actor { id: deed.actor.clone(), roles, department: self.case.department().map(str::to_owned) }
    }

    /// The system acts; where the case has moved on meanwhile, there is nothing left to do.
    fn system(&mut self, action: String, at: Timestamp) {
        let command = Command { action, ..Command::default() };
        drop(self.obey(&command, &Actor::system(), at));
    }

    fn obey(&mut self, command: &Command, actor: &Actor, at: Timestamp) -> Result<(), Refusal> {
        let situation = Situation { at, windows: self.clocks.windows(), children: &self.children };
        let event = decide(self.rules.package, &self.case, command, actor, situation)?;
        self.go(&event);
        Ok(())
    }

    fn go(&mut self, event: &CaseEvent) {
        self.case = evolve(Some(self.case.clone()), event);
        self.follow(event);
    }

    /// Does what an event asks for. A due time beyond the calendar is not guessed: the clock stays as it was.
    fn follow(&mut self, event: &CaseEvent) {
        let (calendar, mut ended) = (self.rules.calendar, Vec::new());
        for effect in &event.effects {
            match effect {
                Effect::Clock(effect) => {
                    let asked = Asked::of(self.rules.package, &self.case, effect);
                    self.clocks.apply(&asked, event.at, calendar, &mut ended).unwrap_or_default();
                }
                Effect::Route => {
                    let house = self.rules.house;
                    let facts = routing_facts(&self.case, &house.services, &house.categories);
                    let queue = self.rules.package.route(&facts).queue;
                    if self.fared.queues.last() != Some(&queue) {
                        self.fared.queues.push(queue);
                    }
                }
                Effect::Notify { template, .. } => {
                    self.clocks.told(template, event.at, calendar, &mut ended).unwrap_or_default();
                }
                Effect::Child { package, link, .. } => self.child(package, link),
                Effect::AssignActor
                | Effect::CloseTask
                | Effect::Link { .. }
                | Effect::Agree(_)
                | Effect::EndAgreement
                | Effect::Schedule(_) => {}
            }
        }
        self.note(ended);
    }

    /// A child is asked for: the next of the past that is of its package, or one that nobody ever acts on.
    fn child(&mut self, package: &str, link: &str) {
        let taken = |place: usize| self.known.iter().any(|(known, _)| *known == place);
        let past = (0..self.past.children.len())
            .find(|place| self.past.children[*place].package == package && !taken(*place));
        self.known.push((past.unwrap_or(usize::MAX), 0));
        self.children.push(Child {
            package: package.to_owned(),
            link: link.to_owned(),
            state: String::new(),
            category: StateCategory::Open,
            facts: BTreeMap::new(),
        });
    }

    fn note(&mut self, ended: Vec<Ended>) {
        for Ended { start, broken_at } in ended {
            if let Some(at) = broken_at {
                self.fared.broken.entry(start.effect.clock.clone()).or_insert(at);
            }
        }
    }

    fn end(mut self, at: Timestamp) -> Fared {
        let ended = self.clocks.close(at, self.rules.calendar).unwrap_or_default();
        self.note(ended);
        self.fared.state = self.case.state;
        self.fared
    }
}

//! Where cases can be: what is decided for one case holds for every other that is the same by then, so it is decided once.
//!
//! `decide` and `evolve` are functions of what the case is, of the forms that the plan names, of what has become of its
//! children, and of which windows are over: all of that is the key of a step. Which way led to a case makes no difference, nor
//! when it went there.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;
use masar_domain::{CaseId, Role};
use masar_workflow::{
    Actor, Case, CaseEvent, Child, Command, Effect, Opening, Package, Refusal, Situation, decide, evolve,
};
use serde_json::{Value, json};
use serde_saphyr::Spanned;
use uuid::Uuid;

use crate::clocks::Asked;
use crate::{Choice, Plan};

/// Steps that are remembered at most: what lies beyond is decided for each case anew.
const MOST: usize = 20_000;
/// Steps of one place, and beginnings of one package, that are remembered at most: they are looked for one by one.
const MOST_OF_ONE: usize = 256;
/// People who take turns where the same person may not do two things.
const PEOPLE: usize = 3;

/// A place on the way of cases: all that are the same for whatever may happen to them.
pub(crate) struct Place {
    pub(crate) case: Case,
    onward: RefCell<Vec<(Step, Reached)>>,
}

/// A move to a place.
pub(crate) struct Move {
    pub(crate) to: Rc<Place>,
    pub(crate) deeds: Deeds,
}

/// What the event of a move asks for.
#[derive(Default)]
pub(crate) struct Deeds {
    pub(crate) clocks: Vec<Arc<Asked>>,
    /// The queue that the case goes to; empty when nobody needs to act any more.
    pub(crate) queue: Option<String>,
    pub(crate) messages: Vec<String>,
    /// Children that are opened.
    pub(crate) children: Vec<Wanted>,
}

/// A child that is asked for.
pub(crate) struct Wanted {
    pub(crate) package: String,
    pub(crate) link: String,
    form: Value,
    /// Whose deed it is.
    by: String,
}

/// What leads from a place to the next.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) deed: Deed,
    /// The windows that are over.
    pub(crate) over: Vec<String>,
    /// What is known of the children, as far as it matters to the package.
    pub(crate) children: Rc<Vec<Child>>,
}

/// What is done in a step.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A choice of the plan, by its place among all.
    Choice(usize),
    /// The system does it.
    System(String),
}

/// The windows that are over, by name.
pub(crate) fn over(at: Timestamp, windows: &BTreeMap<String, Timestamp>) -> Vec<String> {
    windows.iter().filter(|(_, due_at)| at > **due_at).map(|(clock, _)| clock.clone()).collect()
}

/// Where a step leads, or why it leads nowhere.
pub(crate) type Reached = Result<Rc<Move>, Rc<Refusal>>;

/// All places that cases of a package have reached.
pub(crate) struct Paths<'a> {
    package: &'a Package,
    /// Says which departments have which services and categories.
    plan: &'a Plan,
    /// How children began.
    born: RefCell<Vec<(String, Value, Reached)>>,
    /// The choices of all states.
    choices: Vec<&'a Choice>,
    /// The places of a state's choices among all.
    of_state: BTreeMap<&'a str, Range<usize>>,
    /// What must not be done by the same person as something else.
    separate: BTreeSet<&'a str>,
    /// The places, by a hash of what tells most of them apart.
    places: RefCell<HashMap<u64, Vec<Rc<Place>>>>,
    hasher: RandomState,
    remembered: Cell<usize>,
    decided: Cell<usize>,
}

impl<'a> Paths<'a> {
    /// Nothing is reached yet; `states` says what people do with the cases.
    pub(crate) fn new(
        package: &'a Package,
        plan: &'a Plan,
        states: &'a BTreeMap<String, Vec<Spanned<Choice>>>,
    ) -> Self {
        let (mut choices, mut of_state) = (Vec::new(), BTreeMap::new());
        for (state, of_this) in states {
            let first = choices.len();
            choices.extend(of_this.iter().map(|choice| &choice.value));
            of_state.insert(state.as_str(), first..choices.len());
        }
        let separate = package.definition().transitions.iter().flat_map(|way| &way.not_by);
        Self {
            package,
            plan,
            born: RefCell::default(),
            choices,
            of_state,
            separate: separate.map(String::as_str).collect(),
            places: RefCell::default(),
            hasher: RandomState::new(),
            remembered: Cell::new(0),
            decided: Cell::new(0),
        }
    }

    /// How a case begins; at any other time it would begin so too.
    pub(crate) fn open(&self, actor: &Actor, form: &Value, at: Timestamp) -> Reached {
        let opening = Opening { case_id: CaseId(Uuid::nil()), historical: false, form: form.clone() };
        let event = self.package.open(opening, actor, at).map_err(Rc::new)?;
        Ok(self.moved(None, &event))
    }

    /// How a child of this package begins.
    pub(crate) fn bear(&self, wanted: &Wanted, at: Timestamp) -> Reached {
        let same = |(by, form, _): &&(String, Value, Reached)| *by == wanted.by && *form == wanted.form;
        if let Some((_, _, reached)) = self.born.borrow().iter().find(same) {
            return reached.clone();
        }
        // Whoever may ask for a child needs no right to open one by hand.
        let actor = Actor { id: wanted.by.clone(), roles: BTreeSet::new(), department: None };
        let reached = self.open(&actor, &wanted.form, at);
        let mut born = self.born.borrow_mut();
        if born.len() < MOST_OF_ONE {
            born.push((wanted.by.clone(), wanted.form.clone(), reached.clone()));
        }
        reached
    }

    /// How many things were decided.
    pub(crate) fn decided(&self) -> usize {
        self.decided.get()
    }

    /// The choices of a state, by their places among all.
    pub(crate) fn choices(&self, state: &str) -> impl Iterator<Item = (usize, &'a Choice)> {
        let range = self.of_state.get(state).cloned().unwrap_or_default();
        range.map(|number| (number, self.choices[number]))
    }

    /// The choice at a place among all.
    pub(crate) fn choice(&self, number: usize) -> &'a Choice {
        self.choices[number]
    }

    /// Where a step leads from a place.
    pub(crate) fn follow(
        &self,
        from: &Rc<Place>,
        step: Step,
        at: Timestamp,
        windows: &BTreeMap<String, Timestamp>,
    ) -> Reached {
        let known =
            from.onward.borrow().iter().find(|(known, _)| *known == step).map(|(_, reached)| reached.clone());
        if let Some(reached) = known {
            return reached;
        }
        let reached = match self.decide(&from.case, &step, at, windows) {
            Ok(event) => Ok(self.moved(Some(&from.case), &event)),
            Err(refusal) => Err(Rc::new(refusal)),
        };
        let mut onward = from.onward.borrow_mut();
        if self.remembered.get() < MOST && onward.len() < MOST_OF_ONE {
            self.remembered.set(self.remembered.get() + 1);
            onward.push((step, reached.clone()));
        }
        reached
    }

    fn decide(
        &self,
        case: &Case,
        step: &Step,
        at: Timestamp,
        windows: &BTreeMap<String, Timestamp>,
    ) -> Result<CaseEvent, Refusal> {
        let situation = Situation { at, windows, children: &step.children };
        let choice = match &step.deed {
            Deed::System(action) => {
                let command = Command { action: action.clone(), ..Command::default() };
                return decide(self.package, case, &command, &Actor::system(), situation);
            }
            Deed::Choice(number) => self.choices[*number],
        };
        let command = Command {
            action: choice.does.clone().unwrap_or_default(),
            form: choice.form.clone(),
            reason: choice.reason.clone(),
            expected_version: None,
        };
        let mut refusal = None;
        // Who may not do it because of something that they did gives it to a colleague.
        for colleague in 0..PEOPLE {
            let actor = person(choice.by.as_ref(), case, colleague);
            match decide(self.package, case, &command, &actor, situation) {
                Err(Refusal::SeparationOfDuties { step, actor }) => {
                    refusal = Some(Refusal::SeparationOfDuties { step, actor });
                }
                decided => return decided,
            }
        }
        Err(refusal.unwrap_or(Refusal::Reason))
    }

    fn moved(&self, before: Option<&Case>, event: &CaseEvent) -> Rc<Move> {
        self.decided.set(self.decided.get() + 1);
        let case = evolve(before.cloned(), event);
        let deeds = self.deeds(&case, event);
        Rc::new(Move { to: self.place(case), deeds })
    }

    /// The place of a case. Of its history only matters who may not do something else any more.
    fn place(&self, mut case: Case) -> Rc<Place> {
        case.version = 0;
        case.history.retain(|done| self.separate.contains(done.action.as_str()));
        case.history.iter_mut().for_each(|done| done.at = Timestamp::UNIX_EPOCH);
        case.history.sort_by(|one, other| (&one.action, &one.actor).cmp(&(&other.action, &other.actor)));
        case.history.dedup();
        let key = self.hasher.hash_one((&case.state, &case.facts, &case.counts, &case.clocks, &case.asked));
        let mut places = self.places.borrow_mut();
        let alike = places.entry(key).or_default();
        if let Some(known) = alike.iter().find(|known| known.case == case) {
            return Rc::clone(known);
        }
        let place = Rc::new(Place { case, onward: RefCell::new(Vec::new()) });
        if self.remembered.get() < MOST {
            alike.push(Rc::clone(&place));
        }
        place
    }

    fn deeds(&self, case: &Case, event: &CaseEvent) -> Deeds {
        let mut deeds = Deeds::default();
        for effect in &event.effects {
            match effect {
                Effect::Clock(effect) => deeds.clocks.push(Asked::of(self.package, case, effect)),
                Effect::Route => deeds.queue = Some(self.routed(case)),
                Effect::CloseTask => deeds.queue = Some(String::new()),
                Effect::Notify { template, .. } => deeds.messages.push(template.clone()),
                Effect::Child { package, link, form, lodged_by, .. } => deeds.children.push(Wanted {
                    package: package.clone(),
                    link: link.clone(),
                    form: form.clone(),
                    by: lodged_by.clone().unwrap_or_else(|| event.actor.clone()),
                }),
                // Whoever works in the queue goes on, agreements are for the clocks of other cases, and what begins by itself is
                // another case, which is not played.
                Effect::AssignActor
                | Effect::Link { .. }
                | Effect::Agree(_)
                | Effect::EndAgreement
                | Effect::Schedule(_) => {}
            }
        }
        deeds
    }

    fn routed(&self, case: &Case) -> String {
        let facts = routing_facts(case, &self.plan.services, &self.plan.categories);
        self.package.route(&facts).queue
    }
}

/// What routing rules may ask about a case, where services and categories belong to departments.
pub(crate) fn routing_facts(
    case: &Case,
    services: &BTreeMap<String, String>,
    categories: &BTreeMap<String, String>,
) -> Value {
    let named = |departments: &BTreeMap<String, String>, fact: &str| {
        let code = case.fact(fact).unwrap_or_default();
        match departments.get(code) {
            Some(department) => json!({"code": code, "department": department}),
            None => json!({"code": code}),
        }
    };
    json!({
        "case": case.routing_facts(),
        "service": named(services, "service"),
        "category": named(categories, "classification"),
    })
}

/// One of the people who hold a role for a case.
fn person(role: Option<&Role>, case: &Case, number: usize) -> Actor {
    let role = role.cloned().unwrap_or_else(|| Role(String::new()));
    let department = case.department().filter(|_| role.is_of_a_department()).map(str::to_owned);
    Actor { id: format!("{role}-{}", number + 1), roles: [role].into(), department }
}

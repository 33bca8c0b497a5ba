//! Random walks: whatever is accepted, sound or spoilt, a case never reaches a state that does not exist, never is without an
//! owner while it is open, never keeps a promise running when it is over, and is what its events say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use masar_domain::{CaseId, Role, StateCategory};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::findings::{shipped, spoilt};
use crate::{
    Actor, Case, CaseEvent, Child, Command, Effect, Opening, Package, Situation, Source, decide, evolve,
    scenarios, shipped_files,
};

/// A package with the forms that its scenarios fill in.
struct Subject {
    source: Source,
    package: Package,
    openings: Vec<Value>,
    forms: BTreeMap<String, Vec<Value>>,
}

static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| shipped().into_iter().map(Subject::of).collect());

impl Subject {
    fn of(source: Source) -> Self {
        let package = Package::compile(&source).unwrap();
        let (mut openings, mut forms) = (Vec::new(), BTreeMap::new());
        for text in scenarios(&shipped_files(&package.definition().package).unwrap_or_default()).values() {
            let options = serde_saphyr::options! { strict_booleans: true };
            let book: Value = serde_saphyr::from_str_with_options(text, options).unwrap();
            collect(&book, &book["forms"], &mut openings, &mut forms);
        }
        assert!(!openings.is_empty(), "{}", package.definition().package);
        Self { source, package, openings, forms }
    }
}

/// Whatever is filled in anywhere in a file of scenarios: openings, and forms by the action.
fn collect(part: &Value, named: &Value, openings: &mut Vec<Value>, forms: &mut BTreeMap<String, Vec<Value>>) {
    if let Some(form) = part.get("form") {
        let mut form = form.as_str().map_or_else(|| form.clone(), |name| named[name].clone());
        for (field, value) in part["with"].as_object().into_iter().flatten() {
            form[field] = value.clone();
        }
        match part["does"].as_str() {
            Some(action) => forms.entry(action.to_owned()).or_default().push(form),
            None => openings.push(form),
        }
    }
    match part {
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, named, openings, forms)),
        Value::Object(parts) => parts.values().for_each(|part| collect(part, named, openings, forms)),
        _ => {}
    }
}

/// A case on its way, with what other services would keep of it.
struct Walk<'a> {
    package: &'a Package,
    case: Case,
    events: Vec<CaseEvent>,
    children: Vec<Child>,
    has_desk: bool,
}

impl<'a> Walk<'a> {
    fn open(package: &'a Package, form: &Value) -> Option<Self> {
        let opening = Opening { case_id: CaseId(uuid::Uuid::nil()), historical: false, form: form.clone() };
        let opener = Actor { id: "opener".into(), roles: BTreeSet::new(), department: None };
        let event = package.open(opening, &opener, Timestamp::UNIX_EPOCH).ok()?;
        let case = evolve(None, &event);
        let mut walk = Self { package, case, events: Vec::new(), children: Vec::new(), has_desk: false };
        walk.follow(event);
        Some(walk)
    }

    fn follow(&mut self, event: CaseEvent) {
        for effect in &event.effects {
            match effect {
                Effect::Route | Effect::AssignActor => self.has_desk = true,
                Effect::CloseTask => self.has_desk = false,
                Effect::Child { package, link, .. } => self.children.push(Child {
                    package: package.clone(),
                    link: link.clone(),
                    state: "asked".into(),
                    category: StateCategory::Open,
                    facts: BTreeMap::new(),
                }),
                Effect::Clock(_)
                | Effect::Notify { .. }
                | Effect::Link { .. }
                | Effect::Agree(_)
                | Effect::EndAgreement
                | Effect::Schedule(_) => {}
            }
        }
        self.events.push(event);
    }

    /// Somebody tries something that the state knows.
    fn try_one(&mut self, subject: &Subject, (way, role, form, child): (usize, usize, usize, bool)) {
        if child
            && let Some(open) = self.children.iter_mut().find(|child| child.category != StateCategory::Closed)
        {
            (open.state, open.category) = ("approved".into(), StateCategory::Closed);
        }
        let definition = self.package.definition();
        let ways: Vec<_> =
            definition.transitions.iter().filter(|way| way.from.contains(&self.case.state)).collect();
        let Some(way) = ways.get(way % ways.len().max(1)) else { return };
        let roles: Vec<&Role> = way.roles.iter().collect();
        let role = roles[role % roles.len()];
        let filled = subject.forms.get(&way.action).map(|forms| forms[form % forms.len()].clone());
        let command = Command {
            action: way.action.clone(),
            form: filled,
            reason: Some("because".into()),
            expected_version: None,
        };
        let department = self.case.department().map(str::to_owned);
        let actor = Actor { id: format!("{role}-{form}"), roles: [role.clone()].into(), department };
        let at =
            Timestamp::UNIX_EPOCH + SignedDuration::from_hours(i64::try_from(self.events.len()).unwrap());
        let windows = BTreeMap::new();
        let situation = Situation { at, windows: &windows, children: &self.children };
        if let Ok(event) = decide(self.package, &self.case, &command, &actor, situation) {
            self.case = evolve(Some(self.case.clone()), &event);
            self.follow(event);
        }
    }

    fn holds(&self) -> Result<(), TestCaseError> {
        let definition = self.package.definition();
        let (state, category) = (&self.case.state, self.case.category);
        prop_assert_eq!(
            definition.states.get(state).map(|known| known.category),
            Some(category),
            "{}",
            state
        );
        prop_assert!(self.has_desk || !category.needs_owner(), "nobody owns the case in {}", state);
        for clock in &self.case.clocks {
            prop_assert!(definition.clocks.contains_key(clock), "{}", clock);
            let window = definition.is_window(clock, state);
            prop_assert!(category != StateCategory::Closed || window, "`{}` runs on in {}", clock, state);
        }
        Ok(())
    }

    /// Whoever does not hear of what is concealed knows all of the case that others know.
    fn tells_nothing_of_what_it_conceals(&self) -> Result<(), TestCaseError> {
        let heard = self.events.iter().filter(|event| event.concealed().next().is_none());
        let known = |case: &Case| {
            let Case { state, facts, forms, counts, clocks, handler, .. } = case.clone();
            (state, facts, forms, counts, clocks, handler)
        };
        let heard = heard.fold(None, |case, event| Some(evolve(case, event)));
        prop_assert_eq!(heard.as_ref().map(known), Some(known(&self.case)));
        Ok(())
    }

    fn is_what_its_events_say(&self) -> Result<(), TestCaseError> {
        let stored = serde_json::to_string(&self.events).unwrap();
        let read: Vec<CaseEvent> = serde_json::from_str(&stored).unwrap();
        let replayed = read.iter().fold(None, |case, event| Some(evolve(case, event)));
        prop_assert_eq!(replayed.as_ref(), Some(&self.case));
        Ok(())
    }
}

type Try = (usize, usize, usize, bool);

fn walked(
    subject: &Subject,
    package: &Package,
    opening: usize,
    tries: &[Try],
) -> Result<usize, TestCaseError> {
    let Some(mut walk) = Walk::open(package, &subject.openings[opening % subject.openings.len()]) else {
        return Ok(0);
    };
    walk.holds()?;
    for one in tries {
        walk.try_one(subject, *one);
        walk.holds()?;
    }
    walk.is_what_its_events_say()?;
    walk.tells_nothing_of_what_it_conceals()?;
    Ok(walk.events.len())
}

fn tries(most: usize) -> impl Strategy<Value = Vec<Try>> {
    prop::collection::vec((any::<usize>(), any::<usize>(), any::<usize>(), any::<bool>()), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn cases_of_shipped_packages_stay_whole(subject in any::<prop::sample::Index>(), opening in any::<usize>(), tries in tries(60)) {
        let subject = subject.get(&SUBJECTS);
        walked(subject, &subject.package, opening, &tries)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// A spoilt package is refused, or what it accepts holds all the same.
    #[test]
    fn cases_of_spoilt_packages_that_are_accepted_stay_whole(
        subject in any::<prop::sample::Index>(),
        deeds in prop::collection::vec((1usize..3, 0usize..4, any::<usize>(), any::<usize>()), 1..3),
        opening in any::<usize>(),
        tries in tries(30),
    ) {
        let subject = subject.get(&SUBJECTS);
        let mut source = subject.source.clone();
        for deed in deeds {
            source.workflow = spoilt(&source.workflow, deed);
        }
        if let Ok(package) = Package::compile(&source) {
            walked(subject, &package, opening, &tries)?;
        }
    }
}

/// The walks above would find nothing if nobody ever got anywhere.
#[test]
fn walks_get_somewhere() {
    let numbers: Vec<Try> = (0..400).map(|n: usize| (n * 7 + n / 3, n, n / 2, n.is_multiple_of(3))).collect();
    let mut all = 0;
    for subject in SUBJECTS.iter() {
        let events = walked(subject, &subject.package, 0, &numbers).unwrap_or_else(|error| panic!("{error}"));
        assert!(events > 1, "{}: {events}", subject.package.definition().package);
        all += events;
    }
    assert!(all > 5 * SUBJECTS.len(), "{all}");
    let fresh = json!({});
    assert!(Walk::open(&SUBJECTS[0].package, &fresh).is_none(), "an empty form opens no case");
}

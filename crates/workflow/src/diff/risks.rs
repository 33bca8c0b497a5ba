//! What would strand a case that runs on the old version if it went on with the new one.

use std::collections::BTreeSet;

use masar_domain::StateCategory;
use serde::Serialize;
use serde_json::Value;

use crate::check::paths::{closure, forward};
use crate::codes::codes;
use crate::decide::OPEN;
use crate::expression::Read;
use crate::{ClockRule, Definition, Package, SYSTEM, State, Transition};

codes! {
    /// Why a running case would not go on as it should; `docs/workflow-diff.md` says of each what to do.
    RiskCode {
        /// Cases stand in a state that the new version does not have.
        StateGone = "STATE_GONE",
        /// A state is over in one version and not in the other.
        StateEnds = "STATE_ENDS",
        /// No way on from a state is open to a case of the old version.
        NoWayOn = "NO_WAY_ON",
        /// A guard reads what no case of the old version has.
        GuardNeverHolds = "GUARD_NEVER_HOLDS",
        /// A field that the old version does not ask for is required, and the form was filled in without it.
        FieldMissing = "FIELD_MISSING",
        /// A clock runs that the new version does not have.
        ClockGone = "CLOCK_GONE",
        /// A clock of the new version starts where running cases have been before.
        ClockMissed = "CLOCK_MISSED",
        /// What the system does when a clock runs out cannot be done any more.
        BreachActionGone = "BREACH_ACTION_GONE",
    }
}

/// Something that a running case would run into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Risk {
    /// Why.
    pub code: RiskCode,
    /// What it is about, as the path of a change.
    pub path: String,
    /// The states of the cases that it concerns.
    pub states: BTreeSet<String>,
    /// What would happen, and what to do about it.
    pub message: String,
}

/// Everything that would strand a running case, or take from it what it was promised.
pub(super) fn risks(old: &Package, new: &Package) -> Vec<Risk> {
    let comparison = Comparison { old: old.definition(), new: new.definition(), package: new };
    let mut found = comparison.states();
    found.extend(comparison.ways());
    found.extend(comparison.fields(old));
    found.extend(comparison.clocks());
    found
}

struct Comparison<'a> {
    old: &'a Definition,
    new: &'a Definition,
    package: &'a Package,
}

fn runs(state: &State) -> bool {
    state.category != StateCategory::Closed
}

fn risk(code: RiskCode, path: String, states: BTreeSet<String>, message: String) -> Risk {
    Risk { code, path, states, message }
}

impl Comparison<'_> {
    /// The states in which cases run that both versions have.
    fn shared(&self) -> impl Iterator<Item = &String> {
        let running = self.old.states.iter().filter(|(_, state)| runs(state)).map(|(code, _)| code);
        running.filter(|code| self.new.states.get(*code).is_some_and(runs))
    }

    fn states(&self) -> Vec<Risk> {
        let told = |(code, was): (&String, &State)| {
            let (path, states) = (format!("states/{code}"), BTreeSet::from([code.clone()]));
            match self.new.states.get(code) {
                None if runs(was) => Some(risk(
                    RiskCode::StateGone,
                    path,
                    states,
                    format!(
                        "cases in `{code}` have no state in the new version: say where each of them goes"
                    ),
                )),
                Some(is) if runs(is) != runs(was) => {
                    let word = if runs(is) {
                        "would run again, without desk and clocks"
                    } else {
                        "would be over, with desk and clocks left behind"
                    };
                    Some(risk(RiskCode::StateEnds, path, states, format!("cases in `{code}` {word}")))
                }
                _ => None,
            }
        };
        self.old.states.iter().filter_map(told).collect()
    }

    /// Transitions whose guards read what an old case lacks, and states in which none is left.
    fn ways(&self) -> Vec<Risk> {
        let mut found = Vec::new();
        for (index, way) in self.new.transitions.iter().enumerate() {
            let reads = self.package.guard_reads(index);
            let mut lacking = BTreeSet::new();
            let mut states = BTreeSet::new();
            for state in self.shared().filter(|state| way.from.contains(*state)) {
                let read = reads.iter().filter(|read| !read.tested && !asked_before(&reads, read));
                let read: Vec<_> = read.filter(|read| self.lacks(read, state)).map(said).collect();
                if !read.is_empty() {
                    states.insert(state.clone());
                }
                lacking.extend(read);
            }
            if !states.is_empty() {
                let lacking = lacking.into_iter().collect::<Vec<_>>().join("`, `");
                let message = format!(
                    "the guard of `{}` reads `{lacking}`, which no case of the old version has: ask with `has` first",
                    way.action
                );
                found.push((
                    index,
                    risk(RiskCode::GuardNeverHolds, format!("transitions/{}", way.action), states, message),
                ));
            }
        }
        let shut = |index: usize, state: &String| {
            found.iter().any(|(at, risk)| *at == index && risk.states.contains(state))
        };
        let stuck: Vec<_> = self
            .shared()
            .filter(|state| {
                let ways = self.new.transitions.iter().enumerate();
                let mut ways = ways.filter(|(_, way)| way.from.contains(*state) && way.to != **state);
                ways.all(|(index, _)| shut(index, state))
            })
            .cloned()
            .collect();
        let stuck = stuck.into_iter().map(|state| {
            let message = format!("no case of the old version ever leaves `{state}`: every way on has a guard that cannot hold for it");
            risk(RiskCode::NoWayOn, format!("states/{state}"), [state].into(), message)
        });
        stuck.collect::<Vec<_>>().into_iter().chain(found.into_iter().map(|(_, risk)| risk)).collect()
    }

    /// True when a case of the old version that stands in a state has nothing to read there, and will have nothing.
    fn lacks(&self, read: &Read, state: &str) -> bool {
        if read.root != "case" {
            return false;
        }
        let path: Vec<&str> = read.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["counts", counter, ..] => {
                self.new.counters().any(|new| new == *counter)
                    && self.old.counters().all(|old| old != *counter)
            }
            ["forms", form, ..] => {
                forms(self.new).contains(form)
                    && !forms(self.old).contains(form)
                    && !self.ahead(state, |way| way.form.as_deref() == Some(form))
            }
            ["id" | "state" | "counts" | "forms", ..] | [] => false,
            [fact, ..] => {
                says(self.new, fact)
                    && !says(self.old, fact)
                    && !self.ahead(state, |way| way.sets.contains_key(*fact))
            }
        }
    }

    /// True when a case that stands in a state may still come to such a transition.
    fn ahead(&self, state: &str, wanted: impl Fn(&Transition) -> bool) -> bool {
        let onward = closure(vec![state], &forward(self.new.transitions.iter()));
        let mut ways = self
            .new
            .transitions
            .iter()
            .filter(|way| way.from.iter().any(|from| onward.contains(from.as_str())));
        ways.any(wanted)
    }

    /// Fields that forms require now and running cases were never asked for.
    fn fields(&self, old: &Package) -> Vec<Risk> {
        let states: BTreeSet<String> = self.shared().cloned().collect();
        let mut found = Vec::new();
        for (name, schema) in self.package.form_schemas() {
            let Some(before) = old.form_schema(name) else { continue };
            let (before, now) = (required(before), required(schema));
            for field in now.difference(&before) {
                let readers = self.readers(name, field);
                let read = match readers.is_empty() {
                    // What opened the case is never filled in again.
                    true if name != self.new.opening_form => continue,
                    true => String::new(),
                    false => format!(", and read by {}", readers.join(", ")),
                };
                let message = format!(
                    "`{field}` of the form `{name}` is required now{read}: cases that filled it in before may be without it"
                );
                found.push(risk(
                    RiskCode::FieldMissing,
                    format!("forms/{name}/required"),
                    states.clone(),
                    message,
                ));
            }
        }
        found
    }

    /// Who reads a field of a form that was filled in before.
    fn readers(&self, form: &str, field: &str) -> Vec<String> {
        let reads = |read: &Read| {
            read.root == "case" && read.path.iter().map(String::as_str).take(3).eq(["forms", form, field])
        };
        let mut readers = BTreeSet::new();
        for (index, way) in self.new.transitions.iter().enumerate() {
            if self.package.guard_reads(index).iter().any(reads) {
                readers.insert(format!("the guard of `{}`", way.action));
            }
        }
        for (code, clock) in &self.new.clocks {
            let path = format!("{form}.{field}");
            let of_table = self.package.target_tables().reads(code).any(|read| reads(&read));
            if of_table || clock.target_by.as_ref() == Some(&path) || clock.until.contains(&path) {
                readers.insert(format!("the clock `{code}`"));
            }
        }
        readers.into_iter().collect()
    }

    fn clocks(&self) -> Vec<Risk> {
        let mut found = Vec::new();
        for (code, clock) in &self.old.clocks {
            let path = format!("clocks/{code}");
            let under_way = running(self.old, clock);
            if !self.new.clocks.contains_key(code) {
                let message = format!(
                    "the clock `{code}` may run, and nothing of the new version stops it, tells of it or climbs for it"
                );
                found.push(risk(RiskCode::ClockGone, path.clone(), under_way.clone(), message));
            }
            let Some(action) = &clock.on_breach else { continue };
            let does = |definition: &Definition, state: &String| {
                let mut ways = definition
                    .transitions
                    .iter()
                    .filter(|way| way.action == *action && way.from.contains(state));
                ways.any(|way| way.roles.iter().any(|role| role.0 == SYSTEM))
            };
            let shared = self.shared().filter(|state| under_way.contains(*state));
            let stuck: BTreeSet<_> =
                shared.filter(|state| does(self.old, state) && !does(self.new, state)).cloned().collect();
            if !stuck.is_empty() {
                let message = format!(
                    "when `{code}` runs out the system should do `{action}`, which it may not do there any more"
                );
                found.push(risk(RiskCode::BreachActionGone, path, stuck, message));
            }
        }
        for (code, clock) in self.new.clocks.iter().filter(|(code, _)| !self.old.clocks.contains_key(*code)) {
            let late = running(self.new, clock);
            let states: BTreeSet<_> = self.shared().filter(|state| late.contains(*state)).cloned().collect();
            if !states.is_empty() {
                let message = format!(
                    "the clock `{code}` would run here, and starts only where these cases have been before: start it for them, or let it start later too"
                );
                found.push(risk(RiskCode::ClockMissed, format!("clocks/{code}"), states, message));
            }
        }
        found
    }
}

/// The states in which a clock may run.
fn running(definition: &Definition, clock: &ClockRule) -> BTreeSet<String> {
    let mut starts: Vec<&str> = clock.start.states.iter().map(String::as_str).collect();
    let begun = definition.transitions.iter().filter(|way| clock.start.actions.contains(&way.action));
    starts.extend(begun.map(|way| way.to.as_str()));
    if clock.start.actions.contains(OPEN) {
        starts.extend(definition.beginnings());
    }
    let goes_on =
        |way: &&Transition| !clock.stop.actions.contains(&way.action) && !clock.stop.states.contains(&way.to);
    let within = closure(starts, &forward(definition.transitions.iter().filter(goes_on)));
    let open =
        |code: &&str| definition.states.get(*code).is_some_and(runs) && !clock.stop.states.contains(*code);
    within.into_iter().filter(open).map(str::to_owned).collect()
}

/// The forms that a case of a package fills in.
fn forms(definition: &Definition) -> BTreeSet<&str> {
    let of_ways = definition.transitions.iter().filter_map(|way| way.form.as_deref());
    of_ways.chain([definition.opening_form.as_str()]).collect()
}

/// True when a package says a fact of its cases.
fn says(definition: &Definition, fact: &str) -> bool {
    definition.facts.contains_key(fact)
        || definition.transitions.iter().any(|way| way.sets.contains_key(fact))
}

/// True when the expression asks whether it is there before it reads it, or something around it.
fn asked_before(reads: &BTreeSet<Read>, read: &Read) -> bool {
    let around =
        |asked: &&Read| asked.tested && asked.root == read.root && read.path.starts_with(&asked.path);
    reads.iter().any(|asked| around(&asked))
}

fn said(read: &Read) -> String {
    format!("{}.{}", read.root, read.path.join("."))
}

/// The fields that a form always asks for.
fn required(schema: &str) -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let fields = schema["required"].as_array().into_iter().flatten();
    fields.filter_map(Value::as_str).map(str::to_owned).collect()
}

//! Migration: a running case goes on in another version of its package, when somebody says so (NFR-11).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use masar_domain::StateCategory;
use serde::{Deserialize, Serialize};

use crate::decide::{MIGRATED, state};
use crate::effect::{clock_scope, desk, planned};
use crate::{
    Case, CaseEvent, Change, ClockEffect, ClockOperation, ClockRule, Definition, Effect, Package,
    ScheduleEffect, ScheduleOperation, evolve,
};

/// How cases of one version go on in another. What is not named stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Migration {
    /// States of the old version, and those of the new one in which their cases go on.
    pub states: BTreeMap<String, String>,
    /// What becomes of clocks. Without a word they are kept where the new version has them, and cancelled where not.
    pub clocks: BTreeMap<String, Fate>,
    /// True when each case goes to the desk that the rules of the new version name, whoever has it now.
    pub route: bool,
}

/// What becomes of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It counts on, to what was promised.
    Keep,
    /// It counts on from its start, to what the new version promises.
    Retarget,
    /// It begins anew now; also where it did not run.
    Start,
    /// It ends.
    Cancel,
}

/// Why a case cannot go on in the new version. It stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stranded {
    /// It is over.
    #[error("the case is over: only those that run are migrated")]
    Over,
    /// The new version does not know its state.
    #[error("{version} has no state `{state}`: name in the map where its cases go on")]
    State {
        /// The state.
        state: String,
        /// The new version.
        version: String,
    },
    /// It would be closed.
    #[error("`{state}` is a closed state, and a migration ends no case: map to another")]
    Ends {
        /// The state.
        state: String,
    },
    /// Something was done to it since.
    #[error("something was done to the case since: it goes on as it is")]
    Moved,
}

impl Stranded {
    /// The stable code by which programs know it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Over => "OVER",
            Self::State { .. } => "STATE",
            Self::Ends { .. } => "ENDS",
            Self::Moved => "MOVED",
        }
    }
}

/// Who migrates a case, when and why.
#[derive(Debug, Clone)]
pub struct Occasion<'a> {
    /// Id of the person.
    pub actor: &'a str,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: &'a str,
}

impl Migration {
    /// Everything in the map that neither version knows, by its place.
    #[must_use]
    pub fn violations(&self, from: &Definition, to: &Definition) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        for (old, new) in &self.states {
            let mut unknown = |version: &Definition, state: &String| {
                if !version.states.contains_key(state) {
                    let message = format!("{} {} has no state `{state}`", version.package, version.version);
                    wrong.push((format!("states.{old}"), message));
                }
            };
            unknown(from, old);
            unknown(to, new);
        }
        for (clock, fate) in &self.clocks {
            let known = match fate {
                Fate::Cancel => from.clocks.contains_key(clock),
                Fate::Keep | Fate::Retarget | Fate::Start => to.clocks.contains_key(clock),
            };
            if !known {
                let (package, version) = (&to.package, &to.version);
                wrong
                    .push((format!("clocks.{clock}"), format!("{package} {version} has no clock `{clock}`")));
            }
        }
        wrong
    }
}

impl Package {
    /// The event by which a case of another version goes on in this one.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn take_over(
        &self,
        from: &Self,
        case: &Case,
        map: &Migration,
        occasion: &Occasion<'_>,
    ) -> Result<CaseEvent, Stranded> {
        if case.category == StateCategory::Closed {
            return Err(Stranded::Over);
        }
        let definition = self.definition();
        let code = map.states.get(&case.state).unwrap_or(&case.state);
        match definition.states.get(code) {
            None => {
                let version = format!("{} {}", definition.package, definition.version);
                return Err(Stranded::State { state: code.clone(), version });
            }
            Some(found) if found.category == StateCategory::Closed => {
                return Err(Stranded::Ends { state: code.clone() });
            }
            Some(_) => {}
        }
        let mut event = CaseEvent {
            case_id: case.id,
            version: case.version + 1,
            at: occasion.at,
            actor: occasion.actor.to_owned(),
            action: MIGRATED.to_owned(),
            to: state(definition, code),
            reason: Some(occasion.reason.to_owned()),
            form: None,
            change: Change::Migrated {
                from: from.definition().version.clone(),
                to: definition.version.clone(),
                state: case.state.clone(),
                ran: case.clocks.clone(),
                counters: definition.counters().map(str::to_owned).collect(),
            },
            facts: BTreeMap::new(),
            effects: Vec::new(),
        };
        let after = evolve(Some(case.clone()), &event);
        event.effects = Moving { from, to: self, case, after: &after, map }.effects();
        event.effects.extend(ended(definition, case));
        if map.route && after.category.needs_owner() {
            event.effects.push(Effect::Route);
        }
        event.effects.extend(desk(Some(case), &after, &event.effects));
        Ok(event)
    }

    /// The event by which a case that was migrated goes on in this version, in which it was before. A clock that the
    /// migration ended begins anew.
    ///
    /// # Errors
    /// `Moved` when the migration is not the last that happened to it.
    pub fn take_back(
        &self,
        from: &Self,
        case: &Case,
        migrated: &CaseEvent,
        occasion: &Occasion<'_>,
    ) -> Result<CaseEvent, Stranded> {
        let Change::Migrated { state, ran, .. } = &migrated.change else { return Err(Stranded::Moved) };
        if migrated.version != case.version {
            return Err(Stranded::Moved);
        }
        let fate = |clock: &String| match (ran.contains(clock), case.clocks.contains(clock)) {
            (true, true) => Fate::Retarget,
            (true, false) => Fate::Start,
            (false, _) => Fate::Cancel,
        };
        let clocks = ran.union(&case.clocks).map(|clock| (clock.clone(), fate(clock))).collect();
        let states = [(case.state.clone(), state.clone())].into();
        self.take_over(from, case, &Migration { states, clocks, route: false }, occasion)
    }
}

/// What the new version does not schedule any more comes no more; the rest keeps its pace.
fn ended(definition: &Definition, case: &Case) -> impl Iterator<Item = Effect> {
    let gone = case.schedules.iter().filter(|code| !definition.schedules.contains_key(*code));
    gone.map(|code| {
        let operation = ScheduleOperation::End;
        Effect::Schedule(ScheduleEffect { schedule: code.clone(), operation })
    })
}

/// A case between two versions.
struct Moving<'a> {
    from: &'a Package,
    to: &'a Package,
    case: &'a Case,
    after: &'a Case,
    map: &'a Migration,
}

impl Moving<'_> {
    fn effects(&self) -> Vec<Effect> {
        let clocks: BTreeSet<&String> =
            self.case.clocks.iter().chain(self.to.definition().clocks.keys()).collect();
        let operations = clocks.into_iter().flat_map(|clock| {
            let operations = match (self.to.definition().clocks.get(clock), self.case.clocks.contains(clock))
            {
                (Some(rule), true) => self.goes_on(clock, rule),
                (Some(rule), false) => self.begins(clock, rule).into_iter().collect(),
                (None, _) => vec![self.cancelled()],
            };
            operations.into_iter().map(move |operation| (clock, operation))
        });
        let effect = |(clock, operation): (&String, _)| {
            let between = self.to.definition().clocks.get(clock).and_then(|rule| rule.parties(self.after));
            Effect::Clock(ClockEffect { clock: clock.clone(), operation, between })
        };
        operations.map(effect).collect()
    }

    /// What happens to a clock that runs or stands still.
    fn goes_on(&self, clock: &str, rule: &ClockRule) -> Vec<ClockOperation> {
        let fate = self.map.clocks.get(clock).copied().unwrap_or(Fate::Keep);
        if fate == Fate::Cancel {
            return vec![self.cancelled()];
        }
        if self.enters(&rule.stop.states) {
            return vec![ClockOperation::Stop];
        }
        let old = self.from.definition().clocks.get(clock);
        if fate == Fate::Start {
            return self
                .to
                .start(clock, rule, self.after)
                .map_or_else(|| vec![self.cancelled()], |start| vec![start]);
        }
        let promise = |package: &Package, rule: &ClockRule, case: &Case| {
            Some((package.target(clock, rule, case)?, planned(rule, case)))
        };
        let was = old.and_then(|old| promise(self.from, old, self.case));
        let is = if fate == Fate::Keep {
            was.or_else(|| promise(self.to, rule, self.after))
        } else {
            promise(self.to, rule, self.after)
        };
        let Some((target, not_after)) = is else { return vec![self.cancelled()] };
        let marks = self.to.marks(clock, rule, self.after);
        let same = was == is && old.is_some_and(|old| self.from.marks(clock, old, self.case) == marks);
        let cause = MIGRATED.to_owned();
        let retarget = (!same).then_some(ClockOperation::Retarget { target, not_after, marks, cause });
        let stood = old.is_some_and(|old| old.pause.contains(&self.case.state));
        let moved = match (stood, rule.pause.contains(&self.after.state)) {
            (false, true) => Some(ClockOperation::Pause { reason: self.after.state.clone() }),
            (true, false) => Some(ClockOperation::Resume),
            _ => None,
        };
        retarget.into_iter().chain(moved).collect()
    }

    /// What happens to a clock of the new version that does not run yet.
    fn begins(&self, clock: &str, rule: &ClockRule) -> Option<ClockOperation> {
        let wanted = match self.map.clocks.get(clock) {
            Some(Fate::Start) => true,
            Some(_) => false,
            None => {
                self.enters(&rule.start.states) && self.to.clock_wanted(clock, &clock_scope(self.after, None))
            }
        };
        wanted.then(|| self.to.start(clock, rule, self.after)).flatten()
    }

    fn enters(&self, states: &BTreeSet<String>) -> bool {
        self.case.state != self.after.state && states.contains(&self.after.state)
    }

    fn cancelled(&self) -> ClockOperation {
        let definition = self.to.definition();
        ClockOperation::Cancel {
            reason: format!("the case goes on in {} {}", definition.package, definition.version),
        }
    }
}

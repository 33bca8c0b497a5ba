//! A log replayed through a package, case by case, with the functions of production.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use masar_domain::{CaseId, Role, StateCategory};
use masar_workflow::{Actor, Case, Command, Opening, Package, Situation, decide, evolve};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::log::find;
use crate::{Log, LogCase, Step, keys};

/// Where the schema of a form says by which key a log tells of a field; without it, by the field's own name.
pub(crate) const LOG_KEY: &str = "x-log-key";

/// What came of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// Cases of the log.
    pub cases: usize,
    /// Events of the log: each was accepted or refused.
    pub events: usize,
    /// Events that the package allows where they happened.
    pub accepted: usize,
    /// Events that it does not allow; `reasons` says why.
    pub refused: usize,
    /// Cases all of whose events were accepted.
    pub whole: usize,
    /// Cases that ended in a closed state.
    pub closed: usize,
    /// Why events were refused, the most frequent reason first.
    pub reasons: Vec<Reason>,
}

/// Why events were refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The code of the refusal: those of transitions, or `NO_NAME`, `NO_TIME` and `NO_ACTION` where the log names no
    /// activity, no time, or nothing that the package knows.
    pub code: String,
    /// The reason in words, of the first event that was refused for it.
    pub reason: String,
    /// How many events.
    pub events: usize,
    /// One of them.
    pub example: Example,
}

/// An event that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Name of its case.
    pub case: String,
    /// Its place in the case, from 1.
    pub event: usize,
    /// What was done.
    pub activity: String,
    /// When.
    pub at: Option<Timestamp>,
}

/// Replays every case of a log. An activity is the action whose code or label it is. A log names people and not what
/// they may do: an actor has the role that the event names, or else those that the action asks for; of windows, which
/// need a calendar, none is over. Everything else is judged: states, guards, forms, reasons, separation of duties.
#[must_use]
pub fn replay(package: &Package, log: &Log) -> Replay {
    let reader = Reader::of(package);
    let mut replay = Replay { cases: log.cases.len(), events: log.events(), ..Replay::default() };
    let mut reasons = BTreeMap::new();
    for (number, case) in log.cases.iter().enumerate() {
        let walked = reader.walk(number, case);
        let refused = walked.refused.len();
        replay.accepted += case.events.len() - refused;
        replay.refused += refused;
        replay.whole += usize::from(refused == 0);
        replay.closed += usize::from(walked.closed);
        for refused in walked.refused {
            let kind = (refused.code.clone(), refused.example.activity.clone());
            reasons.entry(kind).and_modify(|known: &mut Reason| known.events += 1).or_insert(refused);
        }
    }
    replay.reasons = reasons.into_values().collect();
    replay.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.events));
    replay
}

/// What became of a case.
#[derive(Default)]
struct Walked {
    closed: bool,
    refused: Vec<Reason>,
}

/// What of a package must be known to read a log by it.
struct Reader<'a> {
    package: &'a Package,
    /// Actions by their codes and labels.
    actions: BTreeMap<&'a str, &'a str>,
    /// The roles that an action asks for.
    roles: BTreeMap<&'a str, BTreeSet<Role>>,
    /// The fields of the opening form, with the keys of the log.
    fields: BTreeMap<String, String>,
    opener: Actor,
}

impl<'a> Reader<'a> {
    fn of(package: &'a Package) -> Self {
        let definition = package.definition();
        let (mut actions, mut roles) = (BTreeMap::new(), BTreeMap::<&str, BTreeSet<Role>>::new());
        for way in &definition.transitions {
            roles.entry(&way.action).or_default().extend(way.roles.iter().cloned());
        }
        // In a draft a label is the name that the log gives; in a log of our own an activity goes by its code.
        let ways = || definition.transitions.iter().map(|way| (way, way.action.as_str()));
        let english = ways().map(|(way, action)| (way.label.en.as_str(), action));
        let codes = ways().map(|(_, action)| (action, action));
        let arabic = ways().map(|(way, action)| (way.label.ar.as_str(), action));
        for (name, action) in english.chain(codes).chain(arabic) {
            actions.entry(name).or_insert(action);
        }
        let schema = package.form_schema(&definition.opening_form).unwrap_or_default();
        let schema: Json = serde_json::from_str(schema).unwrap_or_default();
        let field = |(name, field): (&String, &Json)| {
            let key = field.get(LOG_KEY).and_then(Json::as_str).unwrap_or(name);
            (name.clone(), key.to_owned())
        };
        let fields = schema.get("properties").and_then(Json::as_object);
        let fields = fields.into_iter().flatten().map(field).collect();
        let opener = Actor { id: "log".to_owned(), roles: definition.opened_by.clone(), department: None };
        Self { package, actions, roles, fields, opener }
    }

    fn walk(&self, number: usize, logged: &LogCase) -> Walked {
        let steps = logged.steps();
        let mut walked = Walked::default();
        let known: BTreeSet<usize> = steps.iter().map(|step| step.index).collect();
        for (index, event) in logged.events.iter().enumerate().filter(|(index, _)| !known.contains(index)) {
            let (code, reason) = match event.activity().trim().is_empty() {
                true => ("NO_NAME", "the event says no activity"),
                false => ("NO_TIME", "the event says no time"),
            };
            walked.refused.push(refused(logged, index, code, reason.to_owned()));
        }
        let Some(first) = steps.first() else { return walked };
        let opening = Opening {
            // A replay keeps no case: its number is identity enough.
            case_id: CaseId(Uuid::from_u128(number as u128 + 1)),
            historical: false,
            form: self.form(logged, first),
        };
        let mut case = match self.package.open(opening, &self.opener, first.at) {
            Ok(event) => evolve(None, &event),
            Err(refusal) => {
                let all = steps.iter().map(|step| {
                    refused(
                        logged,
                        step.index,
                        refusal.code(),
                        format!("the case cannot be opened: {refusal}"),
                    )
                });
                walked.refused.extend(all);
                return walked;
            }
        };
        for step in &steps {
            match self.take(&case, step) {
                Ok(after) => case = after,
                Err((code, reason)) => walked.refused.push(refused(logged, step.index, code, reason)),
            }
        }
        walked.closed = case.category == StateCategory::Closed;
        walked
    }

    /// The case after a step, or why it cannot be.
    fn take(&self, case: &Case, step: &Step<'_>) -> Result<Case, (&'static str, String)> {
        let Some(action) = self.actions.get(step.activity) else {
            return Err(("NO_ACTION", format!("no action of the package is called `{}`", step.activity)));
        };
        let role = Some(Role(step.event.role().to_owned())).filter(Role::is_known);
        let roles =
            role.map_or_else(|| self.roles.get(action).cloned().unwrap_or_default(), |role| [role].into());
        let who = match step.event.resource() {
            "" => "unknown",
            who => who,
        };
        let actor = Actor { id: who.to_owned(), roles, department: case.department().map(str::to_owned) };
        let reason = Some(step.activity.to_owned());
        let command = Command { action: (*action).to_owned(), reason, ..Command::default() };
        let situation = Situation { at: step.at, windows: &BTreeMap::new(), children: &[] };
        match decide(self.package, case, &command, &actor, situation) {
            Ok(event) => Ok(evolve(Some(case.clone()), &event)),
            Err(refusal) => Err((refusal.code(), refusal.to_string())),
        }
    }

    /// The opening form, as far as the log tells of its fields.
    fn form(&self, logged: &LogCase, first: &Step<'_>) -> Json {
        let told = |(field, key): (&String, &String)| {
            let said = find(&logged.attributes, key).or_else(|| find(&first.event.attributes, key))?;
            Some((field.clone(), said.json()?))
        };
        let told = self.fields.iter().filter(|(_, key)| key.as_str() != keys::NAME).filter_map(told);
        Json::Object(told.collect::<Map<_, _>>())
    }
}

fn refused(case: &LogCase, index: usize, code: &str, reason: String) -> Reason {
    let event = &case.events[index];
    let example = Example {
        case: case.name().to_owned(),
        event: index + 1,
        activity: event.activity().to_owned(),
        at: event.at(),
    };
    Reason { code: code.to_owned(), reason, events: 1, example }
}

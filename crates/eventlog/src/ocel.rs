//! OCEL 2.0 in JSON: events that are about objects of several types.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::log::instant;
use crate::{Attribute, Error, Log, LogCase, LogEvent, Value, keys};

/// The type of the objects that stand for people.
const PERSON: &str = "person";
/// How a person takes part in an event.
const ACTOR: &str = "actor";
/// How a case takes part in an event.
const CASE: &str = "case";

/// A log as OCEL 2.0 writes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ocel {
    /// The types of its objects.
    pub object_types: Vec<OcelType>,
    /// The types of its events.
    pub event_types: Vec<OcelType>,
    /// Its objects.
    pub objects: Vec<OcelObject>,
    /// Its events.
    pub events: Vec<OcelEvent>,
}

/// A type of objects or events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OcelType {
    /// Its name.
    pub name: String,
    /// What is said of each.
    pub attributes: Vec<Declared>,
}

/// An attribute that a type declares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// `string`, `time`, `integer`, `float` or `boolean`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// An object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OcelObject {
    /// Its identity.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is said of it.
    #[serde(default)]
    pub attributes: Vec<Stated>,
    /// The objects to which it belongs.
    #[serde(default)]
    pub relationships: Vec<Relationship>,
}

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OcelEvent {
    /// Its identity.
    pub id: String,
    /// What was done.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, in RFC 3339.
    pub time: String,
    /// What is said of it.
    #[serde(default)]
    pub attributes: Vec<Stated>,
    /// The objects that it is about.
    #[serde(default)]
    pub relationships: Vec<Relationship>,
}

/// What is said of an object or event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stated {
    /// Name of the attribute.
    pub name: String,
    /// Since when it holds, for objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What is said.
    #[serde(default)]
    pub value: Json,
}

/// How an object takes part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Relationship {
    /// The object.
    pub object_id: String,
    /// How.
    #[serde(default)]
    pub qualifier: String,
}

impl Ocel {
    /// Reads the text of a log.
    ///
    /// # Errors
    /// What cannot be read, with its line.
    pub fn read(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text)
            .map_err(|error| Error::Place { line: error.line(), problem: error.to_string() })
    }

    /// The text of the log.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and JSON values can always be written")
    }

    /// The log of cases that are objects of a type; when none is named, of the type that most events are about. An event
    /// that is about several of them stands in the case of each. People take part under the qualifier `actor`.
    ///
    /// # Errors
    /// `ObjectType` when no event is about an object of this type, `Place` when a time cannot be read.
    pub fn cases(&self, object_type: Option<&str>) -> Result<Log, Error> {
        let objects: BTreeMap<&str, &OcelObject> =
            self.objects.iter().map(|object| (object.id.as_str(), object)).collect();
        let kind = self.case_type(object_type, &objects)?;
        let mut cases: BTreeMap<&str, LogCase> = BTreeMap::new();
        for event in &self.events {
            let read = self.event(event, &objects)?;
            let about = event.relationships.iter().map(|related| related.object_id.as_str());
            let about: BTreeSet<&str> =
                about.filter(|id| objects.get(id).is_some_and(|object| object.kind == kind)).collect();
            for id in about {
                cases.entry(id).or_default().events.push(read.clone());
            }
        }
        for (id, case) in &mut cases {
            case.attributes.push(Attribute::new(keys::NAME, *id));
            let stated = objects[id].attributes.iter().filter(|stated| stated.name != keys::NAME);
            let types = declared(&self.object_types, &kind);
            case.attributes.extend(stated.filter_map(|stated| attribute(stated, &types)));
        }
        Ok(Log { attributes: Vec::new(), cases: cases.into_values().collect() })
    }

    fn case_type(&self, asked: Option<&str>, objects: &BTreeMap<&str, &OcelObject>) -> Result<String, Error> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for event in &self.events {
            let kinds =
                event.relationships.iter().filter_map(|related| objects.get(related.object_id.as_str()));
            let kinds: BTreeSet<&str> = kinds.map(|object| object.kind.as_str()).collect();
            kinds.into_iter().for_each(|kind| *counts.entry(kind).or_default() += 1);
        }
        // Of types that are named equally often the first, and people only where there is nothing else.
        let most =
            counts.iter().max_by_key(|(kind, count)| (**kind != PERSON, **count, std::cmp::Reverse(**kind)));
        let chosen = match asked {
            Some(kind) => counts.contains_key(kind).then(|| kind.to_owned()),
            None => most.map(|(kind, _)| (*kind).to_owned()),
        };
        chosen.ok_or_else(|| Error::ObjectType {
            asked: asked.unwrap_or_default().to_owned(),
            known: counts.into_keys().map(str::to_owned).collect(),
        })
    }

    fn event(&self, event: &OcelEvent, objects: &BTreeMap<&str, &OcelObject>) -> Result<LogEvent, Error> {
        let at = instant(&event.time).ok_or_else(|| {
            let problem = format!("the event `{}` has the time `{}`: write RFC 3339", event.id, event.time);
            Error::Place { line: 1, problem }
        })?;
        let mut attributes =
            vec![Attribute::new(keys::NAME, event.kind.as_str()), Attribute::new(keys::TIME, at)];
        let person = |related: &&Relationship| {
            let known = objects.get(related.object_id.as_str());
            related.qualifier == ACTOR || known.is_some_and(|object| object.kind == PERSON)
        };
        if let Some(person) = event.relationships.iter().find(person) {
            attributes.push(Attribute::new(keys::RESOURCE, person.object_id.as_str()));
        }
        let types = declared(&self.event_types, &event.kind);
        let told: Vec<Attribute> =
            event.attributes.iter().filter_map(|stated| attribute(stated, &types)).collect();
        attributes
            .extend(told.into_iter().filter(|said| ![keys::NAME, keys::TIME].contains(&said.key.as_str())));
        Ok(LogEvent { attributes })
    }

    /// A log as OCEL: each case is an object of the type, each person one of the type `person`. `links` are pairs of
    /// cases by name, with how the first belongs to the second. Events without name or time are left out, as OCEL has
    /// no place for them.
    #[must_use]
    pub fn of(log: &Log, object_type: &str, links: &[(String, String, String)]) -> Self {
        let (mut ocel, mut people) = (Self::default(), BTreeSet::new());
        let (mut of_cases, mut of_events) = (Kinds::new(), BTreeMap::<&str, Kinds>::new());
        for case in &log.cases {
            let steps = case.steps();
            let mut attributes = stated(&case.attributes, &[keys::NAME], &mut of_cases);
            // What is said of an object holds from some time on.
            let since = steps.first().map(|step| step.at.to_string()).unwrap_or_default();
            attributes.iter_mut().for_each(|stated| stated.time = Some(since.clone()));
            let linked = links.iter().filter(|(from, ..)| from == case.name());
            ocel.objects.push(OcelObject {
                id: case.name().to_owned(),
                kind: object_type.to_owned(),
                attributes,
                relationships: linked.map(|(_, to, how)| related(to, how)).collect(),
            });
            for step in steps {
                let who = Some(step.event.resource()).filter(|who| !who.is_empty());
                people.extend(who.map(str::to_owned));
                let aside = [keys::NAME, keys::TIME, keys::RESOURCE];
                ocel.events.push(OcelEvent {
                    id: format!("{}/{}", case.name(), step.index + 1),
                    kind: step.activity.to_owned(),
                    time: step.at.to_string(),
                    attributes: stated(
                        &step.event.attributes,
                        &aside,
                        of_events.entry(step.activity).or_default(),
                    ),
                    relationships: std::iter::once(related(case.name(), CASE))
                        .chain(who.map(|who| related(who, ACTOR)))
                        .collect(),
                });
            }
        }
        ocel.object_types.push(of_kind(object_type, of_cases));
        if !people.is_empty() {
            ocel.object_types.push(of_kind(PERSON, Kinds::new()));
        }
        let person = |id: String| OcelObject { id, kind: PERSON.to_owned(), ..OcelObject::default() };
        ocel.objects.extend(people.into_iter().map(person));
        ocel.event_types = of_events.into_iter().map(|(name, kinds)| of_kind(name, kinds)).collect();
        ocel
    }
}

/// The attributes of a type and what kind of value each has.
type Kinds = BTreeMap<String, &'static str>;

fn of_kind(name: &str, attributes: Kinds) -> OcelType {
    let declared = |(name, kind): (String, &'static str)| Declared { name, kind: kind.to_owned() };
    OcelType { name: name.to_owned(), attributes: attributes.into_iter().map(declared).collect() }
}

fn related(object_id: &str, qualifier: &str) -> Relationship {
    Relationship { object_id: object_id.to_owned(), qualifier: qualifier.to_owned() }
}

/// What is said under other keys than those aside, and of which kind it is.
fn stated(attributes: &[Attribute], aside: &[&str], kinds: &mut Kinds) -> Vec<Stated> {
    let told = attributes.iter().filter(|attribute| !aside.contains(&attribute.key.as_str()));
    told.map(|Attribute { key, value }| {
        let (kind, value) = said(value);
        kinds.entry(key.clone()).or_insert(kind);
        Stated { name: key.clone(), time: None, value }
    })
    .collect()
}

/// The kind that OCEL has for a value, and what is said; a list, for which it has none, as a text.
fn said(value: &Value) -> (&'static str, Json) {
    let kind = match value {
        Value::Text(_) | Value::List(_) => "string",
        Value::Time(_) => "time",
        Value::Integer(_) => "integer",
        Value::Number(_) => "float",
        Value::Truth(_) => "boolean",
    };
    (kind, value.json().unwrap_or_else(|| Json::from(listed(value))))
}

fn listed(value: &Value) -> String {
    match value {
        Value::List(inner) => {
            let told = inner.iter().map(|Attribute { key, value }| format!("{key}: {}", listed(value)));
            told.collect::<Vec<_>>().join("; ")
        }
        other => match other.json() {
            Some(Json::String(text)) => text,
            other => other.unwrap_or_default().to_string(),
        },
    }
}

/// The attributes that a type declares, by name.
fn declared<'a>(types: &'a [OcelType], name: &str) -> BTreeMap<&'a str, &'a str> {
    let declared = types.iter().filter(|known| known.name == name).flat_map(|known| &known.attributes);
    declared.map(|declared| (declared.name.as_str(), declared.kind.as_str())).collect()
}

/// What is stated, as an attribute; none for what is no single value. Writers put numbers into texts: the declared kind
/// decides.
fn attribute(stated: &Stated, kinds: &BTreeMap<&str, &str>) -> Option<Attribute> {
    let value = match &stated.value {
        Json::String(text) => {
            let read = match kinds.get(stated.name.as_str()).copied() {
                Some("time") => instant(text).map(Value::Time),
                Some("integer") => text.parse().ok().map(Value::Integer),
                Some("float") => {
                    text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Number)
                }
                Some("boolean") => text.parse().ok().map(Value::Truth),
                _ => None,
            };
            read.unwrap_or_else(|| Value::Text(text.clone()))
        }
        Json::Bool(truth) => Value::Truth(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Number(number.as_f64()?),
        },
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    };
    Some(Attribute { key: stated.name.clone(), value })
}

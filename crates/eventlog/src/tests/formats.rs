//! What is written is read again as it was; what cannot be read is refused with its place.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{Attribute, Error, Log, LogCase, LogEvent, Ocel, Value, keys};

/// Texts with all that XML must escape, in both scripts.
const TEXTS: &str = "[a-zA-Zء-ي0-9 <>&'\"\\t\\n\\r{}:#]{0,12}";

fn values() -> impl Strategy<Value = Value> {
    let number = prop::num::f64::NORMAL | prop::num::f64::ZERO;
    let single = prop_oneof![
        TEXTS.prop_map(Value::Text),
        instants().prop_map(Value::Time),
        any::<i64>().prop_map(Value::Integer),
        number.prop_map(Value::Number),
        any::<bool>().prop_map(Value::Truth),
    ];
    single.prop_recursive(3, 8, 3, |inner| {
        vec((TEXTS, inner).prop_map(|(key, value)| Attribute { key, value }), 0..3).prop_map(Value::List)
    })
}

fn instants() -> impl Strategy<Value = jiff::Timestamp> {
    (0..4_000_000_000_i64, 0..1_000_000_000_i32)
        .prop_map(|(second, nano)| jiff::Timestamp::new(second, nano).expect("it is within the range"))
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    vec((TEXTS, values()).prop_map(|(key, value)| Attribute { key, value }), 0..4)
}

fn logs() -> impl Strategy<Value = Log> {
    let events = vec(attributes().prop_map(|attributes| LogEvent { attributes }), 0..4);
    let case = (attributes(), events).prop_map(|(attributes, events)| LogCase { attributes, events });
    (attributes(), vec(case, 0..4)).prop_map(|(attributes, cases)| Log { attributes, cases })
}

/// A log of which OCEL can say everything: named cases with events that have names, times and people.
fn plain_logs() -> impl Strategy<Value = Log> {
    let event = ("[a-z]{1,6}", instants(), "p[0-9]", any::<i64>(), instants());
    let event = event.prop_map(|(name, at, who, count, until)| LogEvent {
        attributes: vec![
            Attribute::new(keys::NAME, name),
            Attribute::new(keys::TIME, at),
            Attribute::new(keys::RESOURCE, who),
            Attribute { key: "count".into(), value: Value::Integer(count) },
            Attribute::new("until", until),
        ],
    });
    vec((vec(event, 1..5), TEXTS), 1..5).prop_map(|cases| {
        let case = |(number, (mut events, subject)): (usize, (Vec<LogEvent>, String))| {
            events.sort_by_key(LogEvent::at);
            let name = Attribute::new(keys::NAME, format!("C-{number}"));
            LogCase { attributes: vec![name, Attribute::new("subject", subject)], events }
        };
        Log { attributes: Vec::new(), cases: cases.into_iter().enumerate().map(case).collect() }
    })
}

proptest! {
    #[test]
    fn xes_is_read_as_it_was_written(log in logs()) {
        prop_assert_eq!(Log::read(log.to_xes().as_bytes(), None), Ok(log));
    }

    #[test]
    fn ocel_is_read_as_it_was_written(log in plain_logs()) {
        let ocel = Ocel::of(&log, "complaint", &[("C-0".into(), "C-1".into(), "asked_by".into())]);
        let text = ocel.to_json();
        prop_assert_eq!(&Ocel::read(&text).expect("it was just written"), &ocel);
        prop_assert_eq!(Log::read(text.as_bytes(), Some("complaint")), Ok(log));
    }

    #[test]
    fn nothing_that_is_read_panics(text in "(<log>|<trace>|</log>|<event>|<string key=\"a\" |value=\"1\"/>|<!-- |\\{|\\}|\"events\":|\\[|\\]|[a-z<>&\"]){0,12}") {
        let _ = Log::read(text.as_bytes(), None);
    }
}

fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

/// What others write: declarations, prefixes, lists, attributes of attributes, times with and without an offset.
#[test]
fn what_other_tools_write_is_read() {
    let text = r#"<?xml version="1.0"?>
<!-- from elsewhere -->
<x:log xmlns:x="http://www.xes-standard.org/">
  <extension name="Concept" prefix="concept" uri="u"/>
  <global scope="event"><string key="concept:name" value="__INVALID__"/></global>
  <classifier name="Activity" keys="concept:name"/>
  <trace>
    <string key="concept:name" value="A &amp; B"><string key="note" value="dropped"/></string>
    <event>
      <string key="concept:name" value="ask"/>
      <date key="time:timestamp" value="2026-11-15T08:00:00.250+03:00"/>
      <list key="parts"><values><int key="part" value="1"/><int key="part" value="2"/></values></list>
    </event>
    <event><string key="concept:name" value="answer"/><date key="time:timestamp" value="2026-11-15T04:00:00"/></event>
  </trace>
</x:log>"#;
    let log = Log::read(&zipped(text), None).expect("it is XES");
    assert_eq!((log.cases.len(), log.events(), log.cases[0].name()), (1, 2, "A & B"));
    let names: Vec<_> = log.cases[0].steps().iter().map(|step| step.activity).collect();
    assert_eq!(names, ["answer", "ask"], "by time, and a time without an offset is UTC");
    let part = |n| Attribute { key: "part".into(), value: Value::Integer(n) };
    assert_eq!(log.cases[0].events[0].attributes[2].value, Value::List(vec![part(1), part(2)]));
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    let read = |text: &str| Log::read(text.as_bytes(), None).expect_err("it is wrong").to_string();
    assert!(read("").contains("neither XES"));
    assert!(read("a;b").contains("neither XES"));
    assert_eq!(read("<html></html>"), "line 1: expected the element `log`");
    assert!(read("<log>\n<trace>\n").starts_with("line 3: the text ends"), "{}", read("<log>\n<trace>\n"));
    let date = "<log>\n<trace>\n<date key=\"time:timestamp\" value=\"noon\"/></trace></log>";
    assert_eq!(read(date), "line 3: `time:timestamp`: `noon` is no date");
    assert_eq!(read("<log><int value=\"1\"/></log>"), "line 1: the element `int` has no `key`");
    let deep = format!("<log>{}", "<list key=\"a\"><values>".repeat(40));
    assert!(read(&deep).contains("more than 32 lists"), "{}", read(&deep));
    assert!(read("{\"events\": [\n{\"id\": 1}]}").starts_with("line 2:"));
    assert!(matches!(Log::read(&zipped("<log/>")[..12], None), Err(Error::Gzip(_))));
    assert!(matches!(Log::read(b"<log>\n\xff", None), Err(Error::Place { line: 2, .. })));
}

#[test]
fn the_cases_of_an_ocel_log_are_objects_of_a_type_that_is_there() {
    let text = r#"{"objectTypes": [], "eventTypes": [{"name": "pay", "attributes": [{"name": "amount", "type": "float"}]}],
      "objects": [{"id": "o1", "type": "order"}, {"id": "i1", "type": "item"}, {"id": "i2", "type": "item"}],
      "events": [
        {"id": "e1", "type": "pay", "time": "2026-11-15T08:00:00Z", "attributes": [{"name": "amount", "value": "2.5"}],
         "relationships": [{"objectId": "o1"}, {"objectId": "i1"}, {"objectId": "i2"}]},
        {"id": "e2", "type": "ship", "time": "2026-11-15T09:00:00Z", "relationships": [{"objectId": "o1"}]}]}"#;
    let log = Log::read(text.as_bytes(), None).expect("it is OCEL");
    assert_eq!((log.cases.len(), log.events()), (1, 2), "most events are about the order");
    let amount = Attribute { key: "amount".into(), value: Value::Number(2.5) };
    assert!(log.cases[0].events[0].attributes.contains(&amount), "the declared kind decides");
    let items = Log::read(text.as_bytes(), Some("item")).expect("it is OCEL");
    assert_eq!((items.cases.len(), items.events()), (2, 2));
    let wrong = Log::read(text.as_bytes(), Some("customer")).expect_err("there is none");
    assert_eq!(
        wrong.to_string(),
        "no object of the type `customer` takes part in an event: there are item, order"
    );
}

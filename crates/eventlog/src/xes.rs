//! XES, the exchange format of event logs in XML (IEEE 1849).
//!
//! Read are the attributes of log, cases and events, lists and containers with what they hold. What the format only
//! declares (extensions, globals, classifiers) and attributes of simple attributes are passed over.

use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::{Reader, Writer, XmlVersion};

use crate::log::{instant, line};
use crate::{Attribute, Error, Log, LogCase, LogEvent, Value};

/// How deep lists stand in lists at most.
const DEEPEST: usize = 32;
/// The extensions whose keys we write.
const EXTENSIONS: [(&str, &str); 4] =
    [("Concept", "concept"), ("Time", "time"), ("Organizational", "org"), ("Lifecycle", "lifecycle")];

/// Reads the text of a log.
pub(crate) fn read(text: &str) -> Result<Log, Error> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut parser = Parser { reader, text };
    match parser.enter()? {
        Some(root) if root.local_name().as_ref() == "log" => parser.log(),
        _ => Err(parser.wrong("expected the element `log`")),
    }
}

struct Parser<'a> {
    reader: Reader<&'a [u8]>,
    text: &'a str,
}

impl<'a> Parser<'a> {
    fn wrong(&self, problem: impl Into<String>) -> Error {
        // A position is at most the length of the text, which is in memory.
        let at = usize::try_from(self.reader.error_position()).unwrap_or(self.text.len());
        let at =
            if at == 0 { usize::try_from(self.reader.buffer_position()).unwrap_or_default() } else { at };
        Error::Place { line: line(self.text, at), problem: problem.into() }
    }

    /// The next element within the one that was entered; none at its end.
    fn enter(&mut self) -> Result<Option<BytesStart<'a>>, Error> {
        loop {
            match self.reader.read_event() {
                Ok(Event::Start(element)) => return Ok(Some(element)),
                Ok(Event::End(_)) => return Ok(None),
                Ok(Event::Eof) => return Err(self.wrong("the text ends within an element")),
                Ok(_) => {}
                Err(error) => return Err(self.wrong(error.to_string())),
            }
        }
    }

    /// Leaves an element that was entered, whatever it holds.
    fn leave(&mut self, element: &BytesStart<'_>) -> Result<(), Error> {
        let left = self.reader.read_to_end(element.name()).map(drop);
        left.map_err(|error| self.wrong(error.to_string()))
    }

    fn log(&mut self) -> Result<Log, Error> {
        let mut log = Log::default();
        while let Some(element) = self.enter()? {
            match element.local_name().as_ref() {
                "trace" => log.cases.push(self.case()?),
                _ => log.attributes.extend(self.attribute(&element, 0)?),
            }
        }
        Ok(log)
    }

    fn case(&mut self) -> Result<LogCase, Error> {
        let mut case = LogCase::default();
        while let Some(element) = self.enter()? {
            match element.local_name().as_ref() {
                "event" => case.events.push(LogEvent { attributes: self.attributes(0)? }),
                _ => case.attributes.extend(self.attribute(&element, 0)?),
            }
        }
        Ok(case)
    }

    fn attributes(&mut self, depth: usize) -> Result<Vec<Attribute>, Error> {
        let mut attributes = Vec::new();
        while let Some(element) = self.enter()? {
            match element.local_name().as_ref() {
                // What a list holds stands within `values`.
                "values" if depth > 0 => attributes.extend(self.attributes(depth)?),
                _ => attributes.extend(self.attribute(&element, depth)?),
            }
        }
        Ok(attributes)
    }

    /// The attribute of an element that was entered; none when it is no attribute.
    fn attribute(&mut self, element: &BytesStart<'a>, depth: usize) -> Result<Option<Attribute>, Error> {
        let kind = element.local_name();
        let kind = kind.as_ref();
        if !["string", "id", "date", "int", "float", "boolean", "list", "container"].contains(&kind) {
            self.leave(element)?;
            return Ok(None);
        }
        let (mut key, mut said) = (None, None);
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|error| self.wrong(error.to_string()))?;
            let place = match attribute.key.as_ref() {
                "key" => &mut key,
                "value" => &mut said,
                _ => continue,
            };
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            *place = Some(value.map_err(|error| self.wrong(error.to_string()))?.into_owned());
        }
        let key = key.ok_or_else(|| self.wrong(format!("the element `{kind}` has no `key`")))?;
        if ["list", "container"].contains(&kind) {
            if depth == DEEPEST {
                return Err(self.wrong(format!("`{key}` stands in more than {DEEPEST} lists")));
            }
            return Ok(Some(Attribute { key, value: Value::List(self.attributes(depth + 1)?) }));
        }
        let said =
            said.ok_or_else(|| self.wrong(format!("the element `{kind}` of `{key}` has no `value`")))?;
        let value =
            value(kind, &said).ok_or_else(|| self.wrong(format!("`{key}`: `{said}` is no {kind}")))?;
        self.leave(element)?;
        Ok(Some(Attribute { key, value }))
    }
}

fn value(kind: &str, said: &str) -> Option<Value> {
    let trimmed = said.trim();
    match kind {
        "date" => instant(said).map(Value::Time),
        "int" => trimmed.parse().ok().map(Value::Integer),
        "float" => trimmed.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Number),
        "boolean" => match trimmed {
            "true" | "1" => Some(Value::Truth(true)),
            "false" | "0" => Some(Value::Truth(false)),
            _ => None,
        },
        _ => Some(Value::Text(said.to_owned())),
    }
}

/// The text of a log.
pub(crate) fn write(log: &Log) -> String {
    let mut out = Out(Writer::new_with_indent(Vec::new(), b' ', 1));
    out.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    let root = BytesStart::new("log").with_attributes([
        ("xes.version", "1849-2016"),
        ("xes.features", "nested-attributes"),
        ("xmlns", "http://www.xes-standard.org/"),
    ]);
    out.within(root, |out| {
        for (name, prefix) in EXTENSIONS {
            let uri = format!("http://www.xes-standard.org/{prefix}.xesext");
            let element = BytesStart::new("extension");
            let said = [("name", name), ("prefix", prefix), ("uri", uri.as_str())];
            out.event(Event::Empty(element.with_attributes(said)));
        }
        out.attributes(&log.attributes);
        for case in &log.cases {
            out.within(BytesStart::new("trace"), |out| {
                out.attributes(&case.attributes);
                for event in &case.events {
                    out.within(BytesStart::new("event"), |out| out.attributes(&event.attributes));
                }
            });
        }
    });
    // Everything that was written came from texts.
    String::from_utf8_lossy(&out.0.into_inner()).into_owned()
}

struct Out(Writer<Vec<u8>>);

impl Out {
    fn event(&mut self, event: Event<'_>) {
        self.0.write_event(event).expect("a vector takes everything");
    }

    fn within(&mut self, element: BytesStart<'_>, inside: impl FnOnce(&mut Self)) {
        let end = element.to_end().into_owned();
        self.event(Event::Start(element));
        inside(self);
        self.event(Event::End(end));
    }

    fn attributes(&mut self, attributes: &[Attribute]) {
        for Attribute { key, value } in attributes {
            let key = holdable(key);
            let (kind, said) = match value {
                Value::Text(text) => ("string", holdable(text)),
                Value::Time(at) => ("date", at.to_string()),
                Value::Integer(number) => ("int", number.to_string()),
                Value::Number(number) => ("float", number.to_string()),
                Value::Truth(truth) => ("boolean", truth.to_string()),
                Value::List(inner) => {
                    let list = BytesStart::new("list").with_attributes([("key", key.as_str())]);
                    self.within(list, |out| {
                        out.within(BytesStart::new("values"), |out| out.attributes(inner));
                    });
                    continue;
                }
            };
            let said = [("key", key.as_str()), ("value", said.as_str())];
            self.event(Event::Empty(BytesStart::new(kind).with_attributes(said)));
        }
    }
}

/// A text without the characters that XML 1.0 cannot hold.
fn holdable(text: &str) -> String {
    let holds = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if holds(c) { c } else { '\u{fffd}' }).collect()
}

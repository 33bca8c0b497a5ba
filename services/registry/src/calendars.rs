//! The calendars that a tenant knows: those of its file, those published before, and those that the product brings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use masar_proto::events::v1 as events;
use masar_proto::time;
use masar_worktime::{Calendar, CalendarFile, CalendarSpec, SHIPPED, Shelf, published};

use crate::Error;
use crate::seed::{CalendarText, to_yaml};

/// Every version of every calendar of a tenant, by name and version, and how each was published. Versions never change (T7).
#[derive(Debug, Default)]
pub(crate) struct Calendars {
    specs: Shelf,
    messages: BTreeMap<(String, u32), events::Calendar>,
}

impl Calendars {
    /// The calendars that were published before.
    pub(crate) fn published(stored: Option<&events::RegistryChanged>) -> Result<Self, Error> {
        let mut calendars = Self::default();
        for calendar in stored.into_iter().flat_map(|stored| &stored.calendars) {
            let key = (calendar.name.clone(), calendar.version);
            calendars.specs.insert(key.clone(), whole(&calendar.yaml)?);
            calendars.messages.insert(key, calendar.clone());
        }
        Ok(calendars)
    }

    /// Adds a version that somebody publishes, or nobody where it came with a file, and the next versions of the calendars
    /// that are based on it. That it is there already is well, if it says the same.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(crate) fn add(&mut self, text: &CalendarText, by: &str, now: Timestamp) -> Result<(), String> {
        let known =
            shipped().map_err(|error| error.to_string())?.into_iter().chain(self.specs.clone()).collect();
        let written = self.written().map_err(|error| error.to_string())?;
        let published = published(text.file.clone(), &known, &written).map_err(|error| error.to_string())?;
        for (place, (file, spec)) in published.into_iter().enumerate() {
            Calendar::compile(&spec).map_err(|error| format!("{}: {error}", spec.name))?;
            let (key, newest) = ((spec.name.clone(), spec.version), self.newest(&spec.name));
            if place == 0 && self.specs.get(&key).is_some_and(|there| *there == spec) {
                return Ok(());
            }
            if let Some(newest) = newest.filter(|newest| *newest >= spec.version) {
                return Err(format!(
                    "version {newest} was published and a version never changes: give this a higher one"
                ));
            }
            let as_written = if place == 0 { Ok(text.yaml.clone()) } else { to_yaml(&file) };
            let as_written = as_written.map_err(|error| error.to_string())?;
            let whole = file.based_on.is_none().then(|| as_written.clone());
            let yaml = whole.map_or_else(|| to_yaml(&spec), Ok).map_err(|error| error.to_string())?;
            let as_written = file.based_on.map(|_| as_written).unwrap_or_default();
            let (name, version, published_at) = (key.0.clone(), key.1, Some(time::to_proto(now)));
            let published_by = by.to_owned();
            let message = events::Calendar { name, version, yaml, published_at, published_by, as_written };
            self.messages.insert(key.clone(), message);
            self.specs.insert(key, spec);
        }
        Ok(())
    }

    /// The newest files of the calendars that are based on others.
    fn written(&self) -> Result<Vec<CalendarFile>, Error> {
        let newest = self.messages.values().filter(|it| self.newest(&it.name) == Some(it.version));
        let based = newest.filter(|calendar| !calendar.as_written.is_empty());
        based.map(|calendar| Ok(CalendarText::read(calendar.as_written.clone())?.file)).collect()
    }

    /// True when a calendar of this name is known. One that the product brings is added when it is first named, and
    /// again when the product brings a newer version.
    pub(crate) fn knows(&mut self, name: &str, now: Timestamp) -> Result<bool, Error> {
        for (_, yaml) in SHIPPED {
            let text = CalendarText::read((*yaml).to_owned())?;
            let (found, version) = (text.file.name.as_str(), text.file.version);
            if found == name && self.newest(name).is_none_or(|newest| newest < version) {
                self.add(&text, "", now).map_err(Error::Text)?;
            }
        }
        Ok(self.newest(name).is_some())
    }

    /// All of them, ordered by name and version.
    pub(crate) fn into_messages(self) -> Vec<events::Calendar> {
        self.messages.into_values().collect()
    }

    fn newest(&self, name: &str) -> Option<u32> {
        self.specs.keys().filter(|(known, _)| known == name).map(|(_, version)| *version).max()
    }
}

/// The calendars that the product brings: others may be based on them.
fn shipped() -> Result<Shelf, Error> {
    let read = |(_, yaml): &(&str, &str)| {
        let spec = whole(yaml)?;
        Ok(((spec.name.clone(), spec.version), spec))
    };
    SHIPPED.iter().map(read).collect()
}

/// A calendar that is based on no other.
fn whole(yaml: &str) -> Result<CalendarSpec, Error> {
    let file = CalendarText::read(yaml.to_owned())?.file;
    file.whole(|_| None).map_err(|error| Error::Text(error.to_string()))
}

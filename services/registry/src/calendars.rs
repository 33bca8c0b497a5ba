//! The calendars that a tenant knows: those of its file, those published before, and those that the product brings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use masar_proto::events::v1 as events;
use masar_proto::time;
use masar_worktime::{Calendar, CalendarSpec, SHIPPED};

use crate::Error;
use crate::seed::CalendarText;

/// Every version of every calendar of a tenant, by name and version. Versions never change (T7).
#[derive(Debug, Default)]
pub(crate) struct Calendars(BTreeMap<(String, u32), (CalendarSpec, events::Calendar)>);

impl Calendars {
    /// The calendars that were published before.
    pub(crate) fn published(stored: Option<&events::RegistryChanged>) -> Result<Self, Error> {
        let mut calendars = Self::default();
        for calendar in stored.into_iter().flat_map(|stored| &stored.calendars) {
            let CalendarText { spec, .. } = CalendarText::read(calendar.yaml.clone())?;
            calendars.0.insert((spec.name.clone(), spec.version), (spec, calendar.clone()));
        }
        Ok(calendars)
    }

    /// Adds a version; that it is there already is well, if it says the same.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(crate) fn add(&mut self, text: &CalendarText, now: Timestamp) -> Result<(), String> {
        let CalendarText { spec, yaml } = text;
        Calendar::compile(spec).map_err(|error| error.to_string())?;
        let (key, newest) = ((spec.name.clone(), spec.version), self.newest(&spec.name));
        if self.0.get(&key).is_some_and(|(there, _)| there == spec) {
            return Ok(());
        }
        if let Some(newest) = newest.filter(|newest| *newest >= spec.version) {
            return Err(format!(
                "version {newest} was published and a version never changes: give this a higher one"
            ));
        }
        let calendar = events::Calendar {
            name: spec.name.clone(),
            version: spec.version,
            yaml: yaml.clone(),
            published_at: Some(time::to_proto(now)),
        };
        self.0.insert(key, (spec.clone(), calendar));
        Ok(())
    }

    /// True when a calendar of this name is known. One that the product brings is added when it is first named, and
    /// again when the product brings a newer version.
    pub(crate) fn knows(&mut self, name: &str, now: Timestamp) -> Result<bool, Error> {
        for (_, yaml) in SHIPPED {
            let text = CalendarText::read((*yaml).to_owned())?;
            if text.spec.name == name && self.newest(name).is_none_or(|newest| newest < text.spec.version) {
                self.add(&text, now).map_err(Error::Text)?;
            }
        }
        Ok(self.newest(name).is_some())
    }

    /// All of them, ordered by name and version.
    pub(crate) fn into_messages(self) -> Vec<events::Calendar> {
        self.0.into_values().map(|(_, calendar)| calendar).collect()
    }

    fn newest(&self, name: &str) -> Option<u32> {
        self.0.keys().filter(|(known, _)| known == name).map(|(_, version)| *version).max()
    }
}

//! The calendars of entities, compiled from what the registry says of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use masar_proto::events::v1::RegistryChanged;
use masar_worktime::{Calendar, CalendarSpec, DEFAULT, SHIPPED};

/// Texts of calendars that are kept compiled; with more of them, those of old versions are let go.
const MOST: usize = 256;

/// Calendars by their text, compiled when they are first needed; none for a text that cannot be used.
#[derive(Default)]
pub struct Calendars(Mutex<HashMap<String, Option<Arc<Calendar>>>>);

impl Calendars {
    /// The newest version of a calendar of an entity, or else of those that the product brings; none where there is none that
    /// can be used, which is logged.
    #[must_use]
    pub fn newest(&self, entity: &RegistryChanged, name: &str) -> Option<Arc<Calendar>> {
        self.compiled(text_of(&entity.calendars, name)?)
    }

    /// The calendar of an entity; that of the product where it has named none, or the registry has told nothing of it.
    #[must_use]
    pub fn of_entity(&self, entity: Option<&RegistryChanged>) -> Option<Arc<Calendar>> {
        let named = entity.filter(|entity| !entity.default_calendar.is_empty());
        match named {
            Some(entity) => self.newest(entity, &entity.default_calendar),
            None => self.compiled(text_of(&[], DEFAULT)?),
        }
    }

    fn compiled(&self, text: &str) -> Option<Arc<Calendar>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(calendar) = known.get(text) {
            return calendar.clone();
        }
        if known.len() >= MOST {
            known.clear();
        }
        let compiled = compile(text).map(Arc::new);
        if let Err(problem) = &compiled {
            tracing::warn!(problem, "a calendar cannot be used: nothing waits for it");
        }
        known.entry(text.to_owned()).or_insert(compiled.ok()).clone()
    }
}

/// The text of the newest version of a calendar.
fn text_of<'a>(own: &'a [masar_proto::events::v1::Calendar], name: &str) -> Option<&'a str> {
    let own = own.iter().filter(|calendar| calendar.name == name);
    let newest = own.max_by_key(|calendar| calendar.version).map(|calendar| calendar.yaml.as_str());
    newest.or_else(|| SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text))
}

fn compile(text: &str) -> Result<Calendar, String> {
    let spec: CalendarSpec = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    Calendar::compile(&spec).map_err(|error| error.to_string())
}

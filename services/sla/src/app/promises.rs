//! What each entity promises: its calendars, and the agreements that go before a package's targets (CMP-13).

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use masar_bus::all_kept;
use masar_clock::{CalendarRef, Calendars};
use masar_proto::events::v1::{CaseSnapshot, RegistryChanged};
use masar_store::Store;
use masar_worktime::{Calendar, Target};

use crate::calendars::{DEFAULT, SHIPPED, compile};

/// Calendars and agreements, as the registry last said. Readers never wait.
pub(crate) struct Promises {
    calendars: ArcSwap<Compiled>,
    entities: ArcSwap<HashMap<String, Arc<RegistryChanged>>>,
}

/// Compiled calendars by name and version.
#[derive(Default, Clone)]
pub(crate) struct Compiled(HashMap<CalendarRef, Arc<Calendar>>);

impl Calendars for Compiled {
    fn calendar(&self, pin: &CalendarRef) -> Option<&Calendar> {
        self.0.get(pin).map(AsRef::as_ref)
    }
}

impl Compiled {
    /// The newest version of a calendar.
    pub(crate) fn newest(&self, name: &str) -> Option<&Arc<Calendar>> {
        self.0.values().filter(|calendar| calendar.name() == name).max_by_key(|calendar| calendar.version())
    }
}

impl Promises {
    /// The shipped calendars, and what the registry said before.
    pub(crate) async fn load(store: &Store) -> Result<Arc<Self>, masar_runtime::BoxError> {
        let promises = Self { calendars: ArcSwap::default(), entities: ArcSwap::default() };
        promises.add_calendars(SHIPPED.iter().map(|(_, text)| *text))?;
        for changed in all_kept(store.reader()).await? {
            promises.hear(changed)?;
        }
        Ok(Arc::new(promises))
    }

    /// Takes over what the registry says of an entity.
    pub(crate) fn hear(&self, changed: RegistryChanged) -> Result<(), String> {
        self.add_calendars(changed.calendars.iter().map(|calendar| calendar.yaml.as_str()))?;
        let changed = Arc::new(changed);
        self.entities.rcu(|entities| {
            let mut entities = HashMap::clone(entities);
            entities.insert(changed.tenant.clone(), Arc::clone(&changed));
            entities
        });
        Ok(())
    }

    fn add_calendars<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let new = texts.map(compile).collect::<Result<Vec<_>, _>>()?;
        let new: Vec<_> =
            new.into_iter().map(|calendar| (CalendarRef::of(&calendar), Arc::new(calendar))).collect();
        self.calendars.rcu(|calendars| {
            let mut calendars = Compiled::clone(calendars);
            calendars.0.extend(new.iter().cloned());
            calendars
        });
        Ok(())
    }

    pub(crate) fn calendars(&self) -> Arc<Compiled> {
        self.calendars.load_full()
    }

    pub(crate) fn entity(&self, tenant: &str) -> Option<Arc<RegistryChanged>> {
        self.entities.load().get(tenant).cloned()
    }

    /// Name of the entity's calendar.
    pub(crate) fn default_calendar(&self, tenant: &str) -> String {
        let named = self.entity(tenant).map(|entity| entity.default_calendar.clone());
        named.filter(|name| !name.is_empty()).unwrap_or_else(|| DEFAULT.to_owned())
    }

    /// The calendar that a case's clocks count on: its department's, or else its entity's.
    pub(crate) fn calendar_of(&self, case: &CaseSnapshot) -> Option<Arc<Calendar>> {
        let entity = self.entity(&case.tenant);
        let departments = entity.iter().flat_map(|entity| &entity.departments);
        let mut own =
            departments.filter(|department| department.code == case.department).map(|found| &found.calendar);
        let name = own.find(|name| !name.is_empty()).cloned();
        self.calendars.load().newest(&name.unwrap_or_else(|| self.default_calendar(&case.tenant))).cloned()
    }

    /// The target that an agreement promises instead of the package's, and what promises it: one on the service goes
    /// before one of the whole entity (CMP-13).
    pub(crate) fn agreed(
        &self,
        case: &CaseSnapshot,
        clock: &str,
        importance: &str,
    ) -> Option<(Target, String)> {
        let entity = self.entity(&case.tenant)?;
        let mut found: Vec<_> = entity
            .agreements
            .iter()
            .filter(|agreement| agreement.clock == clock)
            .filter(|agreement| agreement.service.is_empty() || agreement.service == case.service)
            .collect();
        found.sort_by_key(|agreement| agreement.service.is_empty());
        found.into_iter().find_map(|agreement| {
            let target = agreement.targets.get(importance).or_else(|| agreement.targets.get("all"))?;
            Some((target.parse().ok()?, format!("agreement {} version {}", agreement.id, agreement.version)))
        })
    }
}

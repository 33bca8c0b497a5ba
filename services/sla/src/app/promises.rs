//! What each entity promises: its calendars, and the agreements that go before a package's targets (CMP-13). No entity
//! counts on a calendar of another, whatever both call it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use masar_bus::all_kept;
use masar_clock::{CalendarRef, Calendars};
use masar_proto::events::v1::{CaseSnapshot, RegistryChanged};
use masar_store::{Listener, Store};
use masar_worktime::{Calendar, Target, published};

use super::Keeper;
use crate::calendars::{DEFAULT, SHIPPED, compile, file, read, shipped};

/// Under what replicas tell each other that the registry has said something new of an entity.
pub(crate) const ENTITIES: &str = "masar_sla_entities";

/// Calendars and agreements, as the registry last said. Readers never wait.
pub(crate) struct Promises {
    shipped: Arc<Compiled>,
    entities: ArcSwap<HashMap<String, Entity>>,
}

#[derive(Clone)]
struct Entity {
    says: Arc<RegistryChanged>,
    /// Those that it has published, and the shipped ones.
    calendars: Arc<Compiled>,
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
    /// These calendars, and those of some texts.
    fn and<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Result<Arc<Self>, String> {
        Ok(self.with(texts.map(compile).collect::<Result<_, _>>()?))
    }

    /// These calendars and others.
    pub(crate) fn with(&self, others: Vec<Calendar>) -> Arc<Self> {
        let mut calendars = self.clone();
        calendars.0.extend(others.into_iter().map(|other| (CalendarRef::of(&other), Arc::new(other))));
        Arc::new(calendars)
    }

    /// The newest version of each calendar that has more than one: clocks may still count on an older.
    pub(crate) fn renewed(&self) -> Vec<CalendarRef> {
        let mut versions: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for CalendarRef { name, version } in self.0.keys() {
            versions.entry(name).or_default().push(*version);
        }
        let renewed = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
        let newest = |(name, versions): (&str, Vec<u32>)| {
            let version = versions.into_iter().max()?;
            Some(CalendarRef { name: name.to_owned(), version })
        };
        renewed.filter_map(newest).collect()
    }

    /// The newest version of a calendar.
    pub(crate) fn newest(&self, name: &str) -> Option<&Arc<Calendar>> {
        self.0.values().filter(|calendar| calendar.name() == name).max_by_key(|calendar| calendar.version())
    }
}

impl Promises {
    /// The shipped calendars, and what the registry said before.
    pub(crate) async fn load(store: &Store) -> Result<Arc<Self>, masar_runtime::BoxError> {
        let shipped = Compiled::default().and(SHIPPED.iter().map(|(_, text)| *text))?;
        let promises = Self { shipped, entities: ArcSwap::default() };
        for changed in all_kept(store.reader(), None).await? {
            promises.hear(changed)?;
        }
        Ok(Arc::new(promises))
    }

    /// Takes over what the registry says of an entity.
    pub(crate) fn hear(&self, changed: RegistryChanged) -> Result<(), String> {
        let own = changed.calendars.iter().map(|calendar| calendar.yaml.as_str());
        let entity = Entity { calendars: self.shipped.and(own)?, says: Arc::new(changed) };
        self.entities.rcu(|entities| {
            let mut entities = HashMap::clone(entities);
            entities.insert(entity.says.tenant.clone(), entity.clone());
            entities
        });
        Ok(())
    }

    /// The calendars that an entity may count on.
    pub(crate) fn calendars(&self, tenant: &str) -> Arc<Compiled> {
        let entities = self.entities.load();
        Arc::clone(entities.get(tenant).map_or(&self.shipped, |entity| &entity.calendars))
    }

    /// What the publication of a calendar file would bring: it, and the next versions of those that are based on it.
    pub(crate) fn would_publish(&self, tenant: &str, yaml: &str) -> Result<Vec<Calendar>, String> {
        let entity = self.entity(tenant);
        let own = entity.iter().flat_map(|entity| &entity.calendars);
        let mut shelf = shipped()?;
        let mut written = BTreeMap::new();
        for calendar in own {
            shelf.insert((calendar.name.clone(), calendar.version), read(&calendar.yaml)?);
            // Versions come in order: the newest is the last.
            written.remove(&calendar.name);
            if !calendar.as_written.is_empty() {
                written.insert(calendar.name.clone(), file(&calendar.as_written)?);
            }
        }
        let written: Vec<_> = written.into_values().collect();
        let published = published(file(yaml)?, &shelf, &written).map_err(|error| error.to_string())?;
        let compiled = published.iter().map(|(_, spec)| Calendar::compile(spec));
        compiled.collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    pub(crate) fn entity(&self, tenant: &str) -> Option<Arc<RegistryChanged>> {
        self.entities.load().get(tenant).map(|entity| Arc::clone(&entity.says))
    }

    /// Everybody of whom the registry has told.
    pub(crate) fn tenants(&self) -> Vec<String> {
        self.entities.load().keys().cloned().collect()
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
        let name = name.unwrap_or_else(|| self.default_calendar(&case.tenant));
        self.calendars(&case.tenant).newest(&name).cloned()
    }

    /// What an agreement of the entity promises now, whichever version a clock was started under.
    pub(crate) fn agreement_today(&self, tenant: &str, id: &str, importance: &str) -> Option<Target> {
        let entity = self.entity(tenant)?;
        let agreement = entity.agreements.iter().find(|agreement| agreement.id == id)?;
        agreement.targets.get(importance).or_else(|| agreement.targets.get("all"))?.parse().ok()
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

/// Takes over what the registry told another replica.
pub(crate) struct Registered {
    pub(crate) store: Store,
    pub(crate) keeper: Arc<Keeper>,
}

#[async_trait]
impl Listener for Registered {
    type Error = masar_bus::Error;

    async fn heard(&self, tenant: Option<String>) -> Result<(), masar_bus::Error> {
        for changed in all_kept::<RegistryChanged>(self.store.reader(), tenant.as_deref()).await? {
            self.keeper.promises.hear(changed).map_err(masar_bus::Error::Unusable)?;
        }
        // The replica that was told may be gone before it has moved every clock.
        self.keeper.calendars.notify_one();
        Ok(())
    }
}

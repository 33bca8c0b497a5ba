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
use masar_workflow::Promise;
use masar_worktime::{Calendar, Target, published};
use uuid::Uuid;

use super::Keeper;
use super::agreements::{Agreed, Agreement, between};
use crate::calendars::{DEFAULT, SHIPPED, compile, file, read, shipped};
use crate::store::agreement;

/// Under what replicas tell each other that the registry has said something new of an entity.
pub(crate) const ENTITIES: &str = "masar_sla_entities";

/// Calendars and agreements, as the registry and cases last said. Readers never wait.
pub(crate) struct Promises {
    shipped: Arc<Compiled>,
    entities: ArcSwap<HashMap<String, Entity>>,
    /// What cases have put into force, by tenant.
    agreements: ArcSwap<HashMap<String, Vec<Agreement>>>,
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
        let promises = Self { shipped, entities: ArcSwap::default(), agreements: ArcSwap::default() };
        for changed in all_kept(store.reader(), None).await? {
            promises.hear(changed)?;
        }
        promises.agree(agreement::all(store, None).await?)?;
        Ok(Arc::new(promises))
    }

    /// Takes over what cases have put into force, or ended.
    pub(crate) fn agree(&self, rows: Vec<agreement::Model>) -> Result<(), serde_json::Error> {
        let read = |row: agreement::Model| Ok((row.tenant.clone(), Agreement::of(row)?));
        let read: Vec<_> = rows.into_iter().map(read).collect::<Result<_, serde_json::Error>>()?;
        self.agreements.rcu(|known| {
            let mut known = HashMap::clone(known);
            for (tenant, agreement) in &read {
                let of_tenant = known.entry(tenant.clone()).or_default();
                of_tenant.retain(|other| other.case != agreement.case);
                of_tenant.push(agreement.clone());
            }
            known
        });
        Ok(())
    }

    /// What cases of an entity have put into force, and not ended.
    pub(crate) fn in_force(&self, tenant: &str) -> Vec<Agreement> {
        let known = self.agreements.load();
        let of_tenant = known.get(tenant).into_iter().flatten();
        of_tenant.filter(|agreement| agreement.ended_at.is_none()).cloned().collect()
    }

    /// What an agreement between the parties of a clock promises, with the case that put it into force.
    pub(crate) fn between(&self, promise: &Promise<'_>) -> Option<(Uuid, Agreed)> {
        let known = self.agreements.load();
        let agreements = known.get(promise.entity)?;
        let calendars = self.calendars(promise.entity);
        let calendar = calendars.newest(&self.default_calendar(promise.entity))?;
        between(agreements, promise, calendar.time_zone())
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

    /// What an agreement of the entity promises now for a clock, whichever version the clock was started under.
    pub(crate) fn agreement_today(
        &self,
        tenant: &str,
        id: &str,
        clock: &str,
        importance: &str,
    ) -> Option<Target> {
        let of_case = self.in_force(tenant).into_iter().find(|agreement| agreement.reference == id);
        if let Some(agreement) = of_case {
            return agreement.terms.target(clock, importance);
        }
        let entity = self.entity(tenant)?;
        let agreement = entity.agreements.iter().find(|agreement| agreement.id == id)?;
        agreement.targets.get(importance).or_else(|| agreement.targets.get("all"))?.parse().ok()
    }

    /// What an agreement promises instead of the package: one between the parties of the clock goes before one on the
    /// service, and that before one of the whole entity (CMP-13, SVC-05).
    pub(crate) fn agreed(&self, promise: &Promise<'_>) -> Option<Agreed> {
        if let Some((_, agreed)) = self.between(promise) {
            return Some(agreed);
        }
        let entity = self.entity(promise.entity)?;
        let mut found: Vec<_> = entity
            .agreements
            .iter()
            .filter(|agreement| agreement.clock == promise.clock)
            .filter(|agreement| agreement.service.is_empty() || agreement.service == promise.service)
            .collect();
        found.sort_by_key(|agreement| agreement.service.is_empty());
        found.into_iter().find_map(|agreement| {
            let targets = &agreement.targets;
            let target = targets.get(promise.importance.as_str()).or_else(|| targets.get("all"))?;
            let policy = format!("agreement {} version {}", agreement.id, agreement.version);
            Some(Agreed { target: target.parse().ok()?, policy, calendar: String::new() })
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
        let agreements = agreement::all(&self.store, tenant.as_deref()).await?;
        let known = self.keeper.promises.agree(agreements);
        known.map_err(|error| masar_bus::Error::Unusable(error.to_string()))?;
        // The replica that was told may be gone before it has moved every clock.
        self.keeper.calendars.notify_one();
        self.keeper.agreements.notify_one();
        Ok(())
    }
}

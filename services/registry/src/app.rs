//! What the registry does: takes reference data, publishes calendars, answers questions.

use jiff::Timestamp;
use masar_bus::{Event, Outbox};
use masar_proto::events::v1::RegistryChanged;
use masar_proto::kinds::REGISTRY_CHANGED;
use masar_runtime::Clock;
use masar_store::Store;

use crate::calendars::Calendars;
use crate::seed::CalendarText;
use crate::{Error, Seed, store};

/// The reference data of all tenants. Clones share it.
#[derive(Clone)]
pub struct Registry {
    store: Store,
    outbox: Outbox,
    clock: Clock,
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The version that holds now; counts the changes of the tenant from 1.
    pub version: u64,
    /// False when all was so already: then nobody is told.
    pub changed: bool,
}

impl Registry {
    /// A registry over its database.
    #[must_use]
    pub fn new(store: Store, outbox: Outbox, clock: Clock) -> Self {
        Self { store, outbox, clock }
    }

    /// Replaces the data of an entity. Calendars that were published before stay: clocks are pinned to them.
    ///
    /// # Errors
    /// Everything that is wrong with the data, by field, or what the database says.
    pub async fn load(&self, seed: &Seed) -> Result<Change, Error> {
        self.change(seed.code(), |stored, now| seed.publish(stored, now)).await
    }

    /// Publishes a version of a calendar, in the name of somebody (T7).
    ///
    /// # Errors
    /// `UnknownEntity`, what is wrong with the calendar, or what the database says.
    pub async fn publish_calendar(&self, tenant: &str, by: &str, yaml: String) -> Result<Change, Error> {
        let text = CalendarText::read(yaml)?;
        let publish = |stored: Option<&RegistryChanged>, now| {
            let stored = stored.ok_or_else(|| Error::UnknownEntity(tenant.to_owned()))?;
            let mut calendars = Calendars::published(Some(stored))?;
            calendars.add(&text, by, now).map_err(|problem| Error::finding("yaml", problem))?;
            Ok(RegistryChanged { calendars: calendars.into_messages(), ..stored.clone() })
        };
        self.change(tenant, publish).await
    }

    /// Everything that the data of a tenant says now.
    ///
    /// # Errors
    /// `UnknownEntity`, or what the database says.
    pub async fn entity(&self, tenant: &str) -> Result<RegistryChanged, Error> {
        let stored = store::snapshot(&self.store, tenant).await?;
        stored.ok_or_else(|| Error::UnknownEntity(tenant.to_owned()))
    }

    /// Stores and tells what `next` makes of the stored data, if it is anything new.
    async fn change(
        &self,
        tenant: &str,
        next: impl FnOnce(Option<&RegistryChanged>, Timestamp) -> Result<RegistryChanged, Error>,
    ) -> Result<Change, Error> {
        let now = self.clock.now();
        let tx = self.store.begin().await?;
        let stored = store::lock(&tx, tenant, now).await?;
        let mut new = next(stored.as_ref(), now)?;
        if stored.as_ref() == Some(&new) {
            tx.rollback().await.map_err(masar_store::Error::from)?;
            return Ok(Change { version: new.version, changed: false });
        }
        new.version += 1;
        store::replace(&tx, &new, now).await?;
        self.outbox.put(&tx, vec![Event::new(REGISTRY_CHANGED, tenant, &tenant, now, &new)]).await?;
        tx.commit().await.map_err(masar_store::Error::from)?;
        self.outbox.wake();
        Ok(Change { version: new.version, changed: true })
    }
}

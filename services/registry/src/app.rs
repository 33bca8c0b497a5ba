//! Loading reference data: checked, compared, and told when it says something new.

use masar_bus::{Event, Outbox};
use masar_proto::events::v1::RegistryChanged;
use masar_proto::{kinds, time};
use masar_runtime::Clock;
use masar_store::Store;
use prost::Message;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, DatabaseTransaction, EntityTrait};

use crate::seed::{Entity, calendar_of};
use crate::store::entity;

/// Why reference data were not loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is wrong with them; each sentence names its field.
    #[error("the reference data cannot be used: {}", .0.join("; "))]
    Seed(Vec<String>),
    /// The data are another entity's.
    #[error("these are the data of `{0}`, which you do not act for")]
    Tenant(String),
    /// The entity has never been loaded.
    #[error("there are no reference data of `{0}`: load them first")]
    Unknown(String),
    /// A version of a calendar never changes (T7).
    #[error("version {version} of the calendar `{name}` is published: give the new one a higher number")]
    Published {
        /// The calendar.
        name: String,
        /// The newest version.
        version: u32,
    },
    /// A stored entity that cannot be read.
    #[error(transparent)]
    Decode(#[from] prost::DecodeError),
    /// The outbox refused.
    #[error(transparent)]
    Bus(#[from] masar_bus::Error),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] masar_store::Error),
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Clock,
}

impl App {
    /// What an entity says now.
    pub(crate) async fn entity(&self, tenant: &str) -> Result<RegistryChanged, Error> {
        let row = entity::Entity::find_by_id(tenant).one(self.store.reader()).await?;
        let row = row.ok_or_else(|| Error::Unknown(tenant.to_owned()))?;
        Ok(RegistryChanged::decode(row.data.as_slice())?)
    }

    /// Loads an entity's data. Answers its version, and whether it is a new one. Calendars that were published before
    /// stay.
    pub(crate) async fn load(&self, yaml: &str, only: Option<&str>) -> Result<(u64, bool), Error> {
        let mut new = Entity::read(yaml).map_err(Error::Seed)?.told(0);
        if only.is_some_and(|only| only != new.tenant) {
            return Err(Error::Tenant(new.tenant));
        }
        let tx = self.store.begin().await?;
        let known = current(&tx, &new.tenant).await?;
        new.version = known.as_ref().map_or(1, |known| known.version);
        for calendar in known.iter().flat_map(|known| &known.calendars) {
            if !new.calendars.iter().any(|own| own.name == calendar.name && own.version == calendar.version) {
                new.calendars.push(calendar.clone());
            }
        }
        if known.as_ref() == Some(&new) {
            return Ok((new.version, false));
        }
        if known.is_some() {
            new.version += 1;
        }
        let version = new.version;
        self.publish(tx, new).await?;
        Ok((version, true))
    }

    /// Adds a version of a calendar to an entity.
    pub(crate) async fn publish_calendar(&self, tenant: &str, yaml: &str) -> Result<u64, Error> {
        let mut calendar = calendar_of(yaml).map_err(|problem| Error::Seed(vec![problem]))?;
        calendar.published_at = Some(time::to_proto(self.clock.now()));
        let tx = self.store.begin().await?;
        let known = current(&tx, tenant).await?;
        let mut entity = known.ok_or_else(|| Error::Unknown(tenant.to_owned()))?;
        let newest =
            entity.calendars.iter().filter(|own| own.name == calendar.name).map(|own| own.version).max();
        if let Some(version) = newest.filter(|newest| *newest >= calendar.version) {
            return Err(Error::Published { name: calendar.name, version });
        }
        entity.calendars.push(calendar);
        entity.version += 1;
        let version = entity.version;
        self.publish(tx, entity).await?;
        Ok(version)
    }

    async fn publish(&self, tx: DatabaseTransaction, changed: RegistryChanged) -> Result<(), Error> {
        let row = entity::ActiveModel {
            tenant: Set(changed.tenant.clone()),
            version: Set(changed.version.cast_signed()),
            data: Set(changed.encode_to_vec()),
        };
        let conflict = OnConflict::column(entity::Column::Tenant)
            .update_columns([entity::Column::Version, entity::Column::Data])
            .to_owned();
        entity::Entity::insert(row).on_conflict(conflict).exec_without_returning(&tx).await?;
        let event =
            Event::new(kinds::REGISTRY_CHANGED, &changed.tenant, &changed.tenant, self.clock.now(), &changed);
        self.outbox.put(&tx, vec![event]).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(())
    }
}

async fn current(tx: &DatabaseTransaction, tenant: &str) -> Result<Option<RegistryChanged>, Error> {
    let row = entity::Entity::find_by_id(tenant).one(tx).await?;
    Ok(row.map(|row| RegistryChanged::decode(row.data.as_slice())).transpose()?)
}

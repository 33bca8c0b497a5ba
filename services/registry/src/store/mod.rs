//! The table of the registry: the newest data of each tenant, in the form in which it is told.

mod snapshot;

use jiff::Timestamp;
use masar_proto::events::v1::RegistryChanged;
use masar_store::{CreateTables, Store, Transaction, insert_new, time};
use prost::Message as _;
use sea_orm::{ActiveValue, EntityTrait, QuerySelect};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use crate::Error;

pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = masar_bus::migrations();
        migrations.push(Box::new(CreateTables {
            name: "m0002_registry",
            tables: |schema| vec![schema.create_table_from_entity(snapshot::Entity)],
            indexes: &[],
            postgres: &[],
        }));
        migrations
    }
}

/// The data of a tenant, if it has any.
pub(crate) async fn snapshot(store: &Store, tenant: &str) -> Result<Option<RegistryChanged>, Error> {
    let row = snapshot::Entity::find_by_id(tenant).one(store.reader()).await;
    row.map_err(masar_store::Error::from)?.map_or(Ok(None), decode)
}

/// The data of a tenant, which nobody else changes until the transaction ends.
pub(crate) async fn lock(
    tx: &Transaction,
    tenant: &str,
    now: Timestamp,
) -> Result<Option<RegistryChanged>, Error> {
    // Only a row that is there can be locked; if nothing is to be kept, it goes with the transaction.
    insert_new(tx, vec![row(tenant, 0, Vec::new(), now)], [snapshot::Column::Tenant]).await?;
    let row = snapshot::Entity::find_by_id(tenant).lock_exclusive().one(tx).await;
    row.map_err(masar_store::Error::from)?.map_or(Ok(None), decode)
}

/// Puts new data in place of what `lock` gave.
pub(crate) async fn replace(
    tx: &Transaction,
    new: &RegistryChanged,
    now: Timestamp,
) -> Result<(), masar_store::Error> {
    let row = row(&new.tenant, new.version, new.encode_to_vec(), now);
    snapshot::Entity::update(row).exec(tx).await?;
    Ok(())
}

fn row(tenant: &str, version: u64, data: Vec<u8>, now: Timestamp) -> snapshot::ActiveModel {
    snapshot::ActiveModel {
        tenant: ActiveValue::Set(tenant.to_owned()),
        version: ActiveValue::Set(version.cast_signed()),
        data: ActiveValue::Set(data),
        updated_at: ActiveValue::Set(time::to_db(now)),
    }
}

fn decode(row: snapshot::Model) -> Result<Option<RegistryChanged>, Error> {
    if row.version == 0 {
        return Ok(None);
    }
    RegistryChanged::decode(row.data.as_slice())
        .map(Some)
        .map_err(|error| Error::Stored { tenant: row.tenant, problem: error.to_string() })
}

//! The tables of the bench itself, in which it measures what a database can do at best: rows as wide as those of the
//! services, and nothing that decides anything.

mod accept;
mod change;
mod copies;

use anyhow::Result;
use masar_store::{CreateTables, DatabaseUrl, Store};
use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub(super) use accept::{Accept, Row, desk_rows};
pub(super) use change::{Subjects, change};
pub(super) use copies::{CLOCKS, PROMISES, STATE, TASKS, behind, fill, transactions, until_none_behind};

/// The name under which the bench opens its database.
const NAME: &str = "bench";

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = masar_bus::migrations();
        migrations.push(Box::new(CreateTables {
            name: "m0002_bench",
            tables: |schema| {
                vec![
                    schema.create_table_from_entity(accept::submission::Entity),
                    schema.create_table_from_entity(accept::task::Entity),
                    schema.create_table_from_entity(change::subject::Entity),
                    schema.create_table_from_entity(change::entry::Entity),
                ]
            },
            indexes: &["CREATE UNIQUE INDEX submissions_reference ON submissions (tenant, reference)"],
            postgres: &[],
        }));
        migrations
    }
}

/// Opens the database of the bench, with nothing in it.
pub(super) async fn open(url: &DatabaseUrl) -> Result<Store> {
    let store = Store::connect(url, NAME).await?;
    if store.backend() == DbBackend::Postgres {
        let clean = format!("DROP SCHEMA masar_{NAME} CASCADE; CREATE SCHEMA masar_{NAME}");
        store.reader().execute_unprepared(&clean).await?;
    }
    store.migrate::<Migrator>().await?;
    Ok(store)
}

/// Removes what was measured in. The file of SQLite goes with its folder.
pub(super) async fn close(store: Store) -> Result<()> {
    if store.backend() == DbBackend::Postgres {
        store.reader().execute_unprepared(&format!("DROP SCHEMA masar_{NAME} CASCADE")).await?;
    }
    Ok(store.close().await?)
}

//! The tables of notify.

pub(crate) mod delivery;
mod list;
pub(crate) mod webhook;

pub(crate) use list::list;

use masar_store::{AddColumns, CreateTables};
use sea_orm::sea_query::ColumnDef;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = masar_bus::migrations();
        migrations.push(Box::new(CreateTables {
            name: "m0002_notify",
            tables: |schema| {
                vec![
                    schema.create_table_from_entity(delivery::Entity),
                    schema.create_table_from_entity(webhook::Entity),
                ]
            },
            indexes: &[
                "CREATE INDEX deliveries_due ON deliveries (channel, next_attempt_at, id) WHERE next_attempt_at IS NOT NULL",
                "CREATE INDEX deliveries_newest ON deliveries (tenant, created_at, id)",
                "CREATE INDEX deliveries_status ON deliveries (tenant, status, created_at, id)",
                "CREATE INDEX deliveries_case ON deliveries (tenant, case_id, created_at, id)",
                "CREATE INDEX deliveries_reference ON deliveries (tenant, reference, created_at, id)",
                "CREATE UNIQUE INDEX webhooks_url ON webhooks (tenant, url)",
            ],
            postgres: &[],
        }));
        // Rows that change stay on their page, where there is room, and their indexes as they are.
        migrations.push(Box::new(CreateTables {
            name: "m0003_room",
            tables: |_| Vec::new(),
            indexes: &[],
            postgres: &["ALTER TABLE deliveries SET (fillfactor = 70)"],
        }));
        migrations.push(masar_packages::migration());
        migrations.push(Box::new(AddColumns {
            name: "m0004_quiet_hours",
            table: "deliveries",
            columns: || {
                vec![ColumnDef::new(delivery::Column::HeldUntil).timestamp_with_time_zone().to_owned()]
            },
            then: &[],
        }));
        migrations
    }
}

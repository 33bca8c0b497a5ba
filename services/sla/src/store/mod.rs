//! The tables of sla.

pub(crate) mod clock;
mod list;
pub(crate) mod told;

pub(crate) use list::list;

use masar_store::CreateTables;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = masar_bus::migrations();
        migrations.push(Box::new(CreateTables {
            name: "m0002_sla",
            tables: |schema| {
                vec![
                    schema.create_table_from_entity(clock::Entity),
                    schema.create_table_from_entity(told::Entity),
                ]
            },
            indexes: &[
                "CREATE INDEX clocks_case ON clocks (case_id)",
                "CREATE INDEX clocks_next ON clocks (next_at) WHERE next_at IS NOT NULL",
                "CREATE INDEX clocks_due ON clocks (tenant, phase, due_at, id)",
                "CREATE INDEX clocks_calendar ON clocks (tenant, calendar, calendar_version, id) WHERE phase IN ('running', 'paused')",
                "CREATE INDEX told_heard ON told (heard_at)",
            ],
            postgres: &[],
        }));
        migrations
    }
}

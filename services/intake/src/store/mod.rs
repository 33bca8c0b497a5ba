//! The tables of intake.

pub(crate) mod number;
pub(crate) mod schedule;
pub(crate) mod submission;

use masar_store::CreateTables;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = masar_bus::migrations();
        migrations.push(Box::new(CreateTables {
            name: "m0002_intake",
            tables: |schema| {
                vec![
                    schema.create_table_from_entity(submission::Entity),
                    schema.create_table_from_entity(number::Entity),
                ]
            },
            indexes: &["CREATE UNIQUE INDEX submissions_reference ON submissions (tenant, reference)"],
            postgres: &[],
        }));
        migrations.push(masar_packages::migration());
        migrations.push(Box::new(CreateTables {
            name: "m0003_schedules",
            tables: |schema| vec![schema.create_table_from_entity(schedule::Entity)],
            indexes: &[
                "CREATE INDEX schedules_look ON schedules (look_at)",
                "CREATE INDEX schedules_tenant ON schedules (tenant, look_at, origin)",
                "CREATE INDEX schedules_on_days ON schedules (origin) WHERE case_id IS NULL",
            ],
            postgres: &[],
        }));
        migrations
    }
}

//! The tables of intake.

pub(crate) mod number;
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
        migrations
    }
}

//! The table of the registry: what each entity says now.

pub(crate) mod entity;

use masar_store::CreateTables;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = masar_bus::migrations();
        migrations.push(Box::new(CreateTables {
            name: "m0002_registry",
            tables: |schema| vec![schema.create_table_from_entity(entity::Entity)],
            indexes: &[],
            postgres: &[],
        }));
        migrations
    }
}

//! The tables of routing.

mod list;
pub(crate) mod queues;
pub(crate) mod task;

pub(crate) use list::list;

use masar_store::CreateTables;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = masar_bus::migrations();
        migrations.push(Box::new(CreateTables {
            name: "m0002_routing",
            tables: |schema| vec![schema.create_table_from_entity(task::Entity)],
            indexes: &[
                "CREATE UNIQUE INDEX tasks_reference ON tasks (tenant, reference)",
                "CREATE INDEX tasks_queue ON tasks (tenant, queue, assignee, urgency, case_id) WHERE open",
                "CREATE INDEX tasks_assignee ON tasks (tenant, assignee, urgency, case_id) WHERE open",
            ],
            postgres: &[],
        }));
        // Rows that change stay on their page, where there is room, and their indexes as they are.
        migrations.push(Box::new(CreateTables {
            name: "m0003_room",
            tables: |_| Vec::new(),
            indexes: &[],
            postgres: &["ALTER TABLE tasks SET (fillfactor = 60)"],
        }));
        migrations.push(masar_packages::migration());
        migrations
    }
}

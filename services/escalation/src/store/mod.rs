//! The tables of escalation.

pub(crate) mod case;
pub(crate) mod escalation;
mod list;
pub(crate) mod queued;
pub(crate) mod waiting;

pub(crate) use list::{Wanted, list};

use masar_store::CreateTables;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = masar_bus::migrations();
        migrations.push(Box::new(CreateTables {
            name: "m0002_escalation",
            tables: |schema| {
                vec![
                    schema.create_table_from_entity(case::Entity),
                    schema.create_table_from_entity(escalation::Entity),
                    schema.create_table_from_entity(queued::Entity),
                    schema.create_table_from_entity(waiting::Entity),
                ]
            },
            indexes: &[
                "CREATE UNIQUE INDEX escalations_once ON escalations (case_id, clock, run, level)",
                "CREATE INDEX escalations_newest ON escalations (tenant, id)",
                "CREATE INDEX escalations_open ON escalations (tenant, id) WHERE acknowledged_at IS NULL",
                "CREATE INDEX escalations_level ON escalations (tenant, level, id)",
                "CREATE INDEX escalations_reference ON escalations (tenant, reference, id)",
                "CREATE INDEX waiting_case ON waiting (case_id, id)",
            ],
            postgres: &[],
        }));
        // Rows that change stay on their page, where there is room, and their indexes as they are.
        migrations.push(Box::new(CreateTables {
            name: "m0003_room",
            tables: |_| Vec::new(),
            indexes: &[],
            postgres: &["ALTER TABLE cases SET (fillfactor = 60)"],
        }));
        migrations.push(masar_packages::migration());
        migrations
    }
}

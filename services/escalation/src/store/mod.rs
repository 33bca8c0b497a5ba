//! The tables of escalation.

pub(crate) mod case;
pub(crate) mod escalation;
mod list;
pub(crate) mod queued;
pub(crate) mod waiting;

pub(crate) use list::{Wanted, list};

use masar_store::{AddColumns, CreateTables};
use sea_orm::sea_query::ColumnDef;
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
        // The release before writes rows without these: it tells once, and nobody is left out without being named.
        migrations.push(Box::new(AddColumns {
            name: "m0004_again",
            table: "escalations",
            columns: || {
                use escalation::Column;
                vec![
                    ColumnDef::new(Column::Absent).json_binary().not_null().default("[]").to_owned(),
                    ColumnDef::new(Column::SafetyNet).boolean().not_null().default(false).to_owned(),
                    ColumnDef::new(Column::Told).integer().not_null().default(1).to_owned(),
                    ColumnDef::new(Column::ToldAt).timestamp_with_time_zone().to_owned(),
                ]
            },
            then: &[],
        }));
        migrations
    }
}

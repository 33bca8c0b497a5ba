//! The tables of sla.

pub(crate) mod agreement;
pub(crate) mod case;
pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod evidence;
pub(crate) mod figures;
pub(crate) mod handover;
mod list;
pub(crate) mod tenant;
pub(crate) mod timer;
pub(crate) mod told;

pub(crate) use list::list;

use masar_store::{AddColumns, CreateTables, Error, Store};
use sea_orm::sea_query::ColumnDef;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Brings the tables to the newest form, and takes in what the release before has left.
pub(crate) async fn prepare(store: &Store) -> Result<(), Error> {
    store.migrate::<Migrator>().await?;
    tenant::find(store).await
}

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
        // Clocks of the release before come to the first shard: any division is good enough.
        migrations.push(Box::new(AddColumns {
            name: "m0003_shards",
            table: "clocks",
            columns: || {
                vec![ColumnDef::new(clock::Column::Shard).small_integer().not_null().default(0).to_owned()]
            },
            then: &[
                "CREATE INDEX clocks_timers ON clocks (tenant, next_at, shard) WHERE next_at IS NOT NULL",
                "DROP INDEX clocks_next",
            ],
        }));
        // Rows that change stay on their page, where there is room, and their indexes as they are.
        migrations.push(Box::new(CreateTables {
            name: "m0004_room",
            tables: |_| Vec::new(),
            indexes: &[],
            postgres: &["ALTER TABLE clocks SET (fillfactor = 50)"],
        }));
        migrations.push(Box::new(CreateTables {
            name: "m0005_attribution",
            tables: |schema| {
                vec![
                    schema.create_table_from_entity(child::Entity),
                    schema.create_table_from_entity(evidence::Entity),
                    schema.create_table_from_entity(handover::Entity),
                ]
            },
            indexes: &[
                "CREATE INDEX children_case ON children (case_id)",
                "CREATE INDEX evidence_counts ON evidence (tenant, at)",
            ],
            postgres: &[],
        }));
        migrations.push(masar_packages::migration());
        migrations.extend(for_figures());
        migrations.extend(for_agreements());
        migrations.extend(for_timers());
        migrations
    }
}

/// What timers need beside the columns of their clocks.
fn for_timers() -> [Box<dyn MigrationTrait>; 3] {
    [
        // The release before writes clocks without these: late is what fires after its mark, and no extension waits.
        Box::new(AddColumns {
            name: "m0010_waiting",
            table: "clocks",
            columns: || {
                use clock::Column;
                vec![
                    ColumnDef::new(Column::ArmedAt).timestamp_with_time_zone().to_owned(),
                    ColumnDef::new(Column::Extension).json_binary().to_owned(),
                ]
            },
            then: &[],
        }),
        Box::new(CreateTables {
            name: "m0011_timer_tenants",
            tables: |schema| vec![schema.create_table_from_entity(tenant::Entity)],
            indexes: &[],
            postgres: &[],
        }),
        // By shard before time: of very many that are due at one moment nobody passes those of another replica.
        Box::new(CreateTables {
            name: "m0012_turns",
            tables: |_| Vec::new(),
            indexes: &[
                "CREATE INDEX clocks_turns ON clocks (tenant, shard, next_at) WHERE next_at IS NOT NULL",
                "DROP INDEX clocks_timers",
            ],
            postgres: &[],
        }),
    ]
}

/// What agreements between parties need: themselves, and the clocks between these.
fn for_agreements() -> [Box<dyn MigrationTrait>; 2] {
    [
        // The clocks of the release before are nobody's: no agreement moves them.
        Box::new(AddColumns {
            name: "m0008_parties",
            table: "clocks",
            columns: || {
                use clock::Column;
                [Column::Provider, Column::Consumer]
                    .map(|party| ColumnDef::new(party).string().not_null().default("").to_owned())
                    .into()
            },
            then: &[
                "CREATE INDEX clocks_between ON clocks (tenant, clock, id) WHERE phase IN ('running', 'paused') AND provider <> ''",
            ],
        }),
        Box::new(CreateTables {
            name: "m0009_agreements",
            tables: |schema| vec![schema.create_table_from_entity(agreement::Entity)],
            indexes: &[],
            postgres: &[],
        }),
    ]
}

/// What figures are counted by.
fn for_figures() -> [Box<dyn MigrationTrait>; 2] {
    [
        // The release before writes clocks without these: they count from their next entry on.
        Box::new(AddColumns {
            name: "m0006_figures",
            table: "clocks",
            columns: || {
                use clock::Column;
                vec![
                    ColumnDef::new(Column::Warned).boolean().not_null().default(false).to_owned(),
                    ColumnDef::new(Column::EndedAt).timestamp_with_time_zone().to_owned(),
                ]
            },
            then: &[],
        }),
        Box::new(CreateTables {
            name: "m0007_cases",
            tables: |schema| vec![schema.create_table_from_entity(case::Entity)],
            indexes: &[
                "CREATE INDEX cases_without_clock ON cases (tenant, id) WHERE without_clock_since IS NOT NULL",
                "CREATE INDEX clocks_ended ON clocks (tenant, ended_at) WHERE phase = 'stopped' AND kind <> 'window' AND tells",
            ],
            // Answers without the rows, which are wide; SQLite would not take it.
            postgres: &[
                "CREATE INDEX clocks_standing ON clocks (tenant, case_id, clock, importance, warned, breached_at) WHERE phase IN ('running', 'paused') AND kind <> 'window' AND tells",
            ],
        }),
    ]
}

//! The tables of cases.

pub(crate) mod case;
pub(crate) mod concealed;
mod count;
pub(crate) mod entry;
pub(crate) mod fold;
pub(crate) mod link;
mod list;
pub(crate) mod migration;
pub(crate) mod recurrence;

pub(crate) use count::{Count, count};
pub(crate) use list::{count_without_owner, list};

use masar_store::{AddColumns, CreateTables};
use sea_orm::sea_query::ColumnDef;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Cases that somebody must act on and that nobody has: word for word the condition of their index, so that finding none
/// costs nothing.
const WITHOUT_OWNER: &str = "queue = '' AND category IN ('open', 'waiting')";

/// Cases that run, word for word the condition of their index: it costs nothing that others are closed.
const RUNNING: &str = "category <> 'closed'";

pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = masar_bus::migrations();
        migrations.push(Box::new(CreateTables {
            name: "m0002_cases",
            tables: |schema| {
                vec![
                    schema.create_table_from_entity(case::Entity),
                    schema.create_table_from_entity(fold::Entity),
                    schema.create_table_from_entity(entry::Entity),
                    schema.create_table_from_entity(link::Entity),
                ]
            },
            indexes: &[
                "CREATE UNIQUE INDEX cases_reference ON cases (tenant, reference)",
                "CREATE INDEX cases_newest ON cases (tenant, id)",
                "CREATE INDEX cases_queue ON cases (tenant, queue, id)",
                "CREATE INDEX cases_assignee ON cases (tenant, assignee, id)",
                "CREATE INDEX cases_due ON cases (tenant, due_at)",
                "CREATE INDEX cases_without_owner ON cases (tenant, id) WHERE queue = '' AND category IN ('open', 'waiting')",
            ],
            postgres: &[],
        }));
        migrations.push(Box::new(AddColumns {
            name: "m0003_children",
            table: "cases",
            columns: || {
                vec![
                    ColumnDef::new(case::Column::Parent).uuid().to_owned(),
                    ColumnDef::new(case::Column::ParentLink).string().not_null().default("").to_owned(),
                    ColumnDef::new(case::Column::Children).json_binary().not_null().default("{}").to_owned(),
                ]
            },
            then: &[],
        }));
        // Rows that change stay on their page, where there is room, and their indexes as they are.
        migrations.push(Box::new(CreateTables {
            name: "m0004_room",
            tables: |_| Vec::new(),
            indexes: &[],
            postgres: &["ALTER TABLE cases SET (fillfactor = 60)", "ALTER TABLE folds SET (fillfactor = 60)"],
        }));
        migrations.push(masar_packages::migration());
        migrations.push(Box::new(CreateTables {
            name: "m0101_migrations",
            tables: |schema| {
                vec![
                    schema.create_table_from_entity(migration::Entity),
                    schema.create_table_from_entity(migration::migrated::Entity),
                ]
            },
            indexes: &[
                "CREATE INDEX migrations_newest ON migrations (tenant, id)",
                "CREATE INDEX cases_running ON cases (tenant, package, package_version, id) WHERE category <> 'closed'",
            ],
            postgres: &[],
        }));
        migrations.extend(of_links_and_counts());
        migrations.extend(across_entities());
        migrations
    }
}

/// Links that nobody finds, and what has come again.
fn of_links_and_counts() -> [Box<dyn MigrationTrait>; 3] {
    [
        Box::new(CreateTables {
            name: "m0201_concealed_links",
            tables: |schema| vec![schema.create_table_from_entity(concealed::Entity)],
            indexes: &["CREATE INDEX concealed_links_case ON concealed_links (case_id)"],
            postgres: &[],
        }),
        Box::new(CreateTables {
            name: "m0202_recurrence",
            tables: |schema| vec![schema.create_table_from_entity(recurrence::Entity)],
            indexes: &["CREATE INDEX recurrences_matter ON recurrences (matter, at)"],
            postgres: &[],
        }),
        Box::new(AddColumns {
            name: "m0203_recurs",
            table: "cases",
            columns: || {
                vec![ColumnDef::new(case::Column::Recurrence).integer().not_null().default(0).to_owned()]
            },
            then: &[],
        }),
    ]
}

/// Children in other entities. Those that were there before are in that of their parents.
fn across_entities() -> [Box<dyn MigrationTrait>; 2] {
    [
        Box::new(AddColumns {
            name: "m0204_parent_tenant",
            table: "cases",
            columns: || {
                vec![ColumnDef::new(case::Column::ParentTenant).string().not_null().default("").to_owned()]
            },
            then: &[],
        }),
        Box::new(AddColumns {
            name: "m0205_other_tenant",
            table: "links",
            columns: || {
                vec![ColumnDef::new(link::Column::OtherTenant).string().not_null().default("").to_owned()]
            },
            then: &[],
        }),
    ]
}

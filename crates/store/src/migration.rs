//! Migrations that create tables and add columns: all that a service needs to say about its database.

use sea_orm::sea_query::TableCreateStatement;
use sea_orm::{DbBackend, Schema};
use sea_orm_migration::prelude::*;

/// Creates tables and indexes, alike on both databases.
#[derive(Debug, Clone, Copy)]
pub struct CreateTables {
    /// Name of the migration; migrations are applied once, in the order in which they are listed.
    pub name: &'static str,
    /// The tables, usually from their entities.
    pub tables: fn(&Schema) -> Vec<TableCreateStatement>,
    /// `CREATE INDEX` statements that both databases understand.
    pub indexes: &'static [&'static str],
    /// Statements for PostgreSQL alone.
    pub postgres: &'static [&'static str],
}

impl MigrationName for CreateTables {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
#[allow(elided_lifetimes_in_paths, reason = "the trait of SeaORM leaves the lifetime out")]
impl MigrationTrait for CreateTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        for table in (self.tables)(&Schema::new(backend)) {
            manager.create_table(table).await?;
        }
        let tuning: &[&str] = if backend == DbBackend::Postgres { self.postgres } else { &[] };
        for statement in self.indexes.iter().chain(tuning) {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

/// Adds columns to a table that an earlier release made. Tables are made from their entities, so that a new database has them
/// already. Each needs a default or may be empty: the release before still writes rows without them.
#[derive(Debug, Clone, Copy)]
pub struct AddColumns {
    /// Name of the migration; migrations are applied once, in the order in which they are listed.
    pub name: &'static str,
    /// Name of the table.
    pub table: &'static str,
    /// The columns.
    pub columns: fn() -> Vec<ColumnDef>,
    /// What follows once they are there, such as their indexes: statements that both databases understand.
    pub then: &'static [&'static str],
}

impl MigrationName for AddColumns {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
#[allow(elided_lifetimes_in_paths, reason = "the trait of SeaORM leaves the lifetime out")]
impl MigrationTrait for AddColumns {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for mut column in (self.columns)() {
            if !manager.has_column(self.table, column.get_column_name()).await? {
                let add = Table::alter().table(self.table).add_column(&mut column).to_owned();
                manager.alter_table(add).await?;
            }
        }
        for statement in self.then {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

//! What a store promises, on every backend.

use anyhow::Result;
use masar_store::{CreateTables, DatabaseUrl, Store};
use sea_orm::ActiveValue::Set;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

mod batcher;
mod ear;
mod lease;
mod rows;
mod statistics;
mod tables;

mod entry {
    #![allow(unreachable_pub, reason = "SeaORM asks for public entities")]
    //! A table for the tests.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "entries")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub one: String,
        pub two: String,
        pub three: Option<i64>,
        pub four: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let entries = CreateTables {
            name: "m0001_entries",
            tables: |schema| vec![schema.create_table_from_entity(entry::Entity)],
            indexes: &["CREATE INDEX entries_one ON entries (one, id)"],
            postgres: &[],
        };
        vec![Box::new(entries), masar_store::lease_tables()]
    }
}

async fn store(url: &str) -> Result<Store> {
    let store = Store::connect(&url.parse::<DatabaseUrl>()?, "test").await?;
    store.migrate::<Migrator>().await?;
    Ok(store)
}

fn row(id: i64) -> entry::ActiveModel {
    let text = || Set(format!("text {id}"));
    entry::ActiveModel { id: Set(id), one: text(), two: text(), three: Set(None), four: Set(true) }
}

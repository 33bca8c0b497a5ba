//! What a store promises, on every backend.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use masar_store::{
    BatchSettings, Batcher, CreateTables, DatabaseUrl, Error, Store, Writer, insert_all, insert_new,
};
use masar_testkit::on_each_database;
use sea_orm::{ActiveValue::Set, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryOrder};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio::sync::Semaphore;

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
        vec![Box::new(CreateTables {
            name: "m0001_entries",
            tables: |schema| vec![schema.create_table_from_entity(entry::Entity)],
            indexes: &["CREATE INDEX entries_one ON entries (one, id)"],
            postgres: &[],
        })]
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

/// Inserts ids; a negative one breaks its batch, and `gate` holds every commit back until it opens.
struct Inserter {
    gate: Option<Arc<Semaphore>>,
}

#[async_trait]
impl Writer for Inserter {
    type Command = i64;
    type Answer = i64;
    type Error = Error;

    async fn write(
        &self,
        tx: &DatabaseTransaction,
        batch: Vec<i64>,
    ) -> Result<Vec<Result<i64, Error>>, Error> {
        if let Some(gate) = &self.gate {
            let _open = gate.acquire().await;
        }
        if batch.iter().any(|id| *id < 0) {
            return Err(Error::PageToken);
        }
        insert_all(tx, batch.iter().copied().map(row).collect()).await?;
        Ok(batch.into_iter().map(|id| Ok(id * 2)).collect())
    }
}

#[tokio::test]
async fn a_batcher_answers_each_command_and_keeps_all() -> Result<()> {
    on_each_database(async |url| {
        let store = store(&url).await?;
        let (batcher, work) = Batcher::new(store.clone(), Inserter { gate: None }, BatchSettings::default());
        let work = tokio::spawn(work);
        let answers = futures::future::join_all((0..2_000).map(|id| batcher.submit(id))).await;
        for (id, answer) in (0..).zip(answers) {
            assert_eq!(answer?, id * 2);
        }
        drop(batcher);
        work.await?;
        assert_eq!(entry::Entity::find().count(store.reader()).await?, 2_000);
        Ok(store.close().await?)
    })
    .await
}

#[tokio::test]
async fn one_bad_command_fails_alone() -> Result<()> {
    on_each_database(async |url| {
        let store = store(&url).await?;
        let (batcher, work) = Batcher::new(store.clone(), Inserter { gate: None }, BatchSettings::default());
        tokio::spawn(work);
        let answers = futures::future::join_all([1, -1, 2, 1].map(|id| batcher.submit(id))).await;
        assert!(answers[0].is_ok() && answers[2].is_ok());
        assert!(matches!(answers[1], Err(Error::PageToken)));
        assert!(answers[3].as_ref().is_err_and(Error::is_unique_violation));
        assert_eq!(entry::Entity::find().count(store.reader()).await?, 2);
        Ok(store.close().await?)
    })
    .await
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_what_was_taken_is_kept() -> Result<()> {
    on_each_database(async |url| {
        let store = store(&url).await?;
        let gate = Arc::new(Semaphore::new(0));
        let settings = BatchSettings { most: 1, queue: 1 };
        let (batcher, work) = Batcher::new(store.clone(), Inserter { gate: Some(gate.clone()) }, settings);
        // Nobody gathers yet: the queue of one is full after one.
        let mut first = Box::pin(batcher.submit(1));
        assert!(futures::poll!(first.as_mut()).is_pending());
        assert!(matches!(batcher.submit(2).await, Err(Error::Overloaded)));
        let work = tokio::spawn(work);
        gate.add_permits(1);
        assert_eq!(first.as_mut().await?, 2);
        drop(first);
        drop(batcher);
        work.await?;
        assert_eq!(entry::Entity::find().count(store.reader()).await?, 1);
        Ok(store.close().await?)
    })
    .await
}

#[tokio::test]
async fn more_rows_than_one_statement_takes_go_in() -> Result<()> {
    on_each_database(async |url| {
        let store = store(&url).await?;
        let tx = store.begin().await?;
        insert_all(&tx, (0..40_000).map(row).collect()).await?;
        let new = insert_new(&tx, (39_998..40_002).map(row).collect(), [entry::Column::Id]).await?;
        tx.commit().await?;
        assert_eq!(new.iter().map(|row| row.id).collect::<Vec<_>>(), [40_000, 40_001]);
        let none: Vec<entry::Model> = {
            let tx = store.begin().await?;
            insert_new(&tx, vec![row(1)], [entry::Column::Id]).await?
        };
        assert!(none.is_empty());
        let last = entry::Entity::find().order_by_desc(entry::Column::Id).one(store.reader()).await?;
        assert_eq!(last.map(|row| row.id), Some(40_001));
        Ok(store.close().await?)
    })
    .await
}

#[tokio::test]
async fn tables_are_made_once_however_many_try() -> Result<()> {
    on_each_database(async |url| {
        let (one, other) = tokio::join!(store(&url), store(&url));
        let (one, other) = (one?, other?);
        one.migrate::<Migrator>().await?;
        assert_eq!(entry::Entity::find().count(other.reader()).await?, 0);
        one.close().await?;
        Ok(other.close().await?)
    })
    .await
}

#[tokio::test]
async fn services_do_not_see_each_others_tables() -> Result<()> {
    on_each_database(async |url| {
        let url: DatabaseUrl = url.parse()?;
        let (one, other) = (Store::connect(&url, "one").await?, Store::connect(&url, "other").await?);
        one.migrate::<Migrator>().await?;
        assert!(entry::Entity::find().count(one.reader()).await.is_ok());
        assert!(entry::Entity::find().count(other.reader()).await.is_err());
        one.close().await?;
        Ok(other.close().await?)
    })
    .await
}

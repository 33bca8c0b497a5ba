//! Tables and their rows: made once, apart for each service, written in bulk, read in pages.

use anyhow::Result;
use masar_store::{AddColumns, CreateTables, DatabaseUrl, Store, insert_all, insert_new, page};
use masar_testkit::on_each_database;
use sea_orm::sea_query::{ColumnDef, Expr, ExprTrait, Order, SimpleExpr};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use crate::{Migrator, entry, row, store};

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

/// The rows after a key, in the order of a column that many rows share and the id.
fn after(key: Option<(String, i64)>) -> SimpleExpr {
    let columns = || Expr::tuple([Expr::col(entry::Column::One), Expr::col(entry::Column::Id)]);
    key.map_or_else(
        || Expr::value(true),
        |(one, id)| columns().gt(Expr::tuple([Expr::value(one), Expr::value(id)])),
    )
}

#[tokio::test]
async fn pages_give_each_row_once_whatever_their_size() -> Result<()> {
    on_each_database(async |url| {
        let store = store(&url).await?;
        let tx = store.begin().await?;
        let shared = |id: i64| entry::ActiveModel {
            one: Set(format!("\u{645}\u{633}\u{627}\u{631} {}", id % 4)),
            ..row(id)
        };
        insert_all(&tx, (0..100).map(shared).collect()).await?;
        tx.commit().await?;
        for size in [1, 7, 25, 99, 100, 500].map(page::size) {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let mut rows = entry::Entity::find()
                    .filter(after(page::decode(&token)?))
                    .order_by(entry::Column::One, Order::Asc)
                    .order_by(entry::Column::Id, Order::Asc)
                    .limit(size + 1)
                    .all(store.reader())
                    .await?;
                token = page::cut(&mut rows, size, |row| (row.one.clone(), row.id))?;
                seen.extend(rows.into_iter().map(|row| row.id));
                if token.is_empty() {
                    break;
                }
            }
            let mut all: Vec<i64> = (0..100).collect();
            all.sort_by_key(|id| (id % 4, *id));
            assert_eq!(seen, all, "pages of {size}");
        }
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

/// The release after: its rows have a word more.
struct After;

impl MigratorTrait for After {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = Migrator::migrations();
        for name in ["m0002_word", "m0003_word_again"] {
            let columns = || vec![ColumnDef::new("word").string().not_null().default("none").to_owned()];
            migrations.push(Box::new(AddColumns { name, table: "entries", columns, then: &[] }));
        }
        migrations
    }
}

#[tokio::test]
async fn columns_are_added_once_and_the_release_before_still_writes() -> Result<()> {
    on_each_database(async |url| {
        let store = store(&url).await?;
        let write = async |id| {
            let tx = store.begin().await?;
            insert_all(&tx, vec![row(id)]).await?;
            anyhow::Ok(tx.commit().await?)
        };
        write(1).await?;
        store.migrate::<After>().await?;
        write(2).await?;
        let words = Statement::from_string(store.backend(), "SELECT word FROM entries ORDER BY id");
        let words = store.reader().query_all_raw(words).await?;
        let words: Vec<String> = words.iter().map(|row| row.try_get("", "word")).collect::<Result<_, _>>()?;
        assert_eq!(words, ["none", "none"]);
        Ok(store.close().await?)
    })
    .await
}

/// Its second statement cannot work.
struct Broken;

impl MigratorTrait for Broken {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateTables {
            name: "m0001_entries",
            tables: |schema| vec![schema.create_table_from_entity(entry::Entity)],
            indexes: &["CREATE INDEX entries_none ON entries (no_such_column)"],
            postgres: &[],
        })]
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_behind() -> Result<()> {
    on_each_database(async |url| {
        let store = Store::connect(&url.parse()?, "test").await?;
        assert!(store.migrate::<Broken>().await.is_err());
        store.migrate::<Migrator>().await?;
        assert_eq!(entry::Entity::find().count(store.reader()).await?, 0);
        Ok(store.close().await?)
    })
    .await
}

//! What PostgreSQL knows of its tables.

use anyhow::Result;
use masar_store::{insert_all, look_at_new_tables};
use masar_testkit::{count, on_each_database};
use sea_orm::ActiveValue::Set;
use sea_orm::DbBackend;

use crate::{entry, row, store};

#[tokio::test]
async fn new_tables_are_looked_at_as_soon_as_they_hold_much() -> Result<()> {
    on_each_database(async |url| {
        let store = store(&url).await?;
        if store.backend() == DbBackend::Sqlite {
            return look_at_new_tables(&store).await.map_err(Into::into);
        }
        let unseen = "pg_class WHERE relname = 'entries' AND relnamespace = current_schema()::regnamespace AND reltuples < 0";
        let wide = |id| entry::ActiveModel { two: Set(format!("{id:01500}")), ..row(id) };
        insert_all::<_, entry::ActiveModel, _>(store.reader(), (0..100).map(wide).collect()).await?;
        look_at_new_tables(&store).await?;
        assert_eq!(count(store.reader(), unseen).await?, 1, "a small table tells how to read a small one");
        insert_all::<_, entry::ActiveModel, _>(store.reader(), (100..6_000).map(wide).collect()).await?;
        look_at_new_tables(&store).await?;
        assert_eq!(count(store.reader(), unseen).await?, 0);
        let known = "pg_stats WHERE schemaname = current_schema() AND tablename = 'entries' AND attname = 'one' AND n_distinct = -1";
        assert_eq!(count(store.reader(), known).await?, 1);
        Ok(())
    })
    .await
}

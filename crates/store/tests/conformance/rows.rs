//! Rows in bulk: what comes back is what went in, in the order in which it went in.

use anyhow::Result;
use masar_store::{CreateTables, DatabaseUrl, Store, insert_all, save_all};
use masar_testkit::on_each_database;
use sea_orm::{ActiveValue, ActiveValue::Set, EntityTrait, IntoActiveModel, QueryOrder};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use uuid::Uuid;

mod sample {
    #![allow(unreachable_pub, reason = "SeaORM asks for public entities")]
    //! A table with a column of each kind that the services have, with and without a value.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "samples")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub number: i64,
        #[sea_orm(unique)]
        pub id: Uuid,
        pub small: i16,
        pub count: i32,
        pub text: String,
        #[sea_orm(column_type = "Text")]
        pub long: Option<String>,
        pub at: ChronoDateTimeUtc,
        pub perhaps_at: Option<ChronoDateTimeUtc>,
        pub perhaps: Option<i64>,
        pub truth: bool,
        #[sea_orm(column_type = "JsonBinary")]
        pub json: Json,
        pub bytes: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateTables {
            name: "m0001_samples",
            tables: |schema| vec![schema.create_table_from_entity(sample::Entity)],
            indexes: &[],
            postgres: &[],
        })]
    }
}

/// Rows that differ in every column; a third of them have no value where none is needed.
fn samples(count: u8) -> Vec<sample::Model> {
    let sample = |n: u8| sample::Model {
        number: 0,
        id: Uuid::from_bytes([n; 16]),
        small: -i16::from(n),
        count: i32::from(n) << 20,
        text: format!("'شكوى' \"{n}\" \\ {{}} , NULL"),
        long: (!n.is_multiple_of(3)).then(|| format!("line {n}\nline")),
        at: chrono::DateTime::UNIX_EPOCH
            + chrono::Duration::microseconds(1_700_000_000_000_001 + i64::from(n)),
        perhaps_at: chrono::DateTime::from_timestamp_millis(i64::from(n)).filter(|_| n % 3 > 1),
        perhaps: (n % 3 == 1).then_some(i64::MIN + i64::from(n)),
        truth: n.is_multiple_of(2),
        json: serde_json::json!({"n": n, "list": [n, null, "ي"], "none": null}),
        bytes: vec![0, n, 255],
    };
    (0..count).map(sample).collect()
}

/// The database gives the number.
fn unnumbered(row: sample::Model) -> sample::ActiveModel {
    sample::ActiveModel { number: ActiveValue::NotSet, ..row.into_active_model() }
}

#[tokio::test]
async fn rows_come_back_as_they_went_in_and_in_their_order() -> Result<()> {
    on_each_database(async |url| {
        let store = Store::connect(&url.parse::<DatabaseUrl>()?, "test").await?;
        store.migrate::<Migrator>().await?;
        let tx = store.begin().await?;
        insert_all(&tx, samples(11).into_iter().map(unnumbered).collect()).await?;
        insert_all(&tx, Vec::<sample::ActiveModel>::new()).await?;
        tx.commit().await?;
        let all = || sample::Entity::find().order_by_asc(sample::Column::Number).all(store.reader());
        let kept = all().await?;
        let expected = samples(11).into_iter().zip(&kept);
        let expected: Vec<_> =
            expected.map(|(row, kept)| sample::Model { number: kept.number, ..row }).collect();
        assert_eq!(kept, expected);
        // Some are replaced, and one is new.
        let swapped = |(row, like): (&sample::Model, &sample::Model)| sample::Model {
            number: row.number,
            id: row.id,
            ..like.clone()
        };
        let mut changed: Vec<_> = kept.iter().zip(kept.iter().rev()).take(5).map(swapped).collect();
        changed.push(sample::Model { number: 1_000, id: Uuid::nil(), ..kept[1].clone() });
        changed[0].id = Uuid::max();
        let tx = store.begin().await?;
        save_all::<_, sample::ActiveModel, _>(&tx, changed.clone()).await?;
        tx.commit().await?;
        changed.splice(5..5, kept[5..].iter().cloned());
        assert_eq!(all().await?, changed);
        Ok(store.close().await?)
    })
    .await
}

#[tokio::test]
async fn a_key_that_is_taken_refuses_all_rows() -> Result<()> {
    on_each_database(async |url| {
        let store = Store::connect(&url.parse::<DatabaseUrl>()?, "test").await?;
        store.migrate::<Migrator>().await?;
        let twice = samples(3).into_iter().chain(samples(1)).map(unnumbered).collect();
        let tx = store.begin().await?;
        assert!(insert_all(&tx, twice).await.is_err());
        tx.rollback().await?;
        let tx = store.begin().await?;
        insert_all(
            &tx,
            vec![sample::ActiveModel { text: Set(String::new()), ..unnumbered(samples(1).remove(0)) }],
        )
        .await?;
        tx.commit().await?;
        assert_eq!(sample::Entity::find().all(store.reader()).await?.len(), 1);
        Ok(store.close().await?)
    })
    .await
}

//! The limit of changing: rows whose version is checked, in batches, with an entry and an event for each.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use anyhow::{Result, ensure};
use jiff::Timestamp;
use masar_bus::{Event, Outbox};
use masar_store::time::to_db;
use masar_store::{Store, insert_all};
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};
use uuid::Uuid;

pub(super) mod subject {
    //! As wide as a case.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "subjects")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub version: i64,
        pub state: String,
        pub changed_at: ChronoDateTimeUtc,
        #[sea_orm(column_type = "Text")]
        pub data: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod entry {
    //! As wide as an entry of a case's history.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "entries")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i64,
        pub kind: String,
        pub at: ChronoDateTimeUtc,
        pub actor: String,
        #[sea_orm(column_type = "Text")]
        pub event: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Rows that one writer changes, in turn, and the version that each has.
pub(in crate::bench) struct Subjects {
    rows: Vec<(Uuid, i64)>,
    next: usize,
}

impl Subjects {
    /// Writes so many rows.
    pub(in crate::bench) async fn make(store: &Store, count: usize, now: Timestamp) -> Result<Self> {
        // Random ids: a change meets the pages of the table in no order, as cases do.
        let rows: Vec<_> = (0..count).map(|_| (Uuid::new_v4(), 1)).collect();
        let tx = store.begin().await?;
        let row = |(id, version): &(Uuid, i64)| subject::ActiveModel {
            id: Set(*id),
            version: Set(*version),
            state: Set("in_progress".to_owned()),
            changed_at: Set(to_db(now)),
            data: Set("x".repeat(600)),
        };
        insert_all(&tx, rows.iter().map(row).collect()).await?;
        tx.commit().await?;
        Ok(Self { rows, next: 0 })
    }

    /// The next rows, so many at most, at their next version.
    fn take(&mut self, count: usize) -> &[(Uuid, i64)] {
        if self.next + count > self.rows.len() {
            self.next = 0;
        }
        let from = self.next;
        self.next = (from + count).min(self.rows.len());
        let taken = &mut self.rows[from..self.next];
        taken.iter_mut().for_each(|(_, version)| *version += 1);
        taken
    }
}

/// Changes so many rows in one transaction, each if it still has the version that is known of it.
pub(in crate::bench) async fn change(
    store: &Store,
    subjects: &mut Subjects,
    count: usize,
    now: Timestamp,
) -> Result<()> {
    let rows = subjects.take(count);
    let tx = store.begin().await?;
    let changed = match store.backend() {
        DbBackend::Postgres => update_at_once(&tx, rows).await?,
        _ => update_each(&tx, rows, now).await?,
    };
    ensure!(changed == rows.len() as u64, "{changed} of {} rows had the version that was known", rows.len());
    let entry = |(subject, number): &(Uuid, i64)| entry::ActiveModel {
        subject: Set(*subject),
        number: Set(*number),
        kind: Set("transition".to_owned()),
        at: Set(to_db(now)),
        actor: Set("lab-permits-1".to_owned()),
        event: Set("x".repeat(300)),
    };
    insert_all(&tx, rows.iter().map(entry).collect()).await?;
    let told = prost_types::Any { type_url: String::new(), value: vec![0; 600] };
    let event = |(subject, _): &(Uuid, i64)| Event::new("case.changed", "DEMO-LAB", subject, now, &told);
    Outbox::new(super::NAME).put(&tx, rows.iter().map(event).collect()).await?;
    Ok(tx.commit().await?)
}

async fn update_at_once(tx: &DatabaseTransaction, rows: &[(Uuid, i64)]) -> Result<u64> {
    const UPDATE: &str = "UPDATE subjects SET version = known.version, state = 'in_progress', changed_at = now() \
        FROM unnest(CAST($1 AS text)::uuid[], CAST($2 AS text)::bigint[]) AS known (id, version) \
        WHERE subjects.id = known.id AND subjects.version = known.version - 1";
    let list = |items: Vec<String>| format!("{{{}}}", items.join(","));
    let ids = list(rows.iter().map(|(id, _)| id.to_string()).collect());
    let versions = list(rows.iter().map(|(_, version)| version.to_string()).collect());
    let update = Statement::from_sql_and_values(DbBackend::Postgres, UPDATE, [ids.into(), versions.into()]);
    Ok(tx.execute_raw(update).await?.rows_affected())
}

async fn update_each(tx: &DatabaseTransaction, rows: &[(Uuid, i64)], now: Timestamp) -> Result<u64> {
    const UPDATE: &str = "UPDATE subjects SET version = $1, state = 'in_progress', changed_at = $2 \
        WHERE id = $3 AND version = $1 - 1";
    let mut changed = 0;
    for (id, version) in rows {
        let values = [(*version).into(), to_db(now).into(), (*id).into()];
        let update = Statement::from_sql_and_values(DbBackend::Sqlite, UPDATE, values);
        changed += tx.execute_raw(update).await?.rows_affected();
    }
    Ok(changed)
}

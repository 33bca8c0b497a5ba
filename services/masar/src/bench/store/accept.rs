//! The limit of accepting: group commit of rows as wide as a submission and its event.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use async_trait::async_trait;
use jiff::Timestamp;
use masar_bus::{Event, Outbox};
use masar_store::time::to_db;
use masar_store::{Error, Store, Writer, insert_all};
use sea_orm::ActiveValue::Set;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

pub(super) mod submission {
    //! As wide as a submission of intake.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "submissions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub case_id: Uuid,
        #[sea_orm(unique)]
        pub dedup_key: String,
        pub tenant: String,
        pub reference: String,
        pub case_type: String,
        pub source_system: String,
        pub external_ref: String,
        pub received_at: ChronoDateTimeUtc,
        pub accepted_at: ChronoDateTimeUtc,
        pub submitted_by: String,
        pub state: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod task {
    //! What a consumer writes of a case that it hears of.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tasks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub case_id: Uuid,
        pub tenant: String,
        pub data: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A submission that is written.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Row {
    pub(in crate::bench) event: Event,
    pub(in crate::bench) at: Timestamp,
}

/// Writes submissions, and their events unless somebody else carries these.
pub(in crate::bench) struct Accept {
    pub(in crate::bench) outbox: Option<Outbox>,
}

#[async_trait]
impl Writer for Accept {
    type Command = Row;
    type Answer = ();
    type Error = masar_bus::Error;

    async fn write(
        &self,
        tx: &DatabaseTransaction,
        batch: Vec<Row>,
    ) -> Result<Vec<Result<(), masar_bus::Error>>, masar_bus::Error> {
        let answers = batch.iter().map(|_| Ok(())).collect();
        insert_all(tx, batch.iter().map(submission).collect()).await?;
        if let Some(outbox) = &self.outbox {
            outbox.put(tx, batch.into_iter().map(|row| row.event).collect()).await?;
        }
        Ok(answers)
    }
}

fn submission(row: &Row) -> submission::ActiveModel {
    let Event { tenant, subject, id, .. } = &row.event;
    submission::ActiveModel {
        case_id: Set(*id),
        dedup_key: Set(format!("{tenant}\u{1f}ref\u{1f}bench\u{1f}{subject}")),
        tenant: Set(tenant.clone()),
        reference: Set(subject.clone()),
        case_type: Set("complaint".to_owned()),
        source_system: Set("bench".to_owned()),
        external_ref: Set(subject.clone()),
        received_at: Set(to_db(row.at)),
        accepted_at: Set(to_db(row.at)),
        submitted_by: Set("demo-call-centre".to_owned()),
        state: Set("received".to_owned()),
    }
}

/// Writes what a consumer knows of the cases that it hears of, in one transaction.
pub(in crate::bench) async fn desk_rows(store: &Store, events: Vec<Event>) -> Result<(), Error> {
    let tx = store.begin().await?;
    let row = |event: Event| task::ActiveModel {
        case_id: Set(event.id),
        tenant: Set(event.tenant),
        data: Set(event.data.into()),
    };
    insert_all(&tx, events.into_iter().map(row).collect()).await?;
    Ok(tx.commit().await?)
}

/// A row for the subject of an event.
impl Row {
    pub(in crate::bench) fn new(tenant: &str, message: &impl prost::Message, at: Timestamp) -> Self {
        Self { event: Event::new("case.submitted", tenant, &Uuid::now_v7(), at, message), at }
    }
}

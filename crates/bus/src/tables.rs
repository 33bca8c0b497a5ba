//! The tables of the bus, which stand in the database of every service.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

pub(crate) mod outbox {
    //! Events that wait for the relay: a row for each, or for several of a partition and an entity that were written together.
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "outbox")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub partition: i16,
        pub event_id: Uuid,
        pub kind: String,
        pub tenant: String,
        pub subject: String,
        pub time: DateTime<Utc>,
        pub traceparent: Option<String>,
        /// The data of the one event, or the whole of several, packed as on the wire.
        pub data: Vec<u8>,
        /// How many events it is. Of several, only these columns, the entity, the partition and the first time say anything.
        #[sea_orm(default_value = 1)]
        pub events: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod inbox {
    //! Events that the consumer has seen.
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "inbox")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub event_id: Uuid,
        pub seen_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod kept {
    //! The newest message of each subject that the service keeps a copy of.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "kept")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject: String,
        pub data: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod parked {
    //! Events that failed alone, and those held behind them.
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "parked")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        #[sea_orm(unique)]
        pub event_id: Uuid,
        pub source: String,
        pub kind: String,
        pub tenant: String,
        pub subject: String,
        pub time: DateTime<Utc>,
        pub traceparent: Option<String>,
        pub data: Vec<u8>,
        /// Why it failed; none when it only waits behind another of its subject.
        pub error: Option<String>,
        pub parked_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod consumed {
    //! From how many partitions a consumer takes what it hears, where that was changed.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "consumed")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub consumer: String,
        pub partitions: i16,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

use masar_store::{AddColumns, CreateTables};
use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::ColumnDef;

/// The migrations that the database of every service begins with.
#[must_use]
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let tables = CreateTables {
        name: "m0001_bus",
        tables: |schema| {
            vec![
                schema.create_table_from_entity(outbox::Entity),
                schema.create_table_from_entity(inbox::Entity),
                schema.create_table_from_entity(kept::Entity),
                schema.create_table_from_entity(parked::Entity),
            ]
        },
        indexes: &["CREATE INDEX parked_subject ON parked (subject)"],
        // Rows come and go by the thousand: cleaning up by share alone would come too late.
        postgres: &[
            "ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000)",
        ],
    };
    let packed = AddColumns {
        name: "m0001_outbox_packed",
        table: "outbox",
        columns: || vec![ColumnDef::new(outbox::Column::Events).integer().not_null().default(1).to_owned()],
        then: &[],
    };
    let consumed = CreateTables {
        name: "m0001_consumed",
        tables: |schema| vec![schema.create_table_from_entity(consumed::Entity)],
        indexes: &[],
        postgres: &[],
    };
    vec![Box::new(tables), masar_store::lease_tables(), Box::new(packed), Box::new(consumed)]
}

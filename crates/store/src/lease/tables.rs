//! The tables of leases.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use sea_orm_migration::MigrationTrait;

use crate::CreateTables;

pub(crate) mod leases {
    //! Who holds a shard, and until when.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "leases")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub work: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub shard: i16,
        pub holder: Uuid,
        /// How often it was taken.
        pub epoch: i64,
        /// In milliseconds, as the time is told; 0 when it was given up.
        pub until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod replicas {
    //! Who wants a share.
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "replicas")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub work: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub holder: Uuid,
        /// In milliseconds, as the time is told.
        pub until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) fn migration() -> Box<dyn MigrationTrait> {
    Box::new(CreateTables {
        name: "m0001_leases",
        tables: |schema| {
            vec![
                schema.create_table_from_entity(leases::Entity),
                schema.create_table_from_entity(replicas::Entity),
            ]
        },
        indexes: &[],
        postgres: &[],
    })
}

//! One row a tenant: what it says of itself.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "snapshots")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    /// 0 while the first data is being written.
    pub version: i64,
    /// `RegistryChanged` of `masar.events.v1`.
    pub data: Vec<u8>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

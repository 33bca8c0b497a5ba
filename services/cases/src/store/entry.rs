//! The history of cases: every event, comment and link, in order. Entries are only ever added.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// transition, comment or link.
    pub kind: String,
    pub at: ChronoDateTimeUtc,
    pub actor: String,
    pub action: String,
    pub from_state: String,
    pub to_state: String,
    pub text: String,
    /// The event as the pure core made it, as JSON text; only transitions have one.
    #[sea_orm(column_type = "Text")]
    pub event: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

//! The history of cases: every event, comment and link, in order. Entries are only ever added.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use masar_proto::common::v1::PageRequest;
use masar_store::{Error, Store, page};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

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

/// A page of a case's history, oldest first, and the token of the next.
pub(crate) async fn history(
    store: &Store,
    case: Uuid,
    wanted: &PageRequest,
) -> Result<(Vec<Model>, String), Error> {
    let size = page::size(wanted.size);
    let after = page::decode::<i64>(&wanted.token)?.unwrap_or(0);
    let entries = Entity::find().filter(Column::CaseId.eq(case)).filter(Column::Number.gt(after));
    let entries = entries.order_by_asc(Column::Number).limit(size + 1);
    let mut rows = entries.all(store.reader()).await?;
    let next = page::cut(&mut rows, size, |row| row.number)?;
    Ok((rows, next))
}

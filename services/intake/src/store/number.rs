//! The last reference number of each tenant and year.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use masar_store::{Error, Transaction};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ExprTrait};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "numbers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub year: i16,
    pub last: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Takes so many numbers and returns the first of them.
pub(crate) async fn take(tx: &Transaction, tenant: &str, year: i16, count: i64) -> Result<i64, Error> {
    let row = ActiveModel { tenant: Set(tenant.to_owned()), year: Set(year), last: Set(count) };
    let add = Expr::col((Entity, Column::Last)).add(count);
    let conflict = OnConflict::columns([Column::Tenant, Column::Year]).value(Column::Last, add).to_owned();
    let row = Entity::insert(row).on_conflict(conflict).exec_with_returning(tx).await?;
    Ok(row.last - count + 1)
}

//! Marks whose case is not known yet: sla was faster than cases.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeSet;

use masar_store::insert_all;
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue::Set, ConnectionTrait, QueryOrder};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waiting")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub case_id: Uuid,
    /// `ClockMarked` in protobuf.
    pub data: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Keeps marks, in their order, until their case arrives.
pub(crate) async fn keep<C: ConnectionTrait>(
    tx: &C,
    marks: Vec<(Uuid, Vec<u8>)>,
) -> Result<(), masar_store::Error> {
    let row =
        |(case_id, data)| ActiveModel { id: Set(Uuid::now_v7()), case_id: Set(case_id), data: Set(data) };
    insert_all(tx, marks.into_iter().map(row).collect()).await
}

/// Takes the marks of cases that have arrived out of the table, oldest first.
pub(crate) async fn take<C: ConnectionTrait>(tx: &C, cases: BTreeSet<Uuid>) -> Result<Vec<Model>, DbErr> {
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    let of_cases = Column::CaseId.is_in(cases);
    let rows = Entity::find().filter(of_cases.clone()).order_by_asc(Column::Id).all(tx).await?;
    if !rows.is_empty() {
        Entity::delete_many().filter(of_cases).exec(tx).await?;
    }
    Ok(rows)
}

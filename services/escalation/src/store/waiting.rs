//! Marks whose case is not known yet: sla was faster than cases.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeSet;

use masar_store::{Error, Transaction, insert_all, padded};
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;

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
pub(crate) async fn keep(tx: &Transaction, marks: Vec<(Uuid, Vec<u8>)>) -> Result<(), Error> {
    let row = |(case_id, data)| Model { id: Uuid::now_v7(), case_id, data };
    insert_all(tx, marks.into_iter().map(row).collect()).await
}

/// Takes the marks of cases that have arrived out of the table, oldest first.
pub(crate) async fn take(tx: &Transaction, cases: BTreeSet<Uuid>) -> Result<Vec<Model>, Error> {
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    let of_cases = Column::CaseId.is_in(padded(cases));
    let rows = Entity::find().filter(of_cases.clone()).order_by_asc(Column::Id).all(tx).await?;
    if !rows.is_empty() {
        Entity::delete_many().filter(of_cases).exec(tx).await?;
    }
    Ok(rows)
}

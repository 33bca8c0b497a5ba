//! Messages that were told before we heard of the clock that waits for them: notify was faster than cases.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeSet;

use masar_store::insert_all;
use sea_orm::entity::prelude::*;
use sea_orm::{ConnectionTrait, IntoActiveModel};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "told")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub template: String,
    /// When the case asked for it: a clock that starts later waits for another.
    pub asked_at: ChronoDateTimeUtc,
    pub at: ChronoDateTimeUtc,
    /// What the ledger of the clock will say.
    #[sea_orm(column_type = "Text")]
    pub reason: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Takes the messages of cases out of the table.
pub(crate) async fn take<C: ConnectionTrait>(tx: &C, cases: &BTreeSet<Uuid>) -> Result<Vec<Model>, DbErr> {
    let of_cases = Column::CaseId.is_in(cases.iter().copied());
    let rows = Entity::find().filter(of_cases.clone()).all(tx).await?;
    if !rows.is_empty() {
        Entity::delete_many().filter(of_cases).exec(tx).await?;
    }
    Ok(rows)
}

/// Keeps messages for which no clock waits yet.
pub(crate) async fn keep<C: ConnectionTrait>(tx: &C, told: Vec<Model>) -> Result<(), masar_store::Error> {
    insert_all(tx, told.into_iter().map(IntoActiveModel::into_active_model).collect()).await
}

//! Links between cases; each stands once for either side.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use masar_store::{Error, Store, Transaction, insert_new};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "links")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub link: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub other_id: Uuid,
    pub other_reference: String,
    /// The entity of the other case; empty where it is that of the case.
    pub other_tenant: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// The links of a case.
pub(crate) async fn of(store: &Store, case: Uuid) -> Result<Vec<Model>, Error> {
    Ok(Entity::find().filter(Column::CaseId.eq(case)).all(store.reader()).await?)
}

/// Links cases; those that are linked so already stay as they are.
pub(crate) async fn add(tx: &Transaction, links: Vec<Model>) -> Result<(), Error> {
    insert_new(tx, links, [Column::CaseId, Column::Link, Column::OtherId]).await.map(drop)
}

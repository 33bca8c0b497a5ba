//! Which case is whose child: so that the clocks of what departments and providers were asked stand beside those of the case.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use masar_store::{Error, Store, Transaction, insert_new};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "children")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub child_case_id: Uuid,
    pub case_id: Uuid,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Keeps children that are not known yet.
pub(crate) async fn keep(tx: &Transaction, children: Vec<Model>) -> Result<(), Error> {
    if !children.is_empty() {
        insert_new(tx, children, [Column::ChildCaseId]).await?;
    }
    Ok(())
}

/// The ids of the children of a case.
pub(crate) async fn of_case(store: &Store, case: Uuid) -> Result<Vec<Uuid>, Error> {
    let ids = Entity::find().select_only().column(Column::ChildCaseId).filter(Column::CaseId.eq(case));
    Ok(ids.into_tuple().all(store.reader()).await?)
}

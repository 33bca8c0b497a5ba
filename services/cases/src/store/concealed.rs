//! Concealed links: which case lodged another that nobody finds to be its child (CMP-07). They stand apart from the links that
//! people read, and no event tells of them.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::{BTreeSet, HashMap};

use masar_store::{Error, Store, Transaction, padded};
use sea_orm::Condition;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "concealed_links")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub child_id: Uuid,
    pub tenant: String,
    /// The case that lodged it.
    pub case_id: Uuid,
    pub link: String,
    /// Who lodged it.
    pub lodged_by: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// The links of cases to those that lodged them, and of these to those that lodged them, by the id of the child.
pub(crate) async fn above(
    tx: &Transaction,
    mut children: BTreeSet<Uuid>,
) -> Result<HashMap<Uuid, Model>, Error> {
    let mut known = HashMap::new();
    while !children.is_empty() {
        let found = Entity::find().filter(Column::ChildId.is_in(padded(children))).all(tx).await?;
        children = found.iter().map(|link| link.case_id).filter(|case| !known.contains_key(case)).collect();
        known.extend(found.into_iter().map(|link| (link.child_id, link)));
    }
    Ok(known)
}

/// The concealed links of a case, whichever end of them it is.
pub(crate) async fn of(store: &Store, case: Uuid) -> Result<Vec<Model>, Error> {
    let ends = Condition::any().add(Column::ChildId.eq(case)).add(Column::CaseId.eq(case));
    Ok(Entity::find().filter(ends).all(store.reader()).await?)
}

//! The fold of a case's events, apart from its row: lists, and what other services say of a case, never read it.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::{BTreeSet, HashMap};

use masar_store::padded;
use masar_workflow::Case;
use sea_orm::ConnectionTrait;
use sea_orm::entity::prelude::*;

use crate::app::Error;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "folds")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    /// The case as the pure core knows it, as JSON text: only the pure core looks into it.
    #[sea_orm(column_type = "Text")]
    pub fold: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Cases as the pure core knows them.
pub(crate) async fn read<C: ConnectionTrait>(
    db: &C,
    ids: BTreeSet<Uuid>,
) -> Result<HashMap<Uuid, Case>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = Entity::find().filter(Column::CaseId.is_in(padded(ids))).all(db).await;
    let found = found.map_err(masar_store::Error::from)?;
    found.into_iter().map(|row| Ok((row.case_id, serde_json::from_str(&row.fold)?))).collect()
}

/// The rows of cases to be written.
pub(crate) fn rows<'a>(cases: impl Iterator<Item = &'a Case>) -> Result<Vec<Model>, serde_json::Error> {
    cases.map(|case| Ok(Model { case_id: case.id.0, fold: serde_json::to_string(case)? })).collect()
}

//! Cases as the cases service last said. A row without a snapshot stands for a case of which only marks were heard.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeSet;

use masar_proto::events::v1::CaseSnapshot;
use masar_store::{Store, Transaction, insert_new, padded};
use prost::Message;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

use crate::app::Error;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cases")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The version of the snapshot; cases count from 1.
    pub version: i64,
    /// `CaseSnapshot` in protobuf.
    pub snapshot: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The case, if it was heard of.
    pub(crate) fn case(&self) -> Result<Option<CaseSnapshot>, Error> {
        let case = self.snapshot.as_deref().map(CaseSnapshot::decode).transpose();
        case.map_err(|error| Error::Text(format!("the stored case {} cannot be read: {error}", self.id)))
    }
}

/// A case as it was last heard of, if it was.
pub(crate) async fn find(store: &Store, id: Uuid) -> Result<Option<CaseSnapshot>, Error> {
    let row = Entity::find_by_id(id).one(store.reader()).await.map_err(masar_store::Error::from)?;
    Ok(row.as_ref().map(Model::case).transpose()?.flatten())
}

/// The rows of cases, made where there are none, and locked in the order of their ids: whatever happens to a case
/// happens after what others do to it, even before it is known.
pub(crate) async fn hold(tx: &Transaction, ids: &BTreeSet<Uuid>) -> Result<Vec<Model>, masar_store::Error> {
    let row = |id: &Uuid| Model { id: *id, version: 0, snapshot: None };
    insert_new(tx, ids.iter().map(row).collect(), [Column::Id]).await?;
    let rows = Entity::find().filter(Column::Id.is_in(padded(ids.iter().copied())));
    Ok(rows.order_by_asc(Column::Id).lock_exclusive().all(tx).await?)
}

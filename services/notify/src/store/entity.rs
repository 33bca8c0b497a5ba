//! The people and the label of each entity: its reference data as the registry last said.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::{BTreeSet, HashMap};

use masar_bus::Error as BusError;
use masar_proto::events::v1::RegistryChanged;
use prost::Message;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entities")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    pub version: i64,
    /// `RegistryChanged` in protobuf.
    pub data: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Keeps what the registry says of an entity.
pub(crate) async fn keep<C: ConnectionTrait>(tx: &C, changed: &RegistryChanged) -> Result<(), DbErr> {
    let row = ActiveModel {
        tenant: Set(changed.tenant.clone()),
        version: Set(changed.version.cast_signed()),
        data: Set(changed.encode_to_vec()),
    };
    let conflict =
        OnConflict::column(Column::Tenant).update_columns([Column::Version, Column::Data]).to_owned();
    Entity::insert(row).on_conflict(conflict).exec_without_returning(tx).await?;
    Ok(())
}

/// What is known of some entities, by tenant. Read in the transaction: every replica tells the same people.
pub(crate) async fn of<C: ConnectionTrait>(
    tx: &C,
    tenants: BTreeSet<String>,
) -> Result<HashMap<String, RegistryChanged>, BusError> {
    if tenants.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = Entity::find().filter(Column::Tenant.is_in(tenants)).all(tx).await?;
    let read = |row: Model| {
        let data = RegistryChanged::decode(row.data.as_slice());
        let data = data.map_err(|error| BusError::Unusable(format!("the entity {}: {error}", row.tenant)))?;
        Ok((row.tenant, data))
    };
    rows.into_iter().map(read).collect()
}

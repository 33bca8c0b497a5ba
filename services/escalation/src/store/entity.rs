//! The people of entities as the registry last said.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::{BTreeSet, HashMap};

use masar_proto::events::v1::{Person, RegistryChanged};
use prost::Message;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait};

use crate::app::Error;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entities")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    pub version: i64,
    /// `RegistryChanged` in protobuf: of it only who holds which role where, and who is absent.
    pub data: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Takes over the people of an entity.
pub(crate) async fn save<C: ConnectionTrait>(tx: &C, changed: RegistryChanged) -> Result<(), DbErr> {
    let needed = |person: Person| Person {
        id: person.id,
        department: person.department,
        roles: person.roles,
        absent: person.absent,
        ..Person::default()
    };
    let people = changed.people.into_iter().map(needed).collect();
    let kept = RegistryChanged { people, ..RegistryChanged::default() };
    let row = ActiveModel {
        tenant: Set(changed.tenant),
        version: Set(changed.version.cast_signed()),
        data: Set(kept.encode_to_vec()),
    };
    let conflict =
        OnConflict::column(Column::Tenant).update_columns([Column::Version, Column::Data]).to_owned();
    Entity::insert(row).on_conflict(conflict).exec_without_returning(tx).await?;
    Ok(())
}

/// The people of entities, by tenant.
pub(crate) async fn people<C: ConnectionTrait>(
    tx: &C,
    tenants: impl Iterator<Item = &str>,
) -> Result<HashMap<String, Vec<Person>>, Error> {
    let tenants: BTreeSet<&str> = tenants.collect();
    let rows = Entity::find().filter(Column::Tenant.is_in(tenants)).all(tx).await?;
    let people = |row: Model| match RegistryChanged::decode(row.data.as_slice()) {
        Ok(kept) => Ok((row.tenant, kept.people)),
        Err(error) => {
            Err(Error::Text(format!("the stored people of {} cannot be read: {error}", row.tenant)))
        }
    };
    rows.into_iter().map(people).collect()
}

//! Webhooks: where other systems hear what happens, and the secret that signs what they hear.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeSet;

use masar_store::{Error, Store, Transaction};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{IntoActiveModel, QueryOrder};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhooks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: String,
    #[sea_orm(column_type = "Text")]
    pub url: String,
    /// The event types it hears, separated by blanks; empty: all.
    #[sea_orm(column_type = "Text")]
    pub events: String,
    /// `whsec_` and the key in base64: it has to be kept, because it signs.
    pub secret: String,
    pub created_at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// True when it wants to hear events of this type.
    pub(crate) fn hears(&self, kind: &str) -> bool {
        self.events.is_empty() || self.events.split(' ').any(|event| event == kind)
    }
}

/// The webhooks of some tenants.
pub(crate) async fn of(tx: &Transaction, tenants: BTreeSet<&str>) -> Result<Vec<Model>, Error> {
    Ok(Entity::find().filter(Column::Tenant.is_in(tenants)).all(tx).await?)
}

/// The webhooks of a tenant, oldest first.
pub(crate) async fn list(store: &Store, tenant: &str) -> Result<Vec<Model>, Error> {
    let webhooks = Entity::find().filter(Column::Tenant.eq(tenant)).order_by_asc(Column::Id);
    Ok(webhooks.all(store.reader()).await?)
}

/// A webhook of the tenant, as it is now.
pub(crate) async fn find(store: &Store, tenant: &str, id: Uuid) -> Result<Option<Model>, Error> {
    Ok(Entity::find_by_id(id).filter(Column::Tenant.eq(tenant)).one(store.reader()).await?)
}

/// Deletes a webhook of the tenant. False when there was none.
pub(crate) async fn delete(tx: &Transaction, tenant: &str, id: Uuid) -> Result<bool, Error> {
    let delete = Entity::delete_many().filter(Column::Id.eq(id)).filter(Column::Tenant.eq(tenant));
    Ok(delete.exec(tx).await?.rows_affected > 0)
}

/// Registers a webhook. One that the tenant has for the same address keeps its id, and hears what the new one says.
pub(crate) async fn put(tx: &Transaction, webhook: Model) -> Result<Model, Error> {
    let conflict = OnConflict::columns([Column::Tenant, Column::Url])
        .update_columns([Column::Events, Column::Secret])
        .to_owned();
    let put = Entity::insert(webhook.into_active_model()).on_conflict(conflict);
    Ok(put.exec_with_returning(tx).await?)
}

//! Webhooks: where other systems hear what happens, and the secret that signs what they hear.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeSet;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ConnectionTrait, IntoActiveModel};

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
pub(crate) async fn of<C: ConnectionTrait>(tx: &C, tenants: BTreeSet<&str>) -> Result<Vec<Model>, DbErr> {
    Entity::find().filter(Column::Tenant.is_in(tenants)).all(tx).await
}

/// Registers a webhook. One that the tenant has for the same address keeps its id, and hears what the new one says.
pub(crate) async fn put<C: ConnectionTrait>(tx: &C, webhook: Model) -> Result<Model, DbErr> {
    let conflict = OnConflict::columns([Column::Tenant, Column::Url])
        .update_columns([Column::Events, Column::Secret])
        .to_owned();
    let row = webhook.into_active_model().reset_all();
    Entity::insert(row).on_conflict(conflict).exec_with_returning(tx).await
}

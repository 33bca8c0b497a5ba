//! Escalations: every level that fired, and who has taken notice.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::HashMap;

use masar_store::{Error, Store, Transaction, insert_all, padded};
use sea_orm::entity::prelude::*;
use sea_orm::{ConnectionTrait, FromJsonQueryResult, QuerySelect};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "escalations")]
pub struct Model {
    /// Version 7, so that the newest id is the newest escalation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: String,
    pub case_id: Uuid,
    pub reference: String,
    pub clock: String,
    /// Counts the runs of the clock on its case (T13).
    pub run: i32,
    pub level: String,
    pub mark: String,
    /// The template in which they are told; empty for that of what is due or late.
    pub template: String,
    /// Who was told.
    #[sea_orm(column_type = "JsonBinary")]
    pub people: Words,
    /// The roles that nobody held.
    #[sea_orm(column_type = "JsonBinary")]
    pub vacant: Words,
    #[sea_orm(column_type = "JsonBinary")]
    pub actions: Words,
    pub raised_at: ChronoDateTimeUtc,
    pub due_at: Option<ChronoDateTimeUtc>,
    /// Empty while nobody has taken notice.
    pub acknowledged_by: String,
    pub acknowledged_at: Option<ChronoDateTimeUtc>,
    /// What whoever took notice will do.
    pub reason: String,
    /// Those who hold the roles that nobody present held.
    #[sea_orm(column_type = "JsonBinary")]
    pub absent: Words,
    /// True when only the safety net was left to tell.
    pub safety_net: bool,
    /// How often it was told.
    pub told: i32,
    /// When it was told last; unset by the release before, which tells once.
    pub told_at: Option<ChronoDateTimeUtc>,
}

impl Model {
    /// What it is the only one of.
    pub(crate) fn once(&self) -> Once {
        (self.case_id, self.clock.clone(), self.run, self.level.clone())
    }
}

/// Words in one column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Words(pub Vec<String>);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// What happens once: a level, by case, clock and run.
pub(crate) type Once = (Uuid, String, i32, String);

/// The levels of cases that have fired.
pub(crate) async fn of_cases(
    connection: &impl ConnectionTrait,
    cases: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Once, Model>, Error> {
    let levels = Entity::find().filter(Column::CaseId.is_in(padded(cases)));
    Ok(levels.all(connection).await?.into_iter().map(|row| (row.once(), row)).collect())
}

/// Writes new escalations.
pub(crate) async fn insert<C: ConnectionTrait>(tx: &C, rows: Vec<Model>) -> Result<(), Error> {
    insert_all(tx, rows).await
}

/// The case of an escalation of the tenant.
pub(crate) async fn case_of(store: &Store, tenant: &str, id: Uuid) -> Result<Option<Uuid>, Error> {
    let row = Entity::find_by_id(id).filter(Column::Tenant.eq(tenant)).select_only().column(Column::CaseId);
    Ok(row.into_tuple().one(store.reader()).await?)
}

/// An escalation of the tenant, locked.
pub(crate) async fn lock(tx: &Transaction, tenant: &str, id: Uuid) -> Result<Option<Model>, Error> {
    Ok(Entity::find_by_id(id).filter(Column::Tenant.eq(tenant)).lock_exclusive().one(tx).await?)
}

/// Writes an escalation as it is now.
pub(crate) async fn update(tx: &Transaction, row: Model) -> Result<(), Error> {
    ActiveModel::from(row).reset_all().update(tx).await?;
    Ok(())
}

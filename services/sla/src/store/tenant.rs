//! The entities that have timers: asked each second, so that nobody must look for them among the timers themselves.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeSet;

use masar_store::{Error, Store, Transaction, insert_new};
use sea_orm::ConnectionTrait;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "timer_tenants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Those of all timers that are set: a few steps in their index for each.
const OF_TIMERS: &str = "
    INSERT INTO timer_tenants (tenant)
    WITH RECURSIVE tenants (tenant) AS (
      SELECT MIN(tenant) FROM clocks WHERE next_at IS NOT NULL
      UNION ALL
      SELECT (SELECT MIN(later.tenant) FROM clocks AS later
        WHERE later.next_at IS NOT NULL AND later.tenant > tenants.tenant)
      FROM tenants WHERE tenants.tenant IS NOT NULL)
    SELECT tenant FROM tenants WHERE tenant IS NOT NULL ON CONFLICT DO NOTHING";

/// Takes in those of whom the release before has set timers.
pub(crate) async fn find(store: &Store) -> Result<(), Error> {
    let tx = store.begin().await?;
    tx.execute_unprepared(OF_TIMERS).await?;
    Ok(tx.commit().await?)
}

/// Adds some who may be there already.
pub(crate) async fn add(tx: &Transaction, tenants: BTreeSet<String>) -> Result<(), Error> {
    let rows = tenants.into_iter().map(|tenant| Model { tenant }).collect();
    insert_new::<_, ActiveModel, _, _>(tx, rows, [Column::Tenant]).await?;
    Ok(())
}

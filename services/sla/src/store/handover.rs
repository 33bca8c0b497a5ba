//! When a case was handed to another person or queue, as long as that may still be part of a burst.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use masar_store::time::to_db;
use masar_store::{Error, Transaction, insert_new, padded};
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "handovers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    /// The version of the task that came with it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    pub at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Four open hours with the longest holidays between them.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Keeps handovers, and gives all of their cases that may still be part of a burst, oldest first.
pub(crate) async fn keep(
    tx: &Transaction,
    handovers: Vec<Model>,
    now: Timestamp,
) -> Result<Vec<Model>, Error> {
    let cases: BTreeSet<Uuid> = handovers.iter().map(|handover| handover.case_id).collect();
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    insert_new(tx, handovers, [Column::CaseId, Column::Version]).await?;
    let of_cases = Column::CaseId.is_in(padded(cases));
    let forgotten = to_db(now.saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN));
    Entity::delete_many().filter(of_cases.clone()).filter(Column::At.lt(forgotten)).exec(tx).await?;
    Ok(Entity::find().filter(of_cases).order_by_asc(Column::CaseId).order_by_asc(Column::At).all(tx).await?)
}

//! Messages that were told before we heard of the clock that waits for them: notify was faster than cases.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use masar_store::time::to_db;
use masar_store::{Error, Transaction, insert_all, padded};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "told")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub template: String,
    /// When the case asked for it: a clock that starts later waits for another.
    pub asked_at: ChronoDateTimeUtc,
    pub at: ChronoDateTimeUtc,
    /// When we heard of it.
    pub heard_at: ChronoDateTimeUtc,
    /// What the ledger of the clock will say.
    #[sea_orm(column_type = "Text")]
    pub reason: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// How long a message waits for its clock: as long as the bus remembers what it has brought.
const PATIENCE: SignedDuration = SignedDuration::from_hours(72);

/// Takes the messages of cases out of the table, and gives those that may still find their clock.
pub(crate) async fn take(
    tx: &Transaction,
    cases: &BTreeSet<Uuid>,
    now: Timestamp,
) -> Result<Vec<Model>, Error> {
    let of_cases = Column::CaseId.is_in(padded(cases.iter().copied()));
    let mut rows = Entity::find().filter(of_cases.clone()).all(tx).await?;
    if !rows.is_empty() {
        Entity::delete_many().filter(of_cases).exec(tx).await?;
    }
    rows.retain(|told| told.heard_at >= oldest(now));
    Ok(rows)
}

/// Keeps messages for which no clock waits yet. What has waited in vain gives way to them.
pub(crate) async fn keep(tx: &Transaction, told: Vec<Model>, now: Timestamp) -> Result<(), Error> {
    if told.is_empty() {
        return Ok(());
    }
    Entity::delete_many().filter(Column::HeardAt.lt(oldest(now))).exec(tx).await?;
    insert_all(tx, told).await
}

/// When the oldest message that may still find its clock was heard of.
fn oldest(now: Timestamp) -> ChronoDateTimeUtc {
    to_db(now.saturating_sub(PATIENCE).unwrap_or(Timestamp::MIN))
}

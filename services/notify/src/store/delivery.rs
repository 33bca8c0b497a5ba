//! Deliveries: what is sent to whom, and what became of it. The list is the log, and the worker's work.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use jiff::Timestamp;
use masar_store::time::to_db;
use masar_store::{Error, Store, Transaction, insert_new};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ActiveModelTrait, ActiveValue, ExprTrait, IntoActiveModel, QueryOrder, QuerySelect};

/// The channel of mail.
pub(crate) const EMAIL: &str = "email";
/// The channel of webhooks.
pub(crate) const WEBHOOK: &str = "webhook";

/// Will be attempted, perhaps again.
pub(crate) const PENDING: &str = "pending";
/// The other side has taken it.
pub(crate) const DELIVERED: &str = "delivered";
/// Given up, or never put into words; `last_error` says why.
pub(crate) const FAILED: &str = "failed";
/// We have no way to that recipient: no address, or a channel that is not ours. Never attempted.
pub(crate) const NOT_DELIVERABLE: &str = "not_deliverable";
/// Every status.
pub(crate) const STATUSES: [&str; 4] = [PENDING, DELIVERED, FAILED, NOT_DELIVERABLE];

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    /// Follows from the event, the recipient and the channel: the idempotency key of all attempts.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: String,
    pub case_id: Uuid,
    pub reference: String,
    /// Name of the template; of a webhook, the event type.
    pub template: String,
    /// `email` or `webhook`; of what cannot be delivered, how the customer wanted to hear.
    pub channel: String,
    /// The address; of what cannot be delivered, who was meant.
    #[sea_orm(column_type = "Text")]
    pub recipient: String,
    pub language: String,
    #[sea_orm(column_type = "Text")]
    pub subject: String,
    #[sea_orm(column_type = "Text")]
    pub body: String,
    pub webhook_id: Option<Uuid>,
    pub status: String,
    /// Attempts begun.
    pub attempts: i32,
    #[sea_orm(column_type = "Text")]
    pub last_error: String,
    pub created_at: ChronoDateTimeUtc,
    pub delivered_at: Option<ChronoDateTimeUtc>,
    /// When it is attempted next; while an attempt is under way, when it is taken for lost.
    pub next_attempt_at: Option<ChronoDateTimeUtc>,
    /// When the case asked for it, if a clock waits for it.
    pub awaited_since: Option<ChronoDateTimeUtc>,
    /// The attempt under way: only whoever holds it says what became of it.
    pub lease: Option<Uuid>,
    /// The end of the quiet hours for which it waits, or has waited.
    pub held_until: Option<ChronoDateTimeUtc>,
}

impl Model {
    /// Since when it may be attempted.
    pub(crate) fn since(&self) -> ChronoDateTimeUtc {
        self.held_until.unwrap_or(self.created_at)
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Writes deliveries and returns those that were not there yet.
pub(crate) async fn insert(tx: &Transaction, deliveries: Vec<Model>) -> Result<Vec<Model>, Error> {
    insert_new(tx, deliveries, [Column::Id]).await
}

/// What waits in a channel, the next first, besides what the caller has under way.
fn waiting(channel: &str, under_way: impl IntoIterator<Item = Uuid>) -> Select<Entity> {
    Entity::find()
        .filter(Column::Channel.eq(channel))
        .filter(Column::NextAttemptAt.is_not_null())
        .filter(Column::Id.is_not_in(under_way))
        .order_by_asc(Column::NextAttemptAt)
        .order_by_asc(Column::Id)
}

/// When a channel has something to do next; none while nothing waits.
pub(crate) async fn next_due(
    store: &Store,
    channel: &str,
    under_way: impl IntoIterator<Item = Uuid>,
) -> Result<Option<ChronoDateTimeUtc>, Error> {
    let next = waiting(channel, under_way).select_only().column(Column::NextAttemptAt);
    Ok(next.into_tuple().one(store.reader()).await?)
}

/// Takes deliveries that are due. Until `until` nobody else takes them; then they come back.
pub(crate) async fn claim(
    store: &Store,
    channel: &str,
    under_way: impl IntoIterator<Item = Uuid>,
    (now, until): (Timestamp, Timestamp),
    most: u64,
) -> Result<Vec<Model>, Error> {
    let tx = store.begin().await?;
    let due = waiting(channel, under_way)
        .filter(Column::NextAttemptAt.lte(to_db(now)))
        .limit(most)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(&tx)
        .await?;
    let lease = Uuid::now_v7();
    Entity::update_many()
        .col_expr(Column::Lease, Expr::value(lease))
        .col_expr(Column::NextAttemptAt, Expr::value(to_db(until)))
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .filter(Column::Id.is_in(due.iter().map(|delivery| delivery.id)))
        .exec(&tx)
        .await?;
    tx.commit().await?;
    let taken = |delivery: Model| Model { lease: Some(lease), attempts: delivery.attempts + 1, ..delivery };
    Ok(due.into_iter().map(taken).collect())
}

/// Writes what became of an attempt. False when it was taken for lost meanwhile: then another attempt counts.
pub(crate) async fn settle(tx: &Transaction, lease: Uuid, settled: Model) -> Result<bool, Error> {
    let id = settled.id;
    let row = ActiveModel { id: ActiveValue::NotSet, ..settled.into_active_model().reset_all() };
    let update = Entity::update_many().set(row).filter(Column::Id.eq(id)).filter(Column::Lease.eq(lease));
    Ok(update.exec(tx).await?.rows_affected == 1)
}

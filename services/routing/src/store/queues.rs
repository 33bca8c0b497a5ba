//! Queues with their counts, from the tasks that are open.

use masar_store::{Error, Store};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use sea_orm::{ExprTrait, FromQueryResult, QueryOrder, QuerySelect, QueryTrait};

use super::task::{Column, Entity, is_open};

/// What is in a queue.
#[derive(Debug, Clone, Default, FromQueryResult)]
pub(crate) struct Counts {
    pub(crate) queue: String,
    pub(crate) tasks: i64,
    pub(crate) waiting: i64,
    pub(crate) breached: i64,
    pub(crate) oldest: Option<ChronoDateTimeUtc>,
    pub(crate) next_due: Option<ChronoDateTimeUtc>,
}

/// The queues of the tenant that have open tasks: one of them, or all.
pub(crate) async fn counts(store: &Store, tenant: &str, one: Option<&str>) -> Result<Vec<Counts>, Error> {
    let one_if = |condition: Expr| Expr::expr(Expr::case(condition, 1).finally(0));
    let counts = Entity::find()
        .select_only()
        .column(Column::Queue)
        .column_as(Column::CaseId.count(), "tasks")
        .column_as(one_if(Column::Assignee.eq("")).sum().cast_as("bigint"), "waiting")
        .column_as(one_if(Column::Breached.eq(true)).sum().cast_as("bigint"), "breached")
        .column_as(Column::QueuedAt.min(), "oldest")
        .column_as(Column::DueAt.min(), "next_due")
        .apply_if(one, |counts, queue| counts.filter(Column::Queue.eq(queue)))
        .filter(Column::Tenant.eq(tenant))
        .filter(is_open())
        .group_by(Column::Queue)
        .order_by_asc(Column::Queue)
        .into_model();
    Ok(counts.all(store.reader()).await?)
}

//! Tasks: one for each case that needs somebody.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use masar_domain::CaseKey;
use masar_store::{Error, Store, Transaction, padded};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, LockBehavior, LockType};
use sea_orm::{QueryOrder, QuerySelect};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tasks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    pub tenant: String,
    pub reference: String,
    pub case_type: String,
    pub package: String,
    pub package_version: String,
    pub queue: String,
    /// Empty while the task waits.
    pub assignee: String,
    pub department: String,
    pub state: String,
    pub importance: String,
    pub service: String,
    pub classification: String,
    pub subject_ar: String,
    pub subject_en: String,
    pub queued_at: ChronoDateTimeUtc,
    pub claimed_at: Option<ChronoDateTimeUtc>,
    pub due_at: Option<ChronoDateTimeUtc>,
    pub breached: bool,
    pub bounces: i32,
    /// The rule that put it into its queue.
    pub reason: String,
    pub version: i64,
    pub open: bool,
    /// What comes first: the due time in microseconds, or the time of queueing in a century for tasks without one.
    pub urgency: i64,
    /// What the routing rules read of the case.
    #[sea_orm(column_type = "JsonBinary")]
    pub facts: Json,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// A hundred years in microseconds.
const LATER: i64 = 3_155_760_000_000_000;

impl Model {
    /// Puts the task in its place among others.
    pub(crate) fn rank(&mut self) {
        let queued = self.queued_at.timestamp_micros().saturating_add(LATER);
        self.urgency = self.due_at.map_or(queued, |due| due.timestamp_micros());
    }
}

/// That a task is open, in the words of the indexes of open tasks: with a parameter in their place SQLite reads every task.
pub(crate) fn is_open() -> Expr {
    Expr::col((Entity, Column::Open))
}

/// The task of a case of the tenant.
pub(crate) async fn find(store: &Store, tenant: &str, case: &CaseKey) -> Result<Option<Model>, Error> {
    let by = match case {
        CaseKey::Id(id) => Column::CaseId.eq(*id),
        CaseKey::Reference(reference) => Column::Reference.eq(reference.to_string()),
    };
    Ok(Entity::find().filter(Column::Tenant.eq(tenant)).filter(by).one(store.reader()).await?)
}

/// The tasks of cases, locked in the order of their ids so that no two writers wait for each other.
pub(crate) async fn lock(
    tx: &Transaction,
    cases: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<Model>, Error> {
    let rows = Entity::find().filter(Column::CaseId.is_in(padded(cases)));
    Ok(rows.order_by_asc(Column::CaseId).lock_exclusive().all(tx).await?)
}

/// The most urgent tasks that wait in a queue, and that no other writer is about to claim; locked.
pub(crate) async fn lock_waiting(
    tx: &Transaction,
    tenant: &str,
    queue: &str,
    count: u64,
) -> Result<Vec<Model>, Error> {
    let rows = Entity::find()
        .filter(Column::Tenant.eq(tenant))
        .filter(Column::Queue.eq(queue))
        .filter(Column::Assignee.eq(""))
        .filter(is_open())
        .order_by_asc(Column::Urgency)
        .order_by_asc(Column::CaseId)
        .limit(count)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    Ok(rows.all(tx).await?)
}

#[cfg(test)]
mod tests {
    use masar_store::DatabaseUrl;
    use masar_testkit::on_each_database;
    use sea_orm::{DbBackend, QueryTrait, Statement};

    use super::*;
    use crate::store::Migrator;

    #[tokio::test]
    async fn what_waits_in_a_queue_is_found_by_its_index() -> anyhow::Result<()> {
        on_each_database(async |url| {
            let store = Store::connect(&url.parse::<DatabaseUrl>()?, "routing").await?;
            store.migrate::<Migrator>().await?;
            // PostgreSQL reads a table whole as long as it is empty.
            if store.backend() == DbBackend::Postgres {
                return Ok(());
            }
            let waiting =
                Entity::find().filter(Column::Tenant.eq("T")).filter(Column::Queue.eq("q")).filter(is_open());
            let Statement { sql, values, .. } = waiting.order_by_asc(Column::Urgency).build(store.backend());
            let plan =
                Statement { sql: format!("EXPLAIN QUERY PLAN {sql}"), values, db_backend: store.backend() };
            let steps = store.reader().query_all_raw(plan).await?;
            let steps: Vec<String> =
                steps.iter().map(|step| step.try_get("", "detail")).collect::<Result<_, _>>()?;
            assert!(steps.iter().any(|step| step.contains("tasks_queue")), "{steps:?}");
            Ok(())
        })
        .await
    }
}

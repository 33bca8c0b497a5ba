//! Tasks: one for each case that needs somebody.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, Iterable};

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

/// Writes tasks, new ones and changed ones, as they are now.
pub(crate) async fn save<C: ConnectionTrait>(tx: &C, tasks: Vec<Model>) -> Result<(), DbErr> {
    let rows = masar_store::chunk_rows(Column::iter().count());
    let columns = || Column::iter().filter(|column| !matches!(column, Column::CaseId));
    for chunk in tasks.chunks(rows) {
        let models = chunk.iter().map(|task| ActiveModel::from(task.clone()).reset_all());
        let conflict = OnConflict::column(Column::CaseId).update_columns(columns()).to_owned();
        Entity::insert_many(models).on_conflict(conflict).exec_without_returning(tx).await?;
    }
    Ok(())
}

//! What looks like gaming, as it was seen: shown with its case and counted by department, and never judged.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use masar_proto::common::v1::TimeRange;
use masar_proto::time;
use masar_store::time::to_db;
use masar_store::{Error, Store, Transaction, insert_new};
use sea_orm::entity::prelude::*;
use sea_orm::{Condition, QueryOrder, QuerySelect};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "evidence")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub pattern: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub at: ChronoDateTimeUtc,
    /// Of the clock and its run; empty and 0 of what is no clock's.
    #[sea_orm(primary_key, auto_increment = false)]
    pub clock: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub run: i32,
    pub tenant: String,
    /// The department that had the case.
    pub department: String,
    /// `masar_clock::Evidence`, whole.
    #[sea_orm(column_type = "JsonBinary")]
    pub detail: Json,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Keeps what was seen; what is known is not kept again.
pub(crate) async fn keep(tx: &Transaction, seen: Vec<Model>) -> Result<(), Error> {
    if !seen.is_empty() {
        let key = [Column::CaseId, Column::Pattern, Column::At, Column::Clock, Column::Run];
        insert_new(tx, seen, key).await?;
    }
    Ok(())
}

/// What was seen of a case, oldest first.
pub(crate) async fn of_case(store: &Store, case: Uuid) -> Result<Vec<Model>, Error> {
    let seen = Entity::find().filter(Column::CaseId.eq(case)).order_by_asc(Column::At);
    Ok(seen.all(store.reader()).await?)
}

/// How often each pattern was seen with each department in a time.
pub(crate) async fn count(
    store: &Store,
    tenant: &str,
    within: TimeRange,
) -> Result<Vec<(String, String, i64)>, Error> {
    let mut filter = Condition::all().add(Column::Tenant.eq(tenant));
    if let Some(from) = time::from_proto(within.from.as_ref()) {
        filter = filter.add(Column::At.gte(to_db(from)));
    }
    if let Some(to) = time::from_proto(within.to.as_ref()) {
        filter = filter.add(Column::At.lt(to_db(to)));
    }
    let counted = Entity::find()
        .select_only()
        .column(Column::Department)
        .column(Column::Pattern)
        .column_as(Column::CaseId.count(), "times")
        .filter(filter)
        .group_by(Column::Department)
        .group_by(Column::Pattern)
        .order_by_asc(Column::Department)
        .order_by_asc(Column::Pattern);
    Ok(counted.into_tuple().all(store.reader()).await?)
}

//! Clocks: the ledger, which is the truth, and the columns that lists and timers ask for.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use masar_clock::{CalendarRef, Event, Run};
use masar_proto::events::v1::ClockState;
use masar_store::{Error, Store, Transaction, padded};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType};
use sea_orm::{QueryOrder, QuerySelect, Select};
use serde::Deserialize as _;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "clocks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: String,
    pub case_id: Uuid,
    pub reference: String,
    pub clock: String,
    /// Counts the runs of the clock on its case (T13).
    pub run: i32,
    pub kind: String,
    pub phase: String,
    /// For which its target and marks were set.
    pub importance: String,
    pub queue: String,
    pub policy: String,
    pub on_breach: String,
    /// The calendar that the ledger last named, and its version (T7).
    pub calendar: String,
    pub calendar_version: i32,
    pub due_at: ChronoDateTimeUtc,
    /// Never set for a window.
    pub breached_at: Option<ChronoDateTimeUtc>,
    /// The marks that fire, as text.
    #[sea_orm(column_type = "JsonBinary")]
    pub marks: Json,
    /// The templates of the messages that stop it.
    #[sea_orm(column_type = "JsonBinary")]
    pub messages: Json,
    /// Every entry, oldest first; only ever added to.
    #[sea_orm(column_type = "JsonBinary")]
    pub ledger: Json,
    /// How many entries the ledger has.
    pub version: i64,
    pub next_mark: Option<String>,
    /// When the next mark fires: the timer.
    pub next_at: Option<ChronoDateTimeUtc>,
    /// By which replicas divide the timers among them.
    pub shard: i16,
    /// False for cases that were handled elsewhere before: nobody is told.
    pub tells: bool,
    /// True when a warning of its target has fired.
    pub warned: bool,
    /// When it was stopped or cancelled.
    pub ended_at: Option<ChronoDateTimeUtc>,
    /// When the timer was set: of a mark that had passed by then, nobody is late since before.
    pub armed_at: Option<ChronoDateTimeUtc>,
    /// More time that holds once the customer has been told (T9).
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub extension: Option<Json>,
    /// Who promises it and to whom; empty where its package names nobody.
    pub provider: String,
    pub consumer: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// True while it counts or stands still.
    pub(crate) fn is_open(&self) -> bool {
        ClockState::OPEN.contains(&self.phase.as_str())
    }

    /// True when it is nobody's promise.
    pub(crate) fn is_window(&self) -> bool {
        self.kind == ClockState::WINDOW
    }

    /// The calendar that it counts on.
    pub(crate) fn pin(&self) -> CalendarRef {
        CalendarRef { name: self.calendar.clone(), version: self.calendar_version.cast_unsigned() }
    }

    /// When what it promised was done.
    pub(crate) fn stopped_at(&self) -> Option<Timestamp> {
        let last = self.run().ok()?.ledger.pop()?;
        matches!(last.event, Event::Stopped { .. }).then_some(last.at)
    }

    /// The run as the pure core knows it.
    pub(crate) fn run(&self) -> Result<Run, serde_json::Error> {
        Ok(Run {
            ledger: Vec::deserialize(&self.ledger)?,
            marks: Vec::deserialize(&self.marks)?,
            is_window: self.is_window(),
        })
    }
}

/// The clocks of a case of the tenant, by its id or reference, oldest first.
pub(crate) async fn of_case(store: &Store, tenant: &str, case: &str) -> Result<Vec<Model>, Error> {
    let by = match case.parse::<Uuid>() {
        Ok(id) => Column::CaseId.eq(id),
        Err(_) => Column::Reference.eq(case.trim().to_uppercase()),
    };
    let clocks = Entity::find().filter(Column::Tenant.eq(tenant)).filter(by).order_by_asc(Column::Id);
    Ok(clocks.all(store.reader()).await?)
}

/// The clocks of cases, of whatever tenants, oldest first: for whoever may read of each of these cases.
pub(crate) async fn of_cases(store: &Store, cases: Vec<Uuid>) -> Result<Vec<Model>, Error> {
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    let clocks = Entity::find().filter(Column::CaseId.is_in(padded(cases)));
    Ok(clocks.order_by_asc(Column::Id).all(store.reader()).await?)
}

/// The clocks with these ids.
pub(crate) async fn all(store: &Store, ids: impl Iterator<Item = Uuid>) -> Result<Vec<Model>, Error> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(store.reader()).await?)
}

/// The clocks of cases, locked in the order of their ids so that no two writers wait for each other.
pub(crate) async fn lock(tx: &Transaction, cases: BTreeSet<Uuid>) -> Result<Vec<Model>, Error> {
    let clocks = Entity::find().filter(Column::CaseId.is_in(padded(cases))).order_by_asc(Column::Id);
    Ok(clocks.lock_exclusive().all(tx).await?)
}

/// Keeps the queues that cases came to with their clocks that count: one statement for all in the same.
pub(crate) async fn queue(tx: &Transaction, queued: BTreeMap<String, BTreeSet<Uuid>>) -> Result<(), Error> {
    for (queue, cases) in queued.into_iter().filter(|(_, cases)| !cases.is_empty()) {
        let update = Entity::update_many().col_expr(Column::Queue, Expr::value(queue));
        update
            .filter(Column::CaseId.is_in(padded(cases)))
            .filter(Column::Phase.is_in(ClockState::OPEN))
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Clocks that count: word for word the condition of their index, so that looking for those to renew reads no others.
const OPEN: &str = "phase IN ('running', 'paused')";

/// The place of a clock among those that count on older versions of a calendar: as in their index, so that a page of very many
/// costs what a page of few does.
pub(crate) type Behind = (i32, Uuid);

/// Before the newest of them, which come first: their timers fire last, and who looks for the next timer need not pass those that
/// were just moved.
pub(crate) const NEWEST: Behind = (i32::MAX, Uuid::max());

impl Model {
    /// Its place among those that are behind.
    pub(crate) fn behind(&self) -> Behind {
        (self.calendar_version, self.id)
    }
}

/// The open clocks that count on an older version of a calendar, come after one, and are not just being changed, in order;
/// locked.
pub(crate) async fn lock_behind(
    tx: &Transaction,
    tenant: &str,
    calendar: &CalendarRef,
    after: Behind,
    most: u64,
) -> Result<Vec<Model>, Error> {
    let older = older(tenant, calendar, after).limit(most);
    Ok(older.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked).all(tx).await?)
}

/// The same, to be looked at.
pub(crate) async fn behind(
    store: &Store,
    tenant: &str,
    calendar: &CalendarRef,
    after: Behind,
    most: u64,
) -> Result<Vec<Model>, Error> {
    Ok(older(tenant, calendar, after).limit(most).all(store.reader()).await?)
}

/// Open clocks of a tenant between any parties that come after one, in the order of their ids; locked.
pub(crate) async fn lock_between(
    tx: &Transaction,
    tenant: &str,
    clocks: impl Iterator<Item = &str>,
    after: Uuid,
    most: u64,
) -> Result<Vec<Model>, Error> {
    let between = Entity::find()
        .filter(Column::Id.gt(after))
        .filter(Column::Tenant.eq(tenant))
        .filter(Column::Clock.is_in(clocks))
        .filter(Expr::cust(OPEN))
        .filter(Expr::cust("provider <> ''"))
        .order_by_asc(Column::Id);
    Ok(between.limit(most).lock_exclusive().all(tx).await?)
}

fn older(tenant: &str, calendar: &CalendarRef, (version, id): Behind) -> Select<Entity> {
    let place = Expr::tuple([Expr::col(Column::CalendarVersion), Expr::col(Column::Id)]);
    Entity::find()
        .filter(place.lt(Expr::tuple([Expr::value(version), Expr::value(id)])))
        .filter(Column::Tenant.eq(tenant))
        .filter(Column::Calendar.eq(calendar.name.as_str()))
        .filter(Column::CalendarVersion.lt(calendar.version.cast_signed()))
        .filter(Expr::cust(OPEN))
        .order_by_desc(Column::CalendarVersion)
        .order_by_desc(Column::Id)
}

#[cfg(test)]
mod tests {
    use anyhow::Result;
    use masar_store::DatabaseUrl;
    use sea_orm::{ConnectionTrait, DbBackend, QueryTrait, Statement};

    use super::*;
    use crate::store::Migrator;

    #[tokio::test]
    async fn the_clocks_of_an_older_calendar_are_found_by_their_index() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let store = Store::connect(&DatabaseUrl::SqliteFolder(folder.path().to_owned()), crate::NAME).await?;
        store.migrate::<Migrator>().await?;
        let calendar = CalendarRef { name: "qa-gov-default".to_owned(), version: 2 };
        let query = older("DEMO-MUN", &calendar, NEWEST).build(DbBackend::Sqlite).to_string();
        let plan = Statement::from_string(DbBackend::Sqlite, format!("EXPLAIN QUERY PLAN {query}"));
        let steps = store.reader().query_all_raw(plan).await?;
        let steps = steps.iter().map(|step| step.try_get::<String>("", "detail"));
        let steps: Vec<_> = steps.collect::<Result<_, _>>()?;
        assert!(steps.iter().any(|step| step.contains("clocks_calendar")), "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "they are sorted: {steps:?}");
        Ok(())
    }
}

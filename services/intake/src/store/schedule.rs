//! Schedules: what opens cases by itself, and when somebody has to look at it next.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use jiff::Timestamp;
use masar_proto::common::v1::PageRequest;
use masar_store::time::{from_db, to_db};
use masar_store::{Error, Store, Transaction, padded, page, save_all};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{Condition, ConnectionTrait, QueryOrder, QuerySelect};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "schedules")]
pub struct Model {
    /// Whose it is, and which: see `of_entity` and `of_case`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub origin: String,
    pub tenant: String,
    /// The package that says it, and its code there.
    pub package: String,
    pub schedule: String,
    /// The case from which it is counted; none on days of the calendar.
    pub case_id: Option<Uuid>,
    /// The version of the event since which it is counted; 0 on days of the calendar.
    pub run: i64,
    /// The package whose cases it opens, and how they relate to the case.
    pub opens: String,
    pub link: String,
    /// When it comes, as the pure core says it; nothing for one that no package knows.
    pub timing: Json,
    /// True when each that was missed opens a case.
    pub each_missed: bool,
    /// The form of what is counted from a case.
    pub form: Json,
    /// The name of the occurrence that comes next.
    pub occurrence: String,
    /// When that is; nothing while it is not known.
    pub comes_at: Option<ChronoDateTimeUtc>,
    /// When to look at it.
    pub look_at: ChronoDateTimeUtc,
    /// What is in the way.
    #[sea_orm(column_type = "Text")]
    pub problem: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// The key of a schedule on days of the calendar.
pub(crate) fn of_entity(tenant: &str, package: &str, schedule: &str) -> String {
    format!("{tenant}\u{1f}{package}\u{1f}{schedule}")
}

/// The key of a schedule that is counted from a case.
pub(crate) fn of_case(case: Uuid, schedule: &str) -> String {
    format!("{case}\u{1f}{schedule}")
}

/// Those that somebody has to look at by now, the oldest first; locked, as far as nobody is just changing them.
pub(crate) async fn due(tx: &Transaction, now: Timestamp, most: u64) -> Result<Vec<Model>, Error> {
    let due = Entity::find()
        .filter(Column::LookAt.lte(to_db(now)))
        .order_by_asc(Column::LookAt)
        .limit(most)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    Ok(due.all(tx).await?)
}

/// When somebody has to look at one next.
pub(crate) async fn next(store: &Store) -> Result<Option<Timestamp>, Error> {
    let first = Entity::find().order_by_asc(Column::LookAt).limit(1).one(store.reader()).await?;
    Ok(first.map(|row| from_db(row.look_at)))
}

/// All on days of the calendar.
pub(crate) async fn on_days(db: &impl ConnectionTrait) -> Result<Vec<Model>, Error> {
    Ok(Entity::find().filter(Column::CaseId.is_null()).all(db).await?)
}

/// Writes schedules as they are now.
pub(crate) async fn save(tx: &Transaction, rows: Vec<Model>) -> Result<(), Error> {
    save_all::<_, ActiveModel, _>(tx, rows).await
}

/// Takes schedules out: they come no more.
pub(crate) async fn end(tx: &Transaction, origins: Vec<String>) -> Result<(), Error> {
    if !origins.is_empty() {
        Entity::delete_many().filter(Column::Origin.is_in(padded(origins))).exec(tx).await?;
    }
    Ok(())
}

/// A page of the tenant's schedules, those first that come next, and the token of the next page.
pub(crate) async fn list(
    store: &Store,
    tenant: &str,
    wanted: &PageRequest,
) -> Result<(Vec<Model>, String), Error> {
    let size = page::size(wanted.size);
    let mut filter = Condition::all().add(Column::Tenant.eq(tenant));
    if let Some((look, origin)) = page::decode::<(i64, String)>(&wanted.token)? {
        let look = to_db(Timestamp::from_microsecond(look).unwrap_or_default());
        let later = Condition::all().add(Column::LookAt.eq(look)).add(Column::Origin.gt(origin));
        filter = filter.add(Condition::any().add(Column::LookAt.gt(look)).add(later));
    }
    let query = Entity::find().filter(filter).order_by_asc(Column::LookAt).order_by_asc(Column::Origin);
    let mut rows = query.limit(size + 1).all(store.reader()).await?;
    let next = page::cut(&mut rows, size, |row| (row.look_at.timestamp_micros(), row.origin.clone()))?;
    Ok((rows, next))
}

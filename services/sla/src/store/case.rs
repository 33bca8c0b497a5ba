//! Cases as the cases service last said, as far as figures are told apart by them, and those of which no clock lives.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use masar_proto::common::v1::StateCategory;
use masar_proto::events::v1::CaseSnapshot;
use masar_store::time::to_db;
use masar_store::{Error, Store, Transaction, padded, page, save_all};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cases")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: String,
    pub reference: String,
    pub case_type: String,
    /// The version of the case that said so.
    pub version: i64,
    /// Its state.
    pub stage: String,
    pub department: String,
    pub service: String,
    /// Since when somebody must act on it and no clock of it lives; unset while one does, and when nobody must act.
    pub without_clock_since: Option<ChronoDateTimeUtc>,
    /// True when its package starts clocks that may live in its state: then something is wrong where none does.
    pub promised: bool,
}

/// How a case is, as figures are told apart.
pub(crate) struct Standing {
    pub(crate) case: CaseSnapshot,
    /// True when a clock of it lives.
    pub(crate) lives: bool,
    /// True when its package promises something in its state.
    pub(crate) promised: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Takes over cases.
pub(crate) async fn keep(
    tx: &Transaction,
    cases: BTreeMap<Uuid, Standing>,
    now: Timestamp,
) -> Result<(), Error> {
    if cases.is_empty() {
        return Ok(());
    }
    let known = Entity::find().filter(Column::Id.is_in(padded(cases.keys().copied()))).all(tx).await?;
    let known: HashMap<Uuid, Model> = known.into_iter().map(|row| (row.id, row)).collect();
    let row = |(id, Standing { case, lives, promised }): (Uuid, Standing)| {
        let before = known.get(&id);
        let version = case.version.cast_signed();
        // The order on the wire is no authority: the version of the case is.
        if before.is_some_and(|before| before.version >= version) {
            return None;
        }
        let alone = needs_a_clock(&case) && !lives;
        let since = before.and_then(|before| before.without_clock_since).unwrap_or_else(|| to_db(now));
        Some(Model {
            id,
            tenant: case.tenant,
            reference: case.reference,
            case_type: case.case_type,
            version,
            stage: case.state,
            department: case.department,
            service: case.service,
            without_clock_since: alone.then_some(since),
            promised,
        })
    };
    save_all(tx, cases.into_iter().filter_map(row).collect()).await
}

/// The type and the service of cases.
pub(crate) async fn subjects(
    tx: &Transaction,
    cases: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, (String, String)>, Error> {
    let known = Entity::find().filter(Column::Id.is_in(padded(cases))).all(tx).await?;
    Ok(known.into_iter().map(|row| (row.id, (row.case_type, row.service))).collect())
}

/// True while somebody must act on a case. One that was handled elsewhere before concerns nobody here.
fn needs_a_clock(case: &CaseSnapshot) -> bool {
    !case.historical && matches!(case.category(), StateCategory::Open | StateCategory::Waiting)
}

/// A page of the tenant's cases without a live clock, the oldest first, and the token of the next.
pub(crate) async fn without_clock(
    store: &Store,
    tenant: &str,
    size: u32,
    token: &str,
) -> Result<(Vec<Model>, String), Error> {
    let size = page::size(size);
    let mut alone =
        Entity::find().filter(Column::Tenant.eq(tenant)).filter(Column::WithoutClockSince.is_not_null());
    if let Some(after) = page::decode::<Uuid>(token)? {
        alone = alone.filter(Column::Id.gt(after));
    }
    let mut rows = alone.order_by_asc(Column::Id).limit(size + 1).all(store.reader()).await?;
    let next = page::cut(&mut rows, size, |row| row.id)?;
    Ok((rows, next))
}

/// How many cases of each tenant have no live clock, by whether their package promises something in their state; what there is
/// none of is left out.
pub(crate) async fn count_without_clock(store: &Store) -> Result<Vec<(String, bool, i64)>, Error> {
    let alone = Entity::find().filter(Column::WithoutClockSince.is_not_null()).select_only();
    let alone = alone.column(Column::Tenant).column(Column::Promised).column_as(Column::Id.count(), "cases");
    let alone = alone.group_by(Column::Tenant).group_by(Column::Promised);
    Ok(alone.into_tuple().all(store.reader()).await?)
}

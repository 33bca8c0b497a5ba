//! Submissions: what came in, and the key by which it comes in once.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeMap;

use masar_domain::Reference;
use masar_store::time::from_db;
use masar_store::{Error, Store, Transaction, padded};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use sea_orm::{QueryOrder, QuerySelect, QueryTrait};

/// The state of a submission whose case is not opened.
pub(crate) const RECEIVED: &str = "received";

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "submissions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    /// Tenant with source and external reference, or with the sender's key, or the case id: unique.
    #[sea_orm(unique)]
    pub dedup_key: String,
    pub tenant: String,
    pub reference: String,
    pub case_type: String,
    pub source_system: String,
    pub external_ref: String,
    pub received_at: ChronoDateTimeUtc,
    pub accepted_at: ChronoDateTimeUtc,
    /// Who submitted it.
    pub submitted_by: String,
    /// As `cases` last said; `received` until it is opened.
    pub state: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

impl From<Model> for masar_proto::intake::v1::Submission {
    fn from(row: Model) -> Self {
        let time = |at| Some(masar_proto::time::to_proto(from_db(at)));
        Self {
            case_id: row.case_id.to_string(),
            reference: row.reference,
            case_type: row.case_type,
            received_at: time(row.received_at),
            accepted_at: time(row.accepted_at),
            source_system: row.source_system,
            external_ref: row.external_ref,
            state: row.state,
        }
    }
}

/// What a submission is asked for by.
pub(crate) enum Key {
    Case(Uuid),
    Reference(Reference),
    /// The key by which it came in once.
    Dedup(String),
}

/// A submission of the tenant; if a submitter is named, only one of theirs.
pub(crate) async fn find(
    store: &Store,
    tenant: &str,
    key: Key,
    submitter: Option<&str>,
) -> Result<Option<Model>, Error> {
    let by = match key {
        Key::Case(id) => Column::CaseId.eq(id),
        Key::Reference(reference) => Column::Reference.eq(reference.to_string()),
        Key::Dedup(key) => Column::DedupKey.eq(key),
    };
    let found = Entity::find()
        .filter(Column::Tenant.eq(tenant))
        .filter(by)
        .apply_if(submitter, |found, submitter| found.filter(Column::SubmittedBy.eq(submitter)));
    Ok(found.one(store.reader()).await?)
}

/// All submissions, for tests that count them.
#[cfg(test)]
pub(crate) async fn all(store: &Store) -> Result<Vec<Model>, Error> {
    Ok(Entity::find().all(store.reader()).await?)
}

/// The oldest case after another that is not opened, if more than so many are not: their ids are in the order of time, so
/// that the primary key leads there.
pub(crate) async fn waiting(store: &Store, after: Uuid, few: u64) -> Result<Option<Uuid>, Error> {
    let waiting = Entity::find()
        .select_only()
        .column(Column::CaseId)
        .filter(Column::CaseId.gt(after))
        .filter(Column::State.eq(RECEIVED))
        .order_by_asc(Column::CaseId)
        .limit(few + 1);
    let waiting: Vec<Uuid> = waiting.into_tuple().all(store.reader()).await?;
    Ok(waiting.first().copied().filter(|_| waiting.len() as u64 > few))
}

/// The submissions that came in with one of these keys.
pub(crate) async fn with_keys(
    tx: &Transaction,
    keys: impl IntoIterator<Item = &str>,
) -> Result<Vec<Model>, Error> {
    Ok(Entity::find().filter(Column::DedupKey.is_in(padded(keys))).all(tx).await?)
}

/// Keeps the states that cases have now: one statement for all in the same.
pub(crate) async fn remember(tx: &Transaction, states: BTreeMap<Uuid, String>) -> Result<(), Error> {
    let mut cases: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
    for (case, state) in states {
        cases.entry(state).or_default().push(case);
    }
    for (state, cases) in cases {
        let update = Entity::update_many().col_expr(Column::State, Expr::value(state));
        update.filter(Column::CaseId.is_in(padded(cases))).exec(tx).await?;
    }
    Ok(())
}

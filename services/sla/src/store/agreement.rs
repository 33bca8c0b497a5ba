//! Agreements that cases have put into force: one for each case, as it stands now (SVC-05).
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::HashMap;

use jiff::Timestamp;
use masar_store::time::to_db;
use masar_store::{Error, Store, Transaction, padded, save_all};
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agreements")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    pub tenant: String,
    pub reference: String,
    /// The version of the case that said so.
    pub case_version: i64,
    /// Counts from 1 how often the case has put one into force.
    pub version: i32,
    /// What it says.
    #[sea_orm(column_type = "JsonBinary")]
    pub terms: Json,
    /// When it came into force.
    pub since: ChronoDateTimeUtc,
    pub ended_at: Option<ChronoDateTimeUtc>,
    /// True until the clocks that were open then have its targets.
    pub retargets: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// What a case says of its agreement.
pub(crate) struct Said {
    pub(crate) case_id: Uuid,
    pub(crate) tenant: String,
    pub(crate) reference: String,
    pub(crate) case_version: i64,
    pub(crate) at: Timestamp,
    /// What comes into force, and whether open clocks have its targets; none when it ends.
    pub(crate) terms: Option<(Json, bool)>,
}

/// Takes over what cases say, in their order; the agreements that are otherwise now.
pub(crate) async fn keep(tx: &Transaction, said: Vec<Said>) -> Result<Vec<Model>, Error> {
    if said.is_empty() {
        return Ok(Vec::new());
    }
    let of_cases = Column::CaseId.is_in(padded(said.iter().map(|said| said.case_id)));
    let known = Entity::find().filter(of_cases).all(tx).await?;
    let mut known: HashMap<Uuid, Model> = known.into_iter().map(|row| (row.case_id, row)).collect();
    let mut changed: HashMap<Uuid, Model> = HashMap::new();
    for Said { case_id, tenant, reference, case_version, at, terms } in said {
        let before = known.remove(&case_id);
        if let Some(before) = before.as_ref().filter(|before| before.case_version >= case_version) {
            known.insert(case_id, before.clone());
            continue;
        }
        let after = match (terms, before) {
            (Some((terms, retargets)), before) => {
                let version = before.map_or(0, |before| before.version) + 1;
                let since = to_db(at);
                Model {
                    case_id,
                    tenant,
                    reference,
                    case_version,
                    version,
                    terms,
                    since,
                    ended_at: None,
                    retargets,
                }
            }
            (None, Some(before)) => {
                Model { case_version, ended_at: Some(to_db(at)), retargets: false, ..before }
            }
            (None, None) => continue,
        };
        known.insert(case_id, after.clone());
        changed.insert(case_id, after);
    }
    let changed: Vec<Model> = changed.into_values().collect();
    save_all(tx, changed.clone()).await?;
    Ok(changed)
}

/// All agreements, or those of a tenant.
pub(crate) async fn all(store: &Store, tenant: Option<&str>) -> Result<Vec<Model>, Error> {
    let mut all = Entity::find().order_by_asc(Column::CaseId);
    if let Some(tenant) = tenant {
        all = all.filter(Column::Tenant.eq(tenant));
    }
    Ok(all.all(store.reader()).await?)
}

/// Those whose targets clocks that are open have not all got yet.
pub(crate) async fn retargeting(store: &Store) -> Result<Vec<Model>, Error> {
    let waiting = Entity::find().filter(Column::Retargets.eq(true)).order_by_asc(Column::CaseId);
    Ok(waiting.all(store.reader()).await?)
}

/// All open clocks have the targets of this version of an agreement.
pub(crate) async fn done(tx: &Transaction, case: Uuid, version: i32) -> Result<(), Error> {
    let update = Entity::update_many().col_expr(Column::Retargets, Expr::value(false));
    update.filter(Column::CaseId.eq(case)).filter(Column::Version.eq(version)).exec(tx).await?;
    Ok(())
}

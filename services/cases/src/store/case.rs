//! Cases: the columns that lists ask for.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use masar_domain::CaseKey;
use masar_store::{Error, Store, Transaction, padded};
use masar_workflow::Child;
use sea_orm::entity::prelude::*;
use sea_orm::{Condition, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cases")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: String,
    pub reference: String,
    pub case_type: String,
    pub package: String,
    pub package_version: String,
    pub version: i64,
    /// How many entries its history has: events, comments and links.
    pub entries: i64,
    pub state: String,
    pub category: String,
    pub importance: String,
    pub department: String,
    pub service: String,
    pub classification: String,
    pub channel: String,
    pub language: String,
    pub subject_ar: String,
    pub subject_en: String,
    pub queue: String,
    pub assignee: String,
    pub due_at: Option<ChronoDateTimeUtc>,
    pub breached: bool,
    pub received_at: ChronoDateTimeUtc,
    pub opened_at: ChronoDateTimeUtc,
    pub closed_at: Option<ChronoDateTimeUtc>,
    pub historical: bool,
    pub source_system: String,
    pub external_ref: String,
    /// Who submitted it.
    pub submitted_by: String,
    /// When the time for something ends: the due times of the clocks within which a transition can be done, by code.
    #[sea_orm(column_type = "JsonBinary")]
    pub windows: Json,
    /// The case that asked for this one.
    pub parent: Option<Uuid>,
    /// How it relates to that.
    pub parent_link: String,
    /// The entity of that; empty where it is that of this case.
    pub parent_tenant: String,
    /// What is known of the cases that this one asked for, by their ids.
    #[sea_orm(column_type = "JsonBinary")]
    pub children: Json,
    /// How many of the same there were when it came, itself among them; 0 for one that was the only one.
    pub recurrence: i32,
    /// The folded words that a search finds it by (NFR-02).
    pub search: String,
}

/// A child as its events told it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) version: u64,
    pub(crate) child: Child,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The package that it walks: tenant, name and version.
    pub(crate) fn walks(&self) -> [&str; 3] {
        [&self.tenant, &self.package, &self.package_version]
    }

    /// True when it is the one that is asked for so.
    pub(crate) fn is(&self, key: &CaseKey) -> bool {
        match key {
            CaseKey::Id(id) => self.id == *id,
            CaseKey::Reference(reference) => self.reference == reference.to_string(),
        }
    }

    /// What is known of the cases that this one asked for.
    pub(crate) fn children(&self) -> Result<Vec<Child>, serde_json::Error> {
        Ok(self.known()?.into_values().map(|known| known.child).collect())
    }

    /// The same, by the ids of these cases.
    pub(crate) fn known(&self) -> Result<BTreeMap<Uuid, Known>, serde_json::Error> {
        serde_json::from_value(self.children.clone())
    }

    /// Takes over what is known of a child, unless something newer is.
    pub(crate) fn know(&mut self, id: Uuid, known: Known) -> Result<bool, serde_json::Error> {
        let mut children: BTreeMap<Uuid, Known> = serde_json::from_value(self.children.take())?;
        let new = children.get(&id).is_none_or(|before| before.version < known.version);
        if new {
            children.insert(id, known);
        }
        self.children = serde_json::to_value(children)?;
        Ok(new)
    }

    /// When the time for something ends, by the code of the clock.
    pub(crate) fn windows(&self) -> Result<BTreeMap<String, Timestamp>, serde_json::Error> {
        serde_json::from_value(self.windows.clone())
    }
}

/// A case of the tenant.
pub(crate) async fn find(store: &Store, tenant: &str, case: &CaseKey) -> Result<Option<Model>, Error> {
    let by = match case {
        CaseKey::Id(id) => Column::Id.eq(*id),
        CaseKey::Reference(reference) => Column::Reference.eq(reference.to_string()),
    };
    Ok(Entity::find().filter(Column::Tenant.eq(tenant)).filter(by).one(store.reader()).await?)
}

/// Cases as they are now, in the order of their ids.
pub(crate) async fn all(store: &Store, ids: BTreeSet<Uuid>) -> Result<Vec<Model>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(padded(ids))).order_by_asc(Column::Id);
    Ok(rows.all(store.reader()).await?)
}

/// The cases of an entity that are asked for by keys.
pub(crate) async fn named(
    tx: &Transaction,
    tenant: &str,
    keys: BTreeSet<CaseKey>,
) -> Result<Vec<Model>, Error> {
    let (mut ids, mut references) = (Vec::new(), Vec::new());
    for key in keys {
        match key {
            CaseKey::Id(id) => ids.push(id),
            CaseKey::Reference(reference) => references.push(reference.to_string()),
        }
    }
    let one_of =
        Condition::any().add(Column::Id.is_in(padded(ids))).add(Column::Reference.is_in(padded(references)));
    Ok(Entity::find().filter(Column::Tenant.eq(tenant)).filter(one_of).all(tx).await?)
}

/// Cases, locked in the order of their ids so that no two writers wait for each other.
pub(crate) async fn lock(tx: &Transaction, ids: BTreeSet<Uuid>) -> Result<HashMap<Uuid, Model>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(padded(ids))).order_by_asc(Column::Id).lock_exclusive();
    Ok(rows.all(tx).await?.into_iter().map(|row| (row.id, row)).collect())
}

//! Cases: the fold of their events, and the columns that lists ask for.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, Iterable};

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
    /// When the time for something ends: the due times of the clocks within which a transition can be done, by code.
    #[sea_orm(column_type = "JsonBinary")]
    pub windows: Json,
    /// The folded words that a search finds it by (NFR-02).
    pub search: String,
    /// The case as the pure core knows it.
    #[sea_orm(column_type = "JsonBinary")]
    pub fold: Json,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// When the time for something ends, by the code of the clock.
    pub(crate) fn windows(&self) -> Result<BTreeMap<String, Timestamp>, serde_json::Error> {
        serde_json::from_value(self.windows.clone())
    }
}

/// Writes cases, new ones and changed ones, as they are now.
pub(crate) async fn save<C: ConnectionTrait>(tx: &C, cases: Vec<Model>) -> Result<(), DbErr> {
    let rows = masar_store::chunk_rows(Column::iter().count());
    let columns = || Column::iter().filter(|column| !matches!(column, Column::Id));
    for chunk in cases.chunks(rows) {
        let models = chunk.iter().map(|case| ActiveModel::from(case.clone()).reset_all());
        let conflict = OnConflict::column(Column::Id).update_columns(columns()).to_owned();
        Entity::insert_many(models).on_conflict(conflict).exec_without_returning(tx).await?;
    }
    Ok(())
}

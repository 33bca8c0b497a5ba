//! Clocks: the ledger, which is the truth, and the columns that lists and timers ask for.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, Iterable};

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
    pub due_at: ChronoDateTimeUtc,
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
    /// False for cases that were handled elsewhere before: nobody is told.
    pub tells: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Writes clocks, new ones and changed ones, as they are now.
pub(crate) async fn save<C: ConnectionTrait>(tx: &C, clocks: Vec<Model>) -> Result<(), DbErr> {
    let rows = masar_store::chunk_rows(Column::iter().count());
    let columns = || Column::iter().filter(|column| !matches!(column, Column::Id));
    for chunk in clocks.chunks(rows) {
        let models = chunk.iter().map(|clock| ActiveModel::from(clock.clone()).reset_all());
        let conflict = OnConflict::column(Column::Id).update_columns(columns()).to_owned();
        Entity::insert_many(models).on_conflict(conflict).exec_without_returning(tx).await?;
    }
    Ok(())
}

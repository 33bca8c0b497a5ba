//! Submissions: what came in, and the key by which it comes in once.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use masar_store::time::from_db;
use sea_orm::entity::prelude::*;

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
    /// As `cases` last said.
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

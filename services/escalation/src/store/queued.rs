//! The queues that escalations were added to, such as the one that the CX team reviews.
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::BTreeSet;

use masar_store::{Error, Transaction, insert_all};
use sea_orm::entity::prelude::*;

use super::escalation;

/// What an action says before the code of the queue.
const ADD: &str = "add_to_queue:";

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "queued")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub queue: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub escalation_id: Uuid,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// Adds escalations to the queues that their actions name.
pub(crate) async fn insert(tx: &Transaction, raised: &[escalation::Model]) -> Result<(), Error> {
    let queues = raised.iter().flat_map(|row| {
        let named: BTreeSet<_> = row.actions.0.iter().filter_map(|action| action.strip_prefix(ADD)).collect();
        named.into_iter().map(|queue| Model {
            tenant: row.tenant.clone(),
            queue: queue.to_owned(),
            escalation_id: row.id,
        })
    });
    insert_all(tx, queues.collect()).await
}

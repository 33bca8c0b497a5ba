//! Keeps the state of each submission's case, for those who ask with their reference.

use std::collections::BTreeMap;

use async_trait::async_trait;
use masar_bus::{Error, Event, Handler};
use masar_proto::events::v1::CaseChanged;
use masar_proto::kinds;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::store::submission;

pub(crate) struct States;

#[async_trait]
impl Handler for States {
    async fn handle(&self, tx: &DatabaseTransaction, events: &[Event]) -> Result<(), Error> {
        let mut states: BTreeMap<Uuid, String> = BTreeMap::new();
        for event in events
            .iter()
            .filter(|event| [kinds::CASE_OPENED, kinds::CASE_CHANGED].contains(&event.kind.as_str()))
        {
            let case = event.decode::<CaseChanged>()?.case.unwrap_or_default();
            let id = case.case_id.parse().map_err(|_| event.unreadable("it names no case"))?;
            states.insert(id, case.state);
        }
        let mut cases: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
        for (case, state) in states {
            cases.entry(state).or_default().push(case);
        }
        for (state, cases) in cases {
            submission::Entity::update_many()
                .col_expr(submission::Column::State, Expr::value(state))
                .filter(submission::Column::CaseId.is_in(cases))
                .exec(tx)
                .await?;
        }
        Ok(())
    }
}

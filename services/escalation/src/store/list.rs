//! The list of escalations as keyset pages, newest first.

use masar_domain::CaseKey;
use masar_store::{Store, page};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::escalation::{Column, Entity, Model};
use super::queued;

/// Which escalations are wanted; what is empty does not narrow the list.
#[derive(Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) case: Option<CaseKey>,
    /// Only those that nobody has acknowledged.
    pub(crate) open_only: bool,
    pub(crate) level: &'a str,
    /// Only those that were added to this queue.
    pub(crate) queue: &'a str,
}

/// A page of the tenant's escalations and the token of the next.
pub(crate) async fn list(
    store: &Store,
    tenant: &str,
    wanted: Wanted<'_>,
    size: u32,
    token: &str,
) -> Result<(Vec<Model>, String), masar_store::Error> {
    let size = page::size(size);
    let mut filter = filter(tenant, wanted);
    if let Some(before) = page::decode::<Uuid>(token)? {
        filter = filter.add(Column::Id.lt(before));
    }
    let query = Entity::find().filter(filter).order_by_desc(Column::Id).limit(size + 1);
    let mut rows = query.all(store.reader()).await?;
    let next = page::cut(&mut rows, size, |row| row.id)?;
    Ok((rows, next))
}

fn filter(tenant: &str, wanted: Wanted<'_>) -> Condition {
    let Wanted { case, open_only, level, queue } = wanted;
    let mut filter = Condition::all().add(Column::Tenant.eq(tenant));
    filter = match case {
        None => filter,
        Some(CaseKey::Id(id)) => filter.add(Column::CaseId.eq(id)),
        Some(CaseKey::Reference(reference)) => filter.add(Column::Reference.eq(reference.to_string())),
    };
    if open_only {
        filter = filter.add(Column::AcknowledgedAt.is_null());
    }
    if !level.is_empty() {
        filter = filter.add(Column::Level.eq(level));
    }
    if !queue.is_empty() {
        let added = Query::select()
            .column(queued::Column::EscalationId)
            .from(queued::Entity)
            .and_where(queued::Column::Tenant.eq(tenant))
            .and_where(queued::Column::Queue.eq(queue))
            .to_owned();
        filter = filter.add(Column::Id.in_subquery(added));
    }
    filter
}

#[cfg(test)]
mod tests {
    use masar_store::DatabaseUrl;
    use masar_store::time::to_db;
    use masar_testkit::on_each_database;

    use super::*;
    use crate::store::Migrator;
    use crate::store::escalation::{self, Words};

    fn row(tenant: &str, level: &str, actions: &[&str]) -> Model {
        Model {
            id: Uuid::now_v7(),
            tenant: tenant.to_owned(),
            case_id: Uuid::nil(),
            reference: String::new(),
            clock: "response".to_owned(),
            run: 1,
            level: level.to_owned(),
            mark: "breach".to_owned(),
            template: String::new(),
            people: Words(Vec::new()),
            vacant: Words(Vec::new()),
            actions: Words(actions.iter().map(|action| (*action).to_owned()).collect()),
            raised_at: to_db(jiff::Timestamp::UNIX_EPOCH),
            due_at: None,
            acknowledged_by: String::new(),
            acknowledged_at: None,
            reason: String::new(),
            absent: Words::default(),
            safety_net: false,
            told: 1,
            told_at: None,
        }
    }

    #[tokio::test]
    async fn a_queue_holds_what_was_added_to_it_and_nothing_fires_twice() -> anyhow::Result<()> {
        on_each_database(|url| async move {
            let store = Store::connect(&url.parse::<DatabaseUrl>()?, crate::NAME).await?;
            store.migrate::<Migrator>().await?;
            let rows = [
                row("ONE", "L1", &["require_reason"]),
                row("ONE", "L2", &["add_to_queue:cx_review", "add_to_queue:pqi", "add_to_queue:pqi"]),
                row("ONE", "L3", &["add_to_queue:cx-review"]),
                row("TWO", "L4", &["add_to_queue:cx_review"]),
            ];
            let tx = store.begin().await?;
            queued::insert(&tx, &rows).await?;
            escalation::insert(&tx, rows.to_vec()).await?;
            tx.commit().await?;
            for (queue, levels) in
                [("cx_review", vec!["L2"]), ("pqi", vec!["L2"]), ("cx", vec![]), ("", vec!["L3", "L2", "L1"])]
            {
                let wanted = Wanted { queue, ..Wanted::default() };
                let (listed, _) = list(&store, "ONE", wanted, 0, "").await?;
                let listed: Vec<_> = listed.iter().map(|row| row.level.as_str()).collect();
                assert_eq!(listed, levels, "{queue}");
            }
            let again = escalation::insert(store.reader(), vec![row("ONE", "L1", &[])]).await;
            assert!(again.is_err_and(|error| error.is_unique_violation()));
            Ok(())
        })
        .await
    }
}

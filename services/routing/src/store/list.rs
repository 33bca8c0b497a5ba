//! The lists of tasks that people ask for, as keyset pages, the most urgent first.

use masar_proto::routing::v1::ListTasksRequest;
use masar_store::{Error, Store, page};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::task::{Column, Entity, Model, is_open};

/// A page of the tenant's open tasks and the token of the next.
pub(crate) async fn list(
    store: &Store,
    tenant: &str,
    request: &ListTasksRequest,
) -> Result<(Vec<Model>, String), Error> {
    let wanted = request.page.clone().unwrap_or_default();
    let size = page::size(wanted.size);
    let mut filter = filter(tenant, request);
    if let Some((urgency, id)) = page::decode::<(i64, Uuid)>(&wanted.token)? {
        let later = Condition::all().add(Column::Urgency.eq(urgency)).add(Column::CaseId.gt(id));
        filter = filter.add(Condition::any().add(Column::Urgency.gt(urgency)).add(later));
    }
    let query = Entity::find().filter(filter).order_by_asc(Column::Urgency).order_by_asc(Column::CaseId);
    let mut rows = query.limit(size + 1).all(store.reader()).await?;
    let next = page::cut(&mut rows, size, |row| (row.urgency, row.case_id))?;
    Ok((rows, next))
}

fn filter(tenant: &str, request: &ListTasksRequest) -> Condition {
    let mut filter = Condition::all().add(Column::Tenant.eq(tenant)).add(is_open());
    for (column, value) in [(Column::Queue, &request.queue), (Column::Assignee, &request.assignee)] {
        if !value.is_empty() {
            filter = filter.add(column.eq(value.as_str()));
        }
    }
    if request.waiting_only {
        filter = filter.add(Column::Assignee.eq(""));
    }
    filter
}

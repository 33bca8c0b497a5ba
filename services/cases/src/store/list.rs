//! The lists of cases that people ask for, as keyset pages, newest first.

use masar_domain::{Importance, text};
use masar_proto::cases::v1::ListCasesRequest;
use masar_proto::common::v1::{Importance as ImportanceCode, StateCategory};
use masar_proto::time;
use masar_store::time::to_db;
use masar_store::{Store, page};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::WITHOUT_OWNER;
use super::case::{Column, Entity, Model};

/// A page of the tenant's cases and the token of the next.
pub(crate) async fn list(
    store: &Store,
    tenant: &str,
    request: &ListCasesRequest,
) -> Result<(Vec<Model>, String), masar_store::Error> {
    let wanted = request.page.clone().unwrap_or_default();
    let size = page::size(wanted.size);
    let mut filter = filter(tenant, request);
    if let Some(before) = page::decode::<Uuid>(&wanted.token)? {
        filter = filter.add(Column::Id.lt(before));
    }
    // Ids are version 7, so that the newest id is the newest case.
    let query = Entity::find().filter(filter).order_by_desc(Column::Id).limit(size + 1);
    let mut rows = query.all(store.reader()).await?;
    let next = page::cut(&mut rows, size, |row| row.id)?;
    Ok((rows, next))
}

/// How many cases of each tenant nobody has; tenants that have none are left out.
pub(crate) async fn count_without_owner(store: &Store) -> Result<Vec<(String, i64)>, masar_store::Error> {
    let alone = Entity::find().filter(Expr::cust(WITHOUT_OWNER)).select_only().column(Column::Tenant);
    let counted = alone.column_as(Column::Id.count(), "cases").group_by(Column::Tenant);
    Ok(counted.into_tuple().all(store.reader()).await?)
}

fn filter(tenant: &str, request: &ListCasesRequest) -> Condition {
    let mut filter = Condition::all().add(Column::Tenant.eq(tenant));
    let exact = [
        (Column::Queue, &request.queue),
        (Column::Assignee, &request.assignee),
        (Column::Service, &request.service),
        (Column::Department, &request.department),
        (Column::CaseType, &request.case_type),
    ];
    for (column, value) in exact.into_iter().filter(|(_, value)| !value.is_empty()) {
        filter = filter.add(column.eq(value.as_str()));
    }
    if !request.states.is_empty() {
        filter = filter.add(Column::State.is_in(request.states.iter().map(String::as_str)));
    }
    let categories: Vec<_> =
        request.categories().filter_map(StateCategory::word).map(|word| word.as_str()).collect();
    if !categories.is_empty() {
        filter = filter.add(Column::Category.is_in(categories));
    }
    let importance: Vec<_> =
        request.importance().filter_map(ImportanceCode::word).map(Importance::as_str).collect();
    if !importance.is_empty() {
        filter = filter.add(Column::Importance.is_in(importance));
    }
    let due = request.due.unwrap_or_default();
    if let Some(from) = time::from_proto(due.from.as_ref()) {
        filter = filter.add(Column::DueAt.gte(to_db(from)));
    }
    if let Some(to) = time::from_proto(due.to.as_ref()) {
        filter = filter.add(Column::DueAt.lt(to_db(to)));
    }
    if request.without_owner {
        filter = filter.add(Expr::cust(WITHOUT_OWNER));
    }
    if request.breached_only {
        filter = filter.add(Column::Breached.eq(true));
    }
    for word in text::words(&text::fold(&request.text)) {
        filter = filter.add(Column::Search.contains(word));
    }
    filter
}

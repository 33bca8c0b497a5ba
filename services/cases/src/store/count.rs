//! How many cases there are, as an entity publishes it.

use masar_proto::cases::v1::CountCasesRequest;
use masar_proto::time;
use masar_store::Store;
use masar_store::time::to_db;
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};

use super::case::{Column, Entity};
use super::concealed;

/// Cases of a type in states of a category.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Count {
    pub(crate) case_type: String,
    pub(crate) category: String,
    pub(crate) cases: i64,
}

/// The tenant's cases that were received in a time. What was lodged to see how it would be handled is no case of a customer: but
/// as long as it is open, leaving it out would tell which it is.
pub(crate) async fn count(
    store: &Store,
    tenant: &str,
    request: &CountCasesRequest,
) -> Result<Vec<Count>, masar_store::Error> {
    let mut filter = Condition::all().add(Column::Tenant.eq(tenant));
    let received = request.received.unwrap_or_default();
    if let Some(from) = time::from_proto(received.from.as_ref()) {
        filter = filter.add(Column::ReceivedAt.gte(to_db(from)));
    }
    if let Some(to) = time::from_proto(received.to.as_ref()) {
        filter = filter.add(Column::ReceivedAt.lt(to_db(to)));
    }
    if !request.case_type.is_empty() {
        filter = filter.add(Column::CaseType.eq(request.case_type.as_str()));
    }
    let lodged = Query::select()
        .column(concealed::Column::ChildId)
        .from(concealed::Entity)
        .and_where(concealed::Column::Tenant.eq(tenant))
        .to_owned();
    let test = Condition::all().add(Column::Category.eq("closed")).add(Column::Id.in_subquery(lodged));
    let counted = Entity::find().filter(filter.add(test.not())).select_only();
    let counted = counted.column(Column::CaseType).column(Column::Category);
    let counted = counted.column_as(Column::Id.count(), "cases");
    let counted = counted.group_by(Column::CaseType).group_by(Column::Category);
    let counted = counted.order_by_asc(Column::CaseType).order_by_asc(Column::Category);
    Ok(counted.into_model().all(store.reader()).await?)
}

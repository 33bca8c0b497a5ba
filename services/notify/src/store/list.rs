//! The log of deliveries as keyset pages, newest first.

use masar_proto::notify::v1::ListDeliveriesRequest;
use masar_store::time::to_db;
use masar_store::{Error, Store, page};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::delivery::{Column, Entity, Model};

/// A page of the tenant's deliveries and the token of the next.
pub(crate) async fn list(
    store: &Store,
    tenant: &str,
    request: &ListDeliveriesRequest,
) -> Result<(Vec<Model>, String), Error> {
    let wanted = request.page.clone().unwrap_or_default();
    let size = page::size(wanted.size);
    let mut filter = filter(tenant, request);
    if let Some((at, id)) = page::decode::<(i64, Uuid)>(&wanted.token)? {
        let at = to_db(jiff::Timestamp::from_microsecond(at).unwrap_or_default());
        let same = Condition::all().add(Column::CreatedAt.eq(at)).add(Column::Id.lt(id));
        filter = filter.add(Condition::any().add(Column::CreatedAt.lt(at)).add(same));
    }
    let query = Entity::find().filter(filter).order_by_desc(Column::CreatedAt).order_by_desc(Column::Id);
    let mut rows = query.limit(size + 1).all(store.reader()).await?;
    let next = page::cut(&mut rows, size, |row| (row.created_at.timestamp_micros(), row.id))?;
    Ok((rows, next))
}

fn filter(tenant: &str, request: &ListDeliveriesRequest) -> Condition {
    let mut filter = Condition::all().add(Column::Tenant.eq(tenant));
    if !request.case.is_empty() {
        filter = filter.add(match request.case.parse::<Uuid>() {
            Ok(id) => Column::CaseId.eq(id),
            Err(_) => Column::Reference.eq(request.case.trim().to_uppercase()),
        });
    }
    if !request.status.is_empty() {
        filter = filter.add(Column::Status.eq(request.status.as_str()));
    }
    filter
}

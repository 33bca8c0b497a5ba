//! The lists of clocks that people ask for, as keyset pages, the next due first.

use masar_proto::events::v1::ClockState;
use masar_proto::sla::v1::ListClocksRequest;
use masar_proto::time;
use masar_store::time::to_db;
use masar_store::{Error, Store, page};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::clock::{Column, Entity, Model};

/// A page of the tenant's clocks and the token of the next.
pub(crate) async fn list(
    store: &Store,
    tenant: &str,
    request: &ListClocksRequest,
) -> Result<(Vec<Model>, String), Error> {
    let wanted = request.page.clone().unwrap_or_default();
    let size = page::size(wanted.size);
    let mut filter = filter(tenant, request);
    if let Some((due, id)) = page::decode::<(i64, Uuid)>(&wanted.token)? {
        let due = to_db(jiff::Timestamp::from_microsecond(due).unwrap_or_default());
        let later = Condition::all().add(Column::DueAt.eq(due)).add(Column::Id.gt(id));
        filter = filter.add(Condition::any().add(Column::DueAt.gt(due)).add(later));
    }
    let query = Entity::find().filter(filter).order_by_asc(Column::DueAt).order_by_asc(Column::Id);
    let mut rows = query.limit(size + 1).all(store.reader()).await?;
    let next = page::cut(&mut rows, size, |row| (row.due_at.timestamp_micros(), row.id))?;
    Ok((rows, next))
}

fn filter(tenant: &str, request: &ListClocksRequest) -> Condition {
    let mut filter = Condition::all().add(Column::Tenant.eq(tenant));
    filter = match request.phase.as_str() {
        "" => filter.add(Column::Phase.is_in(ClockState::OPEN)),
        "breached" => filter.add(Column::Phase.is_in(ClockState::OPEN)).add(Column::BreachedAt.is_not_null()),
        phase => filter.add(Column::Phase.eq(phase)),
    };
    for (column, value) in [(Column::Queue, &request.queue), (Column::Clock, &request.clock)] {
        if !value.is_empty() {
            filter = filter.add(column.eq(value.as_str()));
        }
    }
    let due = request.due.unwrap_or_default();
    if let Some(from) = time::from_proto(due.from.as_ref()) {
        filter = filter.add(Column::DueAt.gte(to_db(from)));
    }
    if let Some(to) = time::from_proto(due.to.as_ref()) {
        filter = filter.add(Column::DueAt.lt(to_db(to)));
    }
    filter
}

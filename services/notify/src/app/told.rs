//! What a clock that waits for a message hears of it.

use masar_bus::Event;
use masar_proto::events::v1::MessageTold;
use masar_proto::{kinds, time};
use masar_store::time::from_db;

use crate::store::delivery::{DELIVERED, Model as Delivery, NOT_DELIVERABLE};

/// The event for the clock that waits for this delivery, if one does and the delivery is over: made, or impossible. One
/// that failed tells nothing: the customer was not told.
pub(crate) fn told(delivery: &Delivery) -> Option<Event> {
    let at = match delivery.status.as_str() {
        DELIVERED => delivery.delivered_at?,
        NOT_DELIVERABLE => delivery.created_at,
        _ => return None,
    };
    let at = from_db(at);
    let message = MessageTold {
        case_id: delivery.case_id.to_string(),
        tenant: delivery.tenant.clone(),
        template: delivery.template.clone(),
        channel: delivery.channel.clone(),
        at: Some(time::to_proto(at)),
        asked_at: Some(time::to_proto(from_db(delivery.awaited_since?))),
        obstacle: delivery.last_error.clone(),
    };
    Some(Event::new(kinds::MESSAGE_TOLD, &delivery.tenant, &delivery.case_id, at, &message))
}

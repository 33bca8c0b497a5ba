//! What webhooks hear: the facts of the case and of what happened. Nothing that a person wrote, and nobody's name,
//! number or address.

use jiff::Timestamp;
use masar_proto::common::v1::{Importance, StateCategory};
use masar_proto::events::v1::{CaseSnapshot, EscalationRaised};
use masar_proto::time;
use serde_json::{Value, json};

use super::{Occasion, What};

/// The body of a webhook, in the form of Standard Webhooks: `type`, `timestamp`, `data`.
pub(crate) fn payload(occasion: &Occasion<'_>) -> String {
    let case = case(&occasion.case);
    let data = match &occasion.what {
        What::Changed(changed) => json!({
            "case": case,
            "action": changed.action,
            "from_state": changed.from_state,
            "at": moment(changed.at.as_ref()),
        }),
        What::Escalated(raised) => json!({ "case": case, "escalation": escalation(raised) }),
    };
    let event = occasion.event;
    json!({ "type": event.kind, "timestamp": event.time.to_string(), "data": data }).to_string()
}

fn case(case: &CaseSnapshot) -> Value {
    let importance = Importance::try_from(case.importance).ok().and_then(Importance::word);
    let category = StateCategory::try_from(case.category).ok().and_then(StateCategory::word);
    json!({
        "case_id": case.case_id,
        "reference": case.reference,
        "tenant": case.tenant,
        "case_type": case.case_type,
        "version": case.version,
        "state": case.state,
        "category": category.map(|category| category.as_str()),
        "importance": importance.map(|importance| importance.as_str()),
        "department": case.department,
        "service": case.service,
        "centre": case.centre,
        "classification": case.classification,
        "channel": case.channel,
        "received_at": moment(case.received_at.as_ref()),
        "opened_at": moment(case.opened_at.as_ref()),
    })
}

fn escalation(raised: &EscalationRaised) -> Value {
    json!({
        "escalation_id": raised.escalation_id,
        "clock": raised.clock,
        "run": raised.run,
        "level": raised.level,
        "mark": raised.mark,
        "actions": raised.actions,
        "at": moment(raised.at.as_ref()),
        "due_at": moment(raised.due_at.as_ref()),
        "acknowledged_at": moment(raised.acknowledged_at.as_ref()),
    })
}

fn moment(at: Option<&prost_types::Timestamp>) -> Option<String> {
    time::from_proto(at).as_ref().map(Timestamp::to_string)
}

//! The cases that are submitted: complaints of the usual width, assessed where they come from.

use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::json;
use serde_json::json;
use uuid::Uuid;

/// Services that the complaints are about, in turn: as in a city, few of many are of one matter.
const SERVICES: u16 = 1_000;

/// Makes complaints for a department, each with a reference of its own.
#[derive(Clone)]
pub(super) struct Complaints {
    template: SubmitCaseRequest,
}

impl Complaints {
    /// Complaints that go to a department's queue at once.
    pub(super) fn to(department: &str) -> Self {
        let form = json!({
            "channel": "call_centre", "language": "en", "department": department,
            "category": "time.delay", "importance_provisional": "medium", "journey_stage": "processing",
            "phase": "during",
            "subject": {"ar": "تأخر تجديد تصريح العمل", "en": "Work permit renewal delayed"},
            "description": {"en": "I applied to renew a work permit three weeks ago; the announced time is five \
                working days, and the status is still \"under review\" with no explanation."},
        });
        let template = SubmitCaseRequest {
            case_type: "complaint".to_owned(),
            source_system: "bench".to_owned(),
            form: Some(json::to_struct(&form)),
            ..SubmitCaseRequest::default()
        };
        Self { template }
    }

    /// One that nobody has submitted before.
    pub(super) fn next(&self) -> SubmitCaseRequest {
        let id = Uuid::now_v7();
        let mut request = SubmitCaseRequest { external_ref: id.to_string(), ..self.template.clone() };
        let [.., high, low] = *id.as_bytes();
        let service = format!("LAB-S{:04}", u16::from_be_bytes([high, low]) % SERVICES);
        if let Some(form) = &mut request.form {
            form.fields.extend(json::to_struct(&json!({"service": service})).fields);
        }
        request
    }
}

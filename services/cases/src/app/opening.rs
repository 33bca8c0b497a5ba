//! Opening cases that intake accepted.

use std::collections::BTreeSet;

use jiff::Timestamp;
use masar_domain::{CaseId, text};
use masar_packages::Packages;
use masar_proto::events::v1::CaseSubmitted;
use masar_proto::{json, time};
use masar_store::time::to_db;
use masar_workflow::{Actor, Opening};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Error, Session, package};
use crate::store::case;

/// Opens a case in the version of its package that intake checked it against.
pub(crate) fn open(
    session: &mut Session<'_>,
    packages: &Packages,
    mut submitted: CaseSubmitted,
    now: Timestamp,
) -> Result<(), Error> {
    let id: Uuid = submitted.case_id.parse().unwrap_or_default();
    let form = json::from_struct(submitted.form.take().unwrap_or_default());
    let received_at = time::from_proto(submitted.received_at.as_ref()).unwrap_or(now);
    let row = row(id, &form, received_at, now, &submitted);
    let opening = Opening { case_id: CaseId(id), historical: submitted.historical, form };
    let actor = Actor { id: submitted.submitted_by, roles: BTreeSet::new(), department: None };
    // Clocks count from when the customer said it (T3), whenever the case reached us.
    let package = package(packages, &row)?;
    let event = match submitted.inward {
        true => package.open_inward(opening, &actor, received_at)?,
        false => package.open(opening, &actor, received_at)?,
    };
    let event = session.recurring(&row, &package, None, event);
    let case = session.opened(row, &event)?;
    let closed_at = time::from_proto(submitted.closed_at.as_ref()).filter(|_| submitted.historical);
    let end = closed_at.and_then(|at| package.end_elsewhere(case, &actor, at));
    if let Ok(parent) = submitted.parent_case_id.parse() {
        session.link_child(id, parent, &submitted.parent_link, &actor.id, now);
    }
    end.map_or(Ok(()), |end| session.follow(&end))
}

fn row(
    id: Uuid,
    form: &Value,
    received_at: Timestamp,
    now: Timestamp,
    submitted: &CaseSubmitted,
) -> case::Model {
    let text = |name: &str| form.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let subject = form.get("subject").or_else(|| form.get("title"));
    let (subject_ar, subject_en) = bilingual(subject, &text("language"));
    let search = text::fold(
        &[subject_ar.as_str(), &subject_en, &submitted.reference, &submitted.external_ref].join(" "),
    );
    case::Model {
        id,
        tenant: submitted.tenant.clone(),
        reference: submitted.reference.clone(),
        case_type: submitted.case_type.clone(),
        package: submitted.package.clone(),
        package_version: submitted.package_version.clone(),
        version: 0,
        entries: 0,
        state: String::new(),
        category: String::new(),
        importance: String::new(),
        department: String::new(),
        service: String::new(),
        classification: String::new(),
        channel: text("channel"),
        language: text("language"),
        subject_ar,
        subject_en,
        queue: String::new(),
        assignee: String::new(),
        due_at: None,
        breached: false,
        received_at: to_db(received_at),
        opened_at: to_db(now),
        closed_at: None,
        historical: submitted.historical,
        source_system: submitted.source_system.clone(),
        external_ref: submitted.external_ref.clone(),
        submitted_by: submitted.submitted_by.clone(),
        windows: json!({}),
        parent: submitted.parent_case_id.parse().ok(),
        parent_link: submitted.parent_link.clone(),
        parent_tenant: submitted.parent_tenant.clone(),
        children: json!({}),
        recurrence: 0,
        search,
    }
}

/// The Arabic and the English form of a text; one that is plain is in the language of the case.
fn bilingual(text: Option<&Value>, language: &str) -> (String, String) {
    let part = |name: &str| text.and_then(|text| text.get(name)).and_then(Value::as_str).unwrap_or_default();
    match text {
        Some(Value::String(text)) if language == "ar" => (text.clone(), String::new()),
        Some(Value::String(text)) => (String::new(), text.clone()),
        _ => (part("ar").to_owned(), part("en").to_owned()),
    }
}

//! Accepting submissions: checked first, then written in groups, each exactly once (CMP-06, NFR-04).

mod accept;
mod admission;
mod child;
mod gate;
mod schedule;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use masar_domain::CaseId;
use masar_packages::{Entities, Packages};
use masar_proto::events::v1::CaseSubmitted;
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::{json, time};
use masar_runtime::{Caller, Clock};
use masar_store::{Batcher, Store};
use masar_workflow::{Actor, Opening, Package, Refusal};
use serde_json::Value;
use tracing::Span;
use uuid::Uuid;

pub(crate) use accept::{Accept, accept};
pub(crate) use child::{child, lodged};
pub(crate) use gate::Gate;
pub(crate) use schedule::{Agenda, Looked, asked};

/// The longest identifier of another system that is kept.
const LONGEST_KEY: usize = 200;

/// Why a submission was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No package has cases of this type.
    #[error("there is no case type `{0}`: use one of {1}")]
    CaseType(String, String),
    /// A child is to be opened in an entity of which the registry has not told.
    #[error("there is no entity `{0}`: load its data into the registry, and let this be tried again")]
    Entity(String),
    /// Fields that are not as they should be.
    #[error("the submission has {} wrong fields", .0.len())]
    Invalid(Vec<(String, String)>),
    /// The caller may not open such a case.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// More was accepted than is opened; it makes sense to try again after so long.
    #[error("more was accepted than is opened: try again in {} ms", .0.as_millis())]
    Behind(Duration),
    #[error(transparent)]
    Bus(#[from] masar_bus::Error),
    #[error(transparent)]
    Store(#[from] masar_store::Error),
    #[error(transparent)]
    Reference(#[from] masar_domain::reference::ReferenceError),
}

/// A submission that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    dedup_key: String,
    received_at: Timestamp,
    accepted_at: Timestamp,
    event: CaseSubmitted,
    /// The call or the event that it came by.
    span: Span,
}

impl Submission {
    /// What makes it the same as another.
    pub(crate) fn key(&self) -> &str {
        &self.dedup_key
    }
}

pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) batcher: Batcher<Accept>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) clock: Clock,
    pub(crate) packages: Arc<Packages>,
    pub(crate) entities: Arc<Entities>,
}

impl App {
    /// Checks a submission; every wrong field is named.
    pub(crate) fn check(&self, caller: &Caller, request: SubmitCaseRequest) -> Result<Submission, Error> {
        let catalog = self.packages.of(&caller.tenant.0);
        let known =
            || catalog.packages().map(|package| package.definition().case_type.clone()).collect::<Vec<_>>();
        let package = catalog.for_case_type(&request.case_type);
        let package =
            package.ok_or_else(|| Error::CaseType(request.case_type.clone(), known().join(", ")))?;
        package.definition().may_open(&caller.identity.roles)?;
        let accepted_at = self.clock.now();
        let received_at = time::from_proto(request.received_at.as_ref()).unwrap_or(accepted_at);
        let form = json::from_struct(request.form.clone().unwrap_or_default());
        let definition = package.definition();
        let mut wrong: Vec<_> = (package.violations(&definition.opening_form, &form).into_iter())
            .map(|violation| (violation.field, violation.message))
            .collect();
        wrong.extend(wrong_times(package, &request, received_at, accepted_at));
        let keys = [
            ("source_system", &request.source_system),
            ("external_ref", &request.external_ref),
            ("idempotency_key", &request.idempotency_key),
        ];
        for (field, _) in keys.into_iter().filter(|(_, key)| key.len() > LONGEST_KEY) {
            wrong.push((field.into(), format!("is longer than {LONGEST_KEY} bytes")));
        }
        if request.external_ref.is_empty() != request.source_system.is_empty()
            && request.idempotency_key.is_empty()
        {
            wrong.push((
                "external_ref".into(),
                "and source_system belong together: give both, or neither".into(),
            ));
        }
        if let Some(entity) =
            form.get("entity").and_then(|entity| entity.as_str()).filter(|entity| *entity != caller.tenant.0)
        {
            wrong.push(("entity".into(), format!("is `{entity}`, but the call is for `{}`", caller.tenant)));
        }
        if !wrong.is_empty() {
            return Err(Error::Invalid(wrong));
        }
        self.refuse_entities(caller, package, form, received_at)?;
        let case_id = Uuid::now_v7().to_string();
        Ok(Submission {
            dedup_key: dedup_key(&caller.tenant.0, &request, &case_id),
            received_at,
            accepted_at,
            span: Span::current(),
            event: CaseSubmitted {
                case_id,
                reference: String::new(),
                tenant: caller.tenant.0.clone(),
                case_type: request.case_type,
                package: definition.package.clone(),
                package_version: definition.version.clone(),
                source_system: request.source_system,
                external_ref: request.external_ref,
                received_at: Some(time::to_proto(received_at)),
                accepted_at: Some(time::to_proto(accepted_at)),
                form: request.form,
                historical: request.historical,
                submitted_by: caller.identity.subject.clone(),
                parent_case_id: String::new(),
                parent_link: String::new(),
                closed_at: request.closed_at,
                ..CaseSubmitted::default()
            },
        })
    }

    /// Refuses a case whose opening asks other entities for children that they would not open: once it is accepted, nobody is there
    /// to be told.
    fn refuse_entities(
        &self,
        caller: &Caller,
        package: &Package,
        form: Value,
        at: Timestamp,
    ) -> Result<(), Error> {
        if !package.may_name_entities(&form) {
            return Ok(());
        }
        let opening = Opening { case_id: CaseId(Uuid::nil()), historical: false, form };
        let actor = Actor { id: String::new(), roles: BTreeSet::new(), department: None };
        let event = package.open(opening, &actor, at)?;
        Ok(self.entities.refuse(&self.packages, &caller.tenant.0, &event)?)
    }
}

/// What is wrong with when a case was received and closed.
fn wrong_times(
    package: &Package,
    request: &SubmitCaseRequest,
    received_at: Timestamp,
    now: Timestamp,
) -> Option<(String, String)> {
    let wrong = |field: &str, why: &str| Some((field.to_owned(), why.to_owned()));
    if received_at > now {
        return wrong("received_at", "lies in the future: give the time at which the customer said it");
    }
    let closed_at = time::from_proto(request.closed_at.as_ref())?;
    if !request.historical {
        return wrong(
            "closed_at",
            "is only for cases that were handled elsewhere: set `historical`, or leave it out",
        );
    }
    if package.definition().historical_end.is_none() {
        return wrong("closed_at", "cannot be kept: the package names no `historical_end`");
    }
    if closed_at < received_at || closed_at > now {
        return wrong("closed_at", "lies before `received_at` or in the future");
    }
    None
}

/// What makes two submissions the same: the sender's own reference, or else its key.
fn dedup_key(tenant: &str, request: &SubmitCaseRequest, case_id: &str) -> String {
    const BETWEEN: char = '\u{1f}';
    if !request.external_ref.is_empty() {
        return external_key(tenant, &request.source_system, &request.external_ref);
    }
    if !request.idempotency_key.is_empty() {
        return format!(
            "{tenant}{BETWEEN}key{BETWEEN}{}{BETWEEN}{}",
            request.source_system, request.idempotency_key
        );
    }
    case_id.to_owned()
}

/// The key of a case in another system.
pub(crate) fn external_key(tenant: &str, source_system: &str, external_ref: &str) -> String {
    format!("{tenant}\u{1f}ref\u{1f}{source_system}\u{1f}{external_ref}")
}

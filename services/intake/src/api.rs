//! The contract of intake: decode, check, accept, encode.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use masar_domain::Reference;
use masar_proto::common::v1::{FieldViolation, PageResponse, Rejection};
use masar_proto::intake::v1::intake_service_server::IntakeService;
use masar_proto::intake::v1::submit_cases_response::Result as ItemResult;
use masar_proto::intake::v1::{
    GetSubmissionRequest, ListSchedulesRequest, ListSchedulesResponse, Schedule, Submission,
    SubmitCaseRequest, SubmitCaseResponse, SubmitCasesRequest, SubmitCasesResponse,
    get_submission_request::Key as AskedBy,
};
use masar_proto::time;
use masar_runtime::{Caller, caller, refuse};
use masar_store::time::from_db;
use masar_workflow::{Catalog, Refusal};
use tonic::{Request, Response, Status, Streaming};

use crate::app::{App, Error, external_key};
use crate::metrics;
use crate::store::schedule;
use crate::store::submission::{self, Key};

/// Items of one stream that may be on their way to the disk: enough to fill group commits, few enough to bound memory.
const IN_FLIGHT: usize = 1_024;
/// A sender for whom the queue had no room tries again after so long; it is written out several times by then.
const RETRY_AFTER: Duration = Duration::from_millis(250);

pub(crate) struct Api {
    pub(crate) app: Arc<App>,
}

#[tonic::async_trait]
impl IntakeService for Api {
    async fn submit_case(
        &self,
        request: Request<SubmitCaseRequest>,
    ) -> Result<Response<SubmitCaseResponse>, Status> {
        let caller = caller(&request)?;
        self.app.gate.enter(&caller.tenant.0).map_err(refusal)?;
        let checked = self.app.check(&caller, request.into_inner()).map_err(refusal)?;
        Ok(Response::new(self.app.batcher.submit(checked).await.map_err(refusal)?))
    }

    type SubmitCasesStream = Pin<Box<dyn Stream<Item = Result<SubmitCasesResponse, Status>> + Send>>;

    async fn submit_cases(
        &self,
        request: Request<Streaming<SubmitCasesRequest>>,
    ) -> Result<Response<Self::SubmitCasesStream>, Status> {
        let caller = caller(&request)?;
        let app = Arc::clone(&self.app);
        let gate = Arc::clone(&app.gate);
        // One after the other, so that nothing more is read of a stream that is held back.
        let entered = request.into_inner().then(move |item| {
            let (gate, caller) = (Arc::clone(&gate), caller.clone());
            async move {
                gate.enter_patiently(&caller.tenant.0).await;
                (caller, item)
            }
        });
        let answers = entered.map(move |(caller, item)| answer(Arc::clone(&app), caller, item));
        Ok(Response::new(Box::pin(answers.buffered(IN_FLIGHT))))
    }

    async fn list_schedules(
        &self,
        request: Request<ListSchedulesRequest>,
    ) -> Result<Response<ListSchedulesResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let page = request.into_inner().page.unwrap_or_default();
        let found = schedule::list(&self.app.store, &tenant, &page).await;
        let (rows, next_token) = found.map_err(|error| refusal(error.into()))?;
        let catalog = self.app.packages.of(&tenant);
        let schedules = rows.into_iter().map(|row| shown(row, &catalog)).collect();
        Ok(Response::new(ListSchedulesResponse { schedules, page: Some(PageResponse { next_token }) }))
    }

    async fn get_submission(
        &self,
        request: Request<GetSubmissionRequest>,
    ) -> Result<Response<Submission>, Status> {
        let caller = caller(&request)?;
        let key = request.into_inner().key;
        let key = key.ok_or_else(|| {
            refuse::invalid(vec![(
                "key".into(),
                "give a reference, a case id or an external reference".into(),
            )])
        })?;
        let tenant = &caller.tenant.0;
        let (name, key) = match key {
            AskedBy::Reference(text) => {
                let reference = text.parse::<Reference>();
                let reference = reference
                    .map_err(|error| refuse::invalid(vec![("reference".into(), error.to_string())]))?;
                (text, Key::Reference(reference))
            }
            AskedBy::CaseId(text) => {
                let id = text.parse().unwrap_or_default();
                (text, Key::Case(id))
            }
            AskedBy::External(key) => {
                let own = external_key(tenant, &key.source_system, &key.external_ref);
                (key.external_ref, Key::Dedup(own))
            }
        };
        let identity = &caller.identity;
        let submitter = identity.is_only_a_customer().then_some(identity.subject.as_str());
        let found = submission::find(&self.app.store, tenant, key, submitter).await;
        let found = found.map_err(|error| refusal(error.into()))?;
        found.map(|row| Response::new(row.into())).ok_or_else(|| refuse::not_found("submission", &name))
    }
}

/// A schedule for those who ask; one that no package in force knows any more has no label.
fn shown(row: schedule::Model, catalog: &Catalog) -> Schedule {
    let known =
        catalog.in_force(&row.package).and_then(|known| known.definition().schedules.get(&row.schedule));
    Schedule {
        label: known.map(|known| known.label.clone().into()),
        package: row.package,
        schedule: row.schedule,
        opens: row.opens,
        case_id: row.case_id.map(|case| case.to_string()).unwrap_or_default(),
        occurrence: row.occurrence,
        comes_at: row.comes_at.map(|at| time::to_proto(from_db(at))),
        problem: row.problem,
    }
}

/// The answer to one item. What is wrong with it is told for it alone; only our own failures end the stream.
async fn answer(
    app: Arc<App>,
    caller: Caller,
    item: Result<SubmitCasesRequest, Status>,
) -> Result<SubmitCasesResponse, Status> {
    let SubmitCasesRequest { item, case } = item?;
    let accepted = match app.check(&caller, case.unwrap_or_default()) {
        Ok(checked) => app.batcher.submit_patiently(checked).await,
        Err(error) => Err(error),
    };
    let result = match accepted {
        Ok(answer) => ItemResult::Accepted(answer),
        Err(error @ Error::CaseType(..)) => {
            ItemResult::Rejected(rejection("UNKNOWN_CASE_TYPE", &error, Vec::new()))
        }
        Err(Error::Invalid(fields)) => {
            let violations = fields
                .iter()
                .map(|(field, message)| FieldViolation { field: field.clone(), message: message.clone() });
            let violations = violations.collect();
            ItemResult::Rejected(rejection("INVALID", &Error::Invalid(fields), violations))
        }
        Err(error) => {
            let status = refusal(error);
            ItemResult::Rejected(refuse::rejection(&status).ok_or(status)?)
        }
    };
    Ok(SubmitCasesResponse { item, result: Some(result) })
}

fn rejection(code: &str, error: &Error, violations: Vec<FieldViolation>) -> Rejection {
    Rejection { code: code.to_owned(), message: error.to_string(), violations }
}

fn refusal(error: Error) -> Status {
    match error {
        Error::CaseType(..) => refuse::invalid(vec![("case_type".into(), error.to_string())]),
        Error::Invalid(fields) => refuse::invalid(fields),
        Error::Entity(_) => refuse::refused("ENTITY", error.to_string()),
        Error::Refused(Refusal::Form(violations)) => refuse::invalid(
            violations.into_iter().map(|violation| (violation.field, violation.message)).collect(),
        ),
        Error::Refused(refusal @ Refusal::Entity { .. }) => {
            refuse::refused(refusal.code(), refusal.to_string())
        }
        Error::Refused(refusal) => refuse::denied(refusal.code(), refusal.to_string()),
        Error::Behind(after) => refuse::overloaded(after),
        Error::Store(masar_store::Error::Overloaded) => {
            metrics::refused("queue");
            refuse::overloaded(RETRY_AFTER)
        }
        Error::Store(error @ masar_store::Error::PageToken) => {
            refuse::invalid(vec![("page.token".into(), error.to_string())])
        }
        Error::Store(error @ (masar_store::Error::Stopped | masar_store::Error::Unavailable(_))) => {
            refuse::unavailable(error.to_string())
        }
        Error::Store(error) => refuse::internal(&error),
        Error::Bus(error) => refuse::internal(&error),
        Error::Reference(error) => refuse::internal(&error),
    }
}

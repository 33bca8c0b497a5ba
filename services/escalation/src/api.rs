//! The contract of escalation: what is late and whom that told, and who has taken notice.

use std::sync::Arc;

use masar_domain::CaseKey;
use masar_proto::common::v1::PageResponse;
use masar_proto::escalation::v1 as api;
use masar_proto::escalation::v1::escalation_service_server::EscalationService;
use masar_proto::sla::v1::GetCaseClocksRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::time;
use masar_runtime::{Peer, caller, refuse};
use masar_store::Store;
use masar_store::time::from_db;
use tonic::{Request, Response, Status};

use crate::app::{Core, Error, Previewed, Rung};
use crate::store::escalation::Model;
use crate::store::{Wanted, list};

pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) core: Arc<Core>,
    /// Knows when the marks of clocks come.
    pub(crate) sla: Peer,
}

#[tonic::async_trait]
impl EscalationService for Api {
    async fn list_escalations(
        &self,
        request: Request<api::ListEscalationsRequest>,
    ) -> Result<Response<api::ListEscalationsResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let request = request.into_inner();
        let page = request.page.unwrap_or_default();
        let wanted = Wanted {
            case: case(&request.case)?,
            open_only: request.open_only,
            level: &request.level,
            queue: &request.queue,
        };
        let listed = list(&self.store, &tenant, wanted, page.size, &page.token).await;
        let (rows, next_token) = listed.map_err(|error| refusal(error.into()))?;
        let escalations = rows.into_iter().map(encode).collect();
        Ok(Response::new(api::ListEscalationsResponse {
            escalations,
            page: Some(PageResponse { next_token }),
        }))
    }

    async fn preview(
        &self,
        request: Request<api::PreviewRequest>,
    ) -> Result<Response<api::PreviewResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let mut sla = SlaServiceClient::new(self.sla.asked_by(&request));
        let api::PreviewRequest { case } = request.into_inner();
        let clocks =
            sla.get_case_clocks(GetCaseClocksRequest { case: case.clone() }).await?.into_inner().clocks;
        let previewed = self.core.preview(&self.store, &tenant, &case, &clocks).await;
        let Previewed { case, rungs } = previewed.map_err(refusal)?;
        let rungs = rungs.into_iter().map(rung).collect();
        Ok(Response::new(api::PreviewResponse { case_id: case.case_id, reference: case.reference, rungs }))
    }

    async fn acknowledge(
        &self,
        request: Request<api::AcknowledgeRequest>,
    ) -> Result<Response<api::Escalation>, Status> {
        let caller = caller(&request)?;
        let api::AcknowledgeRequest { escalation_id, reason } = request.into_inner();
        let id = escalation_id.parse().map_err(|_| refusal(Error::NotFound(escalation_id)))?;
        let done = self.core.acknowledge(&self.store, &caller, id, reason.trim()).await;
        Ok(Response::new(encode(done.map_err(refusal)?)))
    }
}

/// The case that a request names by its id or reference, if it names one.
fn case(key: &str) -> Result<Option<CaseKey>, Status> {
    let key = Some(key).filter(|key| !key.is_empty());
    key.map(|key| key.parse().map_err(|_| refuse::not_found("case", key))).transpose()
}

fn encode(row: Model) -> api::Escalation {
    let at = |at| Some(time::to_proto(from_db(at)));
    api::Escalation {
        escalation_id: row.id.to_string(),
        case_id: row.case_id.to_string(),
        reference: row.reference,
        clock: row.clock,
        run: row.run.unsigned_abs(),
        level: row.level,
        mark: row.mark,
        people: row.people.0,
        vacant: row.vacant.0,
        actions: row.actions.0,
        raised_at: at(row.raised_at),
        due_at: row.due_at.and_then(at),
        acknowledged_by: row.acknowledged_by,
        acknowledged_at: row.acknowledged_at.and_then(at),
        reason: row.reason,
        absent: row.absent.0,
        safety_net: row.safety_net,
        told: row.told.unsigned_abs(),
        told_at: at(row.told_at.unwrap_or(row.raised_at)),
    }
}

fn rung(rung: Rung) -> api::Rung {
    let Rung { clock, run, step, at, status, climb, fired } = rung;
    api::Rung {
        clock,
        run,
        level: step.level,
        mark: step.mark.to_string(),
        at: at.map(time::to_proto),
        status: status.to_owned(),
        people: climb.people,
        vacant: climb.vacant,
        absent: climb.absent,
        safety_net: climb.safety_net,
        template: step.template.unwrap_or_default(),
        actions: step.actions,
        escalation: fired.map(encode),
    }
}

fn refusal(error: Error) -> Status {
    match error {
        Error::NotFound(key) => refuse::not_found("escalation", &key),
        Error::NoCase(key) => refuse::not_found("case with an open clock", &key),
        Error::NotTold => refuse::denied("NOT_TOLD", error.to_string()),
        Error::Acknowledged { .. } => refuse::refused("ALREADY_ACKNOWLEDGED", error.to_string()),
        Error::Reason(_) => refuse::invalid(vec![("reason".into(), error.to_string())]),
        Error::Store(error @ masar_store::Error::PageToken) => {
            refuse::invalid(vec![("page.token".into(), error.to_string())])
        }
        Error::Store(error) if error.is_retryable() => refuse::unavailable(error.to_string()),
        error => refuse::internal(&error),
    }
}

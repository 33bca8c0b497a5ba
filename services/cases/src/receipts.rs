//! Cases that intake has accepted and that are not opened yet: whoever asks hears `received`, never "not found".

use futures::future::BoxFuture;
use masar_proto::cases::v1::Case;
use masar_proto::common::v1::StateCategory;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::intake::v1::{GetSubmissionRequest, get_submission_request::Key};
use masar_runtime::{Channel, Peer};
use tonic::{Code, Request, Status};
use uuid::Uuid;

pub(crate) struct Receipts {
    pub(crate) intake: Peer,
}

impl Receipts {
    /// The case as intake knows it, by id or reference, if the caller may see it.
    pub(crate) fn find<T>(
        &self,
        cause: &Request<T>,
        key: &str,
    ) -> BoxFuture<'static, Result<Option<Case>, Status>> {
        let of_key = if key.parse::<Uuid>().is_ok() { Key::CaseId } else { Key::Reference };
        let request = GetSubmissionRequest { key: Some(of_key(key.to_owned())) };
        let intake = IntakeServiceClient::new(self.intake.asked_by(cause));
        Box::pin(find(intake, request))
    }
}

async fn find(
    mut intake: IntakeServiceClient<Channel>,
    request: GetSubmissionRequest,
) -> Result<Option<Case>, Status> {
    let submission = match intake.get_submission(request).await {
        Ok(submission) => submission.into_inner(),
        // What is no reference at all is nobody's.
        Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
            return Ok(None);
        }
        Err(status) => return Err(status),
    };
    Ok(Some(Case {
        case_id: submission.case_id,
        reference: submission.reference,
        case_type: submission.case_type,
        state: submission.state,
        category: StateCategory::Open.into(),
        received_at: submission.received_at,
        source_system: submission.source_system,
        external_ref: submission.external_ref,
        ..Case::default()
    }))
}

//! `masar submit`: one complaint, as a call centre sends it.

use anyhow::Result;
use clap::Args;
use masar_domain::{Importance, Language};
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::json;
use serde_json::json;
use uuid::Uuid;

use super::client::{connect, refused};
use super::{Access, Answer};

/// What the customer said.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What it is about, in a line.
    #[arg(long)]
    subject: String,
    /// What happened.
    #[arg(long)]
    description: String,
    /// Code of the service, such as LAB-S01.
    #[arg(long)]
    service: Option<String>,
    /// Category, such as time.delay.
    #[arg(long)]
    category: Option<String>,
    /// low, medium or high.
    #[arg(long, default_value_t = Importance::Medium)]
    importance: Importance,
    /// ar or en.
    #[arg(long, default_value_t = Language::En)]
    language: Language,
    /// How it came in.
    #[arg(long, default_value = "call_centre")]
    channel: String,
    /// Your own key: the same key is the same case.
    #[arg(long)]
    key: Option<String>,
}

/// Submits a complaint.
pub(crate) async fn run(arguments: Arguments, access: &Access) -> Result<Answer> {
    let mut form = json!({
        "channel": arguments.channel,
        "language": arguments.language,
        "subject": arguments.subject,
        "description": arguments.description,
        "importance_provisional": arguments.importance,
    });
    for (name, value) in [("service", arguments.service), ("category", arguments.category)] {
        if let Some(value) = value {
            form[name] = json!(value);
        }
    }
    let request = SubmitCaseRequest {
        case_type: "complaint".to_owned(),
        // With a key of its own, the call may be made again when no answer comes.
        idempotency_key: arguments.key.unwrap_or_else(|| Uuid::new_v4().to_string()),
        form: Some(json::to_struct(&form)),
        ..SubmitCaseRequest::default()
    };
    let mut client = IntakeServiceClient::new(connect(access).await?);
    let accepted = client.submit_case(request).await.map_err(|status| refused(&status))?.into_inner();
    let again = if accepted.duplicate { " (it had come before)" } else { "" };
    let table = format!("accepted: {}{again}\n", accepted.reference);
    Answer::of(&accepted, "masar.intake.v1.SubmitCaseResponse", table)
}

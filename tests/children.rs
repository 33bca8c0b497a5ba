//! What becomes of a child moves the case that asked for it, and a case is opened by whom its package names.

mod support;

use anyhow::Result;
use masar_proto::cases::v1::Case;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Asking, Platform, act, case, complaint, eventually};
use tonic::Code;

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";

/// A submission of a type.
fn of_type(case_type: &str, form: &Value) -> SubmitCaseRequest {
    SubmitCaseRequest { case_type: case_type.to_owned(), ..complaint("S-1", form) }
}

async fn person(platform: &Platform, id: &str) -> Result<CaseServiceClient<Asking>> {
    Ok(CaseServiceClient::new(platform.person(id).await?))
}

async fn in_state(client: &CaseServiceClient<Asking>, key: &str, state: &str) -> Result<Case> {
    eventually(state, async || Ok(case(client, key).await?.filter(|case| case.state == state))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_goes_on_when_its_action_does_and_ends_with_it() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let triage = person(&platform, "trf-triage-1").await?;
        let [handler, manager, director] = ["trf-licence-1", "trf-licence-manager", "trf-licence-director"];
        let handler = person(&platform, handler).await?;
        let (manager, director) = (person(&platform, manager).await?, person(&platform, director).await?);
        let idea = json!({"channel": "web_portal", "language": "en", "subject": "Renew online", "problem": "One comes twice",
            "proposal": "Upload the form", "service": "TRF-S01"});
        let key = intake.submit_case(of_type("suggestion", &idea)).await?.into_inner().reference;
        in_state(&triage, &key, "received").await?;
        act(&triage, &key, "screen", None).await?;
        act(&triage, &key, "send_to_assess", Some(json!({"department": "TRF-LICENCE"}))).await?;
        let assessed = json!({"benefit": 4, "feasibility": 5, "cross_department": false, "recommendation": "A page"});
        act(&handler, &key, "recommend", Some(assessed)).await?;
        let accepted = json!({"reason": {"ar": "يوفر زيارة", "en": "It saves a visit"}, "title": {"ar": "صفحة", "en": "A page"},
            "type": "quick_fix", "owner_department": "TRF-LICENCE", "owner": "trf-licence-1", "due": "2026-12-15"});
        act(&director, &key, "accept", Some(accepted)).await?;

        let parent = eventually("its action", async || {
            Ok(case(&triage, &key).await?.filter(|case| !case.links.is_empty()))
        })
        .await?;
        let action = &parent.links[0].case_id;
        let child = in_state(&manager, action, "proposed").await?;
        // What the decision and the assessment said became the form of the action.
        assert_eq!(child.subject.as_ref().map(|subject| subject.en.as_str()), Some("A page"));
        assert_eq!(case(&triage, &key).await?.map(|case| case.state), Some("accepted".to_owned()));

        act(&director, action, "approve", None).await?;
        in_state(&triage, &key, "implementation").await?;
        act(&handler, action, "start", None).await?;
        act(&handler, action, "complete", Some(json!({"evidence": ["page"]}))).await?;
        act(&manager, action, "verify", Some(json!({"verification": "Seen"}))).await?;
        in_state(&triage, &key, "implemented").await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_opened_by_whom_its_package_names() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let card = json!({"code": "TRF-S09", "name": {"ar": "خدمة", "en": "A service"}, "owner_department": "TRF-LICENCE"});
        let submit = async |intake: IntakeServiceClient<Asking>| {
            intake.clone().submit_case(of_type("service_definition", &card)).await
        };
        let refused = submit(IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?)).await;
        assert_eq!(refused.map(drop).map_err(|status| status.code()), Err(Code::PermissionDenied));
        submit(IntakeServiceClient::new(platform.person("trf-service-owner").await?)).await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

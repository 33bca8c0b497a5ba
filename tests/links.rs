//! What a transition asks of others: of the case that a form names, to which its case is linked, and of the customer, who is asked
//! how it was (HAP-04).

mod support;

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, TransitionCasesRequest, TransitionRequest};
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::json;
use masar_proto::notify::v1::ListDeliveriesRequest;
use masar_proto::notify::v1::notify_service_client::NotifyServiceClient;
use masar_runtime::{Clock, refuse};
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Asking, Platform, act, case, complaint, eventually, queued};
use tonic::{Code, Status};
use tonic_types::StatusExt;

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";
const CUSTOMER: &str = "customer:7";

type Cases = CaseServiceClient<Asking>;

fn form(subject: &str) -> Value {
    json!({"channel": "web_portal", "language": "en", "service": "TRF-S01", "subject": subject, "description": "Three weeks",
        "customer": {"alias": "C-7", "contact": {"mode": "email", "value": "customer@example.org"}}})
}

/// The field that was refused, and why.
fn violation(status: &Status) -> Option<(Code, String, String)> {
    let found = status.get_details_bad_request()?.field_violations.into_iter().next()?;
    Some((status.code(), found.field, found.description))
}

/// The links of a case: how, and to which.
fn links(case: &Case) -> Vec<(&str, &str)> {
    case.links.iter().map(|link| (link.link.as_str(), link.reference.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_linked_to_the_one_that_its_form_names() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let keys = queued(&platform, &form("Late"), &["L-1", "L-2", "L-3"]).await?;
        let [survivor, merged, bulk] = keys.as_slice() else { anyhow::bail!("three cases") };
        let triage = Cases::new(platform.person("trf-triage-1").await?);
        for key in [merged, bulk] {
            act(&triage, key, "start_triage", None).await?;
        }
        let merge = async |into: &str| act(&triage, merged, "merge", Some(json!({"survivor": into}))).await;
        for (into, problem) in [
            ("TRF-2026-0009999-X", "there is no case"),
            ("nowhere", "there is no case"),
            (merged, "the case itself"),
        ] {
            let refused = violation(&merge(into).await.unwrap_err()).context("which field?")?;
            assert_eq!((refused.0, refused.1.as_str()), (Code::InvalidArgument, "merge.survivor"));
            assert!(refused.2.contains(problem), "{}", refused.2);
        }
        let now = case(&triage, merged).await?.context("it is there")?;
        assert_eq!((now.state.as_str(), links(&now)), ("triage", vec![]), "what is refused changes nothing");

        assert_eq!(merge(survivor).await?.state, "merged");
        let now = case(&triage, merged).await?.context("it is there")?;
        assert_eq!(links(&now), [("merged_into", survivor.as_str())]);

        // In bulk each names its own, by its id too.
        let id = case(&triage, survivor).await?.context("it is there")?.case_id;
        let transition = TransitionRequest {
            case: bulk.clone(),
            action: "merge".to_owned(),
            form: Some(json::to_struct(&json!({"survivor": id}))),
            ..TransitionRequest::default()
        };
        let wanted = TransitionCasesRequest { item: 0, transition: Some(transition) };
        let mut answers =
            triage.clone().transition_cases(futures::stream::iter([wanted])).await?.into_inner();
        answers.message().await?.context("one answer")?;
        let now = case(&triage, bulk).await?.context("it is there")?;
        assert_eq!((now.state.as_str(), links(&now)), ("merged", vec![("merged_into", survivor.as_str())]));
        Ok(platform.running.stop().await?)
    })
    .await
}

/// A complaint that its customer submitted, once it is open; its reference.
async fn submitted(customer: &Asking, triage: &Cases) -> Result<String> {
    let mut request = complaint("S-1", &form("Late"));
    (request.source_system, request.external_ref) = Default::default();
    let key = IntakeServiceClient::new(customer.clone()).submit_case(request).await?.into_inner().reference;
    eventually("it is opened", async || case(triage, &key).await).await?;
    Ok(key)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_case_is_converted_into_is_its_customers_own() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let customer = platform.customer("DEMO-TRF", CUSTOMER).await?;
        let triage = Cases::new(platform.person("trf-triage-1").await?);
        let key = submitted(&customer, &triage).await?;
        act(&triage, &key, "start_triage", None).await?;
        act(&triage, &key, "reclassify", Some(json!({"kind": "inquiry"}))).await?;
        let linked = eventually("the inquiry", async || {
            Ok(case(&triage, &key).await?.and_then(|case| case.links.into_iter().next()))
        });
        let inquiry = linked.await?.reference;
        let customer = Cases::new(customer);
        let found = case(&customer, &inquiry).await?.context("the customer finds it")?;
        assert_eq!(
            (found.case_type.as_str(), links(&found)),
            ("inquiry", vec![("converted_from", key.as_str())])
        );
        Ok(platform.running.stop().await?)
    })
    .await
}

/// A complaint that its customer submitted, answered; its reference.
async fn answered(platform: &Platform, customer: &Asking) -> Result<String> {
    let triage = Cases::new(platform.person("trf-triage-1").await?);
    let key = submitted(customer, &triage).await?;
    let answer = json!({"text": {"ar": "تم", "en": "Done"}, "points_answered": [{"point": "the delay", "answered": true}],
        "channel": "email", "review_right_text": true});
    let investigation =
        json!({"facts": "f", "what_should_have_happened": "w", "findings": "x", "outcome": "upheld"});
    let routed = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "medium",
        "department": "TRF-LICENCE"});
    for (who, action, form) in [
        ("trf-triage-1", "start_triage", None),
        ("trf-triage-1", "route", Some(routed)),
        ("trf-licence-1", "accept", None),
        ("trf-licence-1", "draft_answer", Some(json!({"answer": answer, "investigation": investigation}))),
        ("trf-licence-manager", "approve", None),
    ] {
        act(&Cases::new(platform.person(who).await?), &key, action, form).await?;
    }
    Ok(key)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_submitted_a_case_is_asked_how_it_was_and_answers() -> Result<()> {
    on_each_database(async |url| {
        let (clock, hand) = Clock::manual(SUNDAY.parse::<Timestamp>()?);
        let platform = Platform::start(url, clock).await?;
        let customer = platform.customer("DEMO-TRF", CUSTOMER).await?;
        let key = answered(&platform, &customer).await?;
        let (customer, manager) =
            (Cases::new(customer), Cases::new(platform.person("trf-licence-manager").await?));
        // Ten working days pass in which nobody objects.
        hand.advance_to("2026-12-10T08:00:00+03:00".parse()?);
        let closed = eventually("nobody objects, and the customer is asked", async || {
            Ok(case(&manager, &key).await?.filter(|case| case.state == "closed" && !case.links.is_empty()))
        })
        .await?;
        let survey = &closed.links[0].reference;

        let asked = case(&customer, survey).await?.context("the customer finds it")?;
        assert_eq!((asked.state.as_str(), links(&asked)), ("asked", vec![("survey_of", key.as_str())]));
        let another = Cases::new(platform.customer("DEMO-TRF", "customer:8").await?);
        let hidden = case(&another, survey).await.unwrap_err();
        assert_eq!(hidden.downcast::<Status>()?.code(), Code::NotFound);
        let notify = NotifyServiceClient::new(platform.person("trf-admin").await?);
        eventually("the customer is invited", async || {
            let request = ListDeliveriesRequest { case: survey.clone(), ..Default::default() };
            let told = notify.clone().list_deliveries(request).await?.into_inner().deliveries;
            Ok(told.into_iter().find(|told| told.template == "invitation"))
        })
        .await?;

        let wrong = act(&customer, survey, "answer", Some(json!({"satisfied": 9, "resolved": "no"}))).await;
        assert_eq!(wrong.unwrap_err().code(), Code::InvalidArgument);
        let answers = json!({"satisfied": 1, "resolved": "no"});
        assert_eq!(act(&customer, survey, "answer", Some(answers)).await?.state, "follow_up");
        eventually("somebody of the department follows it up", async || {
            Ok(case(&manager, survey).await?.filter(|case| case.queue == "TRF-LICENCE"))
        })
        .await?;
        let refused =
            act(&customer, survey, "follow_up", Some(json!({"note": "I called"}))).await.unwrap_err();
        assert_eq!(refuse::reason(&refused).as_deref(), Some("ROLE"));
        let done = act(&manager, survey, "follow_up", Some(json!({"note": "Called back"}))).await?;
        assert_eq!(done.state, "answered");
        Ok(platform.running.stop().await?)
    })
    .await
}

//! Cases that come to us in other ways than a call: accepted and not opened yet, over elsewhere, asked for by another.

mod support;

use anyhow::Result;
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{GetCaseRequest, ListCaseEventsRequest, ListCasesRequest};
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::sla::v1::GetCaseClocksRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::time;
use masar_runtime::{Clock, refuse};
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Platform, act, case, complaint, eventually};
use tonic::Code;

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";

fn form() -> Value {
    json!({"channel": "call_centre", "language": "en", "service": "TRF-S01", "category": "time.delay",
        "subject": "Too slow", "description": "Three weeks"})
}

fn at(text: &str) -> Result<Option<prost_types::Timestamp>> {
    Ok(Some(time::to_proto(text.parse::<Timestamp>()?)))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_case_is_received_and_never_unknown() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let cases = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        let strangers = CaseServiceClient::new(platform.person("lab-triage-1").await?);
        for number in 0..50 {
            let accepted = intake.submit_case(complaint(&format!("R-{number}"), &form())).await?.into_inner();
            let key = accepted.reference.as_str();
            let seen = case(&cases, key).await?.unwrap_or_default();
            assert_eq!((seen.state.as_str(), seen.reference.as_str()), ("received", key));
            let refused = case(&strangers, key).await.unwrap_err().downcast::<tonic::Status>()?;
            assert_eq!(refused.code(), Code::NotFound);
            // Whoever names a version waits for the opening.
            let request = GetCaseRequest { case: accepted.case_id, at_least_version: 1 };
            assert_eq!(cases.clone().get_case(request).await?.into_inner().version, 1);
        }
        Ok(platform.running.stop().await?)
    })
    .await
}

/// Acceptance check 6, for callers that come one after the other and for those that come at once.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_external_reference_twice_is_one_case_with_one_number() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let submit =
            async || anyhow::Ok(intake.clone().submit_case(complaint("X-1", &form())).await?.into_inner());
        let first = submit().await?;
        let again = futures::future::try_join_all((0..10).map(|_| submit())).await?;
        for answer in again {
            assert_eq!(
                (&answer.reference, &answer.case_id, answer.duplicate),
                (&first.reference, &first.case_id, true)
            );
        }
        let cases = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        let request = GetCaseRequest { case: first.reference.clone(), at_least_version: 1 };
        cases.clone().get_case(request).await?;
        let listed = cases.clone().list_cases(ListCasesRequest::default()).await?.into_inner().cases;
        let references: Vec<_> = listed.into_iter().map(|case| case.reference).collect();
        assert_eq!(references, [first.reference]);
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_was_over_elsewhere_keeps_its_times_and_can_be_reopened() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let cases = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        let past = SubmitCaseRequest {
            historical: true,
            received_at: at("2026-03-01T09:00:00+03:00")?,
            closed_at: at("2026-03-04T10:00:00+03:00")?,
            ..complaint("H-1", &form())
        };
        let early = SubmitCaseRequest { closed_at: at("2026-02-01T09:00:00+03:00")?, ..past.clone() };
        let refused = intake.submit_case(early).await.unwrap_err();
        assert_eq!(refuse::reason(&refused).as_deref(), Some("INVALID"), "{refused}");

        let key = intake.submit_case(past.clone()).await?.into_inner().reference;
        let closed = eventually("it is closed", async || {
            Ok(case(&cases, &key).await?.filter(|case| case.state == "closed"))
        })
        .await?;
        assert_eq!((closed.closed_at, closed.version, closed.historical), (past.closed_at, 2, true));
        let sla = SlaServiceClient::new(platform.person("trf-ops").await?);
        let stopped = eventually("its only clock has stopped when it was over", async || {
            let request = GetCaseClocksRequest { case: key.clone() };
            let clocks = sla.clone().get_case_clocks(request).await.map(|clocks| clocks.into_inner().clocks);
            let states: Vec<_> =
                clocks.unwrap_or_default().into_iter().filter_map(|clock| clock.state).collect();
            Ok(Some(states).filter(|states| states.iter().any(|state| state.phase == "stopped")))
        })
        .await?;
        let [response] = stopped.as_slice() else { panic!("{stopped:?}") };
        assert_eq!((response.stopped_at, response.breached_at), (past.closed_at, None));

        // Reopened here, it is a case like any other: it gets a desk and its promises.
        let agent = CaseServiceClient::new(platform.person("trf-intake").await?);
        act(&agent, &key, "reopen", None).await?;
        eventually("it has a desk and a due time", async || {
            let found = case(&cases, &key).await?;
            Ok(found.filter(|case| {
                case.state == "in_progress" && !case.queue.is_empty() && case.due_at.is_some()
            }))
        })
        .await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transition_opens_a_child_that_knows_its_parent() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let triage = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        let handler = CaseServiceClient::new(platform.person("trf-licence-1").await?);
        let manager = CaseServiceClient::new(platform.person("trf-licence-manager").await?);
        let key = intake.submit_case(complaint("C-1", &form())).await?.into_inner().reference;
        eventually("it is open", async || Ok(case(&triage, &key).await?.filter(|case| case.version > 0))).await?;
        act(&triage, &key, "start_triage", None).await?;
        let routed = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "medium", "department": "TRF-LICENCE"});
        act(&triage, &key, "route", Some(routed)).await?;
        act(&handler, &key, "accept", None).await?;
        let measure = json!({"title": {"ar": "نافذة ثانية", "en": "A second window"}, "type": "quick_fix", "cross_department": false,
            "owner_department": "TRF-LICENCE", "owner": "trf-licence-1", "priority": "high", "due": "2026-12-15"});
        act(&manager, &key, "open_improvement", Some(measure)).await?;

        let parent = eventually("the parent knows its child", async || {
            Ok(case(&triage, &key).await?.filter(|case| !case.links.is_empty()))
        })
        .await?;
        assert_eq!(parent.links[0].link, "child");
        let child = case(&manager, &parent.links[0].case_id).await?.unwrap_or_default();
        assert_eq!((child.case_type.as_str(), child.state.as_str()), ("improvement_action", "proposed"));
        assert_eq!(child.subject.as_ref().map(|subject| subject.en.as_str()), Some("A second window"));
        let link = &child.links[0];
        assert_eq!((link.link.as_str(), link.reference.as_str()), ("improves", key.as_str()));
        let desk = eventually("the child has a desk", async || {
            Ok(case(&manager, &child.case_id).await?.filter(|case| !case.queue.is_empty()))
        });
        assert_eq!(desk.await?.queue, "TRF-LICENCE");
        let history = ListCaseEventsRequest { case: key.clone(), page: None };
        let history = triage.clone().list_case_events(history).await?.into_inner().events;
        assert!(history.iter().any(|event| event.kind == "link" && event.text == child.reference), "{history:?}");
        // The child walks its own way.
        act(&manager, &child.case_id, "approve", None).await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

/// What one department waits for from another is a promise between them: the customer's runs on (T8, T14).
#[tokio::test(flavor = "multi_thread")]
async fn a_department_is_asked_by_a_case_of_its_own() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let handler = CaseServiceClient::new(platform.person("trf-licence-1").await?);
        let other = CaseServiceClient::new(platform.person("trf-inspect-1").await?);
        let clocks = SlaServiceClient::new(platform.person("trf-licence-1").await?);
        let mut named = form();
        named["department"] = json!("TRF-LICENCE");
        let key = intake.submit_case(complaint("Q-1", &named)).await?.into_inner().reference;
        act(&handler, &key, "accept", None).await?;
        let question =
            json!({"to": "TRF-INSPECT", "text": "Did it pass?", "importance": "high", "due": "2026-11-17"});
        act(&handler, &key, "ask_department", Some(question)).await?;
        let request = eventually("the request has a desk", async || {
            let asking = case(&handler, &key).await?.unwrap_or_default();
            let Some(link) = asking.links.first() else { return Ok(None) };
            Ok(case(&other, &link.case_id).await?.filter(|request| !request.queue.is_empty()))
        })
        .await?;
        assert_eq!(
            (request.case_type.as_str(), request.queue.as_str()),
            ("department_request", "TRF-INSPECT")
        );
        let running = async |case: &str, clock: &str| -> Result<Option<Timestamp>> {
            let request = GetCaseClocksRequest { case: case.to_owned() };
            let clocks = clocks.clone().get_case_clocks(request).await?.into_inner().clocks;
            let running = clocks.into_iter().filter_map(|clock| clock.state);
            let mut running = running.filter(|state| state.clock == clock && state.phase == "running");
            Ok(running.find_map(|state| time::from_proto(state.due_at.as_ref())))
        };
        let due = eventually("the request has a promise", async || running(&request.case_id, "answer").await);
        assert_eq!(due.await?, "2026-11-17T14:00:00+03:00".parse()?);
        act(&other, &request.case_id, "accept", None).await?;
        act(&other, &request.case_id, "answer", Some(json!({"text": "It passed."}))).await?;
        eventually("the promise is kept", async || {
            Ok(running(&request.case_id, "answer").await?.is_none().then_some(()))
        })
        .await?;
        assert!(running(&key, "response").await?.is_some());
        // Who asked reads the answer and says so in their own case.
        let answered = case(&handler, &request.case_id).await?.unwrap_or_default();
        assert_eq!(answered.state, "answered");
        act(&handler, &key, "request_answered", Some(json!({"note": "It passed."}))).await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

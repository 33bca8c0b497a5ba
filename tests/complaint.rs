//! A complaint's whole way through the real clients: in, to a desk, through its states, on its clocks, over.

mod support;

use anyhow::Result;
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{
    AvailableTransitionsRequest, CommentRequest, ListCaseEventsRequest, ListCasesRequest, TransitionRequest,
};
use masar_proto::intake::v1::SubmitCasesRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::intake::v1::submit_cases_response::Result as ItemResult;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::routing::v1::{ClaimNextRequest, ExplainRequest, ListQueuesRequest, RerouteRequest};
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{Clock as SlaClock, GetCaseClocksRequest};
use masar_runtime::{Clock, refuse};
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Asking, Platform, act, case, complaint, eventually};
use tonic::Code;

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";

/// A complaint that somebody must assess.
fn form(subject: &str) -> Value {
    json!({"channel": "call_centre", "language": "ar", "service": "TRF-S01", "category": "time.delay",
        "subject": subject, "description": "انتظرت ثلاثة أسابيع"})
}

/// A complaint that names its department, which has it at once.
fn assessed(subject: &str) -> Value {
    let mut form = form(subject);
    form["department"] = json!("TRF-LICENCE");
    form
}

async fn clocks(client: &SlaServiceClient<Asking>, key: &str) -> Result<Vec<SlaClock>> {
    let request = GetCaseClocksRequest { case: key.to_owned() };
    match client.clone().get_case_clocks(request).await {
        Ok(found) => Ok(found.into_inner().clocks),
        Err(status) if status.code() == Code::NotFound => Ok(Vec::new()),
        Err(status) => Err(status.into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complaint_walks_from_the_call_to_the_kept_promise() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse::<Timestamp>()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let accepted = intake.submit_case(complaint("A-1", &form("تأخير"))).await?.into_inner();
        let again = intake.submit_case(complaint("A-1", &form("تأخير"))).await?.into_inner();
        assert_eq!((again.reference.as_str(), again.duplicate), (accepted.reference.as_str(), true));
        assert!(accepted.reference.starts_with("TRF-2026-0000001-"), "{}", accepted.reference);

        let triage = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        let handler = CaseServiceClient::new(platform.person("trf-licence-1").await?);
        let manager = CaseServiceClient::new(platform.person("trf-licence-manager").await?);
        let sla = SlaServiceClient::new(platform.person("trf-ops").await?);
        let key = accepted.reference.as_str();
        let opened = eventually("a queue and a due time", async || {
            Ok(case(&triage, key).await?.filter(|case| !case.queue.is_empty() && case.due_at.is_some()))
        })
        .await?;
        assert_eq!((opened.state.as_str(), opened.queue.as_str()), ("received", "triage"));

        // Nobody can be told that it was received, and the ledger says so.
        let acknowledged = eventually("the acknowledgement is done", async || {
            let done = |clock: &SlaClock| clock.state.as_ref().is_some_and(|state| state.clock == "ack" && state.phase == "stopped");
            Ok(clocks(&sla, key).await?.into_iter().find(done))
        })
        .await?;
        let line = acknowledged.ledger.last().map(|line| line.text.as_str()).unwrap_or_default();
        assert_eq!(line, "stopped: `acknowledgement` has nobody to reach: the customer left no address");

        // A refusal says who may, and nothing has changed.
        let refused = act(&handler, key, "start_triage", None).await.unwrap_err();
        assert_eq!((refused.code(), refuse::reason(&refused).as_deref()), (Code::PermissionDenied, Some("ROLE")));
        act(&triage, key, "start_triage", None).await?;
        let refused = act(&triage, key, "route", Some(json!({"kind": "complaint"}))).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let routed = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "medium", "department": "TRF-LICENCE"});
        act(&triage, key, "route", Some(routed)).await?;
        let accepted_by = act(&handler, key, "accept", None).await?;
        assert_eq!(accepted_by.version, 4);
        let stale = TransitionRequest { case: key.into(), action: "first_contact".into(), expected_version: 2, ..Default::default() };
        assert_eq!(handler.clone().transition(stale).await.unwrap_err().code(), Code::Aborted);
        act(&handler, key, "first_contact", Some(json!({"note": "called"}))).await?;
        let comment = CommentRequest { case: key.into(), text: "waiting for the file".into(), audience: String::new() };
        handler.clone().comment(comment).await?;
        let answer = json!({"text": {"ar": "تم", "en": "Done"}, "points_answered": [{"point": "the delay", "answered": true}],
            "channel": "email", "review_right_text": true});
        let draft = json!({"answer": answer, "investigation": {"facts": "f", "what_should_have_happened": "w", "findings": "x", "outcome": "upheld"}});
        let available = AvailableTransitionsRequest { case: key.into() };
        let available = handler.clone().available_transitions(available).await?.into_inner().transitions;
        assert!(available.iter().any(|line| line.action == "draft_answer" && line.allowed && line.form_schema.contains("review_right_text")));
        act(&handler, key, "draft_answer", Some(draft)).await?;
        let answered = act(&manager, key, "approve", None).await?;
        assert_eq!(answered.state, "answered");

        let stopped = eventually("the response clock stops", async || {
            let all = clocks(&sla, key).await?;
            let response = all.into_iter().find(|clock| clock.state.as_ref().is_some_and(|state| state.clock == "response"));
            Ok(response.filter(|clock| clock.state.as_ref().is_some_and(|state| state.phase == "stopped")))
        })
        .await?;
        assert!(stopped.state.unwrap_or_default().breached_at.is_none());
        let desk = eventually("no desk any more", async || {
            Ok(case(&triage, key).await?.filter(|case| case.queue.is_empty() && case.assignee.is_empty()))
        });
        desk.await?;
        let history = ListCaseEventsRequest { case: key.into(), page: None };
        let history = handler.clone().list_case_events(history).await?.into_inner().events;
        let told: Vec<_> = history.iter().map(|event| if event.kind == "comment" { "comment" } else { event.action.as_str() }).collect();
        assert_eq!(told, ["open", "start_triage", "route", "accept", "first_contact", "comment", "draft_answer", "approve"]);
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn time_warns_breaches_and_makes_the_system_act() -> Result<()> {
    on_each_database(async |url| {
        let (clock, hand) = Clock::manual(SUNDAY.parse::<Timestamp>()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let key = intake.submit_case(complaint("B-1", &form("تأخير"))).await?.into_inner().reference;
        let key = key.as_str();
        let triage = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        let handler = CaseServiceClient::new(platform.person("trf-licence-1").await?);
        let sla = SlaServiceClient::new(platform.person("trf-ops").await?);
        eventually("opened", async || case(&triage, key).await).await?;
        act(&triage, key, "start_triage", None).await?;
        let routed = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "medium", "department": "TRF-LICENCE"});
        act(&triage, key, "route", Some(routed)).await?;
        act(&handler, key, "accept", None).await?;
        act(&handler, key, "ask_customer", Some(json!({"text": "Which office?"}))).await?;
        let clock_of = async |name: &'static str, phase: &'static str| {
            eventually("a clock in its phase", async || {
                let all = clocks(&sla, key).await?;
                Ok(all.into_iter().find(|clock| clock.state.as_ref().is_some_and(|state| state.clock == name && state.phase == phase)))
            })
            .await
        };
        // The customer has the word: the promise stands still, and their own clock runs (T8).
        clock_of("response", "paused").await?;
        let wait = clock_of("customer_wait", "running").await?.state.unwrap_or_default();
        let due = masar_proto::time::from_proto(wait.due_at.as_ref()).unwrap_or_default();
        assert_eq!(due, "2026-11-29T14:00:00+03:00".parse()?);

        hand.advance_to(due);
        let closed = eventually("the system closes", async || Ok(case(&triage, key).await?.filter(|case| case.state == "closed"))).await?;
        assert_eq!(closed.category(), masar_proto::common::v1::StateCategory::Closed);
        let fired = clock_of("customer_wait", "stopped").await?.fired;
        assert_eq!(fired, ["50%", "breach"]);
        clock_of("response", "cancelled").await?;

        // The customer may come back for twenty working days, and not a moment longer (P01 23).
        let customer = CaseServiceClient::new(platform.person("trf-intake").await?);
        let window = clock_of("reopen_window", "running").await?.state.unwrap_or_default();
        let due = masar_proto::time::from_proto(window.due_at.as_ref()).unwrap_or_default();
        let may_reopen = async || {
            let available = AvailableTransitionsRequest { case: key.into() };
            let lines = customer.clone().available_transitions(available).await?.into_inner().transitions;
            anyhow::Ok(lines.into_iter().find(|line| line.action == "reopen").map(|line| line.refusal_code))
        };
        hand.advance_to(due);
        assert_eq!(may_reopen().await?.as_deref(), Some(""));
        clock_of("reopen_window", "stopped").await?;
        hand.advance_to(due.checked_add(jiff::SignedDuration::from_secs(1))?);
        eventually("the window is shut", async || Ok(may_reopen().await?.filter(|code| code == "WINDOW"))).await?;
        let refused = act(&customer, key, "reopen", None).await.unwrap_err();
        assert_eq!((refused.code(), refuse::reason(&refused).as_deref()), (Code::FailedPrecondition, Some("WINDOW")));
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gets_one_answer_for_each_item_and_search_finds_variants() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse::<Timestamp>()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let mut items: Vec<_> = (0..200u64)
            .map(|item| SubmitCasesRequest {
                item,
                case: Some(complaint(&format!("S-{item}"), &assessed("شكوى من التأخير"))),
            })
            .collect();
        // Item 200 repeats the first, item 201 has wrong fields, item 202 has no package.
        items.push(SubmitCasesRequest { item: 200, case: items[0].case.clone() });
        items.push(SubmitCasesRequest {
            item: 201,
            case: Some(complaint("S-x", &json!({"channel": "pigeon", "language": "ar"}))),
        });
        let mut unknown = complaint("S-y", &form("x"));
        unknown.case_type = "riddle".to_owned();
        items.push(SubmitCasesRequest { item: 202, case: Some(unknown) });
        let mut answers = intake.submit_cases(tokio_stream::iter(items)).await?.into_inner();
        let mut references = std::collections::BTreeSet::new();
        let mut first = (String::new(), false);
        let mut next = 0;
        while let Some(answer) = answers.message().await? {
            assert_eq!(answer.item, next);
            next += 1;
            match (answer.item, answer.result) {
                (0, Some(ItemResult::Accepted(accepted))) => {
                    first = (accepted.reference.clone(), accepted.duplicate);
                    references.insert(accepted.reference);
                }
                (200, Some(ItemResult::Accepted(accepted))) => {
                    // Two writers race: whichever came later is the duplicate, and there is one case.
                    assert_eq!((accepted.reference, !accepted.duplicate), first);
                }
                (201, Some(ItemResult::Rejected(rejected))) => {
                    let fields: Vec<_> =
                        rejected.violations.iter().map(|violation| violation.field.as_str()).collect();
                    assert!(fields.contains(&"intake.channel") && fields.len() >= 3, "{fields:?}");
                }
                (202, Some(ItemResult::Rejected(rejected))) => assert_eq!(rejected.code, "UNKNOWN_CASE_TYPE"),
                (_, Some(ItemResult::Accepted(accepted))) => assert!(references.insert(accepted.reference)),
                (item, other) => panic!("{item}: {other:?}"),
            }
        }
        assert_eq!((next, references.len()), (203, 200));

        let cases = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        eventually("all are open and at a desk", async || {
            let found = RoutingServiceClient::new(platform.person("trf-licence-manager").await?);
            let queues = found.clone().list_queues(ListQueuesRequest::default()).await?.into_inner().queues;
            Ok(queues.into_iter().find(|queue| queue.code == "TRF-LICENCE" && queue.waiting == 200))
        })
        .await?;
        // Acceptance check 23: another spelling of the same words. Pages are whole and do not overlap.
        let mut seen = std::collections::BTreeSet::new();
        let mut token = String::new();
        loop {
            let page = Some(masar_proto::common::v1::PageRequest { size: 64, token });
            let request =
                ListCasesRequest { page, text: "شكوي التاخير".to_owned(), ..Default::default() };
            let found = cases.clone().list_cases(request).await?.into_inner();
            for case in found.cases {
                assert!(seen.insert(case.reference));
            }
            token = found.page.unwrap_or_default().next_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, references);
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_claimed_once_and_bounce_twice() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse::<Timestamp>()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        for number in 0..20 {
            intake.submit_case(complaint(&format!("T-{number}"), &assessed("تأخير"))).await?;
        }
        let one = RoutingServiceClient::new(platform.person("trf-licence-1").await?);
        let other = RoutingServiceClient::new(platform.person("trf-licence-2").await?);
        eventually("twenty wait", async || {
            let queues = one.clone().list_queues(ListQueuesRequest::default()).await?.into_inner().queues;
            Ok(queues.into_iter().find(|queue| queue.waiting == 20))
        })
        .await?;
        let next = || ClaimNextRequest { queue: "TRF-LICENCE".to_owned() };
        let claims = (0..20).map(|number| {
            let mut client = if number % 2 == 0 { one.clone() } else { other.clone() };
            async move { client.claim_next(next()).await }
        });
        let claimed = futures::future::try_join_all(claims).await?;
        let cases: std::collections::BTreeSet<_> =
            claimed.iter().map(|task| task.get_ref().case_id.clone()).collect();
        assert_eq!(cases.len(), 20);
        assert_eq!(one.clone().claim_next(next()).await.unwrap_err().code(), Code::NotFound);

        let task = claimed.into_iter().next().map(tonic::Response::into_inner).unwrap_or_default();
        let explained =
            one.clone().explain(ExplainRequest { case: task.case_id.clone() }).await?.into_inner();
        assert_eq!(explained.decided_by, "rule 4: a department is named");
        let reroute = |queue: &str| RerouteRequest {
            case: task.case_id.clone(),
            queue: queue.into(),
            reason: "not ours".into(),
        };
        assert_eq!(one.clone().reroute(reroute("NOWHERE")).await.unwrap_err().code(), Code::InvalidArgument);
        one.clone().reroute(reroute("TRF-INSPECT")).await?;
        one.clone().reroute(reroute("TRF-LICENCE")).await?;
        let refused = one.clone().reroute(reroute("TRF-INSPECT")).await.unwrap_err();
        assert_eq!(refuse::reason(&refused).as_deref(), Some("BOUNCE_LIMIT"));
        let director = RoutingServiceClient::new(platform.person("trf-pr-director").await?);
        assert_eq!(director.clone().reroute(reroute("triage")).await?.into_inner().queue, "triage");
        Ok(platform.running.stop().await?)
    })
    .await
}

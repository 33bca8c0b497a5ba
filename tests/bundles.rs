//! Acceptance check 21: a complaint about a bundle of services is one to each of its entities, and is answered once each of them has
//! answered; the customer has to do with the entity alone that received it (STR-13, T14).

mod support;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, CaseLink, GetCaseRequest, ListCaseEventsRequest, ListCasesRequest};
use masar_proto::common::v1::StateCategory;
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::notify::v1::notify_service_client::NotifyServiceClient;
use masar_proto::notify::v1::{Delivery, ListDeliveriesRequest};
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{GetCaseClocksRequest, GetCaseClocksResponse};
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Asking, Platform, act, case, complaint, eventually, with_question};
use tonic::{Code, Status};

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";
/// Of each entity of the bundle: its code, who triages, who handles and who approves there, and their department.
const PARTS: [(&str, &str, &str, &str, &str); 2] = [
    ("DEMO-TRF", "trf-triage-1", "trf-licence-1", "trf-licence-manager", "TRF-LICENCE"),
    ("DEMO-MUN", "mun-triage-1", "mun-roads-1", "mun-roads-manager", "MUN-ROADS"),
];

type Cases = CaseServiceClient<Asking>;

async fn person(platform: &Platform, id: &str) -> Result<Cases> {
    Ok(CaseServiceClient::new(platform.person(id).await?))
}

/// A complaint that says what triage decides, about the services of some entities.
fn bundle(entities: &[&str]) -> Value {
    let entities: Vec<_> = entities.iter().map(|entity| json!({"entity": entity})).collect();
    json!({"channel": "call_centre", "language": "en", "subject": "Licence and permit", "description": "Each waits for the other",
        "category": "time.delay", "department": "LAB-PERMITS", "bundle": "moving-in", "entities": entities,
        "customer": {"alias": "C-7", "contact": {"mode": "email", "value": "customer@example.org"}}})
}

fn answer() -> Value {
    json!({"text": {"ar": "تم", "en": "They have agreed"}, "points_answered": [{"point": "The wait", "answered": true}],
        "channel": "email", "review_right_text": true})
}

fn draft() -> Value {
    let investigation = json!({"facts": "Two rules", "what_should_have_happened": "One", "findings": "Late", "outcome": "upheld"});
    json!({"investigation": investigation, "answer": answer()})
}

/// A bundle that concerns both entities, once intake has heard that they are there; its reference.
async fn submitted(platform: &Platform) -> Result<String> {
    let intake = IntakeServiceClient::new(platform.call_centre("DEMO-LAB").await?);
    eventually("both entities are known", async || {
        let request = complaint("B-1", &bundle(&["DEMO-TRF", "DEMO-MUN"]));
        match intake.clone().submit_case(request).await {
            Err(status) if status.code() == Code::FailedPrecondition => Ok(None),
            accepted => Ok(Some(accepted?.into_inner().reference)),
        }
    })
    .await
}

fn refused(status: &Status) -> (Code, String) {
    (status.code(), status.message().to_owned())
}

/// The children of a bundle by their entities, once all are open.
async fn parts(lab: &Cases, bundle: &str) -> Result<BTreeMap<String, CaseLink>> {
    eventually("a complaint to each entity", async || {
        let links = case(lab, bundle).await?.map(|case| case.links).unwrap_or_default();
        let parts: BTreeMap<_, _> = links.into_iter().map(|link| (link.entity.clone(), link)).collect();
        Ok(Some(parts).filter(|parts| parts.len() == PARTS.len()))
    })
    .await
}

/// What anybody of an entity finds of a case.
async fn read(cases: &Cases, key: &str) -> Result<Case, Status> {
    let request = GetCaseRequest { case: key.to_owned(), at_least_version: 0 };
    Ok(cases.clone().get_case(request).await?.into_inner())
}

async fn listed(cases: &Cases) -> Result<Vec<String>> {
    let listed = cases.clone().list_cases(ListCasesRequest::default()).await?.into_inner();
    Ok(listed.cases.into_iter().map(|case| case.case_id).collect())
}

async fn clocks(platform: &Platform, who: &str, key: &str) -> Result<GetCaseClocksResponse> {
    let sla = SlaServiceClient::new(platform.person(who).await?);
    eventually("its clocks", async || {
        let wanted = GetCaseClocksRequest { case: key.to_owned() };
        Ok(Some(sla.clone().get_case_clocks(wanted).await?.into_inner()))
    })
    .await
}

/// What people were told about a case.
async fn deliveries(platform: &Platform, admin: &str, case: &str) -> Result<Vec<Delivery>> {
    let mut notify = NotifyServiceClient::new(platform.person(admin).await?);
    let request = ListDeliveriesRequest { case: case.to_owned(), ..ListDeliveriesRequest::default() };
    Ok(notify.list_deliveries(request).await?.into_inner().deliveries)
}

/// An entity answers what it was asked.
async fn answered(platform: &Platform, part: (&str, &str, &str, &str, &str), child: &str) -> Result<()> {
    let (_, triage, handler, manager, department) = part;
    let assessed = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "medium", "department": department});
    for (who, action, form) in [
        (triage, "start_triage", None),
        (triage, "route", Some(assessed)),
        (handler, "accept", None),
        (handler, "draft_answer", Some(draft())),
        (manager, "approve", None),
    ] {
        act(&person(platform, who).await?, child, action, form).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_a_complaint_to_each_entity_and_answered_once_each_has_answered() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let key = submitted(&platform).await?;
        let (handler, manager) =
            (person(&platform, "lab-permits-1").await?, person(&platform, "lab-permits-manager").await?);
        let parts = parts(&handler, &key).await?;
        eventually("it is opened", async || Ok(act(&handler, &key, "accept", None).await.ok())).await?;

        let early =
            act(&handler, &key, "draft_answer", Some(draft())).await.map_err(|status| refused(&status));
        let (code, problem) = early.expect_err("nobody has answered");
        assert!(code == Code::FailedPrecondition && problem.contains("entities of the bundle"), "{problem}");
        answered(&platform, PARTS[0], &parts["DEMO-TRF"].case_id).await?;
        // Who asked knows what became of it, across the entities.
        eventually("one has answered", async || {
            let links = read(&handler, &key).await?.links;
            let known = links.into_iter().find(|link| link.entity == "DEMO-TRF");
            Ok(known.filter(|link| link.state == "answered" && link.category() == StateCategory::Resolved))
        })
        .await?;
        let early = act(&handler, &key, "draft_answer", Some(draft())).await;
        assert_eq!(early.map(drop).map_err(|status| status.code()), Err(Code::FailedPrecondition));

        answered(&platform, PARTS[1], &parts["DEMO-MUN"].case_id).await?;
        eventually("the system hears that all have answered", async || {
            let request = ListCaseEventsRequest { case: key.clone(), ..ListCaseEventsRequest::default() };
            let events = handler.clone().list_case_events(request).await?.into_inner().events;
            Ok(events.into_iter().find(|event| event.action == "entities_answered"))
        })
        .await?;
        act(&handler, &key, "draft_answer", Some(draft())).await?;
        let told = act(&manager, &key, "approve", None).await?;
        assert_eq!(told.state, "answered");
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_clock_faces_the_customer_and_no_entity_sees_the_cases_of_another() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let key = submitted(&platform).await?;
        let lab = person(&platform, "lab-triage-1").await?;
        let parts = parts(&lab, &key).await?;
        let parent = read(&lab, &key).await?;
        for (entity, triage, ..) in PARTS {
            let child = &parts[entity].case_id;
            let there = person(&platform, triage).await?;
            let part = read(&there, child).await?;
            // It knows who asked, by reference, and no more of it.
            assert!(part.inward, "{part:?}");
            let link = part.links.first().context("it is linked")?;
            let known = (link.link.as_str(), link.entity.as_str(), link.reference.as_str());
            assert_eq!(known, ("part_of", "DEMO-LAB", key.as_str()));
            assert_eq!(listed(&there).await?, std::slice::from_ref(child));
            for (cases, other) in [(&there, &parent.case_id), (&there, &key), (&lab, child)] {
                let read = read(cases, other).await.map(drop).map_err(|status| status.code());
                assert_eq!(read, Err(Code::NotFound), "{other}");
            }
            let moved = act(&lab, child, "start_triage", None).await.map(drop);
            assert_eq!(moved.map_err(|status| status.code()), Err(Code::NotFound));
        }
        assert_eq!(listed(&lab).await?, std::slice::from_ref(&parent.case_id));

        // Whoever reads the clocks of the one sees those of the others beside them, on the calendars of their own entities.
        let clocks = eventually("all clocks", async || {
            let clocks = clocks(&platform, "lab-ops", &key).await?;
            let responses = clocks.of_children.iter().filter(|clock| name(clock) == "response").count();
            Ok(Some(clocks).filter(|_| responses == PARTS.len()))
        })
        .await?;
        let facing = |clocks: &[masar_proto::sla::v1::Clock]| {
            clocks.iter().filter(|clock| kind(clock) == "sla").count()
        };
        assert_eq!(facing(&clocks.of_children), 0, "{:?}", clocks.of_children);
        let response = clocks.clocks.iter().find(|clock| name(clock) == "response").context("a response")?;
        assert_eq!(kind(response), "sla");
        assert!(
            clocks
                .of_children
                .iter()
                .filter(|clock| name(clock) == "response")
                .all(|clock| kind(clock) == "ola")
        );

        // The customer hears from one entity.
        eventually("the acknowledgement", async || {
            let told = deliveries(&platform, "lab-admin", &key).await?;
            Ok(told.into_iter().find(|told| told.template == "acknowledgement"))
        })
        .await?;
        for (admin, entity) in [("trf-admin", "DEMO-TRF"), ("mun-admin", "DEMO-MUN")] {
            let told = deliveries(&platform, admin, &parts[entity].case_id).await?;
            assert!(told.iter().all(|told| told.template != "acknowledgement"), "{told:?}");
        }
        Ok(platform.running.stop().await?)
    })
    .await
}

fn name(clock: &masar_proto::sla::v1::Clock) -> &str {
    clock.state.as_ref().map_or("", |state| state.clock.as_str())
}

fn kind(clock: &masar_proto::sla::v1::Clock) -> &str {
    clock.state.as_ref().map_or("", |state| state.kind.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_that_is_not_there_is_refused_before_anything_is_accepted() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let intake = IntakeServiceClient::new(platform.call_centre("DEMO-LAB").await?);
        let problem = eventually("the other entity is known", async || {
            let request = complaint("B-1", &bundle(&["DEMO-TRF", "DEMO-NONE"]));
            let (code, problem) = intake
                .clone()
                .submit_case(request)
                .await
                .map(drop)
                .map_err(|status| refused(&status))
                .expect_err("one is unknown");
            assert_eq!(code, Code::FailedPrecondition, "{problem}");
            Ok(Some(problem).filter(|problem| !problem.contains("DEMO-TRF")))
        })
        .await?;
        assert!(problem.contains("there is no entity `DEMO-NONE`"), "{problem}");
        assert_eq!(listed(&person(&platform, "lab-triage-1").await?).await?, [] as [String; 0]);
        Ok(platform.running.stop().await?)
    })
    .await
}

/// A package whose cases ask another entity, which then faces the customer itself, and end with its answer.
const FORWARDING: &str = r#"
package: forwarding
version: 1.0.0
case_type: forwarding
label: {ar: "إحالة", en: "Forwarding"}
opening_form: question
states:
  asking: {category: open, initial: true, label: {ar: "قيد السؤال", en: "Asking"}}
  done: {category: closed, label: {ar: "تم", en: "Done"}}
transitions:
  - {action: forward, from: [asking], to: same, roles: [triage_officer], form: question, label: {ar: "إحالة", en: "Forward"},
     effects: [{child: {package: inquiry, link: forwarded, entity: service, with: {channel: channel, language: language, subject: subject, question: question}}}]}
  - {action: finish, from: [asking], to: done, roles: [system], effects: [close_task], label: {ar: "إنهاء", en: "Finish"},
     guard: "children.exists(c, c.link == 'forwarded' && c.category == 'resolved')", otherwise: {ar: "لم يرد بعد", en: "Not answered yet"}}
on_child: [finish]
routing: {otherwise: triage}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_transition_asks_another_entity_and_the_case_goes_on_when_that_has_answered() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let folder = tempfile::tempdir()?;
        let package = with_question(&folder.path().join("forwarding"), FORWARDING)?;
        let platform = Platform::start_with(url, clock, vec![package]).await?;
        let asked = |to: &str| json!({"channel": "web_portal", "language": "en", "subject": "How long", "question": "How long?", "service": to});
        let request = SubmitCaseRequest { case_type: "forwarding".to_owned(), ..complaint("F-1", &asked("LAB-S01")) };
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-LAB").await?);
        let key = intake.submit_case(request).await?.into_inner().reference;
        let lab = person(&platform, "lab-triage-1").await?;
        eventually("it is opened", async || Ok(case(&lab, &key).await?.filter(|case| case.version > 0))).await?;

        let unknown = act(&lab, &key, "forward", Some(asked("DEMO-NONE"))).await.map(drop);
        let (code, problem) = unknown.map_err(|status| refused(&status)).expect_err("it is unknown");
        assert!(code == Code::FailedPrecondition && problem.contains("there is no entity `DEMO-NONE`"), "{problem}");
        let unchanged = read(&lab, &key).await?;
        assert_eq!((unchanged.version, unchanged.links.len()), (1, 0));
        // Cases may not have heard of the other entity yet.
        eventually("it is forwarded", async || Ok(act(&lab, &key, "forward", Some(asked("DEMO-TRF"))).await.ok())).await?;
        let link = eventually("the inquiry there", async || {
            let links = case(&lab, &key).await?.map(|case| case.links).unwrap_or_default();
            Ok(links.into_iter().find(|link| !link.package.is_empty()))
        })
        .await?;
        assert_eq!((link.entity.as_str(), link.package.as_str()), ("DEMO-TRF", "inquiry"));
        let there = person(&platform, "trf-intake").await?;
        assert!(!read(&there, &link.case_id).await?.inward);
        let facing = clocks(&platform, "trf-ops", &link.case_id).await?;
        assert!(facing.clocks.iter().any(|clock| kind(clock) == "sla"), "it faces the customer itself");
        act(&there, &link.case_id, "answer", Some(json!({"text": "A week"}))).await?;
        eventually("it ends with the answer", async || {
            Ok(case(&lab, &key).await?.filter(|case| case.state == "done"))
        })
        .await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

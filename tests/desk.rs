//! Desks as the people at them see them: tasks that are taken, put back, given and moved, what those see who watch, and
//! the lists that find a case.

mod support;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::transition_cases_response::Result as Moved;
use masar_proto::cases::v1::{
    Case, LinkRequest, ListCaseEventsRequest, ListCasesRequest, TransitionCasesRequest, TransitionRequest,
    WatchCaseRequest,
};
use masar_proto::common::v1::{Importance, StateCategory, TimeRange};
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::routing::v1::{
    AssignRequest, ClaimNextRequest, ClaimRequest, ListTasksRequest, ReleaseRequest, RerouteRequest,
    WatchQueueRequest,
};
use masar_proto::time;
use masar_runtime::{Clock, refuse};
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Asking, Platform, act, case, complaint, eventually, shown};
use tonic::{Code, Status};

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";
const LICENCE: &str = "TRF-LICENCE";
const INSPECT: &str = "TRF-INSPECT";

/// A complaint that somebody must assess.
fn form(service: &str, importance: &str) -> Value {
    json!({"channel": "email", "language": "en", "service": service, "category": "time.delay", "subject": "Late",
        "description": "Late", "importance_provisional": importance})
}

/// A complaint that names its department, which has it at once.
fn assessed(department: &str, service: &str, importance: &str) -> Value {
    let mut form = form(service, importance);
    form["department"] = json!(department);
    form
}

async fn platform(url: String) -> Result<Platform> {
    let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
    Platform::start(url, clock).await
}

/// Submits a complaint and waits until it has a desk and a due time.
async fn at_a_desk(platform: &Platform, key: &str, form: &Value) -> Result<Case> {
    let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
    let accepted = intake.submit_case(complaint(key, form)).await?.into_inner();
    let cases = CaseServiceClient::new(platform.person("trf-triage-1").await?);
    eventually("a desk and a due time", async || {
        let seen = case(&cases, &accepted.case_id).await?;
        Ok(seen.filter(|case| !case.queue.is_empty() && case.due_at.is_some()))
    })
    .await
}

/// How a call was refused: its code and the reason that programs read.
fn refused<T>(answer: Result<T, Status>) -> (Code, String) {
    answer.map_or_else(
        |status| (status.code(), refuse::reason(&status).unwrap_or_default()),
        |_| (Code::Ok, String::new()),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_taken_put_back_given_and_moved_and_its_queue_says_so() -> Result<()> {
    on_each_database(async |url| {
        let platform = platform(url).await?;
        let desk =
            async |who: &'static str| anyhow::Ok(RoutingServiceClient::new(platform.person(who).await?));
        let mut handler = desk("trf-licence-1").await?;
        let mut colleague = desk("trf-licence-2").await?;
        let mut manager = desk("trf-licence-manager").await?;
        let watch = WatchQueueRequest { queue: LICENCE.to_owned() };
        let mut queue = manager.watch_queue(watch).await?.into_inner();
        let mut counts = async |waiting: u64, claimed: u64| {
            let what = format!("{waiting} waiting, {claimed} claimed");
            shown(&what, &mut queue, |seen| (seen.waiting, seen.claimed) == (waiting, claimed)).await
        };
        counts(0, 0).await?;
        let key = at_a_desk(&platform, "D-1", &assessed(LICENCE, "TRF-S01", "medium")).await?.case_id;
        let label = counts(1, 0).await?.label.unwrap_or_default();
        assert_eq!((label.ar.as_str(), label.en.as_str()), ("قسم رخص المركبات", "Vehicle licences"));

        let claim = || ClaimRequest { case: key.clone() };
        let task = handler.claim(claim()).await?.into_inner();
        assert_eq!(task.assignee, "trf-licence-1");
        assert_eq!(time::from_proto(task.claimed_at.as_ref()), Some(SUNDAY.parse()?));
        counts(0, 1).await?;
        let held = (Code::FailedPrecondition, "HELD".to_owned());
        assert_eq!(refused(colleague.claim(claim()).await), held);
        let next = ClaimNextRequest { queue: LICENCE.to_owned() };
        assert_eq!(refused(colleague.claim_next(next).await).0, Code::NotFound);

        let release = || ReleaseRequest { case: key.clone(), reason: "on leave".to_owned() };
        let task = handler.release(release()).await?.into_inner();
        assert_eq!((task.queue.as_str(), task.assignee.as_str(), task.claimed_at), (LICENCE, "", None));
        counts(1, 0).await?;
        let free = (Code::FailedPrecondition, "NOT_HELD".to_owned());
        assert_eq!(refused(handler.release(release()).await), free);

        let assign = |person: &str| AssignRequest { case: key.clone(), assignee: person.to_owned() };
        assert_eq!(refused(handler.assign(assign("trf-licence-2")).await).0, Code::PermissionDenied);
        assert_eq!(refused(manager.assign(assign("nobody")).await).0, Code::InvalidArgument);
        let task = manager.assign(assign("trf-licence-2")).await?.into_inner();
        assert_eq!(task.assignee, "trf-licence-2");
        counts(0, 1).await?;
        let own = ListTasksRequest { assignee: "trf-licence-2".to_owned(), ..ListTasksRequest::default() };
        let own = colleague.list_tasks(own).await?.into_inner().tasks;
        assert_eq!(own, [task]);

        let reroute = |reason: &str| RerouteRequest {
            case: key.clone(),
            queue: INSPECT.to_owned(),
            reason: reason.to_owned(),
        };
        assert_eq!(refused(colleague.reroute(reroute(" ")).await).0, Code::InvalidArgument);
        let task = colleague.reroute(reroute("about the inspection")).await?.into_inner();
        assert_eq!((task.queue.as_str(), task.assignee.as_str(), task.bounces), (INSPECT, "", 1));
        assert_eq!(task.reason, "rerouted by trf-licence-2: about the inspection");
        // Those whom it has left see that, too.
        counts(0, 0).await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_knows_its_like_and_those_who_watch_see_it_move() -> Result<()> {
    on_each_database(async |url| {
        let platform = platform(url).await?;
        let first = at_a_desk(&platform, "D-1", &assessed(LICENCE, "TRF-S01", "medium")).await?;
        let second = at_a_desk(&platform, "D-2", &assessed(LICENCE, "TRF-S01", "medium")).await?;
        let mut handler = CaseServiceClient::new(platform.person("trf-licence-1").await?);
        let watch = WatchCaseRequest { case: second.reference.clone() };
        let mut watched = handler.watch_case(watch).await?.into_inner();
        shown("the case as it is", &mut watched, |case| case.state == "routed").await?;

        let link = |other: &str, link: &str| LinkRequest {
            case: second.reference.clone(),
            other_case: other.to_owned(),
            link: link.to_owned(),
        };
        assert_eq!(refused(handler.link(link(&first.reference, " ")).await).0, Code::InvalidArgument);
        assert_eq!(refused(handler.link(link("TRF-2026-0000099-0", "caused_by")).await).0, Code::NotFound);
        handler.link(link(&first.reference, "duplicate_of")).await?;
        let links = case(&handler, &second.case_id).await?.context("a case")?.links;
        let links: Vec<_> = links.iter().map(|link| (link.link.as_str(), link.case_id.as_str())).collect();
        assert_eq!(links, [("duplicate_of", first.case_id.as_str())]);
        let history = ListCaseEventsRequest { case: second.case_id.clone(), page: None };
        let history = handler.list_case_events(history).await?.into_inner().events;
        let noted = history.last().context("no history")?;
        assert_eq!(
            (noted.kind.as_str(), noted.action.as_str(), noted.text.as_str(), noted.actor.as_str()),
            ("link", "duplicate_of", first.reference.as_str(), "trf-licence-1")
        );

        act(&handler, &second.case_id, "accept", None).await?;
        let moved = shown("it is accepted", &mut watched, |case| case.state == "in_progress").await?;
        assert_eq!((moved.version, moved.reference), (second.version + 1, second.reference));
        act(&handler, &second.case_id, "first_contact", Some(json!({"note": "called"}))).await?;
        shown("it is answered for", &mut watched, |case| case.version == moved.version + 1).await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

/// A list of cases, and which of them it has to find.
type Listed = (&'static str, ListCasesRequest, &'static [&'static str]);

fn all() -> ListCasesRequest {
    ListCasesRequest::default()
}

/// Every filter but the due time by itself, and two together.
fn lists() -> [Listed; 16] {
    let text = |text: &str| text.to_owned();
    let states = |states: &[&str]| states.iter().copied().map(String::from).collect();
    let [open, closed] = [StateCategory::Open, StateCategory::Closed].map(|category| vec![category.into()]);
    let [low, medium, high] = [Importance::Low, Importance::Medium, Importance::High].map(i32::from);
    let inspector = || text("trf-inspect-1");
    [
        ("all", all(), &["new", "medium", "low"]),
        ("a state", ListCasesRequest { states: states(&["received"]), ..all() }, &["new"]),
        ("two", ListCasesRequest { states: states(&["received", "routed"]), ..all() }, &["new", "medium"]),
        ("open", ListCasesRequest { categories: open, ..all() }, &["new", "medium", "low"]),
        ("closed", ListCasesRequest { categories: closed, ..all() }, &[]),
        ("a desk", ListCasesRequest { queue: text("triage"), ..all() }, &["new"]),
        ("a department's desk", ListCasesRequest { queue: text(LICENCE), ..all() }, &["medium"]),
        ("a person", ListCasesRequest { assignee: inspector(), ..all() }, &["low"]),
        ("another person", ListCasesRequest { assignee: text("trf-inspect-2"), ..all() }, &[]),
        ("an importance", ListCasesRequest { importance: vec![high], ..all() }, &["new"]),
        ("two of them", ListCasesRequest { importance: vec![low, medium], ..all() }, &["medium", "low"]),
        ("a service", ListCasesRequest { service: text("TRF-S02"), ..all() }, &["low"]),
        ("a department", ListCasesRequest { department: text(LICENCE), ..all() }, &["medium"]),
        ("a type", ListCasesRequest { case_type: text("improvement_action"), ..all() }, &[]),
        ("here", ListCasesRequest { service: text("TRF-S02"), assignee: inspector(), ..all() }, &["low"]),
        ("not here", ListCasesRequest { queue: text(LICENCE), assignee: inspector(), ..all() }, &[]),
    ]
}

/// Windows around the time at which the case of medium importance is due: what is due as a window begins is in it, what is
/// due as it ends is not.
fn windows(due: Timestamp) -> Result<[Listed; 4]> {
    let second = SignedDuration::from_secs(1);
    let window = |from: Option<Timestamp>, to: Option<Timestamp>| {
        let due = Some(TimeRange { from: from.map(time::to_proto), to: to.map(time::to_proto) });
        ListCasesRequest { due, ..all() }
    };
    Ok([
        ("due then", window(Some(due), Some(due.checked_add(second)?)), &["medium"]),
        ("due until then", window(Some(due.checked_sub(second)?), Some(due)), &[]),
        ("due from then on", window(Some(due), None), &["medium", "low"]),
        ("due before", window(None, Some(due)), &["new"]),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_find_what_was_asked_for_and_nothing_else() -> Result<()> {
    on_each_database(async |url| {
        let platform = platform(url).await?;
        at_a_desk(&platform, "new", &form("TRF-S01", "high")).await?;
        let medium = at_a_desk(&platform, "medium", &assessed(LICENCE, "TRF-S01", "medium")).await?;
        let low = at_a_desk(&platform, "low", &assessed(INSPECT, "TRF-S02", "low")).await?;
        let handler = CaseServiceClient::new(platform.person("trf-inspect-1").await?);
        act(&handler, &low.case_id, "accept", None).await?;
        eventually("it has an owner", async || {
            Ok(case(&handler, &low.case_id).await?.filter(|case| case.assignee == "trf-inspect-1"))
        })
        .await?;

        let due = time::from_proto(medium.due_at.as_ref()).context("no due time")?;
        for (what, request, expected) in lists().into_iter().chain(windows(due)?) {
            let expected: BTreeSet<_> = expected.iter().copied().map(String::from).collect();
            assert_eq!(found(&handler, request).await?, expected, "{what}");
        }
        Ok(platform.running.stop().await?)
    })
    .await
}

/// The keys of the cases that a list shows.
async fn found(cases: &CaseServiceClient<Asking>, request: ListCasesRequest) -> Result<BTreeSet<String>> {
    let listed = cases.clone().list_cases(request).await?.into_inner().cases;
    Ok(listed.into_iter().map(|case| case.external_ref).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_cases_are_moved_by_one_stream_and_each_item_has_its_result() -> Result<()> {
    on_each_database(async |url| {
        let platform = platform(url).await?;
        let one = at_a_desk(&platform, "M-1", &assessed(LICENCE, "TRF-S01", "medium")).await?;
        let other = at_a_desk(&platform, "M-2", &assessed(INSPECT, "TRF-S02", "medium")).await?;
        let last = at_a_desk(&platform, "M-3", &assessed(LICENCE, "TRF-S01", "medium")).await?;
        let accept = |case: &str| TransitionRequest {
            case: case.to_owned(),
            action: "accept".to_owned(),
            ..TransitionRequest::default()
        };
        let stale = TransitionRequest { expected_version: 7, ..accept(&last.case_id) };
        let wrong = TransitionRequest { action: "first_contact".to_owned(), ..accept(&one.case_id) };
        let asked = [
            accept(&one.case_id),
            accept(&other.case_id),
            stale,
            accept("TRF-2026-0000001-X"),
            wrong,
            accept(&last.reference),
        ];
        let items = (10..)
            .zip(asked)
            .map(|(item, transition)| TransitionCasesRequest { item, transition: Some(transition) });
        let mut handler = CaseServiceClient::new(platform.person("trf-licence-1").await?);
        let items = futures::stream::iter(items.collect::<Vec<_>>());
        let mut answers = handler.transition_cases(items).await?.into_inner();
        let mut results = Vec::new();
        while let Some(answer) = answers.message().await? {
            let result = match answer.result.context("an item without a result")? {
                Moved::Moved(moved) => format!("{} {}", moved.state, moved.version),
                Moved::Rejected(rejected) if rejected.violations.is_empty() => rejected.code,
                Moved::Rejected(rejected) => format!("{} {}", rejected.code, rejected.violations[0].field),
            };
            results.push((answer.item, result));
        }
        let expected =
            ["in_progress 2", "DEPARTMENT", "VERSION", "NOT_FOUND", "INVALID contact_note", "in_progress 2"];
        let expected: Vec<_> = (10..).zip(expected.map(str::to_owned)).collect();
        assert_eq!(results, expected);
        Ok(platform.running.stop().await?)
    })
    .await
}

//! Promises as those who watch over them see them: which clocks run out when and where, when something would be due, by
//! which calendars and targets, and what is at risk.

mod support;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::common::v1::TimeRange;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{
    AtRisk, ListCalendarsRequest, ListClocksRequest, ListPoliciesRequest, Policy, PreviewDueRequest,
    PreviewDueResponse, WatchAtRiskRequest,
};
use masar_proto::time;
use masar_runtime::{Clock, clock::Hand};
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Asking, Platform, act, case, complaint, eventually, shown};
use tonic::{Code, Status};

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";
/// When complaints of that day are to be answered: after five, ten and fifteen working days.
const DUE: [(&str, &str); 3] = [
    ("high", "2026-11-22T14:00:00+03:00"),
    ("medium", "2026-11-29T14:00:00+03:00"),
    ("low", "2026-12-06T14:00:00+03:00"),
];
const LICENCE: &str = "TRF-LICENCE";

async fn platform(url: String) -> Result<(Platform, Hand)> {
    let (clock, hand) = Clock::manual(SUNDAY.parse()?);
    Ok((Platform::start(url, clock).await?, hand))
}

async fn sla(platform: &Platform, who: &str) -> Result<SlaServiceClient<Asking>> {
    Ok(SlaServiceClient::new(platform.person(who).await?))
}

/// A complaint of an importance, which is its key as well.
fn form(importance: &str) -> Value {
    json!({"channel": "email", "language": "en", "service": "TRF-S01", "category": "time.delay", "subject": "Late",
        "description": "Late", "importance_provisional": importance})
}

/// Submits a complaint and waits until it has a desk and a due time; its reference.
async fn at_a_desk(platform: &Platform, key: &str, form: &Value) -> Result<String> {
    let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
    let reference = intake.submit_case(complaint(key, form)).await?.into_inner().reference;
    let cases = CaseServiceClient::new(platform.person("trf-triage-1").await?);
    eventually("a desk and a due time", async || {
        let seen = case(&cases, &reference).await?;
        Ok(seen.filter(|case| !case.queue.is_empty() && case.due_at.is_some()))
    })
    .await?;
    Ok(reference)
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_are_found_by_when_they_run_out_and_at_which_desk() -> Result<()> {
    on_each_database(async |url| {
        let (platform, _hand) = platform(url).await?;
        let sla = sla(&platform, "trf-ops").await?;
        let mut references = Vec::new();
        for (importance, _) in DUE {
            references.push(at_a_desk(&platform, importance, &form(importance)).await?);
        }
        let response = || ListClocksRequest { clock: "response".to_owned(), ..ListClocksRequest::default() };
        let listed = async |request: ListClocksRequest| {
            let clocks = sla.clone().list_clocks(request).await?.into_inner().clocks;
            let due = |clock: &masar_proto::sla::v1::Clock| {
                clock.state.as_ref().and_then(|state| time::from_proto(state.due_at.as_ref()))
            };
            anyhow::Ok(clocks.iter().map(|clock| (clock.reference.clone(), due(clock))).collect::<Vec<_>>())
        };
        let mut all = Vec::new();
        for (reference, (_, due)) in references.iter().zip(DUE) {
            all.push((reference.clone(), Some(due.parse::<Timestamp>()?)));
        }
        // Soonest due first.
        assert_eq!(listed(response()).await?, all);
        let within = |from: Option<&str>, to: Option<&str>| -> Result<ListClocksRequest> {
            let at = |text: Option<&str>| text.map(str::parse::<Timestamp>).transpose();
            let due = TimeRange { from: at(from)?.map(time::to_proto), to: at(to)?.map(time::to_proto) };
            Ok(ListClocksRequest { due: Some(due), ..response() })
        };
        let [high, medium, low] = DUE.map(|(_, due)| Some(due));
        // What is due as a window begins is in it, what is due as it ends is not.
        assert_eq!(listed(within(medium, low)?).await?, all[1..2]);
        assert_eq!(listed(within(medium, None)?).await?, all[1..]);
        assert_eq!(listed(within(None, medium)?).await?, all[..1]);
        assert_eq!(listed(within(None, high)?).await?, []);

        // They go with their case from desk to desk.
        let at_desk = |queue: &str| ListClocksRequest { queue: queue.to_owned(), ..response() };
        eventually("all are at the desk", async || {
            Ok((listed(at_desk("triage")).await? == all).then_some(()))
        })
        .await?;
        let triage = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        act(&triage, &references[1], "start_triage", None).await?;
        let routed = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "medium", "department": LICENCE});
        act(&triage, &references[1], "route", Some(routed)).await?;
        eventually("one is at another desk", async || {
            Ok((listed(at_desk(LICENCE)).await? == all[1..2]).then_some(()))
        })
        .await?;
        let left: Vec<_> = [all[0].clone(), all[2].clone()].into();
        assert_eq!(listed(at_desk("triage")).await?, left);
        Ok(platform.running.stop().await?)
    })
    .await
}

/// When something would be due that begins at a time; of the entity's calendar unless another is named.
async fn preview(
    sla: &SlaServiceClient<Asking>,
    calendar: &str,
    from: &str,
    target: &str,
) -> Result<Result<PreviewDueResponse, Status>> {
    let from = Some(from).filter(|from| !from.is_empty()).map(str::parse::<Timestamp>).transpose()?;
    let (calendar, target) = (calendar.to_owned(), target.to_owned());
    let request = PreviewDueRequest { calendar, from: from.map(time::to_proto), target };
    Ok(sla.clone().preview_due(request).await.map(tonic::Response::into_inner))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_time_is_told_before_it_is_promised() -> Result<()> {
    on_each_database(async |url| {
        let (platform, _hand) = platform(url).await?;
        let sla = sla(&platform, "trf-licence-1").await?;
        for (calendar, from, target, due, day0, tentative) in [
            // Thursday at closing time counts as Sunday (T3).
            (
                "",
                "2026-11-12T14:00:00+03:00",
                "10 business_days",
                "2026-11-29T14:00:00+03:00",
                "2026-11-15",
                false,
            ),
            // Now, which is Sunday morning.
            ("", "", "5 bd", "2026-11-22T14:00:00+03:00", "2026-11-15", false),
            // Over Eid, which is announced and not computed.
            ("", "2026-03-16T13:00:00+03:00", "1 bd", "2026-03-24T14:00:00+03:00", "2026-03-16", true),
            (
                "always-open",
                "2026-11-13T23:40:00+03:00",
                "4 hours",
                "2026-11-14T03:40:00+03:00",
                "2026-11-13",
                false,
            ),
        ] {
            let told = preview(&sla, calendar, from, target).await??;
            let name = if calendar.is_empty() { "qa-gov-default" } else { calendar };
            assert_eq!(
                (told.calendar.as_str(), told.calendar_version, time::from_proto(told.due_at.as_ref())),
                (name, 1, Some(due.parse()?)),
                "{calendar} {from} {target}"
            );
            assert_eq!((told.day0.as_str(), told.tentative), (day0, tentative), "{calendar} {from} {target}");
        }
        for (calendar, from, target) in
            [("nowhere", "", "1 bd"), ("", "", "soon"), ("", "2030-01-01T00:00:00Z", "1 bd")]
        {
            let refused = preview(&sla, calendar, from, target).await?.err().context("it is refused")?;
            assert_eq!(refused.code(), Code::InvalidArgument, "{calendar} {from} {target}");
        }
        Ok(platform.running.stop().await?)
    })
    .await
}

/// The targets of a clock: by importance, in the order of the words.
fn targets<'a>(policies: &'a [Policy], clock: &str, source: &str) -> Vec<(&'a str, &'a str)> {
    let mut found: Vec<_> = policies
        .iter()
        .filter(|policy| policy.clock == clock && policy.source == source)
        .flat_map(|policy| &policy.targets)
        .map(|(importance, target)| (importance.as_str(), target.as_str()))
        .collect();
    found.sort_unstable();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn calendars_and_targets_are_open_to_all_who_work_with_them() -> Result<()> {
    on_each_database(async |url| {
        let (platform, _hand) = platform(url).await?;
        let mut sla = sla(&platform, "lab-permits-1").await?;
        let listed = sla.list_calendars(ListCalendarsRequest {}).await?.into_inner();
        assert_eq!(listed.default_calendar, "qa-gov-default");
        let names: BTreeSet<_> = listed.calendars.iter().map(|calendar| calendar.name.as_str()).collect();
        assert_eq!(names, BTreeSet::from(["always-open", "qa-gov-centre-evening", "qa-gov-default"]));
        for calendar in &listed.calendars {
            assert_eq!(calendar.version, 1);
            assert!(calendar.yaml.contains(&format!("name: {}", calendar.name)), "{}", calendar.yaml);
        }

        // sla hears of agreements by the bus.
        let policies = eventually("the agreement", async || {
            let request = ListPoliciesRequest { case_type: "complaint".to_owned() };
            let policies = sla.clone().list_policies(request).await?.into_inner().policies;
            Ok(Some(policies).filter(|all| all.iter().any(|policy| policy.source == "LAB-SLA-01")))
        })
        .await?;
        assert_eq!(
            targets(&policies, "response", "package"),
            [("high", "5 business_days"), ("low", "15 business_days"), ("medium", "10 business_days")]
        );
        // What the entity has agreed for one of its services is a policy as well.
        assert_eq!(
            targets(&policies, "response", "LAB-SLA-01"),
            [("high", "3 business_days"), ("medium", "10 business_days")]
        );
        let agreed = policies.iter().find(|policy| policy.source == "LAB-SLA-01").context("an agreement")?;
        assert_eq!((agreed.service.as_str(), agreed.kind.as_str()), ("LAB-S01", "sla"));
        let others = ListPoliciesRequest { case_type: "improvement_action".to_owned() };
        let others = sla.list_policies(others).await?.into_inner().policies;
        assert!(others.iter().all(|policy| policy.case_type != "complaint"));
        assert!(others.iter().any(|policy| policy.case_type == "improvement_action"));
        Ok(platform.running.stop().await?)
    })
    .await
}

/// The clock, what happened to it and the mark, as a watcher is told.
fn told(seen: &AtRisk) -> (&str, &str, &str) {
    let state = seen.clock.as_ref().and_then(|clock| clock.state.as_ref());
    (state.map_or("", |state| state.clock.as_str()), seen.what.as_str(), seen.mark.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_sees_a_promise_begin_warn_and_break() -> Result<()> {
    on_each_database(async |url| {
        let (platform, hand) = platform(url).await?;
        let mut sla = sla(&platform, "trf-ops").await?;
        let mut all = sla.watch_at_risk(WatchAtRiskRequest::default()).await?.into_inner();
        let licence = WatchAtRiskRequest { queue: LICENCE.to_owned() };
        let mut desk = sla.watch_at_risk(licence).await?.into_inner();
        // One is assessed in time for its first answer, which nobody gives; the other waits at another desk.
        at_a_desk(&platform, "triage", &form("high")).await?;
        let mut assessed = form("medium");
        assessed["department"] = json!(LICENCE);
        let reference = at_a_desk(&platform, "licence", &assessed).await?;
        let first = ("first_response", "changed", "");
        shown("the first begins", &mut all, |seen| told(seen) == first).await?;
        shown("the second begins", &mut all, |seen| told(seen) == first).await?;
        let on_its_desk = ListClocksRequest { queue: LICENCE.to_owned(), ..ListClocksRequest::default() };
        eventually("its clocks are at the desk", async || {
            let clocks = sla.clone().list_clocks(on_its_desk.clone()).await?.into_inner().clocks;
            Ok((!clocks.is_empty()).then_some(()))
        })
        .await?;

        // The first answer to a complaint of medium importance is due after two working days: half of them, and all.
        for (at, what, mark) in [
            ("2026-11-16T12:00:00+03:00", "warned", "50%"),
            ("2026-11-17T14:00:00+03:00", "breached", "breach"),
        ] {
            hand.advance_to(at.parse()?);
            let heard = |seen: &AtRisk| told(seen) == ("first_response", what, mark);
            let seen = shown(what, &mut desk, heard).await?;
            assert_eq!(seen.clock.unwrap_or_default().reference, reference);
            assert_eq!(time::from_proto(seen.at.as_ref()), Some(at.parse()?));
            shown(what, &mut all, heard).await?;
        }
        Ok(platform.running.stop().await?)
    })
    .await
}

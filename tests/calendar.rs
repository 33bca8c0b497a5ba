//! A calendar is published while clocks run: the announced Eid is another day than the computed one (T7).

mod support;

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::registry::v1::PublishCalendarRequest;
use masar_proto::registry::v1::registry_service_client::RegistryServiceClient;
use masar_proto::sla::v1::calendar_impact::Impact;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{Clock as SlaClock, GetCaseClocksRequest, PreviewCalendarRequest};
use masar_proto::time;
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::json;
use support::{Asking, Platform, act, case, complaint, eventually};

const CALENDAR: &str = include_str!("../crates/worktime/calendars/qa-gov-default.yaml");
/// Wednesday of the computed Eid, and of the announced one.
const IN_EID: &str = "2026-03-18T10:00:00+03:00";
const ANNOUNCED: &str = "2026-03-18T20:00:00+03:00";
/// Ten working days after the first day at work: 24 March as computed, 25 March as announced.
const DUE: &str = "2026-04-07T14:00:00+03:00";
const DUE_AS_ANNOUNCED: &str = "2026-04-08T14:00:00+03:00";

/// The shipped calendar with Eid al-Fitr 2026 a day later, and with it the end of Ramadan's hours.
fn announced() -> Result<String> {
    let mut text = CALENDAR.to_owned();
    for (computed, announced) in [
        ("version: 1", "version: 2"),
        ("from: 2026-02-18, to: 2026-03-16", "from: 2026-02-18, to: 2026-03-17"),
        ("from: 2026-03-17, to: 2026-03-23", "from: 2026-03-18, to: 2026-03-24"),
    ] {
        anyhow::ensure!(text.contains(computed), "the shipped calendar says nothing of `{computed}`");
        text = text.replacen(computed, announced, 1);
    }
    Ok(text)
}

async fn submit(platform: &Platform, tenant: &'static str, service: &str, key: &str) -> Result<String> {
    let form = json!({"channel": "call_centre", "language": "en", "service": service, "subject": "Late", "description": "Late"});
    let mut intake = IntakeServiceClient::new(platform.call_centre(tenant).await?);
    Ok(intake.submit_case(complaint(key, &form)).await?.into_inner().reference)
}

/// The response clock of a case, once it is as the test waits for.
async fn response(
    sla: &SlaServiceClient<Asking>,
    key: &str,
    wanted: impl Fn(&SlaClock) -> bool,
) -> Result<SlaClock> {
    eventually("the response clock is as it should be", async || {
        let request = GetCaseClocksRequest { case: key.to_owned() };
        let Ok(found) = sla.clone().get_case_clocks(request).await else { return Ok(None) };
        let mut clocks = found.into_inner().clocks.into_iter();
        Ok(clocks.find(|clock| {
            clock.state.as_ref().is_some_and(|state| state.clock == "response") && wanted(clock)
        }))
    })
    .await
}

fn phase(clock: &SlaClock) -> &str {
    clock.state.as_ref().map_or("", |state| state.phase.as_str())
}

/// Due time, calendar version and number of ledger entries.
fn standing(clock: &SlaClock) -> Result<(Timestamp, u32, usize)> {
    let state = clock.state.as_ref().context("a clock without a state")?;
    let due_at = time::from_proto(state.due_at.as_ref()).context("a clock without a due time")?;
    Ok((due_at, state.calendar_version, clock.ledger.len()))
}

/// A clock without what changes by itself: whose time it was, and what the rules of today say of it.
fn as_it_was(clock: &SlaClock) -> SlaClock {
    SlaClock { under_todays_rules: None, attribution: None, ..clock.clone() }
}

/// The response clocks that the announced calendar would move, from when to when, before it is published.
async fn previewed(platform: &Platform) -> Result<Vec<(String, Timestamp, Timestamp)>> {
    let mut sla = SlaServiceClient::new(platform.person("trf-admin").await?);
    let mut stream = sla.preview_calendar(PreviewCalendarRequest { yaml: announced()? }).await?.into_inner();
    let mut moved = Vec::new();
    while let Some(told) = stream.message().await? {
        if let Some(Impact::Moved(clock)) = told.impact
            && clock.clock == "response"
        {
            let time = |at: Option<&prost_types::Timestamp>| time::from_proto(at).context("a time");
            moved.push((clock.reference, time(clock.was_due_at.as_ref())?, time(clock.due_at.as_ref())?));
        }
    }
    Ok(moved)
}

/// Acceptance check 5.
#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_moves_eid_moves_open_clocks_only_and_the_ledger_says_from_when_to_when() -> Result<()>
{
    on_each_database(async |url| {
        let (clock, hand) = Clock::manual(IN_EID.parse()?);
        let platform = Platform::start(url.clone(), clock.clone()).await?;
        let open = submit(&platform, "DEMO-TRF", "TRF-S01", "E-1").await?;
        let done = submit(&platform, "DEMO-TRF", "TRF-S01", "E-2").await?;
        let elsewhere = submit(&platform, "DEMO-LAB", "LAB-S01", "E-3").await?;
        let sla = SlaServiceClient::new(platform.person("trf-ops").await?);
        let elsewhere_sla = SlaServiceClient::new(platform.person("lab-ops").await?);
        let cases = CaseServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        response(&sla, &done, |clock| phase(clock) == "running").await?;
        let answer =
            json!({"text": {"ar": "تم", "en": "Done"}, "points_answered": [{"point": "the delay", "answered": true}],
            "channel": "email", "review_right_text": true});
        act(&cases, &done, "resolve_now", Some(answer)).await?;

        let before = [
            response(&sla, &open, |clock| phase(clock) == "running").await?,
            response(&sla, &done, |clock| phase(clock) == "stopped").await?,
            response(&elsewhere_sla, &elsewhere, |clock| phase(clock) == "running").await?,
        ];
        let due = DUE.parse()?;
        assert_eq!(
            [standing(&before[0])?, standing(&before[1])?, standing(&before[2])?],
            [(due, 1, 1), (due, 1, 2), (due, 1, 1)]
        );

        hand.advance_to(ANNOUNCED.parse()?);
        assert_eq!(previewed(&platform).await?, [(open.clone(), DUE.parse()?, DUE_AS_ANNOUNCED.parse()?)]);
        let mut registry = RegistryServiceClient::new(platform.person("trf-admin").await?);
        registry.publish_calendar(PublishCalendarRequest { yaml: announced()? }).await?;
        let moved = response(&sla, &open, |clock| clock.ledger.len() == 2).await?;
        let due_as_announced = DUE_AS_ANNOUNCED.parse()?;
        assert_eq!(standing(&moved)?, (due_as_announced, 2, 2));
        let audit: Vec<_> = moved
            .ledger
            .iter()
            .map(|line| {
                (
                    line.event.as_str(),
                    time::from_proto(line.at.as_ref()),
                    time::from_proto(line.due_at.as_ref()),
                )
            })
            .collect();
        let (started, changed) = (Some(IN_EID.parse()?), Some(ANNOUNCED.parse()?));
        assert_eq!(
            audit,
            [("started", started, Some(due)), ("calendar_changed", changed, Some(due_as_announced))]
        );
        assert_eq!(moved.ledger[1].text, "moved to qa-gov-default version 2");
        eventually("the case shows its new due time", async || {
            let seen = case(&cases, &open).await?.and_then(|case| time::from_proto(case.due_at.as_ref()));
            Ok((seen == Some(due_as_announced)).then_some(()))
        })
        .await?;

        // What was done keeps the version that it was done under, and another entity its own calendar; now and after
        // a restart, which moves nothing twice. What comes from now on counts on the new version.
        platform.running.stop().await?;
        let platform = Platform::start(url, clock).await?;
        let later = submit(&platform, "DEMO-TRF", "TRF-S01", "E-4").await?;
        let sla = SlaServiceClient::new(platform.person("trf-ops").await?);
        let elsewhere_sla = SlaServiceClient::new(platform.person("lab-ops").await?);
        let later = response(&sla, &later, |clock| phase(clock) == "running").await?;
        assert_eq!(standing(&later)?, (due_as_announced, 2, 1));
        for (sla, key, before) in
            [(&sla, &open, &moved), (&sla, &done, &before[1]), (&elsewhere_sla, &elsewhere, &before[2])]
        {
            assert_eq!(as_it_was(&response(sla, key, |_| true).await?), as_it_was(before));
        }
        Ok(platform.running.stop().await?)
    })
    .await
}

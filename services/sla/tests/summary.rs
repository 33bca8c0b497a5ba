//! How the promises of an entity stand: counted, told apart, watched; and the cases of which no clock lives.

mod support;

use std::time::Duration;

use anyhow::{Context, Result};
use masar_proto::common::v1::{Importance, StateCategory};
use masar_proto::events::v1::clock_effect::Operation;
use masar_proto::events::v1::{CaseSnapshot, ClockEffect};
use masar_proto::sla::v1::{
    GetCaseClocksRequest, GetSummaryRequest, ListCasesWithoutClockRequest, Summary, SummaryLine,
};
use masar_proto::time;
use masar_testkit::on_each_database;
use support::{Bench, TENANT, at, new_case, start};
use tonic::Code;

/// A case of a department, open.
fn case(department: &str) -> CaseSnapshot {
    CaseSnapshot {
        case_id: new_case(),
        tenant: TENANT.to_owned(),
        reference: format!("MUN-{department}"),
        case_type: "complaint".to_owned(),
        version: 1,
        state: "triage".to_owned(),
        category: StateCategory::Open.into(),
        importance: Importance::Medium.into(),
        department: department.to_owned(),
        service: "S01".to_owned(),
        ..CaseSnapshot::default()
    }
}

/// A quarter of an hour, with a warning at half of it.
fn response() -> ClockEffect {
    ClockEffect { marks: vec!["50%".to_owned(), "breach".to_owned()], ..start("response", "sla") }
}

fn stop() -> ClockEffect {
    let mut effect = ClockEffect { clock: "response".to_owned(), ..ClockEffect::default() };
    effect.set_operation(Operation::Stop);
    effect
}

async fn summary(bench: &Bench, by: &[&str]) -> Result<Summary> {
    let by = by.iter().map(|name| (*name).to_owned()).collect();
    let request = GetSummaryRequest { by, ..GetSummaryRequest::default() };
    Ok(bench.client().get_summary(request).await?.into_inner())
}

/// open, at risk, breached, kept, broken.
fn counts(line: &SummaryLine) -> [u64; 5] {
    [line.open, line.at_risk, line.breached, line.kept, line.broken]
}

fn total(summary: &Summary) -> [u64; 5] {
    summary.total.as_ref().map(counts).unwrap_or_default()
}

/// Asks again until all is counted so: marks fire by themselves.
async fn until(bench: &Bench, expected: [u64; 5]) -> Result<()> {
    let counted = async {
        loop {
            let summary = summary(bench, &[]).await?;
            if total(&summary) == expected {
                return anyhow::Ok(());
            }
            tokio::task::yield_now().await;
        }
    };
    let counted = tokio::time::timeout(Duration::from_secs(60), counted).await;
    counted.with_context(|| format!("never {expected:?}"))?
}

#[tokio::test]
async fn promises_are_counted_as_they_stand_and_as_they_ended() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        let (late, answered, prompt) = (case("ROADS"), case("ROADS"), case("PARKS"));
        for case in [&late, &answered, &prompt] {
            bench.hears(case, vec![response()], "07:00").await?;
        }
        // What is nobody's promise, and what was handled elsewhere before, is not counted.
        let window = ClockEffect { clock: "later".to_owned(), ..start("later", "window") };
        bench.hears(&CaseSnapshot { version: 2, ..late.clone() }, vec![window], "07:00").await?;
        let elsewhere = CaseSnapshot { historical: true, ..case("ROADS") };
        bench.hears(&elsewhere, vec![response()], "07:00").await?;
        assert_eq!(total(&summary(&bench, &[]).await?), [3, 0, 0, 0, 0]);

        bench.hand.advance_to(at("07:08"));
        until(&bench, [3, 3, 0, 0, 0]).await?;
        bench.hears(&CaseSnapshot { version: 2, ..prompt.clone() }, vec![stop()], "07:10").await?;
        assert_eq!(total(&summary(&bench, &[]).await?), [2, 2, 0, 1, 0]);
        bench.hand.advance_to(at("07:16"));
        until(&bench, [2, 0, 2, 1, 0]).await?;
        let moved = CaseSnapshot { version: 2, state: "answered".to_owned(), ..answered.clone() };
        bench.hears(&moved, vec![stop()], "07:20").await?;

        let told = summary(&bench, &["department", "stage"]).await?;
        let lines: Vec<_> = told
            .lines
            .iter()
            .map(|line| (line.department.as_str(), line.stage.as_str(), counts(line), line.kept_share))
            .collect();
        assert_eq!(
            lines,
            [
                ("ROADS", "triage", [1, 0, 1, 0, 0], None),
                ("PARKS", "triage", [0, 0, 0, 1, 0], Some(1.0)),
                ("ROADS", "answered", [0, 0, 0, 0, 1], Some(0.0)),
            ]
        );
        assert_eq!(told.total.as_ref().and_then(|total| total.kept_share), Some(0.5));
        let timers = told.timers.context("no timers")?;
        assert_eq!((timers.fired, timers.waiting_seconds), (6, 0.0));
        // They fired when the hand was there: half a minute after the warning, and a minute after the breach.
        assert_eq!((timers.p50_seconds, timers.p99_seconds), (60.0, 60.0));

        // A case that moves takes its promises along, and only what is named is told apart.
        let moved = CaseSnapshot { version: 3, department: "PARKS".to_owned(), ..late.clone() };
        bench.hears(&moved, vec![], "07:21").await?;
        let by_department = summary(&bench, &["department"]).await?;
        let line = by_department.lines.first().context("no line")?;
        assert_eq!((line.department.as_str(), line.stage.as_str()), ("PARKS", ""));
        assert_eq!(counts(line), [1, 0, 1, 1, 0]);
        let request = GetSummaryRequest { department: "ROADS".to_owned(), ..GetSummaryRequest::default() };
        let roads = bench.client().get_summary(request).await?.into_inner();
        assert_eq!((total(&roads), roads.lines.len()), ([0, 0, 0, 0, 1], 0));

        // What ended long ago is not counted; what is still open is.
        bench.hand.advance_to("2026-11-18T08:00:00Z".parse()?);
        let request = GetSummaryRequest { days: 1, ..GetSummaryRequest::default() };
        let recent = bench.client().get_summary(request).await?.into_inner();
        assert_eq!(total(&recent), [1, 0, 1, 0, 0]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_summary_that_cannot_be_is_refused_with_what_can() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        let wrong = GetSummaryRequest { by: vec!["colour".to_owned()], ..GetSummaryRequest::default() };
        let refused = bench.client().get_summary(wrong).await.err().context("it was answered")?;
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("use department, service, importance, stage, clock"), "{refused}");
        let wrong = GetSummaryRequest { days: 367, ..GetSummaryRequest::default() };
        let refused = bench.client().get_summary(wrong).await.err().context("it was answered")?;
        assert!(refused.message().contains("use 1 to 366"), "{refused}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn whoever_watches_sees_each_change_of_the_figures() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        let mut watch = bench.client().watch_summary(GetSummaryRequest::default()).await?.into_inner();
        let mut next = async || {
            let next = tokio::time::timeout(Duration::from_secs(60), watch.message()).await;
            anyhow::Ok(total(&next.context("nothing is shown")??.context("the watch ended")?))
        };
        assert_eq!(next().await?, [0; 5]);
        bench.hears(&case("ROADS"), vec![response()], "07:00").await?;
        assert_eq!(next().await?, [1, 0, 0, 0, 0]);
        bench.hand.advance_to(at("07:08"));
        assert_eq!(next().await?, [1, 1, 0, 0, 0]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_open_case_without_a_live_clock_is_an_alarm_until_it_has_one_or_is_over() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        let alone = async || {
            let request = ListCasesWithoutClockRequest::default();
            let listed = bench.client().list_cases_without_clock(request).await?.into_inner().cases;
            anyhow::Ok(
                listed
                    .into_iter()
                    .map(|case| (case.reference, time::from_proto(case.since.as_ref())))
                    .collect::<Vec<_>>(),
            )
        };
        let (first, second) = (case("ROADS"), case("PARKS"));
        bench.hears(&first, vec![response()], "07:00").await?;
        assert_eq!(alone().await?, []);
        let waiting = CaseSnapshot { version: 2, category: StateCategory::Waiting.into(), ..first.clone() };
        bench.hears(&waiting, vec![stop()], "07:01").await?;
        bench.hears(&second, vec![], "07:01").await?;
        assert_eq!(summary(&bench, &[]).await?.without_clock, 2);
        let named = |case: &CaseSnapshot| (case.reference.clone(), Some(at("07:00")));
        assert_eq!(alone().await?, [named(&first), named(&second)]);
        // An older event does not bring the clock back, and what is nobody's promise ends in silence.
        bench.hears(&first, vec![], "07:02").await?;
        let window = vec![start("later", "window")];
        bench.hears(&CaseSnapshot { version: 3, ..waiting.clone() }, window, "07:02").await?;
        assert_eq!(alone().await?.len(), 2);
        // A time at whose end the system acts does not.
        let acts = ClockEffect { on_breach: "auto_close".to_owned(), ..start("auto_close", "window") };
        bench.hears(&CaseSnapshot { version: 4, ..waiting }, vec![acts], "07:03").await?;
        assert_eq!(alone().await?, [named(&second)]);
        let closed = CaseSnapshot { version: 2, category: StateCategory::Closed.into(), ..second };
        bench.hears(&closed, vec![], "07:04").await?;
        assert_eq!(alone().await?, []);
        // Nobody must act on what was over before it came to us.
        bench.hears(&CaseSnapshot { historical: true, ..case("OLD") }, vec![], "07:05").await?;
        assert_eq!(summary(&bench, &[]).await?.without_clock, 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn every_mark_that_is_to_come_is_told_with_its_time() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        let case = case("ROADS");
        let marks = ["50%", "breach", "breach + 1 hour"].map(str::to_owned).to_vec();
        bench.hears(&case, vec![ClockEffect { marks, ..response() }], "07:00").await?;
        let ahead = async || {
            let request = GetCaseClocksRequest { case: case.case_id.clone() };
            let clocks = bench.client().get_case_clocks(request).await?.into_inner().clocks;
            let clock = clocks.into_iter().next().context("no clock")?;
            let ahead = clock.ahead.into_iter().map(|mark| (mark.mark, time::from_proto(mark.at.as_ref())));
            anyhow::Ok(ahead.collect::<Vec<_>>())
        };
        let half = "2026-11-15T07:07:30Z".parse()?;
        let marks = [("50%", half), ("breach", at("07:15")), ("breach + 1 hour", at("08:15"))];
        let marks = marks.map(|(mark, at)| (mark.to_owned(), Some(at)));
        assert_eq!(ahead().await?, marks);
        bench.hears(&CaseSnapshot { version: 2, ..case.clone() }, vec![stop()], "07:01").await?;
        assert_eq!(ahead().await?, []);
        Ok(())
    })
    .await
}

/// A case that is handed in late is late from the start: that is said at once, and no timer was late.
#[tokio::test]
async fn a_mark_that_had_passed_when_its_clock_was_armed_is_not_late() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        bench.hears(&case("ROADS"), vec![response()], "05:00").await?;
        until(&bench, [1, 0, 1, 0, 0]).await?;
        let timers = summary(&bench, &[]).await?.timers.context("no timers")?;
        assert!(timers.fired > 0, "nothing fired");
        assert_eq!((timers.p99_seconds, timers.waiting_seconds), (0.0, 0.0));
        Ok(())
    })
    .await
}

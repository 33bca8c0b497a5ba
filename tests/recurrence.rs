//! What comes again is known as such, and what comes too often proposes a case to those who look for what is behind it (CMP-04).

mod support;

use anyhow::Result;
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, ListCasesRequest};
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Asking, Platform, act, case, complaint, eventually};

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";

/// A complaint that names all that makes it the same as others.
fn form(service: &str, customer: &str) -> Value {
    json!({"channel": "email", "language": "en", "service": service, "category": "time.delay", "department": "TRF-LICENCE",
        "subject": "Late", "description": "Late", "customer": {"alias": customer}})
}

async fn submit(platform: &Platform, key: &str, form: &Value) -> Result<String> {
    let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
    Ok(intake.submit_case(complaint(key, form)).await?.into_inner().reference)
}

async fn open(cases: &CaseServiceClient<Asking>, key: &str) -> Result<Case> {
    eventually("it is open", async || Ok(case(cases, key).await?.filter(|case| case.version > 0))).await
}

async fn improvements(cases: &CaseServiceClient<Asking>) -> Result<Vec<Case>> {
    let request = ListCasesRequest { case_type: "cx_improvement".to_owned(), ..ListCasesRequest::default() };
    Ok(cases.clone().list_cases(request).await?.into_inner().cases)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_too_often_proposes_one_improvement() -> Result<()> {
    on_each_database(async |url| {
        let (clock, hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let cases = CaseServiceClient::new(platform.person("trf-pqi-director").await?);
        // All at once, each of another customer: whichever comes first is the first.
        let keys: Vec<_> = (0..7).map(|number| format!("R-{number}")).collect();
        let submitted = keys.iter().enumerate().map(async |(number, key)| {
            let reference = submit(&platform, key, &form("TRF-S01", &format!("C-{number}"))).await?;
            open(&cases, &reference).await
        });
        let mut opened = try_join_all(submitted).await?;
        opened.sort_by_key(|case| case.recurrence);
        assert_eq!(opened.iter().map(|case| case.recurrence).collect::<Vec<_>>(), [0, 2, 3, 4, 5, 6, 7]);

        // The fifth proposes, and none of those after it.
        let fifth = opened[4].case_id.clone();
        let linked = eventually("its proposal", async || {
            Ok(case(&cases, &fifth).await?.filter(|case| !case.links.is_empty()))
        })
        .await?;
        let proposed = open(&cases, &linked.links[0].case_id).await?;
        assert_eq!(
            (proposed.case_type.as_str(), proposed.classification.as_str()),
            ("cx_improvement", "recurrence")
        );
        assert_eq!(
            proposed.subject.map(|subject| subject.en),
            Some("Complaints that recur: TRF-S01 / time.delay".to_owned())
        );
        assert_eq!(improvements(&cases).await?.len(), 1);

        // Another service is another matter, and a month later it has not come for a while.
        let other = submit(&platform, "R-7", &form("TRF-S02", "C-7")).await?;
        assert_eq!(open(&cases, &other).await?.recurrence, 0);
        let sunday: Timestamp = SUNDAY.parse()?;
        hand.advance_to(sunday + SignedDuration::from_hours(31 * 24));
        let late = submit(&platform, "R-8", &form("TRF-S01", "C-8")).await?;
        assert_eq!(open(&cases, &late).await?.recurrence, 0);
        // But a customer who comes back with the same service is known for longer.
        hand.advance_to(sunday + SignedDuration::from_hours(62 * 24));
        let again = submit(&platform, "R-9", &form("TRF-S01", "C-1")).await?;
        assert_eq!(open(&cases, &again).await?.recurrence, 2);
        assert_eq!(improvements(&cases).await?.len(), 1);
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_counts_once_it_is_assessed() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let triage = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        let first = submit(&platform, "A-1", &form("TRF-S01", "C-1")).await?;
        open(&triage, &first).await?;
        let vague = json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late"});
        let second = submit(&platform, "A-2", &vague).await?;
        assert_eq!(open(&triage, &second).await?.recurrence, 0);
        act(&triage, &second, "start_triage", None).await?;
        let routed = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "medium", "department": "TRF-LICENCE"});
        assert_eq!(act(&triage, &second, "route", Some(routed)).await?.recurrence, 2);
        // What was counted stays, whatever happens next.
        let handler = CaseServiceClient::new(platform.person("trf-licence-1").await?);
        assert_eq!(act(&handler, &second, "accept", None).await?.recurrence, 2);
        Ok(platform.running.stop().await?)
    })
    .await
}

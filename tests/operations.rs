//! What an operator does when an event cannot be handled: `masar doctor` says so, and `masar bus` mends it.

mod support;

use std::process::Output;

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar_bus::{Event, Outbox};
use masar_domain::Reference;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{GetCaseRequest, ListCasesRequest};
use masar_proto::events::v1::CaseSubmitted;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::{json as proto_json, kinds, time};
use masar_runtime::Clock;
use masar_store::{DatabaseUrl, Store};
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::process::masar;
use support::{Platform, complaint, eventually};
use uuid::Uuid;

const TENANT: &str = "DEMO-TRF";
const SUNDAY: &str = "2026-11-15T08:42:00+03:00";

fn form() -> Value {
    json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late"})
}

/// Runs a command of the binary against the platform, as its administrator.
async fn asked(platform: &Platform, arguments: &[&str]) -> Result<Output> {
    let server = format!("http://{}", platform.running.address);
    let data = platform.folder().to_str().context("a path in UTF-8")?;
    masar(&[arguments, &["--server", &server, "--data", data, "--as", "trf-admin"]].concat()).await
}

async fn answered(platform: &Platform, arguments: &[&str]) -> Result<Value> {
    let output = asked(platform, &[arguments, &["--output", "json"]].concat()).await?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A case as intake would tell of it, under a version of the complaint package.
fn submitted(case: Uuid, version: &str, now: Timestamp) -> Result<Event> {
    let submitted = CaseSubmitted {
        case_id: case.to_string(),
        reference: Reference::new("TRF", 2026, 99).map(String::from).context("a reference")?,
        tenant: TENANT.to_owned(),
        case_type: "complaint".to_owned(),
        package: "complaint".to_owned(),
        package_version: version.to_owned(),
        received_at: Some(time::to_proto(now)),
        accepted_at: Some(time::to_proto(now)),
        form: Some(proto_json::to_struct(&form())),
        submitted_by: "demo-call-centre".to_owned(),
        ..CaseSubmitted::default()
    };
    Ok(Event::new(kinds::CASE_SUBMITTED, TENANT, &case, now, &submitted))
}

/// Writes into the outbox of intake: first a case under a package that is not installed here, then the same case under
/// one that is, which has to wait. Returns the ids of the case and of both events.
async fn an_event_that_cannot_be_handled(url: &str, now: Timestamp) -> Result<(Uuid, [String; 2])> {
    let case = Uuid::now_v7();
    let events = [submitted(case, "99.0.0", now)?, submitted(case, "1.0.0", now)?];
    let ids = [events[0].id.to_string(), events[1].id.to_string()];
    let store = Store::connect(&url.parse::<DatabaseUrl>()?, masar_intake::NAME).await?;
    let tx = store.begin().await?;
    Outbox::new(masar_intake::NAME).put(&tx, events.into()).await?;
    tx.commit().await?;
    Ok((case, ids))
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_is_content_with_a_healthy_installation() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre(TENANT).await?);
        intake.submit_case(complaint("H-1", &form())).await?;
        let cases = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        eventually("the case is at a desk", async || {
            let listed = cases.clone().list_cases(ListCasesRequest::default()).await?.into_inner().cases;
            Ok(listed.into_iter().find(|case| !case.queue.is_empty()))
        })
        .await?;
        let found = answered(&platform, &["doctor"]).await?;
        let checks = found["checks"].as_array().context("no checks")?;
        let looked_at: Vec<_> = checks.iter().filter_map(|check| check["check"].as_str()).collect();
        assert_eq!(looked_at, ["configuration", "server", "health", "bus", "owners", "clocks", "messages"]);
        assert!(checks.iter().all(|check| check["finding"].is_null()), "{found}");
        // Whoever may not look is told so, instead of that all is well.
        let server = format!("http://{}", platform.running.address);
        let data = platform.folder().to_str().context("a path in UTF-8")?;
        let output = masar(&["doctor", "--server", &server, "--data", data, "--as", "trf-licence-1"]).await?;
        assert!(refusal(&output).contains("ask as an administrator"));
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test]
async fn doctor_says_that_nobody_answers_and_what_to_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    masar::credentials::Credentials::of(folder.path())?;
    let server = format!("http://{}", support::process::free_address()?);
    let data = folder.path().to_str().context("a path in UTF-8")?;
    let said = refusal(&masar(&["doctor", "--server", &server, "--data", data, "--as", "trf-admin"]).await?);
    assert!(said.contains("1 of 2 are not well") && said.contains("is `masar up` running?"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_event_is_found_shown_retried_and_dropped() -> Result<()> {
    on_each_database(async |url| {
        let now: Timestamp = SUNDAY.parse()?;
        let (clock, _hand) = Clock::manual(now);
        let platform = Platform::start(url.clone(), clock).await?;
        let (case, [broken, held]) = an_event_that_cannot_be_handled(&url, now).await?;

        let parked = eventually("both are parked", async || {
            let listed = answered(&platform, &["bus", "parked", "--consumer", "cases"]).await?;
            Ok(listed["events"].as_array().filter(|events| events.len() == 2).cloned())
        })
        .await?;
        let seen: Vec<_> =
            parked.iter().map(|event| (event["event_id"].as_str(), event["held"] == true)).collect();
        assert_eq!(seen, [(Some(broken.as_str()), false), (Some(held.as_str()), true)]);
        for (field, value) in [("consumer", "cases"), ("source", "intake"), ("type", kinds::CASE_SUBMITTED)] {
            assert_eq!(parked[0][field], value);
        }
        assert_eq!(parked[0]["subject"], case.to_string());
        let error = parked[0]["error"].as_str().unwrap_or_default();
        assert!(error.contains("complaint 99.0.0"), "{error}");

        let said = refusal(&asked(&platform, &["doctor"]).await?);
        assert!(said.contains("1 of 7 are not well") && said.contains("bus"), "{said}");
        assert!(said.contains("2 events could not be handled: see `masar bus parked`"), "{said}");

        let shown = answered(&platform, &["bus", "show", "cases", &broken]).await?;
        let data: Value = serde_json::from_str(shown["data_json"].as_str().unwrap_or_default())?;
        assert_eq!(
            (&data["package_version"], &data["case_id"]),
            (&json!("99.0.0"), &json!(case.to_string()))
        );

        // The cause is still there; and what waits cannot overtake.
        let said = refusal(&asked(&platform, &["bus", "retry", "cases", &broken]).await?);
        assert!(said.contains("complaint 99.0.0") && said.contains("STILL_FAILS"), "{said}");
        let said = refusal(&asked(&platform, &["bus", "retry", "cases", &held]).await?);
        assert!(said.contains("HELD"), "{said}");
        let said = refusal(&asked(&platform, &["bus", "drop", "nowhere", &broken]).await?);
        assert!(said.contains("`nowhere` does not listen here"), "{said}");
        let listed = answered(&platform, &["bus", "parked"]).await?;
        assert_eq!(listed["events"].as_array().map(Vec::len), Some(2), "{listed}");

        let dropped = answered(&platform, &["bus", "drop", "cases", &broken]).await?;
        assert_eq!(dropped["released"], 1);
        let cases = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        let request = GetCaseRequest { case: case.to_string(), at_least_version: 1 };
        assert_eq!(cases.clone().get_case(request).await?.into_inner().state, "received");
        let said = refusal(&asked(&platform, &["bus", "drop", "cases", &broken]).await?);
        assert!(said.contains("NOT_FOUND") || said.contains("parked event"), "{said}");
        eventually("the case is at a desk, and doctor content", async || {
            Ok(asked(&platform, &["doctor"]).await?.status.success().then_some(()))
        })
        .await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

//! `masar clock list` as a caller sees it: page after page, and narrowed to a queue or a time.

mod support;

use anyhow::{Context, Result, ensure};
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::process::masar;
use support::{Platform, complaint, eventually};

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";
const MONDAY: &str = "2026-11-16T08:42:00+03:00";

/// What a command of the list answers about the clocks that promise an answer.
async fn listed(platform: &Platform, more: &[&str]) -> Result<Value> {
    let server = format!("http://{}", platform.running.address);
    let data = platform.folder().to_str().context("a path in UTF-8")?;
    let who = ["--server", &server, "--data", data, "--as", "trf-ops", "--output", "json"];
    let output = masar(&[&["clock", "list", "--clock", "response"], more, &who].concat()).await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Whose clocks are listed.
fn references(list: &Value) -> Vec<&str> {
    let clocks = list["clocks"].as_array().into_iter().flatten();
    clocks.filter_map(|clock| clock["reference"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_are_listed_by_page_queue_and_due_time() -> Result<()> {
    on_each_database(async |url| {
        let (clock, hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let mut keys = Vec::new();
        // The second is a day later, and with another desk.
        for (name, day, department) in [("L-1", SUNDAY, None), ("L-2", MONDAY, Some("TRF-LICENCE"))] {
            hand.advance_to(day.parse()?);
            let mut form = json!({"channel": "email", "language": "en", "service": "TRF-S01", "category": "time.delay", "subject": "Late", "description": "Late"});
            form.as_object_mut().context("a form")?.extend(department.map(|code| ("department".to_owned(), json!(code))));
            keys.push(intake.submit_case(complaint(name, &form)).await?.into_inner().reference);
        }
        let all = eventually("both clocks and their desks are known", async || {
            let list = listed(&platform, &[]).await?;
            let clocks = list["clocks"].as_array().cloned().unwrap_or_default();
            let known = clocks.iter().filter(|clock| clock["queue"].as_str().is_some_and(|queue| !queue.is_empty()));
            Ok((known.count() == 2).then_some(list))
        })
        .await?;
        assert_eq!(references(&all), keys);

        let first = listed(&platform, &["--size", "1"]).await?;
        let token = first["page"]["next_token"].as_str().context("a token")?;
        let second = listed(&platform, &["--size", "1", "--page", token]).await?;
        assert_eq!((references(&first), references(&second)), (vec![keys[0].as_str()], vec![keys[1].as_str()]));
        let of_second = |name: &str| all["clocks"][1].pointer(name).and_then(Value::as_str).context("a word");
        for (option, value, found) in [
            ("--queue", of_second("/queue")?, &keys[1]),
            ("--due-from", of_second("/state/due_at")?, &keys[1]),
            ("--due-to", of_second("/state/due_at")?, &keys[0]),
        ] {
            assert_eq!(references(&listed(&platform, &[option, value]).await?), [found], "{option}");
        }
        Ok(platform.running.stop().await?)
    })
    .await
}

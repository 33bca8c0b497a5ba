//! `masar workflow dry-run`: cases of a running platform, walked once more under drafts.

mod support;

use std::path::Path;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Platform, act, queued};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows/complaint");

/// A copy of the package of complaints, with another text in place of one.
fn draft(folder: &Path, changes: &[(&str, &str)]) -> Result<()> {
    for part in ["forms", "tables"] {
        std::fs::create_dir_all(folder.join(part))?;
        for file in std::fs::read_dir(format!("{SHIPPED}/{part}"))? {
            let file = file?;
            std::fs::copy(file.path(), folder.join(part).join(file.file_name()))?;
        }
    }
    let mut text = std::fs::read_to_string(format!("{SHIPPED}/workflow.yaml"))?;
    for (old, new) in [("version: 1.0.0", "version: 1.9.0")].iter().chain(changes) {
        ensure!(text.contains(old), "the package says no more: {old}");
        text = text.replacen(old, new, 1);
    }
    Ok(std::fs::write(folder.join("workflow.yaml"), text)?)
}

async fn dry_run(platform: &Platform, folder: &Path, more: &[&str]) -> Result<Value> {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_masar"));
    command.args(["workflow", "dry-run", "--output", "json", "--as", "trf-ops"]).arg(folder).args(more);
    command.args(["--since", "2026-11-01T00:00:00+03:00", "--as-of", "2026-11-20T00:00:00+03:00"]);
    command
        .args(["--server", &format!("http://{}", platform.running.address), "--data"])
        .arg(platform.folder());
    let output = command.env_remove("MASAR_TENANT").output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A platform on which a complaint was routed and accepted on Sunday and is still at work, and another just came in.
async fn platform(url: String) -> Result<(Platform, String)> {
    let (clock, hand) = Clock::manual("2026-11-15T08:42:00+03:00".parse()?);
    let platform = Platform::start(url, clock).await?;
    let form = json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late"});
    let mut references = queued(&platform, &form, &["D-1", "D-2"]).await?;
    let triage = CaseServiceClient::new(platform.person("trf-triage-1").await?);
    let assessed = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "medium",
        "department": "TRF-LICENCE"});
    act(&triage, &references[0], "start_triage", None).await?;
    act(&triage, &references[0], "route", Some(assessed)).await?;
    hand.advance_to("2026-11-15T09:10:00+03:00".parse::<Timestamp>()?);
    let handler = CaseServiceClient::new(platform.person("trf-licence-1").await?);
    act(&handler, &references[0], "accept", None).await?;
    Ok((platform, references.swap_remove(0)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_says_what_would_have_been_late_stuck_or_elsewhere() -> Result<()> {
    on_each_database(async |url| {
        let (platform, worked) = platform(url).await?;
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);

        let same = dry_run(&platform, Path::new(SHIPPED), &[]).await?;
        assert_eq!(
            (&same["cases"], &same["alike"], &same["lines"]),
            (&json!(2), &json!(2), &json!([])),
            "{same}"
        );

        let promise = "target: {high: 5 business_days, medium: 10 business_days, low: 15 business_days}";
        let rule = "when: \"has(case.department)\", queue: \"=case.department\"";
        let changes = [
            (promise, "target: {all: 2 business_days}"),
            (rule, "when: \"has(case.department)\", queue: pr_director"),
        ];
        draft(&at("strict"), &changes)?;
        let strict = dry_run(&platform, &at("strict"), &[]).await?;
        assert_eq!(strict["broken"]["response"], json!({"now": 0, "draft": 2}), "{strict}");
        assert_eq!((&strict["routed"], &strict["stuck"]), (&json!(1), &json!(0)), "{strict}");
        let line = |told: &Value| {
            let lines = told["lines"].as_array().cloned().unwrap_or_default();
            lines.into_iter().find(|line| line["reference"] == worked.as_str()).unwrap_or_default()
        };
        let found = line(&strict);
        assert_eq!(found["changes"][0]["change"], "broken", "{found}");
        assert_eq!(found["changes"][0]["at"], "2026-11-17T11:00:00Z", "at closing of the second day");
        assert_eq!(found["changes"][1]["draft"], json!(["triage", "pr_director"]), "{found}");

        // On a calendar without nights the same promise is over at midnight.
        let open = dry_run(&platform, &at("strict"), &["--calendar", "always-open"]).await?;
        assert_ne!(line(&open)["changes"][0]["at"], found["changes"][0]["at"], "{open}");

        let accept = "{action: accept, from: [routed], to: in_progress, roles: [case_handler]";
        draft(
            &at("narrow"),
            &[(accept, "{action: accept, from: [routed], to: in_progress, roles: [department_director]")],
        )?;
        let narrow = dry_run(&platform, &at("narrow"), &[]).await?;
        assert_eq!((&narrow["stuck"], &narrow["alike"]), (&json!(1), &json!(1)), "{narrow}");
        let stopped = &line(&narrow)["changes"][0];
        assert_eq!(
            (&stopped["change"], &stopped["action"], &stopped["code"]),
            (&json!("stuck"), &json!("accept"), &json!("ROLE"))
        );
        Ok(())
    })
    .await
}

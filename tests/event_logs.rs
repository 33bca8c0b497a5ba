//! `masar log` as an analyst runs it: a draft from a log of elsewhere, and our own cases for tools that mine processes.

mod support;

use std::io::{Write, stderr};
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use masar_eventlog::{Log, keys};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Platform, act, queued};

fn masar(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_masar"));
    command.args(arguments).output().expect("the binary was built for this test")
}

fn answer(output: &Output) -> Result<Value> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("its name is a text")
}

/// A log of an old system, in which one case went a way of its own.
fn old_system() -> String {
    let event = |name: &str, who: &str, minute: usize| {
        format!(
            "<event><string key='concept:name' value='{name}'/><string key='org:resource' value='{who}'/><date key='time:timestamp' value='2026-11-15T08:{minute:02}:00+03:00'/></event>"
        )
    };
    let case = |number: usize| {
        let steps = match number {
            0 => vec![event("Register", "a", 0), event("Close", "c", 1)],
            _ => vec![event("Register", "a", 0), event("استلام", "b", 10), event("Close", "c", 50)],
        };
        format!("<trace><string key='concept:name' value='T-{number}'/>{}</trace>", steps.concat())
    };
    format!("<log>{}</log>", (0..200).map(case).collect::<String>())
}

#[test]
fn a_log_becomes_a_draft_that_is_sound_and_can_be_played() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, out) = (folder.path().join("old system.xes"), folder.path().join("draft"));
    std::fs::write(&file, old_system())?;
    let told = answer(&masar(&["log", "import", text(&file), "--out", text(&out), "--output", "json"]))?;
    assert_eq!([&told["cases"], &told["events"], &told["accepted"], &told["refused"]], [200, 599, 599, 0]);
    assert_eq!(
        (&told["draft"]["package"], &told["draft"]["rare"][0]["times"]),
        (&json!("old-system"), &json!(1))
    );
    let checked = answer(&masar(&["workflow", "check", text(&out), "--output", "json"]))?;
    assert_eq!((&checked["states"], &checked["transitions"]), (&json!(4), &json!(4)));
    assert!(masar(&["workflow", "test", text(&out), "--coverage", "100"]).status.success());
    let played = answer(&masar(&["workflow", "simulate", text(&out), "--cases", "200", "--output", "json"]))?;
    assert_eq!(played["stuck"], json!([]), "{played}");

    // What the draft no longer allows after it was corrected is refused with its reason.
    let workflow = std::fs::read_to_string(out.join("workflow.yaml"))?;
    let marked =
        workflow.lines().position(|line| line.contains("# Rare, and kept")).context("it is marked")?;
    let kept = workflow.lines().enumerate().filter(|(number, _)| ![marked, marked + 1].contains(number));
    let kept: Vec<&str> = kept.map(|(_, line)| line).collect();
    std::fs::write(out.join("workflow.yaml"), kept.join("\n"))?;
    let again = answer(&masar(&["log", "replay", text(&file), text(&out), "--output", "json"]))?;
    assert_eq!((&again["refused"], &again["reasons"][0]["code"]), (&json!(1), &json!("ACTION")), "{again}");
    let refused = masar(&["log", "import", text(&file), "--out", text(&out)]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not empty"));
    Ok(())
}

/// A platform with a complaint that was moved and one that was not.
async fn platform(url: String) -> Result<(Platform, String)> {
    let (clock, _hand) = Clock::manual("2026-11-15T08:42:00+03:00".parse()?);
    let platform = Platform::start(url, clock).await?;
    let form = json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Secret words",
        "description": "Nobody else may read this"});
    let mut references = queued(&platform, &form, &["L-1", "L-2"]).await?;
    let triage = CaseServiceClient::new(platform.person("trf-triage-1").await?);
    act(&triage, &references[0], "start_triage", None).await?;
    Ok((platform, references.swap_remove(0)))
}

/// Exports from a platform of this process, whose server runs on other threads meanwhile.
async fn export(platform: &Platform, file: &Path, more: &[&str]) -> Result<Value> {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_masar"));
    command.args(["log", "export", "--output", "json", "--as", "trf-ops", "--out"]).arg(file).args(more);
    command
        .args(["--server", &format!("http://{}", platform.running.address), "--data"])
        .arg(platform.folder());
    answer(&command.env_remove("MASAR_TENANT").output().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_cases_are_read_back_from_both_formats() -> Result<()> {
    on_each_database(async |url| {
        let (platform, moved) = platform(url).await?;
        let folder = tempfile::tempdir()?;
        for name in ["all.xes", "all.xes.gz", "all.json"] {
            let file = folder.path().join(name);
            let told = export(&platform, &file, &[]).await?;
            assert_eq!((&told["cases"], &told["events"]), (&json!(2), &json!(3)), "{name}");
            let bytes = std::fs::read(&file)?;
            assert!(!String::from_utf8_lossy(&bytes).contains("Secret"), "what people wrote stays here");
            let log = Log::read(&bytes, None)?;
            let case = log.cases.iter().find(|case| case.name() == moved).context("the case is there")?;
            let steps: Vec<_> =
                case.steps().iter().map(|step| (step.activity, step.event.resource())).collect();
            assert_eq!(steps[1], ("start_triage", "trf-triage-1"), "{name}");
            assert_eq!((steps.len(), steps[0].0), (2, "open"));
            assert!(case.attributes.iter().any(|known| known.key == "service"), "{:?}", case.attributes);
        }
        let file = folder.path().join("some.xes");
        let some = export(&platform, &file, &["--state", "triage", "--package", "complaint"]).await?;
        assert_eq!(some["cases"], 1);
        let none = export(&platform, &file, &["--since", "2026-11-16T00:00:00+03:00"]).await?;
        assert_eq!(none["cases"], 0);
        pm4py(&platform, folder.path()).await
    })
    .await
}

/// What a tool for process mining of others reads is what was written.
async fn pm4py(platform: &Platform, folder: &Path) -> Result<()> {
    let python =
        |code: &str| tokio::process::Command::new("python3").args(["-c", code]).current_dir(folder).output();
    let there = python("import pm4py").await;
    if !there.is_ok_and(|output| output.status.success()) {
        writeln!(stderr(), "skipped: pm4py cannot be imported")?;
        return Ok(());
    }
    let (xes, ocel) = (folder.join("mined.xes"), folder.join("mined.json"));
    export(platform, &xes, &[]).await?;
    export(platform, &ocel, &[]).await?;
    let read = python(&format!(
        "import pm4py, json
frame = pm4py.read_xes('mined.xes')
ocel = pm4py.read_ocel2_json('mined.json')
print(json.dumps([len(frame), sorted(set(frame['{}'])), len(ocel.events), len(ocel.objects)]))",
        keys::NAME
    ))
    .await?;
    ensure!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let told = String::from_utf8_lossy(&read.stdout);
    let last: Value = serde_json::from_str(told.lines().last().context("it says nothing")?)?;
    // Two complaints, and the two who did something to them.
    assert_eq!(last, json!([3, ["open", "start_triage"], 3, 4]));
    Ok(())
}

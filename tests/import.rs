//! `masar import` as an analyst runs it: the binary, a file, a mapping, and a platform in this process.

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, ListCasesRequest};
use masar_proto::common::v1::{PageRequest, StateCategory};
use masar_proto::intake::v1::get_submission_request::Key;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::intake::v1::{ExternalRef, GetSubmissionRequest, Submission};
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::Value;
use support::{Asking, Platform, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

const HEADER: &str = "unique_key,account,opendate,closedate,complaint_type,descriptor,zip,borough,city,council_dist,community_board";
/// A key that comes twice, a type that says nothing, a row that names no department, a date that is none, a row cut off.
const ROWS: [&str; 6] = [
    "K1,NYCC01,2015-01-02,,Parks,Trees,10016,Manhattan,New York,NYCC02,05 Manhattan",
    "K1,NYCC01,2015-01-02,,Parks,Trees,10016,Manhattan,New York,NYCC02,05 Manhattan",
    "K2,NYCC01,2015-01-03,,@getxlate.Udf_Code_Genera,,n/a,,Unknown,NYCC,",
    "K3,NYCC01,2015-01-03,,PATRIOTISM,,,,,,",
    "K4,NYCC01,2015-02-30,,Parks,,,,,,",
    "K5,NYCC01,2015-01-05,,Parks",
];

fn demo(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo").join(file)
}

/// Runs `masar import` in a folder of the test.
fn command(server: &str, key: &str, folder: &Path, mapping: &Path, input: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_masar"));
    command.args(["import", "--output", "json", "--server", server, "--api-key", key, "--mapping"]);
    command.arg(mapping).arg(input).current_dir(folder).env_remove("MASAR_TENANT").kill_on_drop(true);
    command
}

async fn import(platform: &Platform, folder: &Path, mapping: &Path, input: &Path) -> Result<Value> {
    let server = format!("http://{}", platform.running.address);
    let mut command = command(&server, &platform.credentials.api_key, folder, mapping, input);
    summary(&command.output().await?)
}

fn summary(output: &Output) -> Result<Value> {
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no summary: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Accepted, duplicate, rejected.
fn counts(summary: &Value) -> [u64; 3] {
    ["accepted", "duplicate", "rejected"].map(|name| summary[name].as_u64().unwrap_or(u64::MAX))
}

async fn submission(client: &IntakeServiceClient<Asking>, external_ref: &str) -> Result<Submission> {
    let external = ExternalRef { source_system: "nyc-council".into(), external_ref: external_ref.into() };
    let request = GetSubmissionRequest { key: Some(Key::External(external)) };
    Ok(client.clone().get_submission(request).await?.into_inner())
}

/// The case, once it has a desk.
async fn at_a_desk(client: &CaseServiceClient<Asking>, text: &str) -> Result<Case> {
    eventually("the case is at a desk", async || {
        let request = ListCasesRequest { text: text.to_owned(), ..Default::default() };
        let found = client.clone().list_cases(request).await?.into_inner().cases;
        Ok(found.into_iter().find(|case| !case.queue.is_empty()))
    })
    .await
}

fn packed(folder: &Path, text: &str) -> Result<PathBuf> {
    let file = folder.join("casework.csv.gz");
    let mut out = GzEncoder::new(std::fs::File::create(&file)?, Compression::fast());
    out.write_all(text.as_bytes())?;
    out.finish()?;
    Ok(file)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_become_cases_once_and_what_is_wrong_is_told() -> Result<()> {
    on_each_database(async |url| {
        let platform = Platform::start(url, Clock::wall()).await?;
        let folder = tempfile::tempdir()?;
        let input = packed(folder.path(), &format!("{HEADER}\n{}\n", ROWS.join("\n")))?;
        let mapping = demo("mappings/nyc-council.yaml");

        let told = import(&platform, folder.path(), &mapping, &input).await?;
        assert_eq!((counts(&told), &told["rows"]), ([3, 1, 2], &Value::from(6)), "{told}");
        assert_eq!(told["rejects_file"], "casework.rejects.csv");
        let rejects = std::fs::read_to_string(folder.path().join("casework.rejects.csv"))?;
        let rejects: Vec<_> = rejects.lines().collect();
        assert_eq!(rejects.len(), 3, "{rejects:?}");
        assert_eq!(rejects[0], format!("row,reason,{HEADER}"));
        assert!(
            rejects[1].starts_with("5,") && rejects[1].contains("received_at: `2015-02-30` is no time"),
            "{}",
            rejects[1]
        );
        assert!(rejects[1].ends_with(ROWS[4]), "{}", rejects[1]);
        assert_eq!(rejects[2], format!("6,\"the row has 5 cells, the header 11\",{}", ROWS[5]));

        let intake = IntakeServiceClient::new(platform.call_centre("NYC-COUNCIL").await?);
        let first = submission(&intake, "K1").await?;
        assert!(
            first.reference.starts_with("COUNCIL-") || first.reference.starts_with("NYC-"),
            "{}",
            first.reference
        );
        let cases = CaseServiceClient::new(platform.call_centre("NYC-COUNCIL").await?);
        for (text, queue, category) in [
            ("Parks", "NYC-PARKS", "nyc.parks"),
            ("Casework of no named kind", "triage", "nyc.unspecified"),
            ("PATRIOTISM", "triage", "nyc.patriotism"),
        ] {
            let case = at_a_desk(&cases, text).await?;
            assert_eq!(
                (case.queue.as_str(), case.classification.as_str(), case.historical),
                (queue, category, true)
            );
        }

        // The same command again changes nothing.
        let told = import(&platform, folder.path(), &mapping, &input).await?;
        assert_eq!(counts(&told), [0, 4, 2], "{told}");
        assert_eq!(submission(&intake, "K1").await?.reference, first.reference);
        let all = cases.clone().list_cases(ListCasesRequest::default()).await?.into_inner().cases;
        assert_eq!(all.len(), 3);
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entity_of_the_demo_gets_its_own_cases() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = format!("sqlite:{}", folder.path().join("db").display());
    // After the last of them: a case is rejected that comes from the future.
    let (clock, _hand) = Clock::manual("2026-11-20T08:00:00+03:00".parse()?);
    let platform = Platform::start(database, clock).await?;
    let (mapping, input) = (demo("mappings/sample-cases.yaml"), demo("sample-cases.jsonl"));
    let told = import(&platform, folder.path(), &mapping, &input).await?;
    assert_eq!(counts(&told), [20, 0, 10], "{told}");
    let rejects = std::fs::read_to_string(folder.path().join("sample-cases.rejects.jsonl"))?;
    let rejects = rejects.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    assert_eq!(rejects.len(), 10);
    let others = rejects.iter().filter(|line| line["reason"] == "this mapping takes complaints only");
    assert!(
        others.clone().count() == 10 && others.clone().all(|line| line["line"]["case_type"] != "complaint")
    );
    let again = import(&platform, folder.path(), &mapping, &input).await?;
    assert_eq!(counts(&again), [0, 20, 10]);
    as_expected(&platform, &std::fs::read_to_string(input)?).await?;
    Ok(platform.running.stop().await?)
}

/// Each complaint is where its line expects it, and due when it expects that (CMP-03, T3).
async fn as_expected(platform: &Platform, lines: &str) -> Result<()> {
    let lines = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    for line in lines.iter().filter(|line| line["case_type"] == "complaint") {
        let tenant = line["entity"]["code"].as_str().context("an entity")?.to_owned().leak();
        let cases = CaseServiceClient::new(platform.call_centre(tenant).await?);
        let found = eventually("it has a desk and a due time", async || {
            let found = cases.clone().list_cases(ListCasesRequest::default()).await?.into_inner().cases;
            let mut ours =
                found.into_iter().filter(|case| line["external_ref"] == case.external_ref.as_str());
            Ok(ours.find(|case| !case.queue.is_empty() && case.due_at.is_some()))
        })
        .await?;
        let expected = &line["expected"];
        // One of them names no queue: it is a duplicate, which triage will merge.
        if let Some(queue) = expected["queue"].as_str() {
            assert_eq!((found.queue.as_str(), found.state.as_str()), (queue, "routed"), "{line}");
        }
        let due_at =
            expected["response_due_at"].as_str().context("a due time")?.parse::<jiff::Timestamp>()?;
        assert_eq!(masar_proto::time::from_proto(found.due_at.as_ref()), Some(due_at), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn a_dry_run_needs_no_server_and_exit_codes_say_how_it_went() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mapping = demo("mappings/nyc-council.yaml");
    let nowhere = |input: &Path, more: &[&str]| {
        let mut command = command("http://127.0.0.1:1", "a.b", folder.path(), &mapping, input);
        command.args(more);
        command
    };
    let input = packed(folder.path(), &format!("{HEADER}\n{}\n", ROWS.join("\n")))?;
    let output = nowhere(&input, &["--dry-run"]).output().await?;
    assert!(output.status.success());
    assert_eq!(counts(&summary(&output)?), [3, 1, 2]);
    let output = nowhere(&input, &["--dry-run", "--limit", "4"]).output().await?;
    assert_eq!(counts(&summary(&output)?), [3, 1, 0]);
    // --strict: the summary is there all the same.
    let output = nowhere(&input, &["--dry-run", "--strict"]).output().await?;
    assert_eq!((output.status.code(), counts(&summary(&output)?)), (Some(1), [3, 1, 2]));
    let bad = packed(folder.path(), &format!("{HEADER}\n{}\n", ROWS[4]))?;
    let output = nowhere(&bad, &["--dry-run"]).output().await?;
    assert_eq!((output.status.code(), counts(&summary(&output)?)), (Some(1), [0, 0, 1]));
    let output = nowhere(&bad, &[]).output().await?;
    assert!(String::from_utf8(output.stderr)?.contains("nobody answers at http://127.0.0.1:1"));
    let output = nowhere(&bad, &["--tenant", "DEMO-LAB"]).output().await?;
    assert!(String::from_utf8(output.stderr)?.contains("the mapping is for NYC-COUNCIL"));
    Ok(())
}

/// Hands connections on to a server, and cuts each of the first ones off after so many bytes of answers.
async fn unreliable(
    server: std::net::SocketAddr,
    cut: usize,
) -> Result<(std::net::SocketAddr, Arc<AtomicUsize>)> {
    const ANSWERED: usize = 40_000;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, cuts) = (listener.local_addr()?, Arc::new(AtomicUsize::new(0)));
    let made = Arc::clone(&cuts);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(server).await else { return };
            let ((mut from_near, mut to_near), (mut from_far, mut to_far)) =
                (near.into_split(), far.into_split());
            let up = tokio::spawn(async move { tokio::io::copy(&mut from_near, &mut to_far).await });
            if made.load(Ordering::SeqCst) < cut {
                let mut bytes = [0; 1_024];
                let mut answered = 0;
                while answered < ANSWERED {
                    let Ok(count @ 1..) = from_far.read(&mut bytes).await else { break };
                    answered += count;
                    if to_near.write_all(&bytes[..count]).await.is_err() {
                        break;
                    }
                }
                made.fetch_add(1, Ordering::SeqCst);
                up.abort();
            } else {
                let _ = tokio::io::copy(&mut from_far, &mut to_near).await;
            }
        }
    });
    Ok((address, cuts))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_is_opened_again_and_nothing_is_lost() -> Result<()> {
    const CASES: usize = 1_500;
    let folder = tempfile::tempdir()?;
    let database = format!("sqlite:{}", folder.path().join("db").display());
    let platform = Platform::start(database, Clock::wall()).await?;
    let (address, cuts) = unreliable(platform.running.address, 2).await?;
    let rows: String = (0..CASES).map(|key| format!("R{key},NYCC01,2015-01-02,,Parks,,,,,,\n")).collect();
    let input = packed(folder.path(), &format!("{HEADER}\n{rows}"))?;
    let mapping = demo("mappings/nyc-council.yaml");
    let server = format!("http://{address}");
    let key = &platform.credentials.api_key;
    let told = summary(&command(&server, key, folder.path(), &mapping, &input).output().await?)?;
    // What was taken and not answered is told as a duplicate the second time.
    let [accepted, duplicate, rejected] = counts(&told);
    assert_eq!((accepted + duplicate, rejected), (CASES as u64, 0), "{told}");
    assert_eq!((cuts.load(Ordering::SeqCst), told["reconnects"].as_u64() >= Some(2)), (2, true), "{told}");
    assert_eq!(opened(&platform, CASES).await?.len(), CASES);

    // Killed in the middle, and the same command again: the same cases.
    let rows: String = (0..2 * CASES).map(|key| format!("R{key},NYCC01,2015-01-02,,Parks,,,,,,\n")).collect();
    let input = packed(folder.path(), &format!("{HEADER}\n{rows}"))?;
    let server = format!("http://{}", platform.running.address);
    let mut killed = command(&server, key, folder.path(), &mapping, &input).stdout(Stdio::null()).spawn()?;
    opened(&platform, CASES + 1).await?;
    killed.kill().await?;
    let told = import(&platform, folder.path(), &mapping, &input).await?;
    let [accepted, duplicate, rejected] = counts(&told);
    assert_eq!((accepted + duplicate, rejected), (2 * CASES as u64, 0), "{told}");
    assert!(duplicate > CASES as u64);
    assert_eq!(opened(&platform, 2 * CASES).await?.len(), 2 * CASES);
    Ok(platform.running.stop().await?)
}

/// All cases by reference, when there are at least so many.
async fn opened(platform: &Platform, least: usize) -> Result<BTreeMap<String, String>> {
    let client = CaseServiceClient::new(platform.call_centre("NYC-COUNCIL").await?);
    eventually("all cases are opened", async || {
        let mut cases = BTreeMap::new();
        let mut token = String::new();
        loop {
            let page = Some(PageRequest { size: 500, token });
            let found = client
                .clone()
                .list_cases(ListCasesRequest { page, ..Default::default() })
                .await?
                .into_inner();
            cases.extend(found.cases.into_iter().map(|case| (case.reference, case.queue)));
            token = found.page.unwrap_or_default().next_token;
            if token.is_empty() {
                return Ok((cases.len() >= least).then_some(cases));
            }
        }
    })
    .await
}

/// Of the published casework of the New York City Council the first 2,000 rows, up to four open ones of each kind, and
/// some of the oddest: keys that come twice, types and places that say nothing.
const SAMPLE: &str = "../../tests/data/nyc-council-sample.csv.gz";

#[tokio::test(flavor = "multi_thread")]
async fn the_published_casework_goes_in_and_every_open_case_has_a_desk() -> Result<()> {
    let (rows, twice, still_open) = (2_178, 3, 155);
    let folder = tempfile::tempdir()?;
    let database = format!("sqlite:{}", folder.path().join("db").display());
    let platform = Platform::start(database, Clock::wall()).await?;
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLE);
    let told = import(&platform, folder.path(), &demo("mappings/nyc-council.yaml"), &input).await?;
    assert_eq!((counts(&told), &told["rows"]), ([rows - twice, twice, 0], &Value::from(rows)), "{told}");
    let cases = usize::try_from(rows - twice)?;
    assert_eq!(opened(&platform, cases).await?.len(), cases);

    let client = CaseServiceClient::new(platform.call_centre("NYC-COUNCIL").await?);
    let listed = async |request: ListCasesRequest| {
        anyhow::Ok(client.clone().list_cases(request).await?.into_inner().cases)
    };
    eventually("nobody waits without an owner", async || {
        let alone = ListCasesRequest { without_owner: true, ..Default::default() };
        Ok(listed(alone).await?.is_empty().then_some(()))
    })
    .await?;
    let page = Some(PageRequest { size: 500, token: String::new() });
    let open =
        listed(ListCasesRequest { categories: vec![StateCategory::Open.into()], page, ..Default::default() });
    let open = open.await?;
    assert_eq!(open.len(), still_open);
    assert!(open.iter().all(|case| !case.queue.is_empty() && case.closed_at.is_none()));
    // Even what says nothing of itself has somebody who looks at it.
    let unsaid = open.iter().filter(|case| case.classification == "nyc.unspecified");
    assert!(unsaid.clone().count() > 0 && unsaid.clone().all(|case| case.queue == "triage"));
    Ok(platform.running.stop().await?)
}

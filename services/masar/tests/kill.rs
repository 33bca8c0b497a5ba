//! `kill -9` in the middle of the work: what was accepted is there once, at a desk, with its clocks, and nothing twice.

mod support;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use futures::StreamExt;
use masar::credentials::Credentials;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, ListCaseEventsRequest, ListCasesRequest, TransitionRequest};
use masar_proto::common::v1::PageRequest;
use masar_proto::intake::v1::SubmitCaseResponse;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::sla::v1::GetCaseClocksRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use serde_json::json;
use support::{Asking, complaint, eventually};

/// Submissions of the whole test; the process is killed twice on the way.
const CASES: usize = 3_000;
const AT_ONCE: usize = 64;

struct Process(Child);

impl Process {
    fn start(folder: &Path, address: SocketAddr) -> Result<Self> {
        let child = Command::new(env!("CARGO_BIN_EXE_masar"))
            .args(["up", "--no-cases", "--listen", &address.to_string(), "--data"])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    /// SIGKILL: no chance to tidy up.
    fn kill(mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

async fn asking(address: SocketAddr, folder: &Path, who: &'static str) -> Result<Asking> {
    eventually("the process answers", async || {
        let Ok(credentials) = Credentials::read(folder) else { return Ok(None) };
        Ok(support::connect(address, &credentials, who).await.ok())
    })
    .await
}

/// Submits all cases, again and again until each is accepted; returns what the caller was told.
async fn submit(
    address: SocketAddr,
    folder: &Path,
    done: &AtomicUsize,
) -> Result<BTreeMap<usize, SubmitCaseResponse>> {
    let client = IntakeServiceClient::new(asking(address, folder, "system:DEMO-TRF").await?);
    let form = json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late"});
    let answers = futures::stream::iter(0..CASES).map(|number| {
        let (mut client, request) = (client.clone(), complaint(&format!("K-{number}"), &form));
        async move {
            let answer = client.submit_case(request).await.ok()?.into_inner();
            done.fetch_add(1, Ordering::SeqCst);
            Some((number, answer))
        }
    });
    Ok(answers.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_being_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut told: BTreeMap<usize, SubmitCaseResponse> = BTreeMap::new();
    for killed_after in [CASES / 3, CASES / 2] {
        let process = Process::start(folder.path(), address)?;
        let done = Arc::new(AtomicUsize::new(0));
        let (path, counter) = (folder.path().to_owned(), Arc::clone(&done));
        let submitting = tokio::spawn(async move { submit(address, &path, &counter).await });
        eventually("the middle of the work", async || {
            Ok((done.load(Ordering::SeqCst) >= killed_after).then_some(()))
        })
        .await?;
        process.kill()?;
        for (number, answer) in submitting.await?? {
            let first = told.entry(number).or_insert_with(|| answer.clone());
            assert_eq!(first.reference, answer.reference, "an accepted case keeps its reference");
        }
    }
    let process = Process::start(folder.path(), address)?;
    for (number, answer) in submit(address, folder.path(), &AtomicUsize::new(0)).await? {
        let first = told.entry(number).or_insert_with(|| answer.clone());
        assert_eq!(first.reference, answer.reference, "an accepted case keeps its reference");
    }
    assert_eq!(told.len(), CASES);

    let cases = CaseServiceClient::new(asking(address, folder.path(), "trf-triage-1").await?);
    let all = eventually("every case has a desk and a due time", async || {
        let all = list(&cases).await?;
        Ok((all.len() >= CASES && all.iter().all(|case| !case.queue.is_empty() && case.due_at.is_some()))
            .then_some(all))
    })
    .await?;
    let mut expected: Vec<_> = told.values().map(|answer| answer.reference.as_str()).collect();
    let mut there: Vec<_> = all.iter().map(|case| case.reference.as_str()).collect();
    expected.sort_unstable();
    there.sort_unstable();
    assert_eq!(there, expected);

    // Transitions in flight are done or not done, and the history says which: no event is missing or twice.
    let moved = futures::stream::iter(&all).map(|case| {
        let mut client = cases.clone();
        let request = TransitionRequest {
            case: case.case_id.clone(),
            action: "start_triage".into(),
            ..Default::default()
        };
        async move { client.transition(request).await.is_ok() }
    });
    let mut moved = moved.buffer_unordered(AT_ONCE);
    for _ in 0..CASES / 4 {
        moved.next().await.context("the cases end before the kill")?;
    }
    process.kill()?;
    drop(moved);
    let process = Process::start(folder.path(), address)?;
    let cases = CaseServiceClient::new(asking(address, folder.path(), "trf-triage-1").await?);
    let sla = SlaServiceClient::new(asking(address, folder.path(), "trf-ops").await?);
    let all = list(&cases).await?;
    assert_eq!(all.len(), CASES);
    assert!(all.iter().filter(|case| case.state == "triage").count() >= CASES / 4);
    for case in all.iter().step_by(97) {
        check(&cases, &sla, case).await?;
    }
    process.kill()
}

/// The history of a case is whole, and every clock of its state runs once.
async fn check(cases: &CaseServiceClient<Asking>, sla: &SlaServiceClient<Asking>, case: &Case) -> Result<()> {
    let request = ListCaseEventsRequest { case: case.case_id.clone(), page: None };
    let events = cases.clone().list_case_events(request).await?.into_inner().events;
    let versions: Vec<_> = events.iter().map(|event| event.version).collect();
    assert_eq!(versions, (1..=case.version).collect::<Vec<_>>());
    assert_eq!(events.last().map(|event| event.to_state.as_str()), Some(case.state.as_str()));
    let request = GetCaseClocksRequest { case: case.case_id.clone() };
    let clocks = sla.clone().get_case_clocks(request).await?.into_inner().clocks;
    let mut running: Vec<_> =
        clocks.into_iter().filter_map(|clock| clock.state).map(|state| (state.clock, state.run)).collect();
    running.sort();
    assert_eq!(
        running,
        ["ack", "first_response", "response", "triage", "whole_life"].map(|clock| (clock.to_owned(), 1))
    );
    Ok(())
}

async fn list(client: &CaseServiceClient<Asking>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut token = String::new();
    loop {
        let page = Some(PageRequest { size: 500, token });
        let found =
            client.clone().list_cases(ListCasesRequest { page, ..Default::default() }).await?.into_inner();
        cases.extend(found.cases);
        token = found.page.unwrap_or_default().next_token;
        if token.is_empty() {
            return Ok(cases);
        }
    }
}

//! `kill -9` in the middle of the work: what was accepted is there once, at one desk, on its clocks, and nothing twice.

mod support;

use anyhow::{Result, bail};
use masar_proto::operations::v1::ListParkedRequest;
use masar_proto::operations::v1::operations_service_client::OperationsServiceClient;
use support::many::Told;
use support::process::{Process, free_address};

/// Submissions of the whole test.
const CASES: usize = 10_000;
/// The process is killed after so many answers to submissions and transitions together, and again after so many.
const KILLED_AFTER: [usize; 2] = [5_000, 9_000];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_being_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let (address, told) = (free_address()?, Told::new(CASES));
    let work = async |process: &Process| {
        let centre = process.asking(folder, "system:DEMO-TRF").await?;
        told.work(centre, process.asking(folder, "trf-triage-1").await?).await
    };
    for killed_after in KILLED_AFTER {
        let mut process = Process::up(address, folder, &[])?;
        let mut count = told.count.subscribe();
        tokio::select! {
            ended = work(&process) => bail!("the work ended before the kill: {ended:?}"),
            reached = count.wait_for(|count| *count >= killed_after) => drop(reached?),
        }
        process.kill().await?;
        let answers = told.answers();
        let between = answers.references.len() < CASES && !answers.moved.is_empty();
        assert!(between, "it was not killed in the middle of submissions and transitions");
    }
    let mut process = Process::up(address, folder, &[])?;
    work(&process).await?;
    let triage = process.asking(folder, "trf-triage-1").await?;
    told.is_true(triage, process.asking(folder, "trf-ops").await?).await?;
    let mut bus = OperationsServiceClient::new(process.asking(folder, "trf-admin").await?);
    assert_eq!(bus.list_parked(ListParkedRequest::default()).await?.into_inner().events, []);
    process.kill().await
}

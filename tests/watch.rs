//! A case is watched: whoever looks on sees what any service does to it, when it happens.

mod support;

use std::time::Duration;

use anyhow::{Context, Result};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, WatchCaseRequest};
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::routing::v1::ClaimNextRequest;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::time;
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::json;
use support::{Platform, complaint};
use tonic::Streaming;

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";

/// A case as it is shown to somebody who watches.
struct Watch {
    cases: Streaming<Case>,
    seen: Case,
}

impl Watch {
    /// The case, once it is shown as the test waits for. Nothing is shown twice.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Case) -> bool) -> Result<Case> {
        while !wanted(&self.seen) {
            let next = tokio::time::timeout(Duration::from_secs(60), self.cases.message()).await;
            let next = next.with_context(|| format!("never shown: {what}"))??.context("the watch ended")?;
            assert_ne!(next, self.seen);
            self.seen = next;
        }
        Ok(self.seen.clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_shows_desk_assignee_due_time_and_breach() -> Result<()> {
    on_each_database(async |url| {
        let (clock, hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let form = json!({"channel": "call_centre", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late"});
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let key = intake.submit_case(complaint("W-1", &form)).await?.into_inner().reference;
        let mut triage = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        let cases = triage.watch_case(WatchCaseRequest { case: key }).await?.into_inner();
        let mut watch = Watch { cases, seen: Case::default() };

        let shown = watch.until("a desk and a due time", |case| !case.queue.is_empty() && case.due_at.is_some()).await?;
        assert_eq!((shown.assignee.as_str(), shown.breached), ("", false));
        let mut routing = RoutingServiceClient::new(platform.person("trf-triage-1").await?);
        routing.claim_next(ClaimNextRequest { queue: shown.queue }).await?;
        watch.until("an assignee", |case| case.assignee == "trf-triage-1").await?;
        hand.advance_to(time::from_proto(shown.due_at.as_ref()).context("a due time")?);
        watch.until("a breach", |case| case.breached).await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

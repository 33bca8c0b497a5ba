//! Accepting: calls of their own over real connections, each answered when its case is durable.

use anyhow::Result;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;

use super::house::House;
use super::limit::CALLERS;
use super::load::{Caller, drive};
use super::report::quantile;
use super::sample::Complaints;
use super::{Pace, Report};
use crate::cli::{Asking, refused};

/// Somebody who submits one complaint after the other.
struct Submitter {
    client: IntakeServiceClient<Asking>,
    complaints: Complaints,
}

impl Caller for Submitter {
    async fn call(&mut self) -> Result<()> {
        self.client.submit_case(self.complaints.next()).await.map_err(|status| refused(&status))?;
        Ok(())
    }
}

pub(super) async fn run(house: &House, pace: Pace, report: &mut Report) -> Result<()> {
    let complaints = Complaints::to("LAB-DISPUTES");
    let connections = house.call_centres().await?;
    let submitters = connections.iter().cycle().take(CALLERS);
    let submitter = |way: &Asking| Submitter {
        client: IntakeServiceClient::new(way.clone()),
        complaints: complaints.clone(),
    };
    let mut submitters: Vec<_> = submitters.map(submitter).collect();
    let mut alone: Vec<_> = submitters.drain(..1).collect();
    let measured = drive(&mut alone, None, pace.span()).await?;
    report.step("one caller", &measured)?;
    report.note("alone_p50_ms", quantile(&measured, 0.5));
    report.note("alone_p99_ms", quantile(&measured, 0.99));
    submitters.append(&mut alone);
    pace.climb(submitters, report).await
}

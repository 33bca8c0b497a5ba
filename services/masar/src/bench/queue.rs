//! A queue with many tasks: a page of fifty, and the next one claimed.
//!
//! The tasks are copies of one that came the usual way, written straight into the table of routing before anything is
//! measured: what they cost to bring in is measured elsewhere.

use anyhow::{Context, Result};
use masar_proto::common::v1::PageRequest;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::routing::v1::{ClaimNextRequest, ListTasksRequest};
use masar_store::DatabaseUrl;

use super::desk::Desk;
use super::house::House;
use super::load::{Caller, drive};
use super::report::quantile;
use super::sample::Complaints;
use super::store;
use super::stream;
use super::{Pace, Report};
use crate::cli::{Asking, refused};

const QUEUE: &str = "LAB-DISPUTES";
const HANDLER: &str = "lab-disputes-1";
/// Those who look and those who claim at the same time, and how often they do together in a second.
const CALLERS: usize = 8;
const RATE: f64 = 100.0;
const PAGE: u32 = 50;

pub(super) async fn run(
    house: &House,
    database: &DatabaseUrl,
    pace: Pace,
    cases: u32,
    report: &mut Report,
) -> Result<()> {
    let reference = first(house).await?;
    Report::say(&format!("writing {cases} tasks"));
    store::fill(database, &store::TASKS, reference.into(), cases).await?;
    report.note("cases", cases);
    let ways = house.people(HANDLER).await?;
    let ways = || ways.iter().cycle().take(CALLERS).map(|way| RoutingServiceClient::new(way.clone()));
    let mut readers: Vec<_> = ways().map(|client| Reader { client, token: String::new() }).collect();
    let pages = drive(&mut readers, Some(RATE), pace.span()).await?;
    report.step("a page", &pages)?;
    let mut claimers: Vec<_> = ways().map(|client| Claimer { client }).collect();
    let claims = drive(&mut claimers, Some(RATE), pace.span()).await?;
    report.step("claim next", &claims)?;
    report.result(&pages);
    report.note("claim_p50_ms", quantile(&claims, 0.5));
    report.note("claim_p99_ms", quantile(&claims, 0.99));
    Ok(())
}

/// Brings one case to its desk by the usual way; its reference.
async fn first(house: &House) -> Result<String> {
    let case = Complaints::to(QUEUE).next();
    stream::submit(house.call_centre().await?, std::iter::once(case)).await?;
    Desk::open(house).await?.shown(QUEUE).await?;
    let mut client = RoutingServiceClient::new(house.person(HANDLER).await?);
    let page = client.list_tasks(request(String::new())).await.map_err(|status| refused(&status))?;
    let task = page.into_inner().tasks.pop().context("the task is gone")?;
    Ok(task.reference)
}

fn request(token: String) -> ListTasksRequest {
    let page = Some(PageRequest { size: PAGE, token });
    ListTasksRequest { page, queue: QUEUE.to_owned(), waiting_only: true, ..ListTasksRequest::default() }
}

/// Somebody who goes through the queue page by page.
struct Reader {
    client: RoutingServiceClient<Asking>,
    token: String,
}

impl Caller for Reader {
    async fn call(&mut self) -> Result<()> {
        let request = request(std::mem::take(&mut self.token));
        let page = self.client.list_tasks(request).await.map_err(|status| refused(&status))?.into_inner();
        self.token = page.page.unwrap_or_default().next_token;
        Ok(())
    }
}

/// Somebody who takes one task after the other.
struct Claimer {
    client: RoutingServiceClient<Asking>,
}

impl Caller for Claimer {
    async fn call(&mut self) -> Result<()> {
        let next = ClaimNextRequest { queue: QUEUE.to_owned() };
        self.client.claim_next(next).await.map_err(|status| refused(&status))?;
        Ok(())
    }
}

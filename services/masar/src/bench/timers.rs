//! Timers: clocks that are due at one moment, and clocks that are due at a steady rate.
//!
//! The cases are of the bench's own package: their clock is due half an hour after a case was received, and the bench
//! says that it was received half an hour before the moment that it wants.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use masar_proto::common::v1::{PageRequest, TimeRange};
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{AtRisk, ListClocksRequest, WatchAtRiskRequest};
use masar_proto::{json, time};
use masar_runtime::Clock;
use masar_store::DatabaseUrl;
use serde_json::json;
use uuid::Uuid;

use super::desk::Desk;
use super::house::House;
use super::load::{Latencies, Measured};
use super::report::quantile;
use super::store;
use super::stream;
use super::{Pace, Report};
use crate::cli::{Asking, refused};

/// What the package says.
const TARGET: SignedDuration = SignedDuration::from_mins(30);
/// Who watches over clocks.
const PERSON: &str = "lab-ops";
/// Clocks that are armed in a second, until it is known how many.
const ARMED: f64 = 150.0;
/// When the clock is due that others are copies of: after all that is measured, and soon enough for its case to have been received.
const LATER: SignedDuration = SignedDuration::from_mins(25);
/// Nothing is armed in this time before clocks are due, nor fires in this time after the last was seen to.
const QUIET: Duration = Duration::from_secs(2);
const PAGE: u32 = 500;
const PACE: Duration = Duration::from_millis(250);

pub(super) async fn run(
    house: &House,
    database: &DatabaseUrl,
    pace: Pace,
    (clocks, open): (u32, u32),
    report: &mut Report,
) -> Result<()> {
    let sla = SlaServiceClient::new(house.person(PERSON).await?);
    let mut timers = Timers { house, sla, desk: Desk::open(house).await?, armed: ARMED };
    if open > 0 {
        timers.keep_open(database, open).await?;
        report.note("open", open);
    }
    let (rounds, clocks) = if pace.quick { (1, clocks.min(200)) } else { (3, clocks) };
    let mut at_once = Vec::new();
    for round in 1..=rounds {
        let fired = timers.fire(&format!("BENCH-ONCE-{round}"), clocks, Duration::ZERO).await?;
        let measured = fired.at_once(clocks);
        report.step(&format!("{clocks} at once"), &measured)?;
        at_once.push(measured);
    }
    at_once.sort_by(|one, other| one.achieved.total_cmp(&other.achieved));
    let median = at_once.swap_remove(at_once.len() / 2);
    let (rate, seconds) = if pace.quick { (100, 2) } else { (1_000, 10) };
    let fired = timers.fire("BENCH-STEADY", rate * seconds, Duration::from_secs(1) / rate).await?;
    let steady = Measured::of(Some(f64::from(rate)), fired.latencies, Duration::from_secs(seconds.into()));
    report.step("steady", &steady)?;
    report.result(&median);
    report.note("at_once", clocks);
    report.note("at_once_ms", quantile(&median, 1.0));
    report.note("steady_per_second", rate);
    report.note("p50_ms", quantile(&steady, 0.5));
    report.note("p99_ms", quantile(&steady, 0.99));
    Ok(())
}

/// What was seen of clocks that fired.
struct Fired {
    /// How late they were seen to fire.
    latencies: Latencies,
    /// How late the last was.
    last: Duration,
}

impl Fired {
    /// How many fire in a second when all are due at once.
    fn at_once(self, clocks: u32) -> Measured {
        let achieved = f64::from(clocks) / self.last.as_secs_f64();
        Measured { offered: None, achieved, latencies: self.latencies }
    }
}

struct Timers<'a> {
    house: &'a House,
    sla: SlaServiceClient<Asking>,
    desk: Desk,
    /// Clocks that are armed in a second.
    armed: f64,
}

impl Timers<'_> {
    /// Arms clocks that are due one after the other, waits for them, and says how late they fired.
    async fn fire(&mut self, queue: &str, clocks: u32, apart: Duration) -> Result<Fired> {
        let (now, began) = (Clock::wall().now(), Instant::now());
        // Twice as long as it should take, and to the second, so that the first is due when it was meant to be.
        let lead = (2.0 * f64::from(clocks) / self.armed) as i64 + 2 * QUIET.as_secs() as i64;
        let first = Timestamp::from_second(now.as_second() + lead)?;
        let last = first + apart * clocks;
        Report::say(&format!("arming {clocks} clocks, due in {lead} s"));
        let cases = (0..clocks).map(|number| case(queue, first + apart * number));
        stream::submit(self.house.call_centre().await?, cases).await?;
        self.until_armed(clocks, first, last).await?;
        self.armed = f64::from(clocks) / began.elapsed().as_secs_f64();
        let early = Clock::wall().now() + QUIET < first;
        ensure!(early, "{clocks} clocks are not armed within {lead} s");
        let watch = self.sla.watch_at_risk(WatchAtRiskRequest::default()).await;
        let fired = seen(watch.map_err(|status| refused(&status))?.into_inner(), clocks, first, last).await?;
        // Whoever watches may miss some; that none was forgotten is seen at the desk.
        self.desk.until(queue, |queue| queue.breached >= u64::from(clocks)).await?;
        Ok(fired)
    }

    /// Has so many other clocks open besides.
    async fn keep_open(&self, database: &DatabaseUrl, open: u32) -> Result<()> {
        Report::say(&format!("writing {open} clocks that are open"));
        let due = Timestamp::from_second(Clock::wall().now().as_second())? + LATER;
        let cases = stream::submit(self.house.call_centre().await?, std::iter::once(case("BENCH-OPEN", due)));
        let original: Uuid = cases.await?.pop().context("no case was accepted")?.parse()?;
        self.until_armed(1, due, due).await?;
        store::fill(database, &store::CLOCKS, original.into(), open).await
    }

    async fn until_armed(&self, clocks: u32, first: Timestamp, last: Timestamp) -> Result<()> {
        let mut pace = tokio::time::interval(PACE);
        loop {
            pace.tick().await;
            if self.armed_between(first, last).await? >= clocks as usize {
                return Ok(());
            }
            ensure!(Clock::wall().now() < first, "the clocks are not armed in time");
        }
    }

    /// How many clocks are due in a time.
    async fn armed_between(&self, first: Timestamp, last: Timestamp) -> Result<usize> {
        let (mut count, mut token) = (0, String::new());
        let to = last + SignedDuration::from_millis(1);
        loop {
            let request = ListClocksRequest {
                page: Some(PageRequest { size: PAGE, token }),
                phase: "running".to_owned(),
                due: Some(TimeRange { from: Some(time::to_proto(first)), to: Some(time::to_proto(to)) }),
                ..ListClocksRequest::default()
            };
            let page = self.sla.clone().list_clocks(request).await.map_err(|status| refused(&status))?;
            let page = page.into_inner();
            count += page.clocks.len();
            token = page.page.unwrap_or_default().next_token;
            if token.is_empty() {
                return Ok(count);
            }
        }
    }
}

/// A case whose clock is due at a moment.
fn case(queue: &str, due: Timestamp) -> SubmitCaseRequest {
    SubmitCaseRequest {
        case_type: "bench_timer".to_owned(),
        source_system: "bench".to_owned(),
        external_ref: Uuid::now_v7().to_string(),
        received_at: Some(time::to_proto(due - TARGET)),
        form: Some(json::to_struct(&json!({"department": queue, "subject": "Due"}))),
        ..SubmitCaseRequest::default()
    }
}

/// Sees clocks that are due in a time fire, until all have or no more come.
async fn seen(
    mut watch: tonic::Streaming<AtRisk>,
    clocks: u32,
    first: Timestamp,
    last: Timestamp,
) -> Result<Fired> {
    let mut fired = Fired { latencies: Latencies::new()?, last: Duration::ZERO };
    let (wall, mut cases) = (Clock::wall(), HashSet::new());
    let quiet = |now: Timestamp| Duration::try_from(now.duration_until(last)).unwrap_or_default() + QUIET;
    while cases.len() < clocks as usize {
        let next = tokio::time::timeout(quiet(wall.now()), watch.message()).await;
        let Ok(next) = next else { break };
        let now = wall.now();
        let at_risk = next.map_err(|status| refused(&status))?.context("the watch ended")?;
        let clock = at_risk.clock.and_then(|clock| clock.state).unwrap_or_default();
        let due = time::from_proto(clock.due_at.as_ref()).filter(|due| (first..=last).contains(due));
        let Some(due) = due.filter(|_| at_risk.what == "breached") else { continue };
        if cases.insert(clock.case_id) {
            let late = Duration::try_from(now.duration_since(due)).unwrap_or_default();
            // Where all are due at once, they are of the first third.
            let place = due.duration_since(first).as_secs_f64() / last.duration_since(first).as_secs_f64();
            fired.latencies.record((place * 3.0) as usize, late);
            fired.last = fired.last.max(late);
        }
    }
    ensure!(!cases.is_empty(), "no clock was seen to fire");
    if cases.len() < clocks as usize {
        Report::say(&format!("{} of {clocks} were seen to fire", cases.len()));
    }
    Ok(fired)
}

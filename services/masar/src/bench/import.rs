//! Importing: streams whose window is full, so that whoever sends never waits for an answer and nothing else holds them up.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::house::House;
use super::load::{Latencies, Measured, Span};
use super::sample::Complaints;
use super::stream::{self, WINDOW};
use super::{Pace, Report};
use crate::cli::Asking;

/// Streams at the same time, by step: what one alone cannot use, several may.
const STREAMS: [usize; 3] = [1, 2, 4];

pub(super) async fn run(house: &House, pace: Pace, report: &mut Report) -> Result<()> {
    let connections = house.call_centres().await?;
    let mut best: Option<Measured> = None;
    for count in STREAMS {
        let measured = streams(&connections[..count], pace.span()).await?;
        report.step(&format!("streams {count}"), &measured)?;
        if best.as_ref().is_none_or(|best| best.achieved < measured.achieved) {
            report.note("streams", count);
            best = Some(measured);
        }
    }
    report.result(&best.context("no stream was measured")?);
    Ok(())
}

async fn streams(connections: &[Asking], span: Span) -> Result<Measured> {
    let mut tasks = JoinSet::new();
    for connection in connections {
        tasks.spawn(stream(connection.clone(), span));
    }
    let mut latencies = Latencies::new()?;
    while let Some(ended) = tasks.join_next().await {
        latencies.add(&ended??);
    }
    Ok(Measured::of(None, latencies, span.measured))
}

/// Sends cases as fast as they are answered; the time of each, from being sent to being durable.
async fn stream(way: Asking, span: Span) -> Result<Latencies> {
    let complaints = Complaints::to("LAB-DISPUTES");
    let (mut sender, mut answers) = stream::open(way).await?;
    let (start, mut sent, mut latencies) = (Instant::now(), VecDeque::new(), Latencies::new()?);
    while start.elapsed() < span.whole() {
        while sent.len() < WINDOW {
            sender.send(complaints.next()).await?;
            sent.push_back(start.elapsed());
        }
        answers.next().await?.context("the stream ended")?;
        let (now, since) = (start.elapsed(), sent.pop_front().unwrap_or_default());
        if let Some(third) = span.third(now) {
            latencies.record(third, now.saturating_sub(since));
        }
    }
    Ok(latencies)
}

//! The whole way: submitted by a stream, opened, queued, its clocks armed, and shown to those who act with its due time.
//!
//! Every so many cases one goes to a queue of its own, which is watched: its way is timed. The others are counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::desk::{Desk, MOST};
use super::house::House;
use super::load::{Latencies, Measured, Span, Timetable};
use super::report::quantile;
use super::sample::Complaints;
use super::search::Search;
use super::stream;
use super::{Pace, Report};

/// Cases whose way is timed in a second: so few that looking for them is no load.
const TIMED: f64 = 20.0;
/// Cases at whose ways alone is looked before it counts, and those that count.
const FIRST: usize = 5;

pub(super) async fn run(house: &House, pace: Pace, report: &mut Report) -> Result<()> {
    let way = Way { house, desk: Desk::open(house).await?, span: pace.span() };
    let alone = way.alone(if pace.quick { 20 } else { 200 }).await?;
    report.step("one at a time", &alone)?;
    let probe = way.burst(if pace.quick { 1_000 } else { 8_000 }).await?;
    report.step("burst", &probe)?;
    let mut search = Search::from(probe, pace.quick);
    let mut number = 0;
    while let Some(rate) = search.next() {
        number += 1;
        let measured = way.offered(&format!("BENCH-{number}"), rate).await?;
        report.step("open loop", &measured)?;
        search.heard(measured);
    }
    let top = search.end(report);
    let quarter = way.offered("BENCH-QUARTER", top / 4.0).await?;
    report.step("a quarter of it", &quarter)?;
    report.note("quarter_p50_ms", quantile(&quarter, 0.5));
    report.note("alone_p50_ms", quantile(&alone, 0.5));
    Ok(())
}

struct Way<'a> {
    house: &'a House,
    desk: Desk,
    span: Span,
}

impl Way<'_> {
    /// One case after the other, each when the one before is at its desk.
    async fn alone(&self, count: usize) -> Result<Measured> {
        const QUEUE: &str = "BENCH-ALONE";
        let (mut sender, mut answers) = stream::open(self.house.call_centre().await?).await?;
        let mut beside = JoinSet::new();
        let mut shown = self.desk.watch(QUEUE, &mut beside).await?;
        let (complaints, mut latencies) = (Complaints::to(QUEUE), Latencies::new()?);
        let mut time = Duration::ZERO;
        for number in 0..FIRST + count {
            let began = Instant::now();
            sender.send(complaints.next()).await?;
            let case = answers.next().await?.context("the stream ended")?;
            while shown.recv().await.context("the watch ended")?.0 != case {}
            if number >= FIRST {
                latencies.record(0, began.elapsed());
                time += began.elapsed();
            }
        }
        Ok(Measured::of(None, latencies, time))
    }

    /// Many cases at once.
    async fn burst(&self, count: u32) -> Result<Measured> {
        const QUEUE: &str = "BENCH-BURST";
        let (complaints, began) = (Complaints::to(QUEUE), Instant::now());
        let cases = (0..count).map(|_| complaints.next());
        stream::submit(self.house.call_centre().await?, cases).await?;
        self.desk.until(QUEUE, |queue| queue.waiting >= u64::from(count)).await?;
        let (mut latencies, time) = (Latencies::new()?, began.elapsed());
        latencies.record(2, time);
        Ok(Measured { offered: None, achieved: f64::from(count) / time.as_secs_f64(), latencies })
    }

    /// Cases at a rate, some of them to a queue that is watched. Afterwards nothing is on its way.
    async fn offered(&self, queue: &str, rate: f64) -> Result<Measured> {
        let watched = format!("{queue}-TIMED");
        let mut beside = JoinSet::new();
        let mut shown = self.desk.watch(&watched, &mut beside).await?;
        let (counted, sent) = tokio::try_join!(self.count(queue), self.send(queue, &watched, rate))?;
        let others = sent.total - sent.timed.len() as u64;
        self.desk.until(queue, |queue| queue.waiting >= others).await?;
        let latencies = tokio::time::timeout(MOST, self.latencies(sent, &mut shown)).await;
        let latencies = latencies.context("a case never comes to its desk")??;
        let timed_share = 1.0 / f64::from(every(rate));
        let achieved = counted / (1.0 - timed_share) / self.span.measured.as_secs_f64();
        Ok(Measured { offered: Some(rate), achieved, latencies })
    }

    /// How many more cases wait in a queue after the measured time than before it.
    async fn count(&self, queue: &str) -> Result<f64> {
        tokio::time::sleep(self.span.warm_up).await;
        let before = self.desk.queue(queue).await?.waiting;
        tokio::time::sleep(self.span.measured).await;
        let after = self.desk.queue(queue).await?.waiting;
        Ok((after - before) as f64)
    }

    async fn send(&self, queue: &str, watched: &str, rate: f64) -> Result<Sent> {
        let (mut sender, mut answers) = stream::open(self.house.call_centre().await?).await?;
        let (others, timed) = (Complaints::to(queue), Complaints::to(watched));
        let (note, mut noted) = mpsc::unbounded_channel();
        let timetable = Timetable::new(Some(rate), self.span);
        let start = timetable.start();
        let sending = async move {
            let mut number = 0u32;
            while let Some(intended) = timetable.next().await {
                let is_timed = number.is_multiple_of(every(rate));
                number += 1;
                note.send(is_timed.then_some(intended))?;
                sender.send(if is_timed { timed.next() } else { others.next() }).await?;
            }
            anyhow::Ok(())
        };
        let taking = async {
            let mut sent = Sent { start, total: 0, timed: HashMap::new() };
            while let Some(case) = answers.next().await? {
                sent.total += 1;
                if let Some(intended) = noted.recv().await.context("an answer too many")? {
                    sent.timed.insert(case, intended);
                }
            }
            Ok(sent)
        };
        tokio::try_join!(sending, taking).map(|((), sent)| sent)
    }

    /// The ways of the timed cases that were to begin within the measured time, all of which come in the end.
    async fn latencies(
        &self,
        mut sent: Sent,
        shown: &mut mpsc::UnboundedReceiver<(String, Instant)>,
    ) -> Result<Latencies> {
        let mut latencies = Latencies::new()?;
        while !sent.timed.is_empty() {
            let (case, at) = shown.recv().await.context("the watch ended")?;
            let Some(intended) = sent.timed.remove(&case) else { continue };
            if let Some(third) = self.span.third(intended) {
                latencies.record(third, at.saturating_duration_since(sent.start + intended));
            }
        }
        Ok(latencies)
    }
}

/// Cases that were sent, and when those whose way is timed were to begin.
struct Sent {
    start: Instant,
    total: u64,
    timed: HashMap<String, Duration>,
}

/// One of so many cases is timed.
fn every(rate: f64) -> u32 {
    (rate / TIMED).max(2.0) as u32
}

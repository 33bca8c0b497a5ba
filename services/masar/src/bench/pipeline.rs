//! The whole way: submitted by a stream, opened, queued, its clocks armed, and shown to those who act with its due time.
//!
//! Every so many cases one goes to a queue of its own: its way is timed. The others are counted.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use super::desk::Desk;
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
    let probe = way.burst(if pace.quick { 500 } else { 8_000 }).await?;
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
        let (mut sender, mut answers) = stream::open(self.house.call_centre().await?).await?;
        let (mut latencies, mut time) = (Latencies::new()?, Duration::ZERO);
        for number in 0..FIRST + count {
            let queue = format!("BENCH-ALONE-{number}");
            let began = Instant::now();
            sender.send(Complaints::to(&queue).next()).await?;
            answers.next().await?.context("the stream ended")?;
            let took = self.desk.shown(&queue).await?.duration_since(began);
            if number >= FIRST {
                latencies.record(0, took);
                time += took;
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

    /// Cases at a rate, some of them to queues of their own. Afterwards nothing is on its way.
    async fn offered(&self, queue: &str, rate: f64) -> Result<Measured> {
        let (note, noted) = mpsc::unbounded_channel();
        let (start, sending) = self.send(queue, rate, note).await?;
        let (counted, others, latencies) =
            tokio::try_join!(self.count(queue), sending, self.latencies(start, noted))?;
        self.desk.until(queue, |queue| queue.waiting >= others).await?;
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

    /// Begins to send cases; tells the queues of those that are timed, and when these were to begin; how many the others were.
    async fn send(
        &self,
        queue: &str,
        rate: f64,
        note: mpsc::UnboundedSender<(String, Duration)>,
    ) -> Result<(Instant, impl Future<Output = Result<u64>>)> {
        let (mut sender, mut answers) = stream::open(self.house.call_centre().await?).await?;
        let (queue, others) = (queue.to_owned(), Complaints::to(queue));
        let timetable = Timetable::new(Some(rate), self.span);
        let start = timetable.start();
        let sending = async move {
            let (mut number, mut timed) = (0u32, 0);
            while let Some(intended) = timetable.next().await {
                if number.is_multiple_of(every(rate)) {
                    let own = format!("{queue}-{number}");
                    sender.send(Complaints::to(&own).next()).await?;
                    note.send((own, intended))?;
                    timed += 1;
                } else {
                    sender.send(others.next()).await?;
                }
                number += 1;
            }
            anyhow::Ok(u64::from(number - timed))
        };
        let taking = async move {
            while answers.next().await?.is_some() {}
            anyhow::Ok(())
        };
        Ok((start, async { tokio::try_join!(sending, taking).map(|(others, ())| others) }))
    }

    /// The ways of the timed cases that were to begin within the measured time. They are looked for one after the other, for they
    /// come in their order: so looking for them is no load.
    async fn latencies(
        &self,
        start: Instant,
        mut noted: mpsc::UnboundedReceiver<(String, Duration)>,
    ) -> Result<Latencies> {
        let mut latencies = Latencies::new()?;
        while let Some((queue, intended)) = noted.recv().await {
            let at = self.desk.shown(&queue).await?;
            if let Some(third) = self.span.third(intended) {
                latencies.record(third, at.saturating_duration_since(start + intended));
            }
        }
        Ok(latencies)
    }
}

/// One of so many cases is timed.
fn every(rate: f64) -> u32 {
    (rate / TIMED).max(2.0) as u32
}

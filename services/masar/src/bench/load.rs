//! Load: calls that start at their intended times, whatever became of those before, and how long they took from then on.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The longest latency that is told apart, in microseconds: ten minutes.
const LONGEST: u64 = 600_000_000;
/// The share of an offered rate that must be achieved for it to count as kept up.
const KEPT_UP: f64 = 0.95;
/// A 99th percentile that doubles within a step and is above this grows without bound.
const SLOW: Duration = Duration::from_millis(100);

/// Somebody who makes one call after the other.
pub(super) trait Caller: Send + 'static {
    /// Makes a call and waits for its answer.
    fn call(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// How long is measured, after a time that is not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

impl Span {
    pub(super) fn whole(self) -> Duration {
        self.warm_up + self.measured
    }

    /// The third of the measured time that a moment after the start is in.
    pub(super) fn third(self, since_start: Duration) -> Option<usize> {
        let at = since_start.checked_sub(self.warm_up)?.as_secs_f64() / self.measured.as_secs_f64();
        (at < 1.0).then_some((at * 3.0) as usize)
    }
}

/// Latencies in microseconds, by the third of the measured time that a call belongs to.
#[derive(Clone)]
pub(super) struct Latencies([Histogram<u64>; 3]);

impl Latencies {
    pub(super) fn new() -> Result<Self> {
        let empty = Histogram::new_with_bounds(1, LONGEST, 3)?;
        Ok(Self([empty.clone(), empty.clone(), empty]))
    }

    pub(super) fn record(&mut self, third: usize, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST);
        // A step that has only just ended counts in its last third.
        self.0[third.min(2)].saturating_record(micros);
    }

    pub(super) fn add(&mut self, others: &Self) {
        for (own, other) in self.0.iter_mut().zip(&others.0) {
            *own += other;
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Histogram<u64> {
        let [first, second, third] = &self.0;
        let mut all = first.clone();
        all += second;
        all += third;
        all
    }

    /// True when the last calls waited much longer than the first.
    fn grow(&self) -> bool {
        let [first, last] = [0, 2].map(|third: usize| self.0[third].value_at_quantile(0.99));
        last > 2 * first && u128::from(last) > SLOW.as_micros()
    }
}

/// What came of a time of load.
pub(super) struct Measured {
    /// What was offered in a second; none where callers waited for their answers.
    pub(super) offered: Option<f64>,
    /// What was done in a second.
    pub(super) achieved: f64,
    pub(super) latencies: Latencies,
}

impl Measured {
    /// As many calls as there are latencies were done in a time.
    pub(super) fn of(offered: Option<f64>, latencies: Latencies, time: Duration) -> Self {
        let achieved = latencies.all().len() as f64 / time.as_secs_f64();
        Self { offered, achieved, latencies }
    }

    /// True when what was offered was done, and those who asked last waited no longer than the first.
    pub(super) fn kept_up(&self) -> bool {
        self.offered.is_none_or(|offered| self.achieved >= KEPT_UP * offered && !self.latencies.grow())
    }
}

/// When calls start.
pub(super) struct Timetable {
    start: Instant,
    span: Span,
    /// Calls in a second; without it a call starts as soon as there is somebody to make it.
    rate: Option<f64>,
    taken: AtomicU64,
    due: Semaphore,
}

impl Timetable {
    pub(super) fn new(rate: Option<f64>, span: Span) -> Arc<Self> {
        let (taken, due) = (AtomicU64::new(0), Semaphore::new(0));
        let timetable = Arc::new(Self { start: Instant::now(), span, rate, taken, due });
        if let Some(rate) = rate {
            let paced = Arc::clone(&timetable);
            tokio::task::spawn_blocking(move || paced.pace(rate));
        }
        timetable
    }

    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// Lets calls become due, in a thread of its own: the timers of the runtime are a millisecond apart.
    fn pace(&self, rate: f64) {
        let total = self.total(rate);
        let mut issued = 0;
        while issued < total {
            let due = ((self.start.elapsed().as_secs_f64() * rate) as u64 + 1).min(total);
            self.due.add_permits(usize::try_from(due - issued).unwrap_or(0));
            issued = due;
            let next = self.start + Duration::from_secs_f64(issued as f64 / rate);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    fn total(&self, rate: f64) -> u64 {
        (rate * self.span.whole().as_secs_f64()) as u64
    }

    /// Waits until the next call is due and gives the time after the start at which it was to begin; none when the time is
    /// over.
    pub(super) async fn next(&self) -> Option<Duration> {
        let Some(rate) = self.rate else {
            return Some(self.start.elapsed()).filter(|now| *now < self.span.whole());
        };
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        if number >= self.total(rate) {
            return None;
        }
        self.due.acquire().await.ok()?.forget();
        Some(Duration::from_secs_f64(number as f64 / rate)).filter(|_| self.start.elapsed() < self.end())
    }

    /// Notes the latency of a call that has just ended, if it belongs to the measured time and was done in time.
    pub(super) fn ended(&self, intended: Duration, latencies: &mut Latencies) {
        let now = self.start.elapsed();
        // Where callers wait for their answers, what ends within the time was done in it.
        let counts = if self.rate.is_some() { intended } else { now };
        if let Some(third) = self.span.third(counts).filter(|_| now < self.end()) {
            latencies.record(third, now.saturating_sub(intended));
        }
    }

    /// What is not done by then was not done in time.
    fn end(&self) -> Duration {
        self.span.whole() + self.span.measured / 20
    }
}

/// Has callers call, at a rate together or each as soon as it has its answer. Latency counts from the intended start of
/// a call, also when all callers were busy then. The callers are given back for the next step.
pub(super) async fn drive<C: Caller>(
    callers: &mut Vec<C>,
    rate: Option<f64>,
    span: Span,
) -> Result<Measured> {
    let timetable = Timetable::new(rate, span);
    let mut tasks = JoinSet::new();
    for mut caller in callers.drain(..) {
        let timetable = Arc::clone(&timetable);
        tasks.spawn(async move {
            let mut latencies = Latencies::new()?;
            while let Some(intended) = timetable.next().await {
                caller.call().await?;
                timetable.ended(intended, &mut latencies);
            }
            anyhow::Ok((caller, latencies))
        });
    }
    let mut latencies = Latencies::new()?;
    while let Some(ended) = tasks.join_next().await {
        let (caller, own) = ended??;
        callers.push(caller);
        latencies.add(&own);
    }
    Ok(Measured::of(rate, latencies, span.measured))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { warm_up: Duration::from_secs(2), measured: Duration::from_secs(6) };

    #[test]
    fn what_belongs_to_the_warm_up_or_comes_too_late_is_not_measured() {
        let thirds =
            [0, 1_999, 2_000, 3_999, 4_000, 7_999, 8_000].map(|at| SPAN.third(Duration::from_millis(at)));
        assert_eq!(thirds, [None, None, Some(0), Some(0), Some(1), Some(2), None]);
    }

    #[test]
    fn a_step_is_kept_up_when_it_is_done_and_the_last_wait_no_longer_than_the_first() -> Result<()> {
        let kept_up = |achieved: f64, last: u64| {
            let mut latencies = Latencies::new()?;
            latencies.record(0, Duration::from_millis(60));
            latencies.record(2, Duration::from_millis(last));
            anyhow::Ok(Measured { offered: Some(100.0), achieved, latencies }.kept_up())
        };
        assert!(kept_up(95.0, 110)?);
        assert!(!kept_up(94.0, 110)?);
        assert!(!kept_up(100.0, 200)?);
        Ok(())
    }

    /// Has an answer now and then.
    struct Slow(tokio::time::Interval);

    impl Caller for Slow {
        async fn call(&mut self) -> Result<()> {
            self.0.tick().await;
            Ok(())
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn callers_who_are_late_are_late_from_when_they_should_have_called() -> Result<()> {
        let span = Span { warm_up: Duration::ZERO, measured: Duration::from_millis(500) };
        let mut callers = vec![Slow(tokio::time::interval(Duration::from_millis(50)))];
        let measured = drive(&mut callers, Some(100.0), span).await?;
        // A call each 10 ms and an answer each 50: the last that is done in time waited for many others.
        assert!(!measured.kept_up() && measured.latencies.all().max() > 200_000);
        assert_eq!(callers.len(), 1);
        Ok(())
    }
}

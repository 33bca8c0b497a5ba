//! Time: the only place that looks at the clock on the wall, so that another can stand in for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The longest sleep in one piece: when somebody sets the clock on the wall, it is noticed this soon.
const SLICE: Duration = Duration::from_secs(1);

/// A source of time. Clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Wall,
    Scaled { start: Timestamp, since: Instant, speed: f64 },
    Manual(Arc<watch::Sender<Timestamp>>),
}

/// Moves a manual clock.
#[derive(Debug, Clone)]
pub struct Hand(Arc<watch::Sender<Timestamp>>);

impl Clock {
    /// The time of the machine.
    #[must_use]
    pub fn wall() -> Self {
        Self(Kind::Wall)
    }

    /// A time that begins at `start` and runs `speed` times as fast as the machine's.
    #[must_use]
    pub fn scaled(start: Timestamp, speed: f64) -> Self {
        Self(Kind::Scaled { start, since: Instant::now(), speed })
    }

    /// A time that stands still until its hand moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> (Self, Hand) {
        let now = Arc::new(watch::Sender::new(start));
        (Self(Kind::Manual(Arc::clone(&now))), Hand(now))
    }

    /// The time now, to the microsecond, which is what the databases keep.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = match &self.0 {
            Kind::Wall => wall(),
            Kind::Scaled { start, since, speed } => {
                let passed = SignedDuration::try_from(since.elapsed().mul_f64(*speed)).unwrap_or_default();
                start.checked_add(passed).unwrap_or(Timestamp::MAX)
            }
            Kind::Manual(now) => *now.borrow(),
        };
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// What tells this time to those who know no more of clocks.
    #[must_use]
    pub fn teller(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }

    /// Waits until the time is `at` or later.
    pub async fn sleep_until(&self, at: Timestamp) {
        let speed = match &self.0 {
            Kind::Manual(now) => {
                // The sender lives in this clock, so that the wait can only end well.
                let _ = now.subscribe().wait_for(|now| *now >= at).await;
                return;
            }
            Kind::Wall => 1.0,
            Kind::Scaled { speed, .. } => *speed,
        };
        loop {
            let missing = Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO);
            if missing.is_zero() {
                return;
            }
            tokio::time::sleep(missing.div_f64(speed).max(Duration::from_micros(100)).min(SLICE)).await;
        }
    }
}

impl Hand {
    /// Sets the time as somebody sets the clock on a wall: also back.
    pub fn set(&self, at: Timestamp) {
        self.0.send_replace(at);
    }

    /// Moves the time forward; it never goes back.
    pub fn advance_to(&self, at: Timestamp) {
        self.0.send_if_modified(|now| {
            let forward = at > *now;
            *now = at.max(*now);
            forward
        });
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the place that all others ask")]
fn wall() -> Timestamp {
    Timestamp::try_from(std::time::SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_its_sleepers_when_it_is_moved() {
        let (clock, hand) = Clock::manual(at("2026-11-15T07:00:00Z"));
        let noon = at("2026-11-15T12:00:00Z");
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(noon).await;
                clock.now()
            }
        });
        hand.advance_to(at("2026-11-15T11:59:59Z"));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        hand.advance_to(noon);
        assert_eq!(sleeper.await.unwrap(), noon);
        hand.advance_to(at("2026-11-15T07:00:00Z"));
        assert_eq!(clock.now(), noon);
        hand.set(at("2026-11-15T07:00:00Z"));
        assert_eq!(clock.now(), at("2026-11-15T07:00:00Z"));
    }

    #[tokio::test]
    async fn a_scaled_clock_makes_an_hour_short() {
        let clock = Clock::scaled(at("2026-11-15T07:00:00Z"), 1_000_000.0);
        clock.sleep_until(at("2026-11-15T08:00:00Z")).await;
        assert!(clock.now() >= at("2026-11-15T08:00:00Z"));
    }
}

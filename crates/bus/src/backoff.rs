//! Pauses between attempts: longer each time up to a limit, and never the same for two who wait for the same thing.

use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(5);

/// The pauses of one who tries again and again.
#[derive(Debug)]
pub(crate) struct Backoff {
    shortest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(shortest: Duration) -> Self {
        Self { shortest, next: shortest }
    }

    /// Waits between half of the pause and all of it; the next one is twice as long.
    pub(crate) async fn pause(&mut self) {
        let half = self.next / 2;
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(half + half.mul_f64(fastrand::f64())).await;
    }

    /// After a success the pauses are short again.
    pub(crate) fn reset(&mut self) {
        self.next = self.shortest;
    }

    /// After work that went well for longer than the longest pause, they are too.
    pub(crate) fn after(&mut self, worked: Duration) {
        if worked > LONGEST {
            self.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_the_limit_and_shrink_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100));
        let mut expected = Duration::from_millis(100);
        for _ in 0..12 {
            let before = tokio::time::Instant::now();
            backoff.pause().await;
            let waited = before.elapsed();
            assert!(waited >= expected / 2 && waited <= expected + Duration::from_millis(1), "{waited:?}");
            expected = (expected * 2).min(LONGEST);
        }
        assert_eq!(backoff.next, LONGEST);
        backoff.after(Duration::from_secs(1));
        assert_eq!(backoff.next, LONGEST);
        backoff.after(Duration::from_secs(6));
        assert_eq!(backoff.next, Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn two_who_wait_do_not_wait_alike() {
        let mut waited = std::collections::BTreeSet::new();
        for _ in 0..8 {
            let before = tokio::time::Instant::now();
            Backoff::new(Duration::from_secs(4)).pause().await;
            waited.insert(before.elapsed());
        }
        assert!(waited.len() > 1, "{waited:?}");
    }
}

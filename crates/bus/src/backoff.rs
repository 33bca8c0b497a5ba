//! Pauses between attempts: longer each time up to a limit, and never the same for two who wait for the same thing.

use std::hash::{BuildHasher, Hasher, RandomState};
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
        tokio::time::sleep(half + half.mul_f64(random_share())).await;
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

/// From 0 to 1. The keys of a new hash state are the random numbers of the standard library.
fn random_share() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
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

    #[test]
    fn two_who_wait_do_not_wait_alike() {
        let shares: Vec<f64> = (0..8).map(|_| random_share()).collect();
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        assert!(shares.iter().any(|share| *share != shares[0]));
    }
}

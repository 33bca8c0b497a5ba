//! Who may submit while more comes in than is opened. Pure: it is told what was seen, and when.
//!
//! While the platform keeps up everybody may. When what is accepted now would wait for longer than a target, as much is
//! admitted as is opened, in equal shares of the tenants that ask (max-min: who asks for less than a share gets all of it,
//! and leaves the rest to the others). When something has waited for many times the target, nobody is admitted.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

/// How long something has waited when nobody is admitted any more, in targets.
const LIMIT: f64 = 15.0;
/// Waiting that is shorter says nothing of how much waits, in seconds.
const HICCUP: f64 = 0.5;
/// How far back it is measured at least how fast cases are opened, in seconds.
const MEASURED: f64 = 2.0;
/// Cases that are shared out in a second even though none is opened.
const LEAST: f64 = 5.0;
/// Cases that every tenant may bring at once after it was quiet.
const BURST: f64 = 50.0;
/// Looks whose counts are kept: more than there are while anybody is admitted.
const KEPT: usize = 1_024;
/// The shortest and the longest time after which it makes sense to try again.
const SOONEST: Duration = Duration::from_millis(250);
const LATEST: Duration = Duration::from_secs(30);

/// What was seen when it was looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) at: Timestamp,
    /// When that was accepted which has waited for longest to be opened; none when nothing waits.
    pub(crate) oldest: Option<Timestamp>,
    /// Cases that were accepted here since the last look.
    pub(crate) accepted: u64,
    /// Cases that were heard here to be opened since the last look.
    pub(crate) opened: u64,
}

/// Who is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Everybody.
    Open,
    /// Each tenant up to its share.
    Shared,
    /// Nobody, but for one submission in a second: it shows when the platform goes on.
    Closed,
}

pub(crate) struct Admission {
    /// For how long what is accepted may wait before it is shared out, in seconds.
    target: f64,
    state: State,
    looked: Timestamp,
    /// How long the oldest has waited, in seconds.
    age: f64,
    /// How long what is accepted now will wait, in seconds.
    wait: f64,
    accepted: VecDeque<(Timestamp, u64)>,
    opened: VecDeque<(Timestamp, u64)>,
    /// What each tenant that asked may still bring.
    shares: HashMap<String, f64>,
    /// What a tenant may bring that asks for the first time: about what it is given in half a second.
    first: f64,
    tried: Timestamp,
    may_try: bool,
}

impl Admission {
    /// Admits everybody until it is told otherwise.
    pub(crate) fn new(target: Duration, now: Timestamp) -> Self {
        Self {
            target: target.as_secs_f64(),
            state: State::Open,
            looked: now,
            age: 0.0,
            wait: 0.0,
            accepted: VecDeque::new(),
            opened: VecDeque::new(),
            shares: HashMap::new(),
            first: BURST,
            tried: now,
            may_try: false,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// How long the oldest that waits has waited, in seconds.
    pub(crate) fn age(&self) -> f64 {
        self.age
    }

    /// How long what is accepted now will wait, in seconds.
    pub(crate) fn wait(&self) -> f64 {
        self.wait
    }

    /// When it makes sense to try again: the later, the more waits.
    pub(crate) fn try_after(&self) -> Duration {
        Duration::try_from_secs_f64(self.wait).unwrap_or(LATEST).clamp(SOONEST, LATEST)
    }

    /// Whether a tenant may submit one case now, which counts as brought.
    pub(crate) fn admits(&mut self, tenant: &str) -> bool {
        match self.state {
            State::Open => true,
            State::Closed => std::mem::take(&mut self.may_try),
            State::Shared => {
                if !self.shares.contains_key(tenant) {
                    self.shares.insert(tenant.to_owned(), self.first);
                }
                let share = self.shares.get_mut(tenant).filter(|share| **share >= 1.0);
                share.map(|share| *share -= 1.0).is_some()
            }
        }
    }

    /// Decides who is admitted until the next look.
    pub(crate) fn look(&mut self, seen: Seen) {
        let passed = seconds(self.looked, seen.at);
        self.looked = seen.at;
        self.measure(&seen);
        self.state = if self.age >= LIMIT * self.target {
            State::Closed
        } else if self.wait >= self.target || (self.state != State::Open && self.wait >= self.target / 2.0) {
            State::Shared
        } else {
            State::Open
        };
        match self.state {
            State::Open => self.shares.clear(),
            // Less than is opened while the wait is too long, and more while it is not; never so little that the shares of
            // those who ask for little suffer.
            State::Shared => {
                let opened = seen.opened as f64 * (self.target / self.wait).clamp(0.5, 2.0);
                self.share_out(opened + LEAST * passed.min(1.0));
            }
            State::Closed if seconds(self.tried, seen.at) >= 1.0 => {
                (self.tried, self.may_try) = (seen.at, true);
            }
            State::Closed => {}
        }
    }

    /// Finds how long things wait.
    fn measure(&mut self, seen: &Seen) {
        let oldest = seen.oldest.unwrap_or(seen.at);
        self.age = seconds(oldest, seen.at);
        self.accepted.push_back((seen.at, seen.accepted));
        while self.accepted.front().is_some_and(|(at, _)| *at <= oldest) || self.accepted.len() > KEPT {
            self.accepted.pop_front();
        }
        self.opened.push_back((seen.at, seen.opened));
        if self.opened.len() > KEPT {
            self.opened.pop_front();
        }
        self.wait = self.age;
        if self.age >= HICCUP {
            // Since then there was always something to open: what was opened is what can be.
            let waiting: u64 = self.accepted.iter().map(|(_, count)| count).sum();
            self.wait = self.age.max(waiting as f64 / self.rate().max(LEAST));
        }
    }

    /// True while cases are opened: what waits then, waits for its turn.
    pub(crate) fn is_opening(&self) -> bool {
        let lately = self.opened.iter().rev().take_while(|(at, _)| seconds(*at, self.looked) < MEASURED);
        lately.into_iter().any(|(_, count)| *count > 0)
    }

    /// Cases opened in a second, over a time that is longer than it takes to open some: they are opened many at once.
    fn rate(&self) -> f64 {
        let window = MEASURED.max(2.0 * self.age);
        let (mut opened, mut since) = (0, 0.0);
        for (at, count) in self.opened.iter().rev() {
            since = seconds(*at, self.looked);
            if since >= window {
                break;
            }
            opened += count;
        }
        if since > 0.0 { opened as f64 / since } else { 0.0 }
    }

    /// Gives each tenant the same, but no more than it can use, and what it leaves to the others.
    fn share_out(&mut self, mut pot: f64) {
        self.first = BURST.max(2.0 * pot / (self.shares.len() + 1) as f64);
        let fullest = BURST.max(pot);
        let mut shares: Vec<&mut f64> = self.shares.values_mut().collect();
        shares.sort_by(|a, b| b.total_cmp(a));
        let mut left = shares.len();
        for share in shares {
            let given = (pot / left as f64).min((fullest - *share).max(0.0));
            *share += given;
            pot -= given;
            left -= 1;
        }
    }
}

/// The time from one moment to a later one, in seconds.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

#[cfg(test)]
mod tests;

//! What goes wrong, and when: as a seed says, or at one step that is named.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use jiff::SignedDuration;

/// Something that happens instead of the next step, or to its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The step does not happen; its process hears of it.
    Fail,
    /// The process dies before the step, and starts again after a while.
    DieBefore(Duration),
    /// The process dies after the step and before it hears of it, and starts again after a while.
    DieAfter(Duration),
    /// The process is asked to stop, and starts again after a while.
    Stop(Duration),
    /// The process stands still for a while.
    StandStill(Duration),
    /// Nothing happens for a while.
    Wait(Duration),
    /// Somebody sets the clock on the wall of the process.
    Jump(SignedDuration),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail => f.write_str("fails"),
            Self::DieBefore(down) => write!(f, "dies before it, for {down:?}"),
            Self::DieAfter(down) => write!(f, "dies after it, for {down:?}"),
            Self::Stop(down) => write!(f, "is asked to stop, for {down:?}"),
            Self::StandStill(while_) => write!(f, "stands still before it, for {while_:?}"),
            Self::Wait(while_) => write!(f, "nothing happens for {while_:?}"),
            Self::Jump(by) => write!(f, "its clock is set {by:#}"),
        }
    }
}

/// Which faults happen.
pub(crate) struct Plan {
    pub(crate) rng: Rng,
    kind: Kind,
}

enum Kind {
    /// Of a thousand steps so many have a fault of each kind, up to a step.
    Seeded { fail: u32, die: u32, stop: u32, still: u32, wait: u32, jump: u32, until: u32 },
    /// One process dies at one step, before or after it.
    One { step: u32, after: bool },
    /// None.
    Calm,
}

impl Plan {
    /// The faults of a seed. Each kind is left out of every other seed, so that they meet in all ways.
    pub(crate) fn seeded(seed: u64, jumps: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut rate = |most: u32| if rng.bool() { rng.u32(1..=most) } else { 0 };
        let (fail, die, stop, still, wait) = (rate(60), rate(60), rate(20), rate(40), rate(60));
        let jump = if jumps { rate(40) } else { 0 };
        let until = rng.u32(20..150);
        Self { rng, kind: Kind::Seeded { fail, die, stop, still, wait, jump, until } }
    }

    /// A death at one step.
    pub(crate) fn one(step: u32, after: bool) -> Self {
        Self { rng: Rng::with_seed(0), kind: Kind::One { step, after } }
    }

    /// Nothing goes wrong.
    pub(crate) fn calm() -> Self {
        Self { rng: Rng::with_seed(0), kind: Kind::Calm }
    }

    /// True when no fault comes after so many steps.
    pub(crate) fn is_over(&self, steps: u32) -> bool {
        match self.kind {
            Kind::Seeded { until, .. } => steps > until,
            Kind::One { step, .. } => steps > step,
            Kind::Calm => true,
        }
    }

    /// Which of some comes next.
    pub(crate) fn choose(&mut self, free: &[usize]) -> Option<usize> {
        self.rng.choice(free).copied()
    }

    /// What goes wrong at a step.
    pub(crate) fn fault(&mut self, at: u32) -> Option<Fault> {
        let (fail, die, stop, still, wait, jump) = match self.kind {
            Kind::Seeded { fail, die, stop, still, wait, jump, until } if at <= until => {
                (fail, die, stop, still, wait, jump)
            }
            Kind::One { step, after } if at == step => {
                let down = Duration::from_millis(10);
                return Some(if after { Fault::DieAfter(down) } else { Fault::DieBefore(down) });
            }
            _ => return None,
        };
        let rng = &mut self.rng;
        let mut roll = rng.u32(0..1_000);
        let mut within = |rate: u32| {
            let hit = roll < rate;
            roll = roll.wrapping_sub(rate);
            hit
        };
        if within(fail) {
            return Some(Fault::Fail);
        }
        if within(die) {
            let down = Duration::from_millis(rng.u64(1..6_000));
            return Some(if rng.bool() { Fault::DieAfter(down) } else { Fault::DieBefore(down) });
        }
        if within(stop) {
            return Some(Fault::Stop(Duration::from_millis(rng.u64(1..3_000))));
        }
        if within(still) {
            // Longer than a lease, and than a transaction may stand still, every other time.
            return Some(Fault::StandStill(Duration::from_millis(rng.u64(100..20_000))));
        }
        if within(wait) {
            return Some(Fault::Wait(Duration::from_millis(rng.u64(1..2_500))));
        }
        within(jump).then(|| Fault::Jump(SignedDuration::from_mins(rng.i64(-90..=90))))
    }
}

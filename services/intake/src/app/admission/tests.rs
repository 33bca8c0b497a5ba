//! A platform that opens so many cases at each look, oldest first, and tenants that submit to it.

use std::collections::BTreeMap;

use jiff::ToSpan;
use proptest::prelude::*;

use super::*;

/// Looks in a second.
const LOOKS: usize = 4;
const TARGET: Duration = Duration::from_secs(2);

fn start() -> Timestamp {
    "2026-11-15T07:00:00Z".parse().unwrap()
}

struct Platform {
    admission: Admission,
    now: Timestamp,
    waiting: VecDeque<Timestamp>,
    /// What was admitted and what was refused of each tenant.
    told: BTreeMap<&'static str, [usize; 2]>,
    /// The longest that a case waited until it was opened, in seconds.
    longest: f64,
}

impl Platform {
    fn new() -> Self {
        let (admission, now) = (Admission::new(TARGET, start()), start());
        Self { admission, now, waiting: VecDeque::new(), told: BTreeMap::new(), longest: 0.0 }
    }

    /// A quarter of a second, in which tenants offer so many and at most so many are opened. How many were.
    fn pass(&mut self, offered: &[(&'static str, usize)], can_open: usize) -> usize {
        let before = self.waiting.len();
        // In turn, so that nobody is first.
        for round in 0..offered.iter().map(|(_, count)| *count).max().unwrap_or(0) {
            for (tenant, _) in offered.iter().filter(|(_, count)| round < *count) {
                let admitted = self.admission.admits(tenant);
                self.told.entry(tenant).or_default()[usize::from(!admitted)] += 1;
                if admitted {
                    self.waiting.push_back(self.now);
                }
            }
        }
        let accepted = self.waiting.len() - before;
        self.now = self.now.checked_add(250.milliseconds()).unwrap();
        let opened: Vec<_> = self.waiting.drain(..can_open.min(self.waiting.len())).collect();
        let waited = opened.iter().map(|at| seconds(*at, self.now));
        self.longest = waited.fold(self.longest, f64::max);
        let oldest = self.waiting.front().copied();
        let (accepted, opened) = (accepted as u64, opened.len());
        self.admission.look(Seen { at: self.now, oldest, accepted, opened: opened as u64 });
        opened
    }

    fn refused(&self, tenant: &str) -> usize {
        self.told.get(tenant).map_or(0, |[_, refused]| *refused)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Ten times what can be opened, for a time.
    #[test]
    fn a_burst_is_refused_in_part_and_nothing_else_suffers(
        rate in 25usize..200,
        light in 1usize..4,
        burst in 4usize..80,
    ) {
        let mut platform = Platform::new();
        for _ in 0..5 * LOOKS {
            platform.pass(&[("flood", rate * 9 / 10), ("light", light.min(rate / 10))], rate);
        }
        prop_assert_eq!((platform.refused("flood"), platform.refused("light")), (0, 0));
        for look in 0..burst {
            let opened = platform.pass(&[("flood", 10 * rate), ("light", light)], rate);
            prop_assert!(look == 0 || opened == rate, "what can be opened is: {opened} of {rate}");
        }
        prop_assert_eq!(platform.refused("light"), 0);
        prop_assert!(burst < 8 || platform.refused("flood") > 0);
        prop_assert!(platform.longest < 12.0, "a case waited for {} s", platform.longest);

        // It goes on by itself, as soon as what was accepted is opened.
        let mut looks = 0;
        while platform.admission.state() != State::Open {
            looks += 1;
            prop_assert!(looks < 12 * LOOKS, "still {:?}", platform.admission.state());
            platform.pass(&[("light", light)], rate);
        }
        let before = platform.refused("flood");
        platform.pass(&[("flood", rate), ("light", light)], rate);
        prop_assert_eq!((platform.refused("flood"), platform.refused("light")), (before, 0));
        while !platform.waiting.is_empty() {
            platform.pass(&[], rate);
        }
    }

    /// However long a flood lasts, as much is admitted as is opened, and what is accepted waits for about the target.
    #[test]
    fn a_flood_without_end_gets_what_is_opened(rate in 25usize..100, floods in 1usize..5) {
        const NAMES: [&str; 4] = ["a", "b", "c", "d"];
        let mut platform = Platform::new();
        let offered: Vec<_> = NAMES[..floods].iter().map(|name| (*name, 10 * rate / floods)).collect();
        for _ in 0..30 * LOOKS {
            platform.pass(&offered, rate);
        }
        (platform.longest, platform.told) = (0.0, BTreeMap::new());
        let opened: usize = (0..60 * LOOKS).map(|_| platform.pass(&offered, rate)).sum();
        prop_assert_eq!(opened, 60 * LOOKS * rate);
        let admitted: Vec<usize> = platform.told.values().map(|[admitted, _]| *admitted).collect();
        let total: usize = admitted.iter().sum();
        prop_assert!(total.abs_diff(opened) <= opened / 20, "{total} admitted, {opened} opened");
        let share = total / floods;
        prop_assert!(admitted.iter().all(|own| own.abs_diff(share) <= share / 20 + 2), "{admitted:?}");
        prop_assert!(platform.longest < 4.0, "a case waited for {} s", platform.longest);
    }

    /// Nothing is opened at all, for a minute and more.
    #[test]
    fn a_standstill_ends_in_a_closed_door_that_opens_again(rate in 25usize..200, light in 1usize..2) {
        let mut platform = Platform::new();
        let offered = [("flood", 10 * rate), ("light", light)];
        for _ in 0..28 * LOOKS {
            platform.pass(&offered, 0);
        }
        prop_assert_eq!((platform.admission.state(), platform.refused("light")), (State::Shared, 0));
        for _ in 0..4 * LOOKS {
            platform.pass(&offered, 0);
        }
        let waiting = platform.waiting.len();
        for _ in 0..60 * LOOKS {
            prop_assert_eq!(platform.admission.state(), State::Closed);
            prop_assert_eq!(platform.admission.try_after(), LATEST);
            platform.pass(&offered, 0);
        }
        // One in a second: a single case that is never opened must not keep the door closed.
        prop_assert_eq!(platform.waiting.len() - waiting, 60);
        let mut looks = 0;
        while platform.admission.state() != State::Open {
            looks += 1;
            prop_assert!(looks < (waiting / rate + 5 * LOOKS), "still {:?}", platform.admission.state());
            platform.pass(&[("light", light)], rate);
        }
    }

    /// More and less is offered, and more and less is opened.
    #[test]
    fn whoever_asks_for_less_than_a_share_is_admitted(
        offers in prop::collection::vec((0usize..500, 0usize..500), 1..200),
        rate in 100usize..200,
    ) {
        let mut platform = Platform::new();
        for (one, other) in offers {
            platform.pass(&[("one", one), ("other", other), ("light", 12)], rate);
        }
        prop_assert_eq!(platform.refused("light"), 0);
        prop_assert!(platform.longest < 12.0, "a case waited for {} s", platform.longest);
    }
}

#[test]
fn what_is_opened_is_remembered_for_a_moment() {
    let mut platform = Platform::new();
    assert!(!platform.admission.is_opening());
    platform.pass(&[("one", 1)], 1);
    for _ in 1..2 * LOOKS {
        platform.pass(&[], 1);
        assert!(platform.admission.is_opening());
    }
    platform.pass(&[], 1);
    assert!(!platform.admission.is_opening());
}

/// Three seconds' worth is opened at once, as the transactions of a slow machine do.
#[test]
fn a_lump_that_takes_long_is_no_standstill() {
    let (mut platform, offered) = (Platform::new(), [("flood", 200), ("light", 2)]);
    for _ in 0..5 * LOOKS {
        platform.pass(&[("flood", 40), ("light", 2)], 50);
    }
    let (mut opened, mut longest) = (0, 0.0);
    for look in 1..60 * LOOKS {
        opened += platform.pass(&offered, if look % (3 * LOOKS) == 0 { 600 } else { 0 });
        longest = f64::max(longest, platform.admission.wait());
    }
    assert_eq!(platform.refused("light"), 0);
    // To wait for less than it takes to open a lump, there must be less than a lump now and then.
    assert!(opened >= 19 * 600 * 3 / 4, "{opened} were opened");
    assert!(longest < 15.0, "a case was thought to wait for {longest} s");
}

#[test]
fn the_longer_it_takes_the_later_one_tries_again() {
    let mut admission = Admission::new(TARGET, start());
    assert_eq!(admission.try_after(), SOONEST);
    let mut last = SOONEST;
    for second in [3, 5, 9, 29] {
        let at = start().checked_add(second.seconds()).unwrap();
        admission.look(Seen { at, oldest: Some(start()), accepted: 0, opened: 0 });
        assert!(admission.try_after() > last, "{second}");
        last = admission.try_after();
    }
}

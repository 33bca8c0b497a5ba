//! Every due time against a walk minute by minute, also in zones whose clocks change.

use jiff::{SignedDuration, Timestamp};
use masar_worktime::{Calendar, CalendarSpec, Target, Unit};
use proptest::prelude::*;

use super::{at, calendar, pin, spec};
use crate::{Clock, Entry, Event, Mark, Phase};

fn calendar_in(zone: &str) -> Calendar {
    Calendar::compile(&CalendarSpec { time_zone: zone.into(), ..spec() }).unwrap()
}

/// A ledger of one start and alternating pauses and resumptions, in minutes after a morning of 2026.
fn paused_ledger() -> impl Strategy<Value = Vec<Entry>> {
    let amount = prop_oneof![
        (1u32..8).prop_map(Target::business_days),
        (1u32..40).prop_map(|hours| Target::business_seconds(hours * 3_600)),
        (1u32..60).prop_map(|hours| Target::elapsed_seconds(hours * 3_600)),
    ];
    // Whole hours are frequent, so that pauses meet openings and closings.
    let start = prop_oneof![0i64..200 * 1_440, (0i64..200 * 24).prop_map(|hours| hours * 60)];
    let gap = prop_oneof![1i64..2_500, (1i64..48).prop_map(|hours| hours * 60)];
    (start, amount, prop::collection::vec(gap, 0..6)).prop_map(|(start, target, gaps)| {
        let mut when = at("2026-01-04T00:00:00+03:00") + SignedDuration::from_mins(start);
        let mut ledger = vec![Entry {
            at: when,
            event: Event::Started { target, calendar: pin(1), policy: String::new(), not_after: None },
        }];
        for (n, gap) in gaps.into_iter().enumerate() {
            when += SignedDuration::from_mins(gap);
            let event = if n % 2 == 0 { Event::Paused { reason: String::new() } } else { Event::Resumed };
            ledger.push(Entry { at: when, event });
        }
        ledger
    })
}

/// The due time found by walking minute by minute, with no prefix sums and no ordinals.
fn walked_due(ledger: &[Entry], calendar: &Calendar) -> Timestamp {
    let Event::Started { target, .. } = ledger[0].event else { unreachable!("ledgers begin with a start") };
    let minute = SignedDuration::from_mins(1);
    let day0 = calendar.received_day(ledger[0].at).unwrap();
    let last = ledger.last().unwrap().at;
    let mut now = ledger[0].at;
    let mut missing = i64::from(target.amount);
    loop {
        let paused = ledger
            .iter()
            .rev()
            .find(|entry| entry.at <= now)
            .is_some_and(|entry| matches!(entry.event, Event::Paused { .. }));
        let runs = now >= last || !paused;
        let counts = match target.unit {
            Unit::BusinessDays => {
                let closes = calendar.closing_from(now).unwrap().close == now;
                i64::from(runs && closes && now > day0.close)
            }
            Unit::BusinessHours => i64::from(runs && calendar.is_open(now)) * 60,
            Unit::Elapsed => i64::from(runs) * 60,
        };
        missing -= counts;
        if missing <= 0 {
            return if target.unit == Unit::BusinessDays { now } else { now + minute };
        }
        now += minute;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn due_times_are_what_walking_finds(
        ledger in paused_ledger(),
        zone in prop::sample::select(&["Asia/Qatar", "Europe/Berlin", "America/New_York"][..]),
    ) {
        let calendar = calendar_in(zone);
        let clock = Clock::fold(&ledger, &calendar).unwrap();
        prop_assert_eq!(clock.due_at(&calendar).unwrap(), walked_due(&ledger, &calendar));
    }

    #[test]
    fn marks_come_in_order_and_the_fold_is_incremental(ledger in paused_ledger()) {
        let calendar = calendar();
        let clock = Clock::fold(&ledger, &calendar).unwrap();
        let mut grown = Clock::fold(&ledger[..1], &calendar).unwrap();
        for entry in &ledger[1..] {
            grown = grown.after(entry, &calendar).unwrap();
        }
        prop_assert_eq!(&grown, &clock);
        let marks = ["50%", "75%", "90%", "breach", "breach + 2 bd", "breach + 5 bd"];
        let times: Vec<_> =
            marks.iter().map(|mark| clock.mark_due(mark.parse::<Mark>().unwrap(), &calendar).unwrap().at).collect();
        prop_assert!(times.is_sorted(), "{times:?}");
    }

    #[test]
    fn a_clock_that_ended_takes_nothing(ledger in paused_ledger()) {
        let calendar = calendar();
        let clock = Clock::fold(&ledger, &calendar).unwrap();
        let end = Entry { at: ledger.last().unwrap().at, event: Event::Cancelled { reason: "withdrawn".into() } };
        let cancelled = clock.after(&end, &calendar).unwrap();
        prop_assert_eq!(cancelled.phase(), Phase::Cancelled);
        prop_assert!(cancelled.after(&end, &calendar).is_err());
    }
}

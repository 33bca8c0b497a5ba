//! The rules T2 to T12 as tables, and every due time against a minute-by-minute oracle.

use jiff::{SignedDuration, Timestamp};
use masar_worktime::{Calendar, CalendarSpec, Target, Unit};
use proptest::prelude::*;

use crate::{Clock, Entry, Error, Event, Mark, Phase};

fn calendar() -> Calendar {
    let text = include_str!("../../worktime/calendars/qa-gov-default.yaml");
    Calendar::compile(&serde_saphyr::from_str::<CalendarSpec>(text).unwrap()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn started(when: &str, amount: &str) -> Entry {
    Entry { at: at(when), event: Event::Started { target: target(amount) } }
}

fn paused(when: &str) -> Entry {
    Entry { at: at(when), event: Event::Paused { reason: "awaiting_customer".into() } }
}

fn resumed(when: &str) -> Entry {
    Entry { at: at(when), event: Event::Resumed }
}

fn retargeted(when: &str, amount: &str) -> Entry {
    Entry { at: at(when), event: Event::Retargeted { target: target(amount), cause: "importance".into() } }
}

fn extended(when: &str, by: &str) -> Entry {
    Entry { at: at(when), event: Event::Extended { by: target(by), reason: "three bodies answer".into() } }
}

fn stopped(when: &str) -> Entry {
    Entry { at: at(when), event: Event::Stopped }
}

fn fold(ledger: &[Entry]) -> Clock {
    Clock::fold(ledger, &calendar()).unwrap()
}

#[test]
fn due_times_follow_pauses_retargets_and_extensions() {
    let cases: [(&str, Vec<Entry>, &str); 7] = [
        (
            "paused Tuesday 10:00 to Thursday 09:00: two days later (T5b, acceptance check 3)",
            vec![
                started("2026-10-20T11:30:00+03:00", "10 bd"),
                paused("2026-10-27T10:00:00+03:00"),
                resumed("2026-10-29T09:00:00+03:00"),
            ],
            "2026-11-05T14:00:00+03:00",
        ),
        (
            "a pause outside opening hours moves business hours by nothing (T5, acceptance check 3)",
            vec![
                started("2026-11-12T10:00:00+03:00", "10 bh"),
                paused("2026-11-12T14:00:00+03:00"),
                resumed("2026-11-15T07:00:00+03:00"),
            ],
            "2026-11-15T13:00:00+03:00",
        ),
        (
            "importance raised from low to high keeps the start (T6)",
            vec![
                started("2026-11-01T07:20:00+03:00", "15 bd"),
                retargeted("2026-11-04T08:30:00+03:00", "5 bd"),
            ],
            "2026-11-08T14:00:00+03:00",
        ),
        (
            "an extension of five days (T9)",
            vec![started("2026-10-06T12:15:00+03:00", "5 bd"), extended("2026-10-12T09:00:00+03:00", "5 bd")],
            "2026-10-20T14:00:00+03:00",
        ),
        (
            "a pause that ends before closing time costs no day (T5b)",
            vec![
                started("2026-10-20T11:30:00+03:00", "10 bd"),
                paused("2026-10-27T10:00:00+03:00"),
                resumed("2026-10-27T13:59:00+03:00"),
            ],
            "2026-11-03T14:00:00+03:00",
        ),
        (
            "elapsed time stands still while paused",
            vec![
                started("2026-11-13T23:40:00+03:00", "4 hours"),
                paused("2026-11-14T00:40:00+03:00"),
                resumed("2026-11-14T02:40:00+03:00"),
            ],
            "2026-11-14T05:40:00+03:00",
        ),
        (
            "a paused clock shows what a resumption at once would make of it",
            vec![started("2026-10-20T11:30:00+03:00", "10 bd"), paused("2026-10-27T10:00:00+03:00")],
            "2026-11-03T14:00:00+03:00",
        ),
    ];
    for (what, ledger, due) in cases {
        assert_eq!(fold(&ledger).due_at(&calendar()), Ok(at(due)), "{what}");
    }
}

/// Acceptance check 4: day 6 with two paused days; the new target is past, so it breaches at the change.
#[test]
fn a_retarget_into_the_past_breaches_at_the_moment_of_change() {
    let change = "2026-10-29T10:00:00+03:00";
    let clock = fold(&[
        started("2026-10-18T10:00:00+03:00", "10 bd"),
        paused("2026-10-20T10:00:00+03:00"),
        resumed("2026-10-22T09:00:00+03:00"),
        retargeted(change, "5 bd"),
    ]);
    assert_eq!(clock.due_at(&calendar()), Ok(at("2026-10-27T14:00:00+03:00")));
    let later = at("2026-11-29T10:00:00+03:00");
    assert_eq!(clock.breach_by(later, &calendar()), Ok(Some(at(change))));
}

#[test]
fn a_breach_is_the_due_time_and_stays() {
    let calendar = calendar();
    let started = started("2026-11-15T08:42:00+03:00", "2 bd");
    let due = at("2026-11-17T14:00:00+03:00");
    let clock = fold(std::slice::from_ref(&started));
    assert_eq!(clock.breach_by(due, &calendar), Ok(None));
    assert_eq!(clock.breach_by(due + SignedDuration::from_millis(1), &calendar), Ok(Some(due)));

    let late = extended("2026-11-18T08:00:00+03:00", "5 bd");
    let clock = fold(&[started.clone(), late, stopped("2026-11-19T08:00:00+03:00")]);
    assert_eq!(clock.breach_by(at("2026-12-01T08:00:00+03:00"), &calendar), Ok(Some(due)), "T10");
    assert_eq!(clock.stopped_at(), Some(at("2026-11-19T08:00:00+03:00")));

    let kept = fold(&[started, stopped("2026-11-17T14:00:00+03:00")]);
    assert_eq!(kept.breach_by(at("2026-12-01T08:00:00+03:00"), &calendar), Ok(None), "done at the due time");
}

/// The ladder of section 4.4 for medium importance on a response clock of ten days.
#[test]
fn marks_stand_where_the_ladder_puts_them() {
    let calendar = calendar();
    let clock = fold(&[started("2026-11-01T07:00:00+03:00", "10 bd")]);
    for (mark, when) in [
        // Eleven open days of seven hours: three quarters are 57 h 45 min.
        ("75%", "2026-11-11T08:45:00+03:00"),
        ("breach", "2026-11-15T14:00:00+03:00"),
        ("breach + 2 bd", "2026-11-17T14:00:00+03:00"),
        ("breach + 5 bd", "2026-11-22T14:00:00+03:00"),
        ("breach + 10 bd", "2026-11-29T14:00:00+03:00"),
        ("breach + 1 hour", "2026-11-15T15:00:00+03:00"),
    ] {
        let mark: Mark = mark.parse().unwrap();
        assert_eq!(clock.mark_due(mark, &calendar).unwrap().at, at(when), "{mark}");
    }
}

#[test]
fn marks_read_back_and_nonsense_is_refused() {
    for text in ["50%", "breach", "breach + 2 business_days", "breach + 30 minutes"] {
        assert_eq!(text.parse::<Mark>().unwrap().to_string(), text);
    }
    for text in ["", "0%", "100%", "half", "breach - 2 bd", "breach + soon", "breached"] {
        assert_eq!(text.parse::<Mark>(), Err(Error::Mark(text.into())));
    }
}

#[test]
fn what_cannot_happen_is_refused() {
    let (start, early, late) =
        ("2026-11-15T08:00:00+03:00", "2026-11-15T07:00:00+03:00", "2026-11-16T08:00:00+03:00");
    let phase = |phase, wanted| Error::Phase { phase, wanted };
    let cases: [(Vec<Entry>, Error); 8] = [
        (vec![], Error::Start),
        (vec![resumed(start)], Error::Start),
        (vec![started(start, "2 bd"), started(late, "2 bd")], Error::Start),
        (vec![started(start, "2 bd"), resumed(late)], phase("running", "resumed")),
        (vec![started(start, "2 bd"), paused(late), paused(late)], phase("paused", "paused")),
        (
            vec![started(start, "2 bd"), stopped(late), retargeted(late, "5 bd")],
            phase("stopped", "retargeted"),
        ),
        (vec![started(start, "2 bd"), extended(late, "2 hours")], Error::ExtensionUnit),
        (vec![started(start, "2 bd"), paused(early)], Error::Order { at: at(early), last: at(start) }),
    ];
    for (ledger, error) in cases {
        assert_eq!(Clock::fold(&ledger, &calendar()), Err(error), "{ledger:?}");
    }
}

#[test]
fn a_ledger_reads_back_from_its_stored_form() {
    let ledger = vec![
        started("2026-11-15T08:00:00+03:00", "2 bd"),
        extended("2026-11-16T08:00:00+03:00", "1 bd"),
        stopped("2026-11-17T08:00:00+03:00"),
    ];
    let stored = serde_json::to_string(&ledger).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Entry>>(&stored).unwrap(), ledger);
}

/// A ledger of one start and alternating pauses and resumptions, in minutes after a morning of 2026.
fn paused_ledger() -> impl Strategy<Value = Vec<Entry>> {
    let amount = prop_oneof![
        (1u32..8).prop_map(Target::business_days),
        (1u32..40).prop_map(|hours| Target::business_seconds(hours * 3_600)),
        (1u32..60).prop_map(|hours| Target::elapsed_seconds(hours * 3_600)),
    ];
    (0i64..200 * 1_440, amount, prop::collection::vec(1i64..2_500, 0..6)).prop_map(|(start, target, gaps)| {
        let mut when = at("2026-01-04T00:00:00+03:00") + SignedDuration::from_mins(start);
        let mut ledger = vec![Entry { at: when, event: Event::Started { target } }];
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
    let Event::Started { target } = ledger[0].event else { unreachable!("ledgers begin with a start") };
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
    fn due_times_are_what_walking_finds(ledger in paused_ledger()) {
        let calendar = calendar();
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
            marks.iter().map(|mark| clock.mark_due(mark.parse().unwrap(), &calendar).unwrap().at).collect();
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

//! The shipped government calendar: its dates, its golden due times, and a slow oracle beside it.

use crate::{Calendar, CalendarSpec, Error, Target};
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

fn spec() -> CalendarSpec {
    serde_saphyr::from_str(include_str!("../calendars/qa-gov-default.yaml")).unwrap()
}

fn calendar() -> Calendar {
    Calendar::compile(&spec()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Received, target, due: importance targets of section 4.3 on days of every kind.
const GOLDEN: &[(&str, &str, &str)] = &[
    ("2026-11-15T08:42:00+03:00", "10 bd", "2026-11-29T14:00:00+03:00"),
    ("2026-11-15T08:42:00+03:00", "2 bd", "2026-11-17T14:00:00+03:00"),
    // Thursday, one minute before closing and at closing (T3).
    ("2026-11-12T13:59:00+03:00", "5 bd", "2026-11-19T14:00:00+03:00"),
    ("2026-11-12T14:00:00+03:00", "10 bd", "2026-11-29T14:00:00+03:00"),
    // Friday night: days wait for Sunday, elapsed hours do not.
    ("2026-11-13T23:40:00+03:00", "1 bd", "2026-11-16T14:00:00+03:00"),
    ("2026-11-13T23:40:00+03:00", "4 hours", "2026-11-14T03:40:00+03:00"),
    // In Ramadan days do not stretch.
    ("2026-03-01T12:30:00+03:00", "10 bd", "2026-03-15T14:00:00+03:00"),
    // The last working hour before a holiday, and the holiday itself.
    ("2026-03-16T13:00:00+03:00", "1 bd", "2026-03-24T14:00:00+03:00"),
    ("2026-03-16T13:00:00+03:00", "5 bd", "2026-03-30T14:00:00+03:00"),
    ("2026-03-19T18:00:00+03:00", "5 bd", "2026-03-31T14:00:00+03:00"),
    // Three business hours on a normal day and in Ramadan.
    ("2026-11-16T12:00:00+03:00", "3 bh", "2026-11-17T08:00:00+03:00"),
    ("2026-03-02T12:00:00+03:00", "3 bh", "2026-03-03T10:00:00+03:00"),
    // A budget that ends with the day is due that day, not the next morning.
    ("2026-11-16T07:00:00+03:00", "7 bh", "2026-11-16T14:00:00+03:00"),
];

#[test]
fn due_times_are_the_golden_ones() {
    let calendar = calendar();
    for (from, target, due) in GOLDEN {
        let target: Target = target.parse().unwrap();
        assert_eq!(calendar.due(at(from), target), Ok(at(due)), "{from} + {target}");
    }
}

#[test]
fn closed_days_are_the_announced_ones() {
    let calendar = calendar();
    let open_at_ten = |day: jiff::civil::Date| {
        calendar.is_open(calendar.time_zone().to_timestamp(day.at(10, 0, 0, 0)).unwrap())
    };
    for closed in [
        date(2026, 2, 10),  // Sports Day
        date(2027, 2, 9),   // Sports Day, inside Ramadan
        date(2028, 12, 18), // National Day
        date(2026, 3, 17),
        date(2026, 3, 23),
        date(2027, 5, 19),
        date(2026, 11, 13), // Friday
        date(2026, 11, 14), // Saturday
    ] {
        assert!(!open_at_ten(closed), "{closed}");
    }
    for open in [date(2026, 3, 16), date(2026, 3, 24), date(2027, 5, 20), date(2026, 2, 3)] {
        assert!(open_at_ten(open), "{open}");
    }
}

#[test]
fn ramadan_opens_at_nine() {
    let calendar = calendar();
    assert!(!calendar.is_open(at("2026-03-01T08:59:00+03:00")));
    assert!(calendar.is_open(at("2026-03-01T09:00:00+03:00")));
    assert!(calendar.is_tentative_between(at("2026-03-01T09:00:00+03:00"), at("2026-03-01T10:00:00+03:00")));
    assert!(!calendar.is_tentative_between(at("2026-11-01T09:00:00+03:00"), at("2026-11-29T10:00:00+03:00")));
}

#[test]
fn a_question_beyond_the_horizon_is_refused() {
    let calendar = calendar();
    let late = at("2028-12-28T09:00:00+03:00");
    assert!(matches!(calendar.due(late, Target::business_days(10)), Err(Error::BeyondHorizon { .. })));
    assert!(matches!(calendar.received_day(at("2030-01-01T00:00:00Z")), Err(Error::BeyondHorizon { .. })));
}

#[test]
fn a_bad_calendar_is_refused_by_field() {
    let refuse = |change: fn(&mut CalendarSpec)| {
        let mut bad = spec();
        change(&mut bad);
        Calendar::compile(&bad).unwrap_err().to_string()
    };
    let overlap = refuse(|spec| spec.week.sunday.push("13:00-15:00".parse().unwrap()));
    assert!(overlap.contains("week.sunday"), "{overlap}");
    let range = refuse(|spec| spec.overlays[1].to = date(2027, 2, 7));
    assert!(range.contains("overlays[1]"), "{range}");
    let zone = refuse(|spec| spec.time_zone = "Asia/Nowhere".into());
    assert!(zone.contains("Asia/Nowhere"), "{zone}");
    let empty = refuse(|spec| spec.week = crate::Week::default());
    assert!(empty.contains("never open"), "{empty}");
}

#[test]
fn a_misspelt_key_or_day_is_refused() {
    let text = include_str!("../calendars/qa-gov-default.yaml");
    for (right, wrong) in [("time_zone:", "timezone:"), ("weekday: tuesday", "weekday: tue")] {
        let broken = text.replacen(right, wrong, 1);
        assert!(serde_saphyr::from_str::<CalendarSpec>(&broken).is_err(), "{wrong}");
    }
}

/// Open minutes counted one by one.
fn counted(calendar: &Calendar, from: Timestamp, minutes: i64) -> i64 {
    let minute = |n: i64| from + SignedDuration::from_mins(n);
    i64::try_from((0..minutes).filter(|n| calendar.is_open(minute(*n))).count()).unwrap()
}

fn zoned(zone: &str) -> Calendar {
    Calendar::compile(&CalendarSpec {
        time_zone: zone.to_owned(),
        week: crate::Week {
            saturday: vec!["22:00-24:00".parse().unwrap()],
            sunday: vec!["00:00-04:00".parse().unwrap(), "08:00-12:00".parse().unwrap()],
            monday: vec!["08:15-12:00".parse().unwrap(), "13:00-17:30".parse().unwrap()],
            ..Default::default()
        },
        ..spec()
    })
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Also over the nights on which a zone's clocks are put forward and back.
    #[test]
    fn open_time_is_what_counting_finds(
        zone in prop::sample::select(&["Asia/Qatar", "Europe/Berlin", "America/New_York"][..]),
        start in 0i64..1_000 * 24 * 60,
        minutes in 0i64..6_000,
    ) {
        let calendar = zoned(zone);
        let from = at("2026-01-02T00:00:00Z") + SignedDuration::from_mins(start);
        let to = from + SignedDuration::from_mins(minutes);
        let open = calendar.open_between(from, to).unwrap();
        prop_assert_eq!(open, SignedDuration::from_mins(counted(&calendar, from, minutes)));
    }

    #[test]
    fn adding_open_time_is_the_earliest_inverse(start in 0i64..900 * 24 * 60, minutes in 1i64..5_000) {
        let calendar = calendar();
        let from = at("2026-01-02T00:00:00Z") + SignedDuration::from_mins(start);
        let budget = SignedDuration::from_mins(minutes);
        let due = calendar.after_open(from, budget).unwrap();
        prop_assert_eq!(calendar.open_between(from, due).unwrap(), budget);
        let earlier = due - SignedDuration::from_millis(1);
        prop_assert!(calendar.open_between(from, earlier).unwrap() < budget);
    }

    #[test]
    fn a_later_start_is_never_due_earlier(start in 0i64..900 * 24 * 60, later in 0i64..5_000, amount in 0u32..40) {
        let calendar = calendar();
        let from = at("2026-01-02T00:00:00Z") + SignedDuration::from_mins(start);
        for target in [Target::business_days(amount), Target::business_seconds(amount * 600)] {
            let due = calendar.due(from, target).unwrap();
            prop_assert!(due <= calendar.due(from + SignedDuration::from_mins(later), target).unwrap());
        }
    }
}

//! A slow oracle beside the prefix sums: minutes counted one by one.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{at, calendar, spec};
use crate::{Calendar, CalendarSpec, Target};

/// Open minutes counted one by one.
pub(super) fn counted(calendar: &Calendar, from: Timestamp, minutes: i64) -> i64 {
    let minute = |n: i64| from + SignedDuration::from_mins(n);
    i64::try_from((0..minutes).filter(|n| calendar.is_open(minute(*n))).count()).unwrap()
}

fn zoned(zone: &str) -> Calendar {
    Calendar::compile(&CalendarSpec {
        time_zone: zone.to_owned(),
        week: crate::Week {
            saturday: vec!["22:00-24:00".parse().unwrap()],
            sunday: ["00:00-02:45", "03:15-04:00", "08:00-12:00"]
                .map(|hours| hours.parse().unwrap())
                .to_vec(),
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

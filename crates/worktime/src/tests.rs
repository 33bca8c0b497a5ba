//! The shipped calendars: their dates, their golden due times, and what is refused.

use crate::{Calendar, CalendarSpec, Error, Target};
use jiff::civil::{Date, Weekday, date};
use jiff::{SignedDuration, Timestamp};

mod derived;
mod oracle;
mod samples;

const EVENING: &str = include_str!("../calendars/qa-gov-centre-evening.yaml");

fn spec() -> CalendarSpec {
    serde_saphyr::from_str(include_str!("../calendars/qa-gov-default.yaml")).unwrap()
}

fn shipped(text: &str) -> Calendar {
    Calendar::compile(&serde_saphyr::from_str(text).unwrap()).unwrap()
}

fn calendar() -> Calendar {
    Calendar::compile(&spec()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Start, target, due: business hours, which no sample case uses.
const GOLDEN: &[(&str, &str, &str)] = &[
    // Three business hours on a normal day and in Ramadan (acceptance check 2).
    ("2026-11-16T12:00:00+03:00", "3 bh", "2026-11-17T08:00:00+03:00"),
    ("2026-03-02T12:00:00+03:00", "3 bh", "2026-03-03T10:00:00+03:00"),
    // A budget that ends with the day is due that day, not the next morning; so on the last day of the week.
    ("2026-11-16T07:00:00+03:00", "7 bh", "2026-11-16T14:00:00+03:00"),
    ("2026-11-12T10:00:00+03:00", "4 bh", "2026-11-12T14:00:00+03:00"),
    // A target of no days is due when day 0 closes; no hours are due at once.
    ("2026-11-13T10:00:00+03:00", "0 bd", "2026-11-15T14:00:00+03:00"),
    ("2026-11-13T10:00:00+03:00", "0 bh", "2026-11-13T10:00:00+03:00"),
    // The single working day between a holiday and a weekend is one.
    ("2027-05-13T10:00:00+03:00", "1 bd", "2027-05-20T14:00:00+03:00"),
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
fn the_sample_cases_are_due_when_they_say() {
    let calendar = calendar();
    for (case, from, target, due) in samples::DUE {
        let target: Target = target.parse().unwrap();
        assert_eq!(calendar.due(at(from), target), Ok(at(due)), "case {case}: {from} + {target}");
    }
    for (received, day0) in samples::DAY0 {
        assert_eq!(calendar.received_day(at(received)).unwrap().date.to_string(), *day0, "{received}");
    }
}

/// Acceptance check 1.
#[test]
fn closing_time_decides_the_day_of_receipt() {
    let calendar = calendar();
    for (received, day0, due) in [
        ("2026-11-12T13:59:00+03:00", date(2026, 11, 12), "2026-11-26T14:00:00+03:00"),
        ("2026-11-12T14:00:00+03:00", date(2026, 11, 15), "2026-11-29T14:00:00+03:00"),
    ] {
        assert_eq!(calendar.received_day(at(received)).unwrap().date, day0, "{received}");
        assert_eq!(calendar.due(at(received), Target::business_days(10)), Ok(at(due)), "{received}");
    }
}

/// The table of dates 2026 to 2028, day by day: closed ranges, and ranges with Ramadan hours.
#[test]
fn every_day_has_the_hours_of_the_table() {
    const CLOSED: &[(Date, Date)] = &[
        (date(2026, 2, 10), date(2026, 2, 10)),
        (date(2027, 2, 9), date(2027, 2, 9)),
        (date(2028, 2, 8), date(2028, 2, 8)),
        (date(2026, 3, 17), date(2026, 3, 23)),
        (date(2027, 3, 7), date(2027, 3, 12)),
        (date(2028, 2, 24), date(2028, 2, 29)),
        (date(2026, 5, 26), date(2026, 5, 30)),
        (date(2027, 5, 15), date(2027, 5, 19)),
        (date(2028, 5, 4), date(2028, 5, 8)),
        (date(2026, 12, 18), date(2026, 12, 18)),
        (date(2027, 12, 18), date(2027, 12, 18)),
        (date(2028, 12, 18), date(2028, 12, 18)),
    ];
    const RAMADAN: &[(Date, Date)] = &[
        (date(2026, 2, 18), date(2026, 3, 16)),
        (date(2027, 2, 8), date(2027, 3, 6)),
        (date(2028, 1, 28), date(2028, 2, 23)),
    ];
    let within = |ranges: &[(Date, Date)], day| ranges.iter().any(|(from, to)| (*from..=*to).contains(&day));
    for (calendar, ordinary) in [(calendar(), 7), (shipped(EVENING), 11)] {
        let midnight = |day: Date| calendar.time_zone().to_timestamp(day.at(0, 0, 0, 0)).unwrap();
        for day in date(2026, 1, 1).series(jiff::Span::new().days(1)).take_while(|day| day.year() < 2029) {
            let weekend = matches!(day.weekday(), Weekday::Friday | Weekday::Saturday);
            let hours = match () {
                () if weekend || within(CLOSED, day) => 0,
                () if within(RAMADAN, day) => 5,
                () => ordinary,
            };
            let open = calendar.open_between(midnight(day), midnight(day.tomorrow().unwrap())).unwrap();
            assert_eq!(open, SignedDuration::from_hours(hours), "{} on {day}", calendar.name());
        }
    }
}

#[test]
fn a_second_shift_carries_hours_over_the_noon_gap() {
    let calendar = shipped(EVENING);
    let budget: Target = "3 bh".parse().unwrap();
    assert_eq!(
        calendar.due(at("2026-11-16T13:00:00+03:00"), budget),
        Ok(at("2026-11-16T17:00:00+03:00")),
        "one hour before the gap, two after it"
    );
    assert_eq!(
        calendar.received_day(at("2026-11-16T14:30:00+03:00")).unwrap().date,
        date(2026, 11, 16),
        "the gap is not the end of the day"
    );
    let days = calendar.due(at("2026-11-16T13:00:00+03:00"), Target::business_days(1));
    assert_eq!(days, Ok(at("2026-11-17T19:00:00+03:00")));
}

#[test]
fn an_always_open_calendar_counts_like_the_wall() {
    let calendar = shipped(include_str!("../calendars/always-open.yaml"));
    let from = at("2026-11-13T23:40:00+03:00");
    assert_eq!(calendar.due(from, Target::business_seconds(14_400)), Ok(at("2026-11-14T03:40:00+03:00")));
}

#[test]
fn the_next_opening_is_now_or_the_first_hour_of_a_working_day() {
    let calendar = calendar();
    for (from, opening) in [
        ("2026-11-16T10:30:00+03:00", "2026-11-16T10:30:00+03:00"),
        ("2026-11-16T06:00:00+03:00", "2026-11-16T07:00:00+03:00"),
        ("2026-11-12T14:00:00+03:00", "2026-11-15T07:00:00+03:00"),
        ("2026-03-16T14:00:00+03:00", "2026-03-24T07:00:00+03:00"),
    ] {
        assert_eq!(calendar.next_opening(at(from)), Ok(at(opening)), "{from}");
    }
}

/// Clocks go from 02:00 to 03:00, so a closing at 02:45 falls on 03:45, after the next opening.
#[test]
fn intervals_that_a_clock_change_pushes_together_are_not_counted_twice() {
    let mut spring = spec();
    spring.time_zone = "Europe/Berlin".into();
    spring.week.sunday = vec!["01:00-02:45".parse().unwrap(), "03:15-05:00".parse().unwrap()];
    let calendar = Calendar::compile(&spring).unwrap();
    let from = at("2026-03-28T22:00:00Z");
    let open = calendar.open_between(from, from + SignedDuration::from_hours(10)).unwrap();
    assert_eq!(open, SignedDuration::from_mins(oracle::counted(&calendar, from, 600)));
    assert_eq!(open, SignedDuration::from_hours(3));
}

#[test]
fn an_announced_holiday_settles_a_tentative_day() {
    let mut spec = spec();
    let (from, to) = (at("2027-02-09T08:00:00+03:00"), at("2027-02-09T12:00:00+03:00"));
    assert!(!Calendar::compile(&spec).unwrap().is_tentative_between(from, to), "Ramadan cannot open it");
    let mut unsure = spec.clone();
    let eid = unsure.holidays.iter_mut().find(|holiday| holiday.tentative).unwrap();
    eid.when = crate::HolidayRule::Dates(crate::DateRange { from: date(2027, 2, 9), to: date(2027, 2, 9) });
    unsure.holidays.reverse();
    assert!(
        !Calendar::compile(&unsure).unwrap().is_tentative_between(from, to),
        "nor can a tentative holiday"
    );
    spec.holidays.retain(|holiday| holiday.label.en != "Sports Day");
    assert!(Calendar::compile(&spec).unwrap().is_tentative_between(from, to));
}

/// An emergency closure has no hours, a half day has fewer; the later entry wins.
#[test]
fn overlays_close_and_shorten_days() {
    let mut spec = spec();
    let overlay = |hours: &[&str]| crate::Overlay {
        label: masar_domain::BiText::new("طارئ", "Emergency"),
        from: date(2026, 11, 16),
        to: date(2026, 11, 16),
        hours: hours.iter().map(|hours| hours.parse().unwrap()).collect(),
        tentative: false,
    };
    let from = at("2026-11-15T08:00:00+03:00");
    let due = |spec: &CalendarSpec| Calendar::compile(spec).unwrap().due(from, Target::business_days(1));
    spec.overlays.push(overlay(&["07:00-10:30"]));
    assert_eq!(due(&spec), Ok(at("2026-11-16T10:30:00+03:00")), "half day");
    spec.overlays.push(overlay(&[]));
    assert_eq!(due(&spec), Ok(at("2026-11-17T14:00:00+03:00")), "closed");
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
    let nameless = refuse(|spec| spec.name.clear());
    assert!(nameless.contains("`name`"), "{nameless}");
    let unversioned = refuse(|spec| spec.version = 0);
    assert!(unversioned.contains("`version`"), "{unversioned}");
    let half_labelled = refuse(|spec| spec.label.ar.clear());
    assert!(half_labelled.contains("`label`"), "{half_labelled}");
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

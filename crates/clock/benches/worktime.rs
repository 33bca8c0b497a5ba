//! How long it takes to compile a calendar of ten years, to compute a due time on it, and to fold a clock:
//! `cargo bench --package masar-clock`.

use std::hint::black_box;

use divan::Bencher;
use jiff::{SignedDuration, Timestamp, ToSpan};
use masar_clock::{CalendarRef, Clock, Entry, Event};
use masar_worktime::{Calendar, CalendarSpec, DateRange, HolidayRule, Target};

fn main() {
    divan::main();
}

/// The government calendar over ten years, with the Ramadan and the Eids of each: a lunar year is eleven days shorter.
fn ten_years() -> CalendarSpec {
    let (_, text) = masar_worktime::SHIPPED[0];
    let mut spec: CalendarSpec = serde_saphyr::from_str(text).expect("the shipped calendar is sound");
    let later = |date: jiff::civil::Date, years: i64| date.saturating_add((years * 354).days());
    let (overlays, holidays) = (std::mem::take(&mut spec.overlays), std::mem::take(&mut spec.holidays));
    let first_year = DateRange { from: spec.covers.from, to: spec.covers.from.last_of_year() };
    for years in 0..10 {
        for overlay in overlays.iter().filter(|overlay| first_year.contains(overlay.from)) {
            let (from, to) = (later(overlay.from, years), later(overlay.to, years));
            spec.overlays.push(masar_worktime::Overlay { from, to, ..overlay.clone() });
        }
        for holiday in &holidays {
            match holiday.when {
                HolidayRule::Dates(range) if first_year.contains(range.from) => {
                    let when = HolidayRule::Dates(DateRange {
                        from: later(range.from, years),
                        to: later(range.to, years),
                    });
                    spec.holidays.push(masar_worktime::Holiday { when, ..holiday.clone() });
                }
                HolidayRule::Dates(_) => {}
                _ if years == 0 => spec.holidays.push(holiday.clone()),
                _ => {}
            }
        }
    }
    spec.covers.to = spec.covers.from.saturating_add(10.years()).saturating_sub(1.day());
    spec
}

/// Starts spread over the ten years, so that no question finds the answer of the last in a cache.
fn starts() -> Vec<Timestamp> {
    let first: Timestamp = "2026-01-04T05:00:00Z".parse().expect("a time");
    (0..1_024).map(|n| first + SignedDuration::from_mins(n * 4_999)).collect()
}

#[divan::bench]
fn compile_ten_years(bencher: Bencher<'_, '_>) {
    let spec = ten_years();
    bencher.bench(|| Calendar::compile(black_box(&spec)));
}

#[divan::bench(args = ["4 business_hours", "10 business_days", "4 hours"])]
fn due(bencher: Bencher<'_, '_>, target: &str) {
    let calendar = Calendar::compile(&ten_years()).expect("sound");
    let target: Target = target.parse().expect("a target");
    let mut starts = starts().into_iter().cycle();
    bencher
        .with_inputs(|| starts.next().unwrap_or_default())
        .bench_local_values(|from| calendar.due(from, black_box(target)));
}

#[divan::bench]
fn open_between(bencher: Bencher<'_, '_>) {
    let calendar = Calendar::compile(&ten_years()).expect("sound");
    let mut starts = starts().into_iter().cycle();
    bencher
        .with_inputs(|| starts.next().unwrap_or_default())
        .bench_local_values(|from| calendar.open_between(from, from + SignedDuration::from_hours(400)));
}

/// A clock that was paused and resumed so many times, and when it is due.
#[divan::bench(args = [0, 2, 8])]
fn fold_and_due(bencher: Bencher<'_, '_>, pauses: i64) {
    let calendar = Calendar::compile(&ten_years()).expect("sound");
    let start: Timestamp = "2026-11-15T05:00:00Z".parse().expect("a time");
    let event = Event::Started {
        target: Target::business_days(20),
        calendar: CalendarRef::of(&calendar),
        policy: "complaint@1.0.0/response".to_owned(),
        not_after: None,
    };
    let mut ledger = vec![Entry { at: start, event }];
    for pause in 0..pauses {
        let from = start + SignedDuration::from_hours(24 * pause + 20);
        ledger.push(Entry { at: from, event: Event::Paused { reason: "awaiting_customer".to_owned() } });
        ledger.push(Entry { at: from + SignedDuration::from_hours(7), event: Event::Resumed });
    }
    bencher.bench(|| Clock::fold(black_box(&ledger), &calendar).and_then(|clock| clock.due_at(&calendar)));
}

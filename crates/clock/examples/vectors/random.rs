//! Random calendars and ledgers, each made from a seed: the same seed makes the same.

use fastrand::Rng;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan};
use masar_clock::{Clock, Entry, Event, Rules};
use masar_domain::BiText;
use masar_worktime::{
    Calendar, CalendarSpec, DateRange, Holiday, HolidayRule, Hours, Overlay, Target, Unit, Week,
};

use crate::format::{Case, pin};

/// Zones without and with changes of the clock: of an hour at night and at midnight, of half an hour, in both hemispheres.
const ZONES: [&str; 6] = [
    "Asia/Qatar",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Kathmandu",
];

/// Days near which clocks are put forward or back in some of the zones.
const CHANGES: [Date; 6] = [
    date(2026, 3, 7),
    date(2026, 3, 28),
    date(2026, 4, 4),
    date(2026, 9, 5),
    date(2026, 10, 24),
    date(2026, 10, 31),
];

/// Two versions of a calendar and a clock that counts on them. None where the calendar has too few days for it.
pub(crate) fn case(seed: u64) -> Option<(Vec<CalendarSpec>, Case)> {
    let mut rng = Rng::with_seed(seed);
    let first = calendar(&mut rng, seed);
    let mut second = CalendarSpec { version: 2, ..first.clone() };
    vary(&mut rng, &mut second);
    let specs = vec![first, second];
    let calendars: Vec<_> = specs.iter().map(|spec| Calendar::compile(spec).ok()).collect::<Option<_>>()?;
    let (ledger, now) = ledger(&mut rng, &specs, &calendars)?;
    let target = rng.bool().then(|| target(&mut rng));
    let case = Case {
        name: format!("seed {seed}"),
        rules: Vec::new(),
        provider: provider(&mut rng, &ledger, now),
        ledger,
        now,
        today: Rules { calendar: pin(specs.last()?), target },
        expected: None,
    };
    crate::format::answer(&case, &calendars).ok()?;
    Some((specs, case))
}

fn calendar(rng: &mut Rng, seed: u64) -> CalendarSpec {
    let near = CHANGES[rng.usize(..CHANGES.len())];
    let around = days(near, rng.i64(-12..12));
    let covers = DateRange { from: days(around, -8), to: days(around, 90) };
    let mut week = Week::default();
    let days_of_week = [
        &mut week.sunday,
        &mut week.monday,
        &mut week.tuesday,
        &mut week.wednesday,
        &mut week.thursday,
        &mut week.friday,
        &mut week.saturday,
    ];
    for day in days_of_week {
        if rng.u8(..10) < 7 {
            *day = hours(rng);
        }
    }
    let mut spec = CalendarSpec {
        name: format!("random-{seed}"),
        version: 1,
        label: BiText::new("عشوائي", "Random"),
        time_zone: ZONES[rng.usize(..ZONES.len())].to_owned(),
        covers,
        week,
        overlays: Vec::new(),
        holidays: Vec::new(),
    };
    vary(rng, &mut spec);
    spec
}

/// Adds holidays and overlays.
fn vary(rng: &mut Rng, spec: &mut CalendarSpec) {
    let label = || BiText::new("يوم", "A day");
    for _ in 0..rng.usize(..4) {
        let from = days(spec.covers.from, rng.i64(0..60));
        let when = match rng.u8(..4) {
            0 => HolidayRule::EveryYear { month: from.month(), day: from.day() },
            1 => HolidayRule::WeekdayOfMonth {
                month: from.month(),
                weekday: from.weekday(),
                nth: (from.day() - 1) / 7 + 1,
            },
            _ => HolidayRule::Dates(DateRange { from, to: days(from, rng.i64(0..4)) }),
        };
        spec.holidays.push(Holiday { label: label(), when, tentative: rng.bool() });
    }
    for _ in 0..rng.usize(..3) {
        let from = days(spec.covers.from, rng.i64(0..60));
        let (to, tentative) = (days(from, rng.i64(0..20)), rng.bool());
        let hours = if rng.u8(..4) == 0 { Vec::new() } else { hours(rng) };
        spec.overlays.push(Overlay { label: label(), from, to, hours, tentative });
    }
}

/// One to three intervals of a day; often round, some up to midnight.
fn hours(rng: &mut Rng) -> Vec<Hours> {
    let round = if rng.bool() { 60 } else { 1 };
    let mut times: Vec<u32> = (0..2 * rng.usize(1..4)).map(|_| rng.u32(..=24 * 60 / round) * round).collect();
    times.sort_unstable();
    times.dedup();
    let text = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let pairs = times.chunks_exact(2).map(|pair| format!("{}-{}", text(pair[0]), text(pair[1])));
    pairs.filter_map(|pair| pair.parse().ok()).collect()
}

fn target(rng: &mut Rng) -> Target {
    match rng.u8(..3) {
        0 => Target::business_days(rng.u32(..6)),
        1 => Target::business_seconds(rng.u32(..40 * 60) * 60),
        _ => Target::elapsed_seconds(rng.u32(..6 * 24 * 60) * 60),
    }
}

/// An instant after another: often on a full hour of the zone, or when something opens or closes.
fn later(rng: &mut Rng, at: Timestamp, calendar: &Calendar) -> Timestamp {
    let at = at + SignedDuration::from_mins(rng.i64(1..3_000));
    let found = match rng.u8(..4) {
        0 => calendar.next_opening(at).ok(),
        1 => calendar.closing_from(at).ok().map(|day| day.close),
        2 => at.round(jiff::Unit::Hour).ok(),
        _ => None,
    };
    found.filter(|found| *found >= at).unwrap_or(at)
}

fn ledger(rng: &mut Rng, specs: &[CalendarSpec], calendars: &[Calendar]) -> Option<(Vec<Entry>, Timestamp)> {
    let (first, second) = (specs.first()?, specs.last()?);
    let zone = TimeZone::get(&first.time_zone).ok()?;
    let midnight = zone.to_timestamp(days(first.covers.from, 4).at(0, 0, 0, 0)).ok()?;
    let mut at = later(rng, midnight, calendars.first()?);
    let (amount, policy) = (target(rng), "policy".to_owned());
    let not_after = (rng.u8(..6) == 0).then(|| days(first.covers.from, rng.i64(2..16)));
    let start = Event::Started { target: amount, calendar: pin(first), policy, not_after };
    let mut ledger = vec![Entry { at, event: start }];
    let mut clock = Clock::fold(&ledger, calendars).ok()?;
    for _ in 0..rng.usize(..7) {
        at = later(rng, at, calendars.first()?);
        let event = match rng.u8(..9) {
            0..=2 => Event::Paused { reason: "awaiting_customer".to_owned() },
            3 | 4 => Event::Resumed,
            5 => Event::Retargeted { target: target(rng), not_after: None, cause: "importance".to_owned() },
            6 => extension(rng, clock.target().unit),
            7 => Event::CalendarChanged { calendar: pin(second) },
            _ => entered(rng, ledger.first()?.at, at),
        };
        // What cannot happen to the clock as it stands does not.
        let entry = Entry { at, event };
        if let Ok(after) = clock.after(&entry, calendars) {
            clock = after;
            ledger.push(entry);
        }
    }
    let now = later(rng, ledger.last()?.at, calendars.first()?);
    if rng.bool() {
        let entry = Entry { at: now, event: Event::Stopped { reason: None } };
        clock.after(&entry, calendars).ok()?;
        ledger.push(entry);
    }
    Some((ledger, now))
}

fn extension(rng: &mut Rng, unit: Unit) -> Event {
    let amount = if unit == Unit::BusinessDays { rng.u32(1..4) } else { rng.u32(1..600) * 60 };
    let (reason, granted_by) = ("complexity".to_owned(), "director".to_owned());
    Event::Extended { by: Target { unit, amount }, reason, granted_by }
}

fn entered(rng: &mut Rng, started: Timestamp, now: Timestamp) -> Event {
    let minutes = now.duration_since(started).as_mins();
    let from = rng.i64(0..minutes.max(1));
    let to = rng.i64(from..=minutes);
    let instant = |minutes| started + SignedDuration::from_mins(minutes);
    let (reason, entered_by) = ("awaiting_customer".to_owned(), "director".to_owned());
    Event::PauseEntered { from: instant(from), to: instant(to), reason, entered_by }
}

fn provider(rng: &mut Rng, ledger: &[Entry], now: Timestamp) -> Vec<masar_clock::Span> {
    let Some(start) = ledger.first() else { return Vec::new() };
    let minutes = now.duration_since(start.at).as_mins();
    let spans = (0..rng.usize(..3)).map(|_| {
        let from = rng.i64(-100..minutes.max(1));
        let to = from + rng.i64(1..2_000);
        let instant = |minutes| start.at + SignedDuration::from_mins(minutes);
        masar_clock::Span { from: instant(from), to: instant(to) }
    });
    spans.collect()
}

fn days(date: Date, days: i64) -> Date {
    let span: Span = days.days();
    date.saturating_add(span)
}

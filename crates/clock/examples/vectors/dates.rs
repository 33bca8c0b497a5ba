//! Vectors about calendars: receipt, units, new versions, overlays, and nights on which clocks change.

use anyhow::{Context, Result};
use jiff::civil::date;
use masar_clock::{Entry, Event};
use masar_domain::BiText;
use masar_worktime::{CalendarSpec, DateRange, Holiday, HolidayRule, Overlay};

use crate::format::{File, pin};
use crate::made::{after, at, case, entry, government, shipped, started};

pub(crate) fn receipt() -> Result<File> {
    let calendar = government()?;
    let mut cases = Vec::new();
    for (what, when) in [
        ("in the first minute of the day", "2026-11-15T07:00"),
        ("a minute before closing on a Thursday", "2026-11-12T13:59"),
        ("at closing on a Thursday", "2026-11-12T14:00"),
        ("on a Friday night", "2026-11-13T23:40"),
        ("before opening", "2026-11-16T05:10"),
        ("in the last hours of Ramadan", "2026-03-16T13:00"),
        ("in Eid al-Fitr", "2026-03-19T18:00"),
        ("in Eid al-Adha", "2026-05-28T09:00"),
        ("on a Sports Day within Ramadan", "2027-02-09T09:30"),
        ("on the working day between Eid and the weekend", "2027-05-20T08:00"),
        ("before a National Day on a Monday", "2028-12-05T12:00"),
        ("on a leap day", "2028-02-29T10:00"),
    ] {
        for target in ["0 business_days", "1 business_day", "5 business_days", "10 business_days"] {
            let ledger = vec![started(when, target, &calendar)?];
            let now = after(&ledger, 7 * 24)?;
            cases.push(case(
                format!("received {what}, {target}"),
                &["T2", "T3"],
                ledger,
                now,
                pin(&calendar),
            ));
        }
    }
    let about =
        BiText::new("يوم الاستلام ومواعيد أيام العمل", "The day of receipt and due times in working days");
    File::new(about, vec![calendar], cases)
}

pub(crate) fn units() -> Result<File> {
    let (calendar, always) = (government()?, shipped("always-open")?);
    let mut cases = Vec::new();
    for (season, when) in [
        ("on an ordinary day", "2026-11-15T12:00"),
        ("in Ramadan", "2026-03-01T12:00"),
        ("before Ramadan", "2026-02-15T12:00"),
        ("at the end of Ramadan", "2026-03-12T12:00"),
    ] {
        for target in [
            "15 minutes",
            "4 hours",
            "90 hours",
            "1 business_minute",
            "3 business_hours",
            "7 business_hours",
            "35 business_hours",
            "1 business_day",
            "5 business_days",
        ] {
            let ledger = vec![started(when, target, &calendar)?];
            let now = after(&ledger, 30)?;
            cases.push(case(format!("{target} {season}"), &["T1"], ledger, now, pin(&calendar)));
        }
    }
    for target in ["4 business_hours", "2 business_days"] {
        let ledger = vec![started("2026-11-13T23:40", target, &always)?];
        let now = after(&ledger, 30)?;
        cases.push(case(format!("{target}, always open"), &["T1"], ledger, now, pin(&always)));
    }
    let about = BiText::new(
        "وحدات المدد: الساعات تطول في رمضان والأيام لا تطول",
        "Units: hours stretch in Ramadan and days do not",
    );
    File::new(about, vec![calendar, always], cases)
}

/// The government calendar as it is announced: Eid al-Fitr 2026 begins so many days later, with the end of Ramadan's hours.
fn announced(version: u32, later: i8) -> Result<CalendarSpec> {
    let mut spec = CalendarSpec { version, ..government()? };
    for overlay in spec.overlays.iter_mut().filter(|overlay| overlay.to == date(2026, 3, 16)) {
        (overlay.to, overlay.tentative) = (date(2026, 3, 16 + later), false);
    }
    for holiday in &mut spec.holidays {
        if let HolidayRule::Dates(range) = &mut holiday.when
            && range.from == date(2026, 3, 17)
        {
            *range = DateRange { from: date(2026, 3, 17 + later), to: date(2026, 3, 23 + later) };
            holiday.tentative = false;
        }
    }
    Ok(spec)
}

pub(crate) fn republished() -> Result<File> {
    let calendars = vec![government()?, announced(2, 1)?, announced(3, -1)?];
    let newest = pin(&calendars[2]);
    let mut cases = Vec::new();
    for target in ["1 business_day", "3 business_days", "14 business_hours", "200 hours"] {
        for (what, changes) in [
            ("never moved", &[][..]),
            ("moved to the day after", &[(1, "2026-03-18T20:00")]),
            ("moved to the day before", &[(2, "2026-03-18T20:00")]),
            ("moved when it was due", &[(1, "2026-03-24T14:00")]),
            ("moved twice", &[(1, "2026-03-17T09:00"), (2, "2026-03-25T20:00")]),
        ] {
            for done in ["2026-03-24T14:00", "2026-03-26T10:00"] {
                let mut ledger = vec![started("2026-03-16T13:00", target, &calendars[0])?];
                for (calendar, when) in changes {
                    let calendar = pin(&calendars[*calendar]);
                    ledger.push(entry(when, Event::CalendarChanged { calendar })?);
                }
                let last = ledger.last().context("a start")?.at;
                let done_at = at(done)?.max(last);
                ledger.push(Entry { at: done_at, event: Event::Stopped { reason: None } });
                let now = after(&ledger, 100)?;
                let name = format!("{target}, {what}, done {done}");
                cases.push(case(name, &["T7", "T10"], ledger, now, newest.clone()));
            }
        }
    }
    let about = BiText::new(
        "إصدارات التقويم: كما وُعد، وبالإصدار الساري، وبقواعد اليوم",
        "Versions of a calendar: as promised, as the ledger says, and under the rules of today",
    );
    File::new(about, calendars, cases)
}

/// The evening calendar with a half day, an emergency closure and a longer shift.
fn centre() -> Result<CalendarSpec> {
    let overlay = |label: (&str, &str), day: i8, until: i8, hours: &[&str]| -> Result<Overlay> {
        let hours = hours.iter().map(|hours| hours.parse()).collect::<Result<_, _>>()?;
        let label = BiText::new(label.0, label.1);
        Ok(Overlay { label, from: date(2026, 11, day), to: date(2026, 11, until), hours, tentative: false })
    };
    let mut spec = CalendarSpec { version: 2, ..shipped("qa-gov-centre-evening")? };
    spec.overlays.extend([
        overlay(("نصف يوم", "Half a day"), 16, 16, &["07:00-10:30"])?,
        overlay(("إغلاق طارئ", "Emergency closure"), 17, 17, &[])?,
        overlay(("فترة أطول", "A longer shift"), 18, 24, &["07:00-14:00", "15:00-21:00"])?,
    ]);
    let label = BiText::new("عطلة داخل الفترة", "A holiday within");
    let when = HolidayRule::Dates(DateRange { from: date(2026, 11, 22), to: date(2026, 11, 22) });
    spec.holidays.push(Holiday { label, when, tentative: false });
    Ok(spec)
}

pub(crate) fn overlays() -> Result<File> {
    let calendars = vec![shipped("qa-gov-centre-evening")?, centre()?];
    let mut cases = Vec::new();
    for calendar in &calendars {
        for when in ["2026-11-15T13:00", "2026-11-16T10:30", "2026-11-17T09:00", "2026-11-19T14:30"] {
            for target in ["3 business_hours", "25 business_hours", "1 business_day", "4 business_days"] {
                let ledger = vec![started(when, target, calendar)?];
                let now = after(&ledger, 60)?;
                let name = format!("{target} from {when}, version {}", calendar.version);
                cases.push(case(name, &["T1", "T2", "T3"], ledger, now, pin(&calendars[1])));
            }
        }
    }
    let about = BiText::new(
        "فترة مسائية ونصف يوم وإغلاق طارئ وعطلة داخل فترة معدلة",
        "A second shift, half a day, an emergency closure and a holiday within other hours",
    );
    File::new(about, calendars, cases)
}

/// Opening hours through the night, in a zone whose clocks are put forward and back.
fn night(zone: &str) -> Result<CalendarSpec> {
    let mut spec = CalendarSpec {
        name: format!("night-{}", zone.replace('/', "-").to_lowercase()),
        time_zone: zone.to_owned(),
        overlays: Vec::new(),
        holidays: Vec::new(),
        ..government()?
    };
    spec.week.saturday = vec!["22:00-24:00".parse()?];
    spec.week.sunday = ["00:00-02:45", "03:15-04:00", "08:00-12:00"]
        .map(str::parse)
        .into_iter()
        .collect::<Result<_, _>>()?;
    Ok(spec)
}

pub(crate) fn clock_changes() -> Result<File> {
    let mut calendars = Vec::new();
    let mut cases = Vec::new();
    for (zone, saturdays) in [
        ("Europe/Berlin", ["2026-03-28T12:00", "2026-10-24T12:00"]),
        ("America/New_York", ["2026-03-07T12:00", "2026-10-31T12:00"]),
        ("Australia/Lord_Howe", ["2026-04-04T03:00", "2026-10-03T03:00"]),
        ("America/Santiago", ["2026-04-04T15:00", "2026-09-05T15:00"]),
    ] {
        let calendar = night(zone)?;
        for when in saturdays {
            for target in
                ["4 business_hours", "9 business_hours", "30 hours", "1 business_day", "2 business_days"]
            {
                let mut ledger = vec![started(when, target, &calendar)?];
                let now = after(&ledger, 70)?;
                let name = format!("{target} from {when}, {zone}");
                cases.push(case(name.clone(), &["T1", "T5"], ledger.clone(), now, pin(&calendar)));
                let from = after(&ledger, 14)?;
                ledger.push(Entry { at: from, event: Event::Paused { reason: "awaiting_customer".into() } });
                ledger.push(Entry { at: after(&ledger, 5)?, event: Event::Resumed });
                cases.push(case(
                    format!("{name}, paused at night"),
                    &["T5", "T5b"],
                    ledger,
                    now,
                    pin(&calendar),
                ));
            }
        }
        calendars.push(calendar);
    }
    let about = BiText::new(
        "ليالٍ تُقدَّم فيها الساعة أو تُؤخَّر",
        "Nights on which clocks are put forward or back, by an hour or half an hour, at night or at midnight",
    );
    File::new(about, calendars, cases)
}

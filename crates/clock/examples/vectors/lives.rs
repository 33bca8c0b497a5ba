//! Vectors about what happens to a clock: pauses, new targets, extensions, plans, and whose time it was.

use anyhow::Result;
use jiff::SignedDuration;
use masar_clock::{Entry, Event, Span};
use masar_domain::BiText;
use masar_worktime::Target;

use crate::format::{File, pin};
use crate::made::{
    after, at, case, entry, extended, government, paused, resumed, retargeted, shipped, started, stopped,
};
use crate::random;

/// The seeds of the random vectors that are published.
const SEEDS: std::ops::Range<u64> = 0..120;

pub(crate) fn pauses() -> Result<File> {
    let calendar = government()?;
    let mut cases = Vec::new();
    for target in ["10 business_days", "2 business_days", "20 business_hours", "100 hours"] {
        for (what, spans) in [
            ("Tuesday 10:00 to Thursday 09:00", &[("2026-10-27T10:00", "2026-10-29T09:00")][..]),
            ("within a day", &[("2026-10-27T10:00", "2026-10-27T13:59")]),
            ("over one closing", &[("2026-10-27T13:59", "2026-10-27T14:01")]),
            ("that begins at closing", &[("2026-10-27T14:00", "2026-10-28T07:00")]),
            ("that ends at closing", &[("2026-10-27T10:00", "2026-10-27T14:00")]),
            ("from Thursday 14:00 to Sunday 07:00", &[("2026-10-29T14:00", "2026-11-01T07:00")]),
            ("on a weekend", &[("2026-10-30T10:00", "2026-10-31T10:00")]),
            ("twice", &[("2026-10-27T10:00", "2026-10-28T10:00"), ("2026-10-28T11:00", "2026-11-02T08:00")]),
        ] {
            let mut ledger = vec![started("2026-10-26T09:50", target, &calendar)?];
            for (from, to) in spans {
                ledger.extend([paused(from)?, resumed(to)?]);
            }
            let now = after(&ledger, 50)?;
            cases.push(case(format!("{target}, paused {what}"), &["T5", "T5b"], ledger, now, pin(&calendar)));
        }
        let ledger = vec![started("2026-10-26T09:50", target, &calendar)?, paused("2026-10-26T13:00")?];
        let now = after(&ledger, 75)?;
        cases.push(case(format!("{target}, still paused"), &["T5", "T8"], ledger, now, pin(&calendar)));
    }
    let used_up = vec![started("2026-11-16T07:00", "4 hours", &calendar)?, paused("2026-11-16T11:00")?];
    let now = after(&used_up, 24)?;
    cases.push(case("paused when nothing was left".into(), &["T10"], used_up, now, pin(&calendar)));
    let about = BiText::new(
        "التوقف: يُحسب منه وقت العمل وحده",
        "Pauses subtract only the working time that they overlap",
    );
    File::new(about, vec![calendar], cases)
}

pub(crate) fn retargets() -> Result<File> {
    let calendar = government()?;
    let mut cases = Vec::new();
    let starts = [("without a pause", false), ("with two paused days", true)];
    for (what, pauses) in starts {
        for (first, then) in [
            ("10 business_days", "5 business_days"),
            ("10 business_days", "15 business_days"),
            ("15 business_days", "20 business_hours"),
            ("5 business_days", "48 hours"),
            ("40 business_hours", "4 business_hours"),
        ] {
            for change in ["2026-10-25T08:30", "2026-10-26T14:00", "2026-11-03T10:00"] {
                let mut ledger = vec![started("2026-10-18T10:00", first, &calendar)?];
                if pauses {
                    ledger.extend([paused("2026-10-20T10:00")?, resumed("2026-10-22T09:00")?]);
                }
                ledger.push(retargeted(change, then)?);
                let now = after(&ledger, 40)?;
                let name = format!("{first}, then {then} at {change}, {what}");
                cases.push(case(name, &["T6", "T10"], ledger, now, pin(&calendar)));
            }
        }
    }
    let about = BiText::new(
        "تغيير المدة مع بقاء ما مضى وما توقف، والإخلال لحظة التغيير",
        "A new target keeps what was used and paused; one that is past breaches at the change",
    );
    File::new(about, vec![calendar], cases)
}

pub(crate) fn extensions() -> Result<File> {
    let calendar = government()?;
    let mut cases = Vec::new();
    for (target, by) in [
        ("5 business_days", "5 business_days"),
        ("20 business_hours", "7 business_hours"),
        ("60 hours", "24 hours"),
    ] {
        for granted in ["2026-10-06T12:16", "2026-10-08T09:00"] {
            for done in [None, Some("2026-10-12T15:00"), Some("2026-10-20T14:00"), Some("2026-10-22T14:01")] {
                let mut ledger =
                    vec![started("2026-10-06T12:15", target, &calendar)?, extended(granted, by)?];
                let rest: Vec<_> = done.map(stopped).transpose()?.into_iter().collect();
                ledger.extend(rest);
                let now = after(&ledger, 24)?;
                let name = format!("{target} and {by} at {granted}, done {}", done.unwrap_or("never"));
                cases.push(case(name, &["T9", "T10", "T11"], ledger, now, pin(&calendar)));
            }
        }
    }
    // Under the rules of today it would have been due before the extension was granted.
    let ledger = vec![
        started("2026-10-06T12:15", "10 business_days", &calendar)?,
        extended("2026-10-18T09:00", "5 business_days")?,
    ];
    let now = after(&ledger, 24)?;
    let mut late = case("too late under the rules of today".into(), &["T9"], ledger, now, pin(&calendar));
    late.today.target = Some(Target::business_days(5));
    cases.push(late);
    let about = BiText::new("التمديد: مرة واحدة وقبل الموعد", "Extensions: once, and before the due time");
    File::new(about, vec![calendar], cases)
}

pub(crate) fn entered_pauses() -> Result<File> {
    let calendar = government()?;
    let mut cases = Vec::new();
    for target in ["3 business_days", "10 business_days", "21 business_hours"] {
        for (from, to) in [
            ("2026-10-27T10:00", "2026-10-29T09:00"),
            ("2026-10-26T09:50", "2026-10-26T15:00"),
            ("2026-10-30T10:00", "2026-10-31T10:00"),
        ] {
            for entered_at in ["2026-10-31T12:00", "2026-11-11T08:00"] {
                let (reason, entered_by) = ("awaiting_customer".into(), "lab-director".into());
                let event = Event::PauseEntered { from: at(from)?, to: at(to)?, reason, entered_by };
                let ledger = vec![started("2026-10-26T09:50", target, &calendar)?, entry(entered_at, event)?];
                let now = after(&ledger, 30)?;
                let name = format!("{target}, paused {from} to {to}, entered at {entered_at}");
                cases.push(case(name, &["T8", "T10"], ledger, now, pin(&calendar)));
            }
        }
    }
    let about = BiText::new(
        "توقف أُدخل لاحقًا: ينقل الموعد ولا يمحو إخلالًا",
        "Pauses entered later move the due time and undo no breach",
    );
    File::new(about, vec![calendar], cases)
}

pub(crate) fn plans() -> Result<File> {
    let calendar = government()?;
    let mut cases = Vec::new();
    for planned in ["2026-11-16", "2026-11-20", "2026-11-24", "2026-11-29", "2026-12-15"] {
        for pauses in [false, true] {
            let mut start = started("2026-11-15T08:42", "10 business_days", &calendar)?;
            if let Event::Started { not_after, .. } = &mut start.event {
                *not_after = Some(planned.parse()?);
            }
            let mut ledger = vec![start];
            if pauses {
                ledger.extend([paused("2026-11-16T09:00")?, resumed("2026-11-18T09:00")?]);
            }
            let now = after(&ledger, 200)?;
            let name = format!("planned for {planned}{}", if pauses { ", paused" } else { "" });
            cases.push(case(name, &["T6"], ledger, now, pin(&calendar)));
        }
    }
    let about = BiText::new("موعد مخطط له قبل المدة", "A planned day before the end of the target");
    File::new(about, vec![calendar], cases)
}

pub(crate) fn attribution() -> Result<File> {
    let (calendar, centre) = (government()?, shipped("qa-gov-centre-evening")?);
    let span = |(from, to): &(&str, &str)| Ok(Span { from: at(from)?, to: at(to)? });
    let mut cases = Vec::new();
    for calendar in [&calendar, &centre] {
        for (what, spans) in [
            ("no provider", &[][..]),
            ("a provider while it ran", &[("2026-11-16T09:00", "2026-11-17T11:30")]),
            ("a provider while it stood still", &[("2026-11-18T09:00", "2026-11-22T11:00")]),
            (
                "two providers at once",
                &[("2026-11-16T09:00", "2026-11-17T10:00"), ("2026-11-17T09:00", "2026-11-19T10:00")],
            ),
            ("a provider before the start and after the end", &[("2026-11-01T09:00", "2026-12-01T10:00")]),
        ] {
            for done in ["2026-11-23T12:00", "2026-11-25T20:00"] {
                let ledger = vec![
                    started("2026-11-15T08:42", "10 business_days", calendar)?,
                    paused("2026-11-18T13:15")?,
                    resumed("2026-11-22T10:05")?,
                    stopped(done)?,
                ];
                let now = after(&ledger, 10)?;
                let name = format!("{what}, done {done}, {}", calendar.name);
                let mut made = case(name, &["T14"], ledger, now, pin(calendar));
                made.provider = spans.iter().map(span).collect::<Result<_>>()?;
                cases.push(made);
            }
        }
    }
    let about = BiText::new(
        "لمن كان الوقت: الإدارة والمتعامل والمزود وما خارج الدوام",
        "Whose time it was: the department's, the customer's, a provider's, and closed",
    );
    File::new(about, vec![calendar, centre], cases)
}

pub(crate) fn seconds() -> Result<File> {
    let calendar = government()?;
    let mut cases = Vec::new();
    for target in ["1 business_second", "7201 business_seconds", "90001 seconds", "1 business_day"] {
        for start in ["2026-11-15T13:59:59", "2026-11-15T14:00:01", "2026-11-16T06:59:59"] {
            let start_at = at(start)?;
            let second = SignedDuration::from_secs(1);
            let opening = at("2026-11-16T07:00")?;
            let ledger = vec![
                started(start, target, &calendar)?,
                Entry { at: opening + second, event: Event::Paused { reason: "awaiting_customer".into() } },
                Entry { at: opening + second * 62, event: Event::Resumed },
            ];
            let now = start_at + SignedDuration::from_hours(30);
            let mut made =
                case(format!("{target} from {start}"), &["T5", "T14"], ledger, now, pin(&calendar));
            made.provider = vec![Span { from: opening - second, to: opening + second * 100 }];
            cases.push(made);
        }
    }
    let about = BiText::new("بالثانية عند الفتح والإغلاق", "To the second at opening and closing");
    File::new(about, vec![calendar], cases)
}

pub(crate) fn randoms() -> Result<File> {
    let made: Vec<_> = SEEDS.filter_map(random::case).collect();
    let (calendars, cases): (Vec<_>, Vec<_>) = made.into_iter().unzip();
    let about = BiText::new("تقاويم وسجلات عشوائية", "Random calendars and ledgers");
    File::new(about, calendars.concat(), cases)
}

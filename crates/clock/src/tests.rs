//! The rules T2 to T12 as tables.

use jiff::{SignedDuration, Timestamp};
use masar_worktime::{Calendar, CalendarSpec, Target};

use crate::{Breach, BreachCause, CalendarRef, Clock, Entry, Error, Event, Mark, Pause, Verdict};

mod attribution;
mod evidence;
mod explain;
mod judgement;
mod marks;
mod oracle;
mod republish;

fn spec() -> CalendarSpec {
    serde_saphyr::from_str(include_str!("../../worktime/calendars/qa-gov-default.yaml")).unwrap()
}

fn calendar() -> Calendar {
    Calendar::compile(&spec()).unwrap()
}

fn pin(version: u32) -> CalendarRef {
    CalendarRef { name: "qa-gov-default".into(), version }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn started(when: &str, amount: &str) -> Entry {
    planned(when, amount, None)
}

/// A start with a planned day.
fn planned(when: &str, amount: &str, not_after: Option<&str>) -> Entry {
    let (policy, not_after) = ("complaint/response".into(), not_after.map(|date| date.parse().unwrap()));
    let (target, calendar) = (target(amount), pin(1));
    Entry { at: at(when), event: Event::Started { target, calendar, policy, not_after } }
}

fn paused(when: &str) -> Entry {
    Entry { at: at(when), event: Event::Paused { reason: "awaiting_customer".into() } }
}

/// A pause that the director entered later.
fn entered(when: &str, from: &str, to: &str) -> Entry {
    let (reason, entered_by) = ("awaiting_customer".into(), "director".into());
    Entry { at: at(when), event: Event::PauseEntered { from: at(from), to: at(to), reason, entered_by } }
}

fn resumed(when: &str) -> Entry {
    Entry { at: at(when), event: Event::Resumed }
}

fn retargeted(when: &str, amount: &str) -> Entry {
    let (target, cause) = (target(amount), "importance".into());
    Entry { at: at(when), event: Event::Retargeted { target, not_after: None, cause } }
}

fn extended(when: &str, by: &str) -> Entry {
    let (reason, granted_by) = ("three bodies answer".into(), "director".into());
    Entry { at: at(when), event: Event::Extended { by: target(by), reason, granted_by } }
}

fn moved(when: &str) -> Entry {
    Entry { at: at(when), event: Event::CalendarChanged { calendar: pin(2) } }
}

fn fired(when: &str, mark: &str) -> Entry {
    Entry { at: at(when), event: Event::MarkFired { mark: mark.parse().unwrap() } }
}

fn breach(when: &str, cause: BreachCause) -> Option<Breach> {
    Some(Breach { at: at(when), cause })
}

fn stopped(when: &str) -> Entry {
    Entry { at: at(when), event: Event::Stopped { reason: None } }
}

fn fold(ledger: &[Entry]) -> Clock {
    Clock::fold(ledger, &calendar()).unwrap()
}

/// Section 4.3: an improvement action is due as its type says, or on the day of its plan if that is earlier.
#[test]
fn a_planned_day_is_due_at_its_closing_if_that_is_earlier() {
    let start = "2026-11-15T08:42:00+03:00";
    for (not_after, due_at) in [
        (None, "2026-11-29T14:00:00+03:00"),
        (Some("2026-11-24"), "2026-11-24T14:00:00+03:00"),
        // Nobody works on a Friday: the next working day is a Sunday.
        (Some("2026-11-20"), "2026-11-22T14:00:00+03:00"),
        (Some("2026-11-29"), "2026-11-29T14:00:00+03:00"),
        // Beyond what the calendar covers.
        (Some("2099-01-01"), "2026-11-29T14:00:00+03:00"),
    ] {
        let clock = fold(&[planned(start, "10 business_days", not_after)]);
        assert_eq!(clock.due_at(&calendar()), Ok(at(due_at)), "{not_after:?}");
        assert_eq!(clock.original_due_at(), at(due_at));
    }
    // A pause moves the target and not the plan; a new target without a plan counts alone.
    let mut ledger = vec![
        planned(start, "10 business_days", Some("2026-11-24")),
        paused("2026-11-16T09:00:00+03:00"),
        resumed("2026-11-18T09:00:00+03:00"),
    ];
    assert_eq!(fold(&ledger).due_at(&calendar()), Ok(at("2026-11-24T14:00:00+03:00")));
    ledger.push(retargeted("2026-11-18T10:00:00+03:00", "10 business_days"));
    assert_eq!(fold(&ledger).due_at(&calendar()), Ok(at("2026-12-01T14:00:00+03:00")));
    // A plan that is past already is late at once.
    let late =
        fold(&[planned(start, "10 business_days", Some("2026-11-12")), stopped("2026-11-15T09:00:00+03:00")]);
    assert_eq!(late.verdict(), Some(Verdict::Broken));
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
    assert_eq!(clock.breach_by(later, &calendar()), Ok(breach(change, BreachCause::Retarget)));
}

#[test]
fn a_breach_is_the_due_time_and_stays() {
    let calendar = calendar();
    let started = started("2026-11-15T08:42:00+03:00", "2 bd");
    let due = at("2026-11-17T14:00:00+03:00");
    let clock = fold(std::slice::from_ref(&started));
    let broken = Ok(breach("2026-11-17T14:00:00+03:00", BreachCause::Due));
    assert_eq!(clock.breach_by(due, &calendar), Ok(None));
    assert_eq!(clock.breach_by(due + SignedDuration::from_millis(1), &calendar), broken);

    let late = retargeted("2026-11-18T08:00:00+03:00", "15 bd");
    let clock = fold(&[started.clone(), late, stopped("2026-11-19T08:00:00+03:00")]);
    assert_eq!(clock.breach_by(at("2026-12-01T08:00:00+03:00"), &calendar), broken, "T10");
    assert_eq!(clock.stopped_at(), Some(at("2026-11-19T08:00:00+03:00")));
    assert_eq!(clock.verdict(), Some(Verdict::Broken));

    let kept = fold(&[started.clone(), stopped("2026-11-17T14:00:00+03:00")]);
    assert_eq!(kept.breach_by(at("2026-12-01T08:00:00+03:00"), &calendar), Ok(None), "done at the due time");
    assert_eq!(kept.verdict(), Some(Verdict::Kept));
    assert_eq!(fold(&[started]).verdict(), None, "nothing is kept before it is done");
}

#[test]
fn a_paused_clock_says_what_it_used_and_when_it_would_be_due() {
    let calendar = calendar();
    let ledger = [started("2026-10-20T11:30:00+03:00", "10 bd"), paused("2026-10-27T10:00:00+03:00")];
    let clock = fold(&ledger);
    assert_eq!(clock.due_at(&calendar), Ok(at("2026-11-03T14:00:00+03:00")), "resumed at once");
    let now = at("2026-10-29T09:00:00+03:00");
    assert_eq!(clock.due_if_resumed(now, &calendar), Ok(at("2026-11-05T14:00:00+03:00")));
    assert_eq!(clock.used_by(now, &calendar), Ok(target("4 bd")));
    let since = at("2026-10-27T10:00:00+03:00");
    assert_eq!(clock.pauses(), [Pause { from: since, to: None, reason: "awaiting_customer".into() }]);
    assert_eq!(clock.breach_by(at("2026-12-01T09:00:00+03:00"), &calendar), Ok(None), "it stands still");

    let hours = fold(&[started("2026-11-12T10:00:00+03:00", "10 bh"), paused("2026-11-12T13:30:00+03:00")]);
    assert_eq!(hours.used_by(now, &calendar), Ok(target("0 bh")), "asked about a time before it started");
    assert_eq!(hours.used_by(at("2026-11-16T09:00:00+03:00"), &calendar), Ok(target("210 business_minutes")));
}

/// Day 2 closes at 14:00, but the clock is not running then, so that day does not count (T5b).
#[test]
fn a_pause_at_closing_time_moves_days_and_breaks_nothing() {
    let calendar = calendar();
    let clock = fold(&[
        started("2026-07-20T10:49:00+03:00", "2 bd"),
        paused("2026-07-22T14:00:00+03:00"),
        resumed("2026-07-22T14:01:00+03:00"),
    ]);
    let due = at("2026-07-23T14:00:00+03:00");
    assert_eq!(clock.due_at(&calendar), Ok(due));
    assert_eq!(clock.breach_by(due, &calendar), Ok(None));

    let used_up =
        fold(&[started("2026-11-16T07:00:00+03:00", "4 hours"), paused("2026-11-16T11:00:00+03:00")]);
    let broken = breach("2026-11-16T11:00:00+03:00", BreachCause::Due);
    assert_eq!(used_up.breach_by(due, &calendar), Ok(broken), "nothing was left to pause");
}

/// A safety flag after an extension in days: hours are promised now, and the days no longer count.
#[test]
fn an_extension_ends_with_a_target_of_another_unit() {
    let ledger = [
        started("2026-11-15T08:00:00+03:00", "10 bd"),
        extended("2026-11-16T08:00:00+03:00", "5 bd"),
        retargeted("2026-11-16T09:00:00+03:00", "48 hours"),
    ];
    let clock = fold(&ledger);
    assert_eq!(clock.due_at(&calendar()), Ok(at("2026-11-17T08:00:00+03:00")));
    let again = extended("2026-11-16T10:00:00+03:00", "2 hours");
    assert_eq!(clock.after(&again, &calendar()), Err(Error::ExtensionTwice));
}

#[test]
fn what_cannot_happen_is_refused() {
    let (start, early, late) =
        ("2026-11-15T08:00:00+03:00", "2026-11-15T07:00:00+03:00", "2026-11-16T08:00:00+03:00");
    let phase = |phase, wanted| Error::Phase { phase, wanted };
    let span = Error::PauseSpan { started_at: at(start), now: at(late) };
    let cases: [(Vec<Entry>, Error); 17] = [
        (vec![started(start, "2 bd"), entered(late, early, late)], span.clone()),
        (vec![started(start, "2 bd"), entered(late, start, "2026-11-16T08:00:01+03:00")], span.clone()),
        (vec![started(start, "2 bd"), entered(late, late, late)], span.clone()),
        (vec![started(start, "2 bd"), paused("2026-11-15T12:00:00+03:00"), entered(late, start, late)], span),
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
        (vec![started(start, "9 bd"), extended(late, "1 bd"), extended(late, "1 bd")], Error::ExtensionTwice),
        (
            vec![started(start, "1 bh"), extended(late, "1 bh")],
            Error::ExtensionLate { due_at: at("2026-11-15T09:00:00+03:00") },
        ),
        (
            vec![started(start, "1 bh"), fired(late, "breach"), fired(late, "breach")],
            Error::MarkTwice(Mark::Breach),
        ),
        (
            vec![started(start, "10 hours"), fired(start, "50%")],
            Error::MarkEarly { mark: Mark::Share(50), at: at("2026-11-15T13:00:00+03:00") },
        ),
        (vec![started(start, "1 bd"), paused(start), fired(late, "breach")], phase("paused", "marked")),
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
        paused("2026-11-15T09:00:00+03:00"),
        resumed("2026-11-15T10:00:00+03:00"),
        retargeted("2026-11-15T11:00:00+03:00", "5 bd"),
        extended("2026-11-16T08:00:00+03:00", "1 bd"),
        moved("2026-11-16T09:00:00+03:00"),
        entered("2026-11-16T09:30:00+03:00", "2026-11-15T11:00:00+03:00", "2026-11-15T12:00:00+03:00"),
        fired("2026-11-16T10:00:00+03:00", "breach + 2 bd"),
        stopped("2026-11-17T08:00:00+03:00"),
        Entry { at: at("2026-11-17T08:00:00+03:00"), event: Event::Cancelled { reason: "withdrawn".into() } },
    ];
    let stored = serde_json::to_string(&ledger).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Entry>>(&stored).unwrap(), ledger);
}

#[test]
fn a_line_of_the_ledger_can_be_read_aloud() {
    for (entry, words) in [
        (
            started("2026-11-15T08:00:00+03:00", "2 bd"),
            "started: 2 business_days on qa-gov-default version 1, as complaint/response promises",
        ),
        (paused("2026-11-15T09:00:00+03:00"), "paused: awaiting_customer"),
        (
            extended("2026-11-16T08:00:00+03:00", "1 bd"),
            "extended by 1 business_day, granted by director: three bodies answer",
        ),
        (moved("2026-11-16T08:00:00+03:00"), "moved to qa-gov-default version 2"),
        (
            entered("2026-11-17T08:00:00+03:00", "2026-11-15T11:00:00Z", "2026-11-15T12:00:00Z"),
            "paused from 2026-11-15T11:00:00Z to 2026-11-15T12:00:00Z, entered later by director: awaiting_customer",
        ),
    ] {
        assert_eq!(entry.event.to_string(), words);
    }
}

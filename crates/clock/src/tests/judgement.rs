//! Two judgements of one promise, and pauses that are entered later (T7, T8, T10).

use masar_worktime::{Calendar, CalendarSpec, DateRange, Holiday, HolidayRule};

use super::{at, breach, calendar, entered, extended, fold, moved, pin, spec, started, stopped, target};
use crate::{BreachCause, Entry, Judgement, Rules, Run, Verdict};

fn run(ledger: Vec<Entry>) -> Run {
    Run { ledger, marks: Vec::new(), is_window: false }
}

/// Version 1, and version 2 in which the 18th of November 2026 is a day off.
fn calendars() -> [Calendar; 2] {
    let mut second = CalendarSpec { version: 2, ..spec() };
    let day = jiff::civil::date(2026, 11, 18);
    let when = HolidayRule::Dates(DateRange { from: day, to: day });
    second.holidays.push(Holiday { label: second.label.clone(), when, tentative: false });
    [calendar(), Calendar::compile(&second).unwrap()]
}

fn judged(due_at: &str, verdict: Option<Verdict>) -> Judgement {
    let broken = verdict == Some(Verdict::Broken);
    Judgement { due_at: at(due_at), breach: breach(due_at, BreachCause::Due).filter(|_| broken), verdict }
}

#[test]
fn a_promise_is_judged_as_it_was_given_and_under_the_rules_of_today() {
    let calendars = calendars();
    let now = at("2026-11-30T09:00:00+03:00");
    let newest = Rules { calendar: pin(2), target: None };
    let shorter = Rules { target: Some(target("2 bd")), ..newest.clone() };
    let mut ledger = vec![started("2026-11-15T08:00:00+03:00", "3 bd"), moved("2026-11-16T12:00:00+03:00")];
    let (promised, renewed) = ("2026-11-18T14:00:00+03:00", "2026-11-19T14:00:00+03:00");

    // On the 19th, a day after what was promised and in time for what holds since.
    let morning = at("2026-11-19T09:00:00+03:00");
    let open = run(ledger.clone());
    assert_eq!(open.as_promised(morning, &calendars[..]), Ok(judged(promised, Some(Verdict::Broken))));
    assert_eq!(open.under(&newest, morning, &calendars[..]), Ok(judged(renewed, None)));

    ledger.push(stopped("2026-11-19T09:00:00+03:00"));
    let done = run(ledger);
    assert_eq!(done.as_promised(now, &calendars[..]), Ok(judged(promised, Some(Verdict::Broken))));
    assert_eq!(done.under(&newest, now, &calendars[..]), Ok(judged(renewed, Some(Verdict::Kept))));
    let stricter = done.under(&shorter, now, &calendars[..]);
    assert_eq!(stricter, Ok(judged("2026-11-17T14:00:00+03:00", Some(Verdict::Broken))));

    let window = Run { is_window: true, ..done };
    assert_eq!(
        window.as_promised(now, &calendars[..]).map(|judged| judged.verdict),
        Ok(None),
        "nobody's promise"
    );
}

#[test]
fn an_extension_that_would_have_come_too_late_is_none_under_the_rules_of_today() {
    let ledger = vec![
        started("2026-11-15T08:00:00+03:00", "5 bd"),
        extended("2026-11-19T08:00:00+03:00", "5 bd"),
        stopped("2026-11-24T08:00:00+03:00"),
    ];
    let now = at("2026-11-30T09:00:00+03:00");
    let rules = |text: &str| Rules { calendar: pin(1), target: Some(target(text)) };
    let run = run(ledger);
    let verdict = |text: &str| run.under(&rules(text), now, &calendar()).map(|judged| judged.verdict);
    assert_eq!(verdict("5 bd"), Ok(Some(Verdict::Kept)));
    assert_eq!(verdict("3 bd"), Ok(Some(Verdict::Broken)), "due on the 18th, before it was granted");
    assert_eq!(verdict("20 bh"), Ok(Some(Verdict::Broken)), "hours take no days more");
}

#[test]
fn a_pause_that_is_entered_later_moves_the_due_time_and_undoes_no_breach() {
    let start = started("2026-11-15T08:42:00+03:00", "3 bd");
    let (from, to) = ("2026-11-16T10:00:00+03:00", "2026-11-17T15:00:00+03:00");
    let in_time = fold(&[start.clone(), entered("2026-11-18T09:00:00+03:00", from, to)]);
    assert_eq!(in_time.due_at(&calendar()), Ok(at("2026-11-22T14:00:00+03:00")));
    assert_eq!(in_time.breach_by(at("2026-11-22T14:00:00+03:00"), &calendar()), Ok(None));

    let late = fold(&[start, entered("2026-11-18T14:00:01+03:00", from, to)]);
    let broken = breach("2026-11-18T14:00:00+03:00", BreachCause::Due);
    assert_eq!(late.breach_by(at("2026-11-18T15:00:00+03:00"), &calendar()), Ok(broken));
}

#[test]
fn a_pause_is_entered_beside_the_others_while_one_goes_on() {
    let clock = fold(&[
        started("2026-11-15T08:42:00+03:00", "3 bd"),
        super::paused("2026-11-17T10:00:00+03:00"),
        entered("2026-11-17T12:00:00+03:00", "2026-11-16T10:00:00+03:00", "2026-11-16T15:00:00+03:00"),
    ]);
    assert_eq!(clock.phase(), crate::Phase::Paused);
    assert_eq!(clock.due_at(&calendar()), Ok(at("2026-11-19T14:00:00+03:00")), "Monday does not count");
    let overlapping =
        entered("2026-11-17T13:00:00+03:00", "2026-11-16T14:59:00+03:00", "2026-11-16T16:00:00+03:00");
    assert!(clock.after(&overlapping, &calendar()).is_err());
}

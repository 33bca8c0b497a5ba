//! Marks: where they stand, and that each fires once (T12).

use super::{at, calendar, extended, fired, fold, paused, resumed, retargeted, started, stopped, target};
use crate::{Entry, Error, Mark, MarkDue};

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

fn all_marks() -> Vec<Mark> {
    ["breach + 5 bd", "90%", "breach", "50%", "75%", "breach + 2 bd"]
        .map(|mark| mark.parse().unwrap())
        .to_vec()
}

fn ahead(ledger: &[Entry]) -> Vec<String> {
    let due = fold(ledger).marks_due(&all_marks(), &calendar()).unwrap();
    assert!(due.is_sorted_by_key(|mark| mark.at), "{due:?}");
    due.into_iter().map(|mark| mark.mark.to_string()).collect()
}

#[test]
fn each_mark_fires_once_per_target() {
    let mut ledger = vec![started("2026-11-01T07:00:00+03:00", "15 bd")];
    let breaches = ["breach", "breach + 2 business_days", "breach + 5 business_days"];
    assert_eq!(ahead(&ledger), [&["50%", "75%", "90%"][..], &breaches].concat());
    ledger.push(fired("2026-11-12T08:00:00+03:00", "50%"));
    assert_eq!(ahead(&ledger), [&["75%", "90%"][..], &breaches].concat());
    ledger.push(paused("2026-11-12T09:00:00+03:00"));
    assert_eq!(ahead(&ledger), [""; 0], "a clock that stands still warns nobody");
    ledger.push(resumed("2026-11-12T10:00:00+03:00"));
    ledger.push(extended("2026-11-12T11:00:00+03:00", "5 bd"));
    assert_eq!(ahead(&ledger), [&["75%", "90%"][..], &breaches].concat(), "more time is no new target");
    ledger.push(retargeted("2026-11-12T12:00:00+03:00", "10 bd"));
    assert_eq!(fold(&ledger).target_number(), 2);
    assert_eq!(ahead(&ledger), [&["50%", "75%", "90%"][..], &breaches].concat(), "a new target warns afresh");
    ledger.push(retargeted("2026-11-12T13:00:00+03:00", "1 bd"));
    assert_eq!(ahead(&ledger), breaches, "after the breach no share is worth a warning");
    ledger.push(fired("2026-11-12T13:00:01+03:00", "breach"));
    ledger.push(paused("2026-11-15T09:00:00+03:00"));
    assert_eq!(ahead(&ledger), breaches[1..], "the ladder of a breach goes on in a pause");
    ledger.push(retargeted("2026-11-15T10:00:00+03:00", "15 bd"));
    assert_eq!(ahead(&ledger), breaches[1..], "a breach is told once");
    ledger.push(stopped("2026-11-15T11:00:00+03:00"));
    assert_eq!(ahead(&ledger), [""; 0]);
}

#[test]
fn a_mark_beyond_the_calendar_does_not_hide_the_breach() {
    let clock = fold(&[started("2028-12-20T08:00:00+03:00", "5 bd")]);
    let breach = MarkDue { mark: Mark::Breach, at: at("2028-12-27T14:00:00+03:00") };
    let marks = [Mark::Overdue(target("20 bd")), Mark::Breach];
    assert_eq!(clock.marks_due(&marks, &calendar()), Ok(vec![breach]));
}

#[test]
fn a_mark_fires_at_its_instant_and_not_before() {
    let clock = fold(&[started("2026-11-15T08:00:00+03:00", "10 hours")]);
    let fires = |when| clock.after(&fired(when, "50%"), &calendar()).map(|_| ());
    let early = Error::MarkEarly { mark: Mark::Share(50), at: at("2026-11-15T13:00:00+03:00") };
    assert_eq!(fires("2026-11-15T12:59:59.999+03:00"), Err(early));
    assert_eq!(fires("2026-11-15T13:00:00+03:00"), Ok(()));
}

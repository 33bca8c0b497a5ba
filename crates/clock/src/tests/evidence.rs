//! What looks like gaming, and what does not.

use super::{at, calendar, entered, extended, paused, resumed, retargeted, started};
use crate::{Entry, Evidence, Pattern, handed_over, in_last, reopened};

/// What each entry shows when it comes.
fn found(ledger: &[Entry]) -> Vec<Evidence> {
    (0..=ledger.len()).filter_map(|length| in_last(&ledger[..length], &calendar()).unwrap()).collect()
}

#[test]
fn a_pause_in_the_last_tenth_is_shown_and_one_before_or_after_it_is_not() {
    // Ten open hours: the last begins at 11:00 on Monday.
    let start = started("2026-11-15T09:00:00+03:00", "10 bh");
    for (when, late) in [
        ("2026-11-16T10:59:59+03:00", false),
        ("2026-11-16T11:00:00+03:00", true),
        ("2026-11-16T12:00:00+03:00", true),
        ("2026-11-16T12:00:01+03:00", false),
    ] {
        let expected = Evidence { at: at(when), pattern: Pattern::LatePause };
        let expected: Vec<_> = late.then_some(expected).into_iter().collect();
        assert_eq!(found(&[start.clone(), paused(when)]), expected, "{when}");
    }
    let (from, to) = ("2026-11-16T11:30:00+03:00", "2026-11-17T09:00:00+03:00");
    let later = entered("2026-11-17T10:00:00+03:00", from, to);
    assert_eq!(found(&[start, later]).len(), 1, "one that was entered later began late as well");
}

#[test]
fn a_new_target_is_shown_when_it_puts_the_due_time_off() {
    let ledger = [
        started("2026-11-15T08:00:00+03:00", "5 bd"),
        extended("2026-11-16T07:30:00+03:00", "1 bd"),
        retargeted("2026-11-16T08:00:00+03:00", "10 bd"),
        paused("2026-11-16T09:00:00+03:00"),
        resumed("2026-11-16T10:00:00+03:00"),
        retargeted("2026-11-16T11:00:00+03:00", "3 bd"),
    ];
    let (was_due_at, due_at) = (at("2026-11-23T14:00:00+03:00"), at("2026-11-30T14:00:00+03:00"));
    let pattern = Pattern::Reclassification { was_due_at, due_at };
    assert_eq!(found(&ledger), [Evidence { at: at("2026-11-16T08:00:00+03:00"), pattern }]);
}

#[test]
fn a_new_run_is_shown_when_it_begins_within_two_days_of_work() {
    let closed_at = at("2026-11-12T13:00:00+03:00");
    let seen = |when: &str| reopened(closed_at, at(when), &calendar()).unwrap();
    let soon = at("2026-11-16T13:00:00+03:00");
    let pattern = Pattern::CloseAndReopen { closed_at };
    assert_eq!(seen("2026-11-16T13:00:00+03:00"), Some(Evidence { at: soon, pattern }));
    assert_eq!(seen("2026-11-16T13:00:01+03:00"), None);
}

#[test]
fn handovers_are_a_burst_when_three_come_within_four_open_hours() {
    let times = |times: &[&str]| -> Vec<_> {
        times.iter().map(|time| at(&format!("2026-11-{time}:00+03:00"))).collect()
    };
    let seen = |given: &[&str]| handed_over(&times(given), &calendar()).unwrap();
    assert_eq!(seen(&["15T08:00", "15T09:00", "15T12:01"]), []);
    assert_eq!(seen(&[]), []);
    let burst = |when: &str, times| Evidence {
        at: at(&format!("2026-11-{when}:00+03:00")),
        pattern: Pattern::ReassignmentBurst { times },
    };
    // The night between two days does not part them.
    assert_eq!(seen(&["15T08:00", "15T12:01", "15T13:00", "16T08:00"]), [burst("16T08:00", 3)]);
    let day = ["15T08:00", "15T08:10", "15T09:00", "15T11:00", "16T08:00", "16T09:00", "16T09:30"];
    assert_eq!(seen(&day), [burst("15T09:00", 4), burst("16T09:30", 3)]);
}

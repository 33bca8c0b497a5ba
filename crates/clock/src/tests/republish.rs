//! New versions of a calendar while clocks run (T7, T10).

use masar_worktime::{Calendar, CalendarSpec, HolidayRule};

use super::{at, breach, calendar, moved, pin, spec, started, stopped};
use crate::{BreachCause, Clock, Error};

/// Version 1, and version 2 in which Eid al-Fitr 2026 ends on another day of March.
fn calendars(eid_ends: i8) -> [Calendar; 2] {
    let mut moved = CalendarSpec { version: 2, ..spec() };
    for holiday in &mut moved.holidays {
        if let HolidayRule::Dates(range) = &mut holiday.when
            && range.from == jiff::civil::date(2026, 3, 17)
        {
            range.to = jiff::civil::date(2026, 3, eid_ends);
        }
    }
    [calendar(), Calendar::compile(&moved).unwrap()]
}

/// Acceptance check 5: an open clock moves with Eid, and a stopped one keeps the version it stopped under.
#[test]
fn a_new_calendar_moves_open_clocks_only() {
    let both = calendars(25);
    let start = started("2026-03-16T13:00:00+03:00", "1 bd");
    let before = Clock::fold(std::slice::from_ref(&start), &both[..]).unwrap();
    let change = moved("2026-03-18T09:00:00+03:00");
    let after = before.after(&change, &both[..]).unwrap();
    assert_eq!(before.due_at(&both[..]), Ok(at("2026-03-24T14:00:00+03:00")));
    assert_eq!(after.due_at(&both[..]), Ok(at("2026-03-26T14:00:00+03:00")));
    assert_eq!(after.original_due_at(), at("2026-03-24T14:00:00+03:00"));

    let done = before.after(&stopped("2026-03-17T09:00:00+03:00"), &both[..]).unwrap();
    let refused = Error::Phase { phase: "stopped", wanted: "moved to another calendar" };
    assert_eq!(done.after(&change, &both[..]), Err(refused));
    assert_eq!(before.after(&change, &both[..1]), Err(Error::UnknownCalendar(pin(2))));
}

/// A breach under the old calendar stays (T10); one that the new calendar makes has its own cause.
#[test]
fn a_new_calendar_neither_undoes_nor_backdates_a_breach() {
    let start = started("2026-03-16T13:00:00+03:00", "1 bd");
    let longer = calendars(29);
    let undone = Clock::fold(&[start.clone(), moved("2026-03-25T09:00:00+03:00")], &longer[..]).unwrap();
    let now = at("2026-03-25T10:00:00+03:00");
    assert_eq!(undone.breach_by(now, &longer[..]), Ok(breach("2026-03-24T14:00:00+03:00", BreachCause::Due)));

    let shorter = calendars(18);
    let cut = Clock::fold(&[start, moved("2026-03-23T09:00:00+03:00")], &shorter[..]).unwrap();
    assert_eq!(cut.due_at(&shorter[..]), Ok(at("2026-03-19T14:00:00+03:00")));
    let now = at("2026-03-23T10:00:00+03:00");
    assert_eq!(
        cut.breach_by(now, &shorter[..]),
        Ok(breach("2026-03-23T09:00:00+03:00", BreachCause::Calendar))
    );
}

//! Calendars that are based on others.

use jiff::civil::date;

use super::spec;
use crate::{Base, CalendarFile, DateRange, Error, Shelf, published};

/// A file that says nothing but on what it is based.
fn on(name: &str, version: u32, base: (&str, u32)) -> CalendarFile {
    CalendarFile {
        name: name.to_owned(),
        version,
        label: spec().label,
        based_on: Some(Base { name: base.0.to_owned(), version: base.1 }),
        time_zone: None,
        covers: None,
        week: None,
        overlays: Vec::new(),
        holidays: Vec::new(),
    }
}

fn shelf() -> Shelf {
    [(("qa-gov-default".to_owned(), 1), spec())].into()
}

fn names(file: CalendarFile, written: &[CalendarFile]) -> Vec<(String, u32, u32)> {
    let found = published(file, &shelf(), written).unwrap();
    let base = |file: &CalendarFile| file.based_on.as_ref().map_or(0, |base| base.version);
    found.into_iter().map(|(file, spec)| (spec.name, spec.version, base(&file))).collect()
}

#[test]
fn what_a_calendar_does_not_say_is_as_in_the_other() {
    let whole = on("entity", 1, ("qa-gov-default", 1)).whole(|_| Some(spec())).unwrap();
    let expected = crate::CalendarSpec { name: "entity".to_owned(), ..spec() };
    assert_eq!(whole, expected);
    let mut own = on("entity", 1, ("qa-gov-default", 1));
    own.week = Some(crate::Week::default());
    own.time_zone = Some("Asia/Riyadh".to_owned());
    let whole = own.whole(|_| Some(spec())).unwrap();
    assert_eq!((whole.week, whole.time_zone.as_str()), (crate::Week::default(), "Asia/Riyadh"));
}

#[test]
fn a_new_version_brings_those_that_are_based_on_it_once_each() {
    let written =
        [on("centre", 7, ("entity", 1)), on("entity", 1, ("qa-gov-default", 1)), on("else", 1, ("other", 1))];
    let mut second = on("qa-gov-default", 2, ("qa-gov-default", 1));
    second.covers = Some(DateRange { from: date(2026, 1, 1), to: date(2027, 12, 31) });
    assert_eq!(
        names(second, &written),
        [("qa-gov-default".to_owned(), 2, 1), ("entity".to_owned(), 2, 2), ("centre".to_owned(), 8, 2)]
    );
    // Two that are based on each other's past do not chase each other.
    let around = [on("b", 1, ("a", 1))];
    let mut shelf = shelf();
    for name in ["a", "b"] {
        shelf.insert((name.to_owned(), 1), crate::CalendarSpec { name: name.to_owned(), ..spec() });
    }
    assert_eq!(published(on("a", 2, ("b", 1)), &shelf, &around).map(|found| found.len()), Ok(2));
}

#[test]
fn what_cannot_be_resolved_is_refused() {
    let unknown = on("entity", 1, ("qa-gov-default", 3)).whole(|_| None);
    assert_eq!(unknown, Err(Error::Base { name: "qa-gov-default".to_owned(), version: 3 }));
    let mut longer = on("entity", 1, ("qa-gov-default", 1));
    longer.covers = Some(DateRange { from: date(2026, 1, 1), to: date(2029, 12, 31) });
    assert!(matches!(longer.whole(|_| Some(spec())), Err(Error::Reach { .. })));
    let mut alone = on("entity", 1, ("qa-gov-default", 1));
    alone.based_on = None;
    assert_eq!(alone.whole(|_| None), Err(Error::Missing { field: "time_zone" }));
}

//! Quiet hours: what people of an entity are told waits until their calendar opens. Clocks do not wait, and customers hear at
//! once.

use jiff::Timestamp;
use masar_packages::Calendars;
use masar_proto::events::v1::{CaseSnapshot, Person, QuietHours, RegistryChanged};

/// Until when a message to a person waits; none when it goes out now. `level` is that of a ladder, if one tells them.
pub(crate) fn held_until(
    calendars: &Calendars,
    entity: &RegistryChanged,
    person: &Person,
    case: &CaseSnapshot,
    level: Option<&str>,
    now: Timestamp,
) -> Option<Timestamp> {
    let quiet = entity.quiet_hours.as_ref()?;
    if is_urgent(quiet, case, level) {
        return None;
    }
    let calendar = calendars.newest(entity, name_of(entity, person))?;
    // Beyond the days that it covers nobody can say when it opens: then nothing waits.
    let opens = calendar.next_opening(now).ok()?;
    (!calendar.is_open(now) && opens > now).then_some(opens)
}

/// True when a message waits for nobody's hours.
fn is_urgent(quiet: &QuietHours, case: &CaseSnapshot, level: Option<&str>) -> bool {
    quiet.urgent_importance.contains(&case.importance)
        || level.is_some_and(|level| quiet.urgent_levels.iter().any(|urgent| urgent == level))
}

/// The calendar by which a person works: their own, that of their department, or that of the entity.
fn name_of<'a>(entity: &'a RegistryChanged, person: &'a Person) -> &'a str {
    let departments = entity.departments.iter().filter(|department| department.code == person.department);
    let named = std::iter::once(&person.calendar).chain(departments.map(|department| &department.calendar));
    named.map(String::as_str).find(|name| !name.is_empty()).unwrap_or(&entity.default_calendar)
}

#[cfg(test)]
mod tests {
    use masar_proto::common::v1::Importance;
    use masar_proto::events::v1::{Calendar as CalendarText, Department};

    use super::*;

    /// Works from two to seven.
    const EVENINGS: &str = r#"{name: evenings, version: 2, label: {ar: "مساء", en: "Evenings"}, time_zone: Asia/Qatar, covers: {from: 2026-01-01, to: 2026-12-31}, week: {sunday: ["14:00-19:00"]}}"#;

    fn entity(quiet_hours: Option<QuietHours>) -> RegistryChanged {
        let department =
            Department { code: "LATE".to_owned(), calendar: "evenings".to_owned(), ..Department::default() };
        let version = |version, yaml: &str| CalendarText {
            name: "evenings".to_owned(),
            version,
            yaml: yaml.to_owned(),
            ..CalendarText::default()
        };
        RegistryChanged {
            default_calendar: "qa-gov-default".to_owned(),
            departments: vec![department],
            calendars: vec![version(2, EVENINGS), version(1, "nonsense")],
            quiet_hours,
            ..RegistryChanged::default()
        }
    }

    fn at(local: &str) -> Timestamp {
        format!("2026-11-{local}:00+03:00").parse().unwrap()
    }

    #[test]
    fn a_message_waits_for_the_hours_of_whoever_reads_it() {
        let entity = entity(Some(QuietHours::default()));
        let person = |department: &str, calendar: &str| Person {
            department: department.to_owned(),
            calendar: calendar.to_owned(),
            ..Person::default()
        };
        let calendars = Calendars::default();
        for (department, calendar, now, until) in [
            ("", "", "15T06:59", Some("15T07:00")),
            ("", "", "15T07:00", None),
            ("", "", "15T13:59", None),
            // At closing they are gone, and after the last day of the week until Sunday.
            ("", "", "15T14:00", Some("16T07:00")),
            ("", "", "19T23:00", Some("22T07:00")),
            ("LATE", "", "15T08:00", Some("15T14:00")),
            ("LATE", "qa-gov-default", "15T08:00", None),
            ("", "evenings", "15T19:00", Some("22T14:00")),
            ("", "nowhere", "15T23:00", None),
        ] {
            let held = held_until(
                &calendars,
                &entity,
                &person(department, calendar),
                &CaseSnapshot::default(),
                None,
                at(now),
            );
            assert_eq!(held, until.map(at), "{department} {calendar} {now}");
        }
    }

    #[test]
    fn what_is_urgent_and_what_nobody_holds_goes_out_at_once() {
        let night = at("15T23:00");
        let policy = QuietHours {
            urgent_levels: vec!["L4".to_owned()],
            urgent_importance: vec![Importance::High.into()],
        };
        let case = |importance: Importance| CaseSnapshot {
            importance: importance.into(),
            ..CaseSnapshot::default()
        };
        for (quiet, importance, level, waits) in [
            (None, Importance::Low, None, false),
            (Some(policy.clone()), Importance::Low, None, true),
            (Some(policy.clone()), Importance::Low, Some("L3"), true),
            (Some(policy.clone()), Importance::Low, Some("L4"), false),
            (Some(policy), Importance::High, None, false),
        ] {
            let held = held_until(
                &Calendars::default(),
                &entity(quiet),
                &Person::default(),
                &case(importance),
                level,
                night,
            );
            assert_eq!(held.is_some(), waits, "{importance:?} {level:?}");
        }
    }
}

//! Schedules: what has come of one, the forms of its cases, and what an event does to those of its case.

use jiff::Timestamp;
use masar_domain::{BiText, Language};
use masar_worktime::{Calendar, CalendarSpec, Recurrence, SHIPPED};
use serde_json::json;

use super::{now, opened, person};
use crate::{
    Case, Catalog, Command, Effect, Entity, Missed, Package, Place, ScheduleEffect, ScheduleOperation,
    Situation, Source, Timing, decide, evolve, explain,
};

/// What an improvement action would say that is looked at again once it is verified.
const AGAIN: &str = r#"
schedules:
  look_back:
    label: {ar: "نظرة إلى الوراء", en: "Look back"}
    after: {states: [in_progress]}
    wait: 6 months
    repeats: true
    stop: {states: [verified]}
    link: looks_back_at
    missed: each
    with: {title: =case.forms.action.title}
  places:
    label: {ar: "لكل خدمة", en: "Per service"}
    opens: root-cause-analysis
    every: {months: 3, from_month: 2, day: -1}
    per: service
    with: {service: =place.code, title: "={'ar': place.label.ar, 'en': entity.label.en + ' ' + occurrence.month}", last: =occurrence.past_to}
"#;

fn package() -> Package {
    let source = super::source();
    let workflow = format!("{}{AGAIN}", source.workflow);
    Package::compile(&Source { workflow, ..source }).unwrap_or_else(|error| panic!("{error}"))
}

fn calendar() -> Calendar {
    let spec: CalendarSpec = serde_saphyr::from_str(SHIPPED[0].1).unwrap();
    Calendar::compile(&spec).unwrap()
}

fn at(text: &str) -> Timestamp {
    format!("{text}:00+03:00").parse().unwrap()
}

fn effects(case: &Case, action: &str, package: &Package, role: &str) -> (Case, Vec<ScheduleEffect>) {
    let form = match action {
        "complete" => Some(json!({"evidence": ["page"]})),
        "verify" => Some(json!({"verification": "Seen"})),
        _ => None,
    };
    let command = Command { action: action.to_owned(), form, ..Command::default() };
    let situation = Situation { at: now(), windows: &Default::default(), children: &[] };
    let event = decide(package, case, &command, &person(role), situation)
        .unwrap_or_else(|refusal| panic!("{action}: {refusal}"));
    let asked = event.effects.iter().filter_map(|effect| match effect {
        Effect::Schedule(effect) => Some(effect.clone()),
        _ => None,
    });
    let asked = asked.collect();
    (evolve(Some(case.clone()), &event), asked)
}

#[test]
fn an_event_begins_and_ends_the_schedules_of_its_case() {
    let package = package();
    let case = opened(&package, "quick_fix", false);
    let (case, none) = effects(&case, "approve", &package, "department_director");
    assert_eq!(none, []);
    let (case, begun) = effects(&case, "start", &package, "case_handler");
    let [
        ScheduleEffect {
            schedule,
            operation: ScheduleOperation::Begin { link, repeats, missed, form, wait, opens },
        },
    ] = begun.as_slice()
    else {
        panic!("{begun:?}")
    };
    assert_eq!(
        (schedule.as_str(), link.as_str(), opens.as_str()),
        ("look_back", "looks_back_at", "improvement-action")
    );
    assert_eq!((*repeats, *missed, wait.to_string().as_str()), (true, Missed::Each, "6 months"));
    assert_eq!(form["title"]["en"], "Fill potholes within two days");
    assert!(case.schedules.contains("look_back"));
    // A case equals the replay of its events, also one that was stored before there were schedules.
    let mut stored = serde_json::to_value(&case).unwrap();
    stored.as_object_mut().unwrap().remove("schedules");
    assert!(serde_json::from_value::<Case>(stored).unwrap().schedules.is_empty());

    let (case, none) = effects(&case, "complete", &package, "case_handler");
    assert_eq!(none, []);
    let (case, ended) = effects(&case, "verify", &package, "department_manager");
    let end = ScheduleEffect { schedule: "look_back".to_owned(), operation: ScheduleOperation::End };
    assert_eq!((ended, case.schedules.is_empty()), (vec![end], true));
}

#[test]
fn the_last_or_each_that_was_missed_comes() {
    let calendar = calendar();
    let monthly = Recurrence { months: 1, from_month: 1, day: None, working_day: Some(1) };
    let half =
        Timing::After { from: at("2026-01-15T10:00"), wait: "6 months".parse().unwrap(), repeats: true };
    let once =
        Timing::After { from: at("2026-01-15T10:00"), wait: "10 days".parse().unwrap(), repeats: false };
    for (timing, name, missed, now, come, next) in [
        (Timing::On(monthly), "2026-10", Missed::Last, "2026-09-30T12:00", vec![], Some("2026-10")),
        (Timing::On(monthly), "2026-10", Missed::Last, "2026-12-10T12:00", vec!["2026-12"], Some("2027-01")),
        (
            Timing::On(monthly),
            "2026-10",
            Missed::Each,
            "2026-12-10T12:00",
            vec!["2026-10", "2026-11", "2026-12"],
            Some("2027-01"),
        ),
        // What has come is opened, although the calendar does not say when the next does.
        (Timing::On(monthly), "2028-12", Missed::Last, "2028-12-20T12:00", vec!["2028-12"], Some("2029-01")),
        (half.clone(), "1", Missed::Each, "2027-01-20T12:00", vec!["1", "2"], Some("3")),
        (half, "1", Missed::Last, "2027-01-20T12:00", vec!["2"], Some("3")),
        (once, "1", Missed::Last, "2026-02-01T12:00", vec!["1"], None),
    ] {
        let found = timing.come(&calendar, name, missed, at(now)).unwrap();
        let names: Vec<_> = found.now.iter().map(|coming| coming.name.as_str()).collect();
        assert_eq!((names, found.next.as_deref()), (come, next), "{timing:?} {now}");
        // Whoever looks again finds nothing more.
        if let Some(next) = found.next.filter(|next| timing.named(&calendar, next).is_ok()) {
            assert_eq!(timing.come(&calendar, &next, missed, at(now)).unwrap().now, []);
        }
        assert_eq!(serde_json::from_value::<Timing>(json!(timing)).unwrap(), timing);
    }
    assert!(Timing::On(monthly).named(&calendar, "1").is_err());
    assert!(Timing::On(monthly).name_after("soon").is_err());
}

#[test]
fn a_form_knows_its_occurrence_its_entity_and_its_place() {
    let package = package();
    let entity = Entity { code: "DEMO-LAB".into(), label: BiText::new("جهة", "Labour") };
    let place =
        Place {
            code: "LAB-S01".into(), label: BiText::new("تجديد", "Renewal"), department: "LAB".into()
        };
    let form = package.occurrence_form(
        "places",
        ("2026-11", jiff::civil::date(2026, 11, 30)),
        &entity,
        Some(&place),
    );
    let filled =
        json!({"service": "LAB-S01", "title": {"ar": "تجديد", "en": "Labour 2026-11"}, "last": "2026-10-31"});
    assert_eq!(form, Some(filled));
    assert_eq!(
        package.occurrence_form("look_back", ("2026-11", jiff::civil::date(2026, 11, 30)), &entity, None),
        None
    );
}

#[test]
fn a_schedule_is_said_in_both_languages() {
    let said = explain(package().definition(), Language::En);
    for sentence in [
        "“Look back”: a case is opened, of improvement-action, 6 months after “In progress”, and again and again until “Verified”. Each that was missed is opened.",
        "“Per service”: a case is opened, of root-cause-analysis, on the last day every 3 months, counted from month 2, for each service, where the entity has asked for it.",
    ] {
        assert!(said.contains(sentence), "{sentence}\n{said}");
    }
    for package in Catalog::shipped().unwrap().packages().map(|package| package.definition()) {
        for label in package.schedules.values().map(|rule| &rule.label) {
            assert!(explain(package, Language::Ar).contains(&label.ar));
        }
    }
}

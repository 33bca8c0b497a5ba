//! Where a complaint begins, and how important it is at first.

use serde_json::{Value, json};

use super::{ROUTED, clocks, complaint, intake, opened_with, walk};
use crate::tests::{person, today};
use crate::{Command, Effect, decide, evolve};

/// What triage decides is known already: nobody assesses again, and the department has its time to accept.
#[test]
fn what_says_department_and_category_begins_at_the_department() {
    let package = complaint();
    for (department, category, state, clock) in [
        (true, true, "routed", "acceptance:start(1 business_day)"),
        (true, false, "received", "triage:start(1 business_day)"),
        (false, true, "received", "triage:start(1 business_day)"),
        (false, false, "received", "triage:start(1 business_day)"),
    ] {
        let mut form = intake("medium");
        form["category"] = json!("time.delay");
        let fields = form.as_object_mut().unwrap();
        fields.retain(|name, _| (department || name != "department") && (category || name != "category"));
        let (case, effects) = opened_with(&package, form, false);
        assert_eq!(case.state, state);
        let both = ["acceptance", "triage"];
        let started =
            clocks(&effects).into_iter().filter(|clock| both.iter().any(|code| clock.starts_with(code)));
        assert_eq!(started.collect::<Vec<_>>(), [clock]);
        assert!(effects.contains(&Effect::Route));
    }
}

/// Whoever had it before has assessed it; where the category says the department, the department finds it there.
#[test]
fn what_was_handled_elsewhere_begins_where_its_category_leads() {
    let package = complaint();
    for (category, state) in [(json!("time.delay"), "routed"), (json!(null), "received")] {
        let mut form = intake("medium");
        let fields = form.as_object_mut().unwrap();
        fields.remove("department");
        fields.insert("category".to_owned(), category.clone());
        fields.retain(|_, value| !value.is_null());
        assert_eq!(opened_with(&package, form, true).0.state, state, "{category}");
    }
}

/// A case that no department takes can be sent to another, which has its own time to accept.
#[test]
fn triage_sends_a_routed_case_on() {
    let (case, effects) = walk(&complaint(), "medium", &[ROUTED[0], ROUTED[1], ROUTED[1]]);
    assert_eq!(case.state, "routed");
    assert_eq!(clocks(&effects), ["acceptance:start(1 business_day)"]);
    assert!(effects.contains(&Effect::Route));
}

/// P01: provisional until triage, high when somebody could be hurt.
#[test]
fn importance_is_what_the_form_says_and_high_where_somebody_could_be_hurt() {
    let package = complaint();
    for (said, safety_risk, importance) in [
        (json!(null), json!(null), "medium"),
        (json!("low"), json!(null), "low"),
        (json!("low"), json!(false), "low"),
        (json!("low"), json!(true), "high"),
        (json!(null), json!(true), "high"),
    ] {
        let mut form = intake("low");
        let fields = form.as_object_mut().unwrap();
        fields.extend([("importance_provisional".into(), said), ("safety_risk".into(), safety_risk)]);
        fields.retain(|_, value| !value.is_null());
        let case = opened_with(&package, form, false).0;
        assert_eq!(case.fact("importance"), Some(importance));
    }
}

#[test]
fn a_safety_risk_is_answered_within_hours_on_any_day() {
    let package = complaint();
    let mut form = intake("high");
    form["safety_risk"] = json!(true);
    let (_, effects) = opened_with(&package, form, false);
    assert!(clocks(&effects).contains(&"safety:start(4 hours)".to_owned()));
}

/// Simple complaints are resolved early, whatever their importance (section 4.3): the promise follows when they are assessed.
#[test]
fn what_is_assessed_as_simple_is_answered_within_five_days() {
    let package = complaint();
    for (importance, complexity, moved) in [
        ("low", json!("simple"), Some("retarget(5 business_days)")),
        ("medium", json!("simple"), Some("retarget(5 business_days)")),
        ("high", json!("simple"), None),
        ("low", json!("complex"), None),
        ("medium", Value::Null, None),
    ] {
        let (mut case, _) = walk(&package, importance, &ROUTED[..1]);
        let mut triage = super::form("route").unwrap();
        triage["importance"] = json!(importance);
        if !complexity.is_null() {
            triage["complexity"] = complexity.clone();
        }
        let command = Command { action: "route".into(), form: Some(triage), ..Command::default() };
        let event = decide(&package, &case, &command, &person("triage_officer"), today()).unwrap();
        case = evolve(Some(case), &event);
        let response = clocks(&event.effects)
            .into_iter()
            .find_map(|clock| clock.strip_prefix("response:").map(str::to_owned));
        assert_eq!(response.as_deref(), moved, "{importance} {complexity}");
        assert_eq!(case.state, "routed");
    }
}

//! What follows from how often the same has happened.

use std::collections::BTreeSet;

use masar_domain::{CaseId, Language};
use serde_json::{Value, json};

use super::now;
use crate::{
    Actor, Case, CaseEvent, Catalog, Command, Counted, Effect, Matter, Noted, Opening, Package, RECURRENCE,
    evolve, explain,
};

fn form(customer: Option<&str>) -> Value {
    let mut form = json!({"channel": "email", "language": "en", "service": "LAB-S01", "category": "time.delay",
        "department": "LAB-PERMITS", "subject": "Late", "description": "Late"});
    if let Some(alias) = customer {
        form["customer"] = json!({"alias": alias});
    }
    form
}

fn opened(package: &Package, form: Value, historical: bool) -> CaseEvent {
    let opening = Opening { case_id: CaseId(uuid::Uuid::nil()), historical, form };
    let actor = Actor { id: "agent".into(), roles: BTreeSet::new(), department: None };
    package.open(opening, &actor, now()).unwrap()
}

fn matter(rule: &str, same: &[&str]) -> Matter {
    Matter { rule: rule.to_owned(), same: same.iter().map(|value| (*value).to_owned()).collect() }
}

fn proposed(event: &CaseEvent) -> Vec<&Value> {
    let child =
        |effect: &'_ Effect| matches!(effect, Effect::Child { package, .. } if package == "cx-improvement");
    let children = event.effects.iter().filter(|effect| child(effect));
    children
        .filter_map(|effect| if let Effect::Child { form, .. } = effect { Some(form) } else { None })
        .collect()
}

#[test]
fn a_case_is_flagged_and_one_is_proposed_once() {
    let catalog = Catalog::shipped().unwrap();
    let package = catalog.in_force("complaint").unwrap();
    let same = matter("same_matter", &["LAB-S01", "time.delay"]);
    for (earlier, proposed_before, historical, flag, proposes) in [
        (0, false, false, None, false),
        (1, false, false, Some("2"), false),
        (3, false, false, Some("4"), false),
        (4, false, false, Some("5"), true),
        (7, true, false, Some("8"), false),
        // What was over elsewhere counts, and nothing follows.
        (4, false, true, None, false),
    ] {
        let event = opened(package, form(None), historical);
        let counted = |_: &Matter| Counted { earlier, proposed: proposed_before };
        let (event, noted) = package.recurring(None, event, counted);
        assert_eq!(event.facts.get(RECURRENCE).map(String::as_str), flag, "{earlier}");
        assert_eq!(noted, [Noted { matter: same.clone(), proposed: proposes }]);
        let children = proposed(&event);
        assert_eq!(children.len(), usize::from(proposes), "{earlier}");
        for child in children {
            assert_eq!((&child["source"], &child["service"]), (&json!("recurrence"), &json!("LAB-S01")));
        }
        // The event says it all: who replays it counts nothing.
        let case = evolve(None, &event);
        assert_eq!(case.fact(RECURRENCE), flag);
        assert_eq!(case.asked.get("cx-improvement").copied().unwrap_or_default(), u32::from(proposes));
    }
}

#[test]
fn what_a_case_will_be_counted_by_is_foreseen() {
    let catalog = Catalog::shipped().unwrap();
    let package = catalog.in_force("complaint").unwrap();
    let both =
        [matter("same_customer", &["C-1", "LAB-S01"]), matter("same_matter", &["LAB-S01", "time.delay"])];
    assert_eq!(package.matters_of_opening(&form(Some("C-1"))), both.into());

    let mut vague = form(None);
    ["category", "department"].iter().for_each(|field| drop(vague.as_object_mut().unwrap().remove(*field)));
    assert_eq!(package.matters_of_opening(&vague), BTreeSet::new());
    let case: Case = evolve(None, &opened(package, vague, false));
    let triage = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "low", "department": "LAB-PERMITS"});
    let command =
        |action: &str| Command { action: action.into(), form: Some(triage.clone()), ..Command::default() };
    assert_eq!(
        package.matters_of_command(&case, &command("route")),
        [matter("same_matter", &["LAB-S01", "time.delay"])].into()
    );
    assert_eq!(package.matters_of_command(&case, &command("start_triage")), BTreeSet::new());
}

#[test]
fn recurrence_is_said_in_both_languages() {
    let catalog = Catalog::shipped().unwrap();
    let complaint = catalog.in_force("complaint").unwrap().definition();
    let said = explain(complaint, Language::En);
    assert!(said.contains("“Same service and category”: cases with the same service, classification within 30 days are counted. From the 5th on a case is proposed, of cx-improvement."), "{said}");
    assert!(explain(complaint, Language::Ar).contains("«المتعامل والخدمة أنفسهما»"));
}

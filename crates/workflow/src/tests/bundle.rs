//! Children in other entities, and cases that answer to the case that asked for them and not to the customer (STR-13, T14).

use masar_domain::{CaseId, Language};
use serde_json::{Value, json};

use super::{now, person, today};
use crate::{
    CUSTOMER, Catalog, ClockEffect, ClockKind, ClockOperation, Effect, Named, Opening, Package, Situation,
    decide, evolve, explain,
};

fn complaint(catalog: &Catalog) -> &Package {
    catalog.in_force("complaint").unwrap()
}

fn form(entities: &Value) -> Value {
    let form = json!({"channel": "call_centre", "language": "en", "subject": "Both", "description": "Each waits",
        "service": "LAB-S01", "bundle": "moving-in", "customer": {"alias": "C-7", "contact": {"mode": "email", "value": "c@x.example"}}});
    match entities {
        Value::Null => form,
        entities => {
            let mut form = form;
            form["entities"] = entities.clone();
            form
        }
    }
}

fn opening(form: Value) -> Opening {
    Opening { case_id: CaseId(uuid::Uuid::nil()), historical: false, form }
}

#[test]
fn a_bundle_asks_each_of_its_entities_and_says_no_more_than_they_need() {
    let catalog = Catalog::shipped().unwrap();
    let package = complaint(&catalog);
    let entities = json!([{"entity": "DEMO-TRF", "service": "TRF-S01"}, {"entity": "DEMO-MUN"}]);
    let event = package.open(opening(form(&entities)), &person("intake_agent"), now()).unwrap();
    let named: Vec<Named<'_>> = event.named().collect();
    assert_eq!(named.iter().map(|named| named.entity).collect::<Vec<_>>(), ["DEMO-TRF", "DEMO-MUN"]);
    for (named, service) in named.iter().zip([json!("TRF-S01"), Value::Null]) {
        assert_eq!((named.package, &named.form["service"]), ("complaint", &service));
        assert_eq!(named.form["customer"], json!({"alias": "C-7"}), "nobody else writes to the customer");
        assert_eq!(named.form.get("entities"), None, "what is part of a bundle is none");
        assert_eq!(package.violations("intake", named.form), []);
    }
    let inward = |effect: &Effect| matches!(effect, Effect::Child { inward: true, .. });
    assert_eq!(event.effects.iter().filter(|effect| inward(effect)).count(), 2);
    assert_eq!(evolve(None, &event).asked["complaint"], 2);
}

#[test]
fn what_was_handled_elsewhere_before_asks_nobody_by_coming() {
    let catalog = Catalog::shipped().unwrap();
    let opening = Opening { historical: true, ..opening(form(&json!([{"entity": "DEMO-TRF"}]))) };
    let event = complaint(&catalog).open(opening, &person("intake_agent"), now()).unwrap();
    assert_eq!(event.named().count(), 0);
}

#[test]
fn only_what_may_ask_other_entities_needs_looking_at() {
    let catalog = Catalog::shipped().unwrap();
    let package = complaint(&catalog);
    assert!(package.may_name_entities(&form(&json!([{"entity": "DEMO-TRF"}]))));
    assert!(!package.may_name_entities(&form(&Value::Null)));
    assert!(!catalog.in_force("suggestion").unwrap().may_name_entities(&json!({})));
}

/// The kinds of the clocks that effects start, by clock.
fn started(effects: &[Effect]) -> Vec<(&str, ClockKind)> {
    let started = effects.iter().filter_map(|effect| match effect {
        Effect::Clock(ClockEffect { clock, operation: ClockOperation::Start { kind, .. }, .. }) => {
            Some((clock.as_str(), *kind))
        }
        _ => None,
    });
    started.collect()
}

fn tells_the_customer(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| {
        matches!(effect, Effect::Notify { recipients, .. } if recipients.iter().any(|to| to == CUSTOMER))
    })
}

#[test]
fn what_answers_to_another_case_promises_and_tells_the_customer_nothing() {
    let catalog = Catalog::shipped().unwrap();
    let package = complaint(&catalog);
    let outward = package.open(opening(form(&Value::Null)), &person("intake_agent"), now()).unwrap();
    assert!(tells_the_customer(&outward.effects));
    assert!(started(&outward.effects).contains(&("response", ClockKind::Sla)));

    let inward = package.open_inward(opening(form(&Value::Null)), &person("intake_agent"), now()).unwrap();
    assert!(!tells_the_customer(&inward.effects));
    let clocks = started(&inward.effects);
    assert!(clocks.contains(&("response", ClockKind::Ola)), "{clocks:?}");
    assert!(clocks.iter().all(|(clock, kind)| *kind != ClockKind::Sla && *clock != "ack"), "{clocks:?}");
    let case = evolve(None, &inward);
    assert!(case.inward && !evolve(None, &outward).inward);
    // It stays so, whatever is done to it, and in whatever version it goes on.
    let event = decide(package, &case, &super::command("start_triage"), &person("triage_officer"), today());
    assert!(evolve(Some(case), &event.unwrap()).inward);
}

#[test]
fn an_event_of_before_is_of_a_case_that_faces_the_customer() {
    let catalog = Catalog::shipped().unwrap();
    let event =
        complaint(&catalog).open(opening(form(&Value::Null)), &person("intake_agent"), now()).unwrap();
    let text = serde_json::to_value(&event).unwrap();
    assert_eq!(text["change"]["opened"].get("inward"), None, "{text}");
    let case = serde_json::to_value(evolve(None, &event)).unwrap();
    assert_eq!(case.get("inward"), None, "{case}");
}

#[test]
fn the_entity_and_whom_it_answers_to_are_said_in_both_languages() {
    let source = super::source();
    let effects = "effects: [{child: {package: part, link: part_of, entity: \"='DEMO-MUN'\", inward: true}}]";
    let workflow = source.workflow.replace(
        "\nclocks:",
        &format!("\n  - {{action: ask, from: [proposed], to: same, roles: [cx_member], label: {{ar: ط, en: Ask}}, {effects}}}\nclocks:"),
    );
    let package = Package::compile(&crate::Source { workflow, ..source }).unwrap_or_else(|e| panic!("{e}"));
    let case = super::opened(&package, "quick_fix", false);
    let command = crate::Command { form: None, ..super::command("ask") };
    let situation: Situation<'_> = today();
    let event = decide(&package, &case, &command, &person("cx_member"), situation).unwrap();
    assert_eq!(event.named().map(|named| named.entity).collect::<Vec<_>>(), ["DEMO-MUN"]);
    for (language, sentence) in [
        (
            Language::En,
            "A case is opened, of part, in the entity ='DEMO-MUN', which answers to this case and not to the customer.",
        ),
        (Language::Ar, "لدى الجهة ='DEMO-MUN'، وترد على هذه الحالة لا على المتعامل"),
    ] {
        let said = explain(package.definition(), language);
        assert!(said.contains(sentence), "{said}");
    }
}

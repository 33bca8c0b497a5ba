//! What a transition asks of others: of the cases that its form names, and of the customer.

use masar_domain::{CaseId, Language};
use serde_json::{Value, json};

use super::{now, person, today};
use crate::{Case, Catalog, Command, Effect, NamedCase, Opening, Package, decide, evolve, explain};

/// The smallest package whose `ask` links a case and asks its customer.
fn package() -> Package {
    let source = super::source();
    let effects = "form: ask, effects: [{link: {link: part_of, to: cases}}, {ask_survey: {package: asks, with: {of: \"=case.id\"}}}]";
    let workflow = source.workflow.replace(
        "\nclocks:",
        &format!("\n  - {{action: ask, from: [proposed], to: same, roles: [cx_member], label: {{ar: ط, en: Ask}}, {effects}}}\nclocks:"),
    );
    let workflow = workflow.replacen("facts: {", "facts: {customer: owner, ", 1);
    let mut forms = source.forms.clone();
    let form = json!({"type": "object", "properties": {"cases": {"x-label": {"ar": "حالات", "en": "Cases"}}}});
    forms.insert("ask".to_owned(), form.to_string());
    Package::compile(&crate::Source { workflow, forms, ..source }).unwrap_or_else(|e| panic!("{e}"))
}

fn ask(form: Value) -> Command {
    Command { form: Some(form), ..super::command("ask") }
}

fn effects(package: &Package, case: &Case, cases: Value) -> Vec<Effect> {
    decide(package, case, &ask(json!({"cases": cases})), &person("cx_member"), today()).unwrap().effects
}

fn links(effects: &[Effect]) -> Vec<(&str, &str)> {
    let links = effects.iter().filter_map(|effect| match effect {
        Effect::Link { link, to } => Some((link.as_str(), to.as_str())),
        _ => None,
    });
    links.collect()
}

fn asked(effects: &[Effect]) -> Option<&Value> {
    effects.iter().find_map(|effect| match effect {
        Effect::Child { for_customer: true, link, form, .. } if link == "survey_of" => Some(form),
        _ => None,
    })
}

#[test]
fn a_case_is_linked_to_each_that_its_form_names() {
    let package = package();
    let case = super::opened(&package, "quick_fix", false);
    for (cases, linked) in [
        (json!("ONE"), vec!["ONE"]),
        (json!(["ONE", "TWO"]), vec!["ONE", "TWO"]),
        // What is optional may be left empty.
        (json!(""), vec![]),
        (json!([]), vec![]),
        (Value::Null, vec![]),
    ] {
        let links_wanted: Vec<_> = linked.iter().map(|to| ("part_of", *to)).collect();
        assert_eq!(links(&effects(&package, &case, cases.clone())), links_wanted);
        let command = ask(json!({"cases": cases}));
        let named: Vec<NamedCase<'_>> = package.named_cases(&command).collect();
        let wanted: Vec<_> =
            linked.iter().map(|key| NamedCase { field: "ask.cases".to_owned(), key }).collect();
        assert_eq!(named, wanted);
    }
    assert_eq!(package.named_cases(&super::command("verify")).count(), 0);
}

#[test]
fn nobody_is_asked_of_whom_nothing_is_known_or_who_has_nothing_to_say_of_it() {
    let package = package();
    let case = super::opened(&package, "quick_fix", false);
    let id = case.id.0.to_string();
    assert_eq!(asked(&effects(&package, &case, Value::Null)), Some(&json!({"of": id})));
    for change in [
        |case: &mut Case| drop(case.facts.remove("customer")),
        |case: &mut Case| drop(case.facts.insert("customer".to_owned(), String::new())),
        |case: &mut Case| case.inward = true,
    ] {
        let mut case = case.clone();
        change(&mut case);
        assert_eq!(asked(&effects(&package, &case, Value::Null)), None);
    }
}

#[test]
fn a_survey_takes_what_a_complaint_says_and_guards_know_of_it() {
    let catalog = Catalog::shipped().unwrap();
    let complaint = catalog.in_force("complaint").unwrap();
    let form = json!({"channel": "email", "language": "en", "subject": "Late", "description": "Three weeks", "service": "LAB-S01",
        "customer": {"alias": "C-7", "contact": {"mode": "email", "value": "c@x.example"}}});
    let opening = Opening { case_id: CaseId(uuid::Uuid::nil()), historical: false, form };
    let event = complaint.open(opening, &person("customer"), now()).unwrap();
    let mut case = evolve(None, &event);
    "answered".clone_into(&mut case.state);
    let event =
        decide(complaint, &case, &super::command("auto_close"), &crate::Actor::system(), today()).unwrap();
    let survey = asked(&event.effects).expect("the customer is known");
    assert_eq!(catalog.in_force("service-survey").unwrap().violations("invitation", survey), []);
    assert_eq!(evolve(Some(case), &event).asked["service-survey"], 1);
}

#[test]
fn both_are_said_in_both_languages() {
    for (language, sentences) in [
        (
            Language::En,
            [
                "The case is linked to what is named in cases (part_of).",
                "The customer, where it is known who that is, is asked by a case of asks.",
            ],
        ),
        (
            Language::Ar,
            ["تُربط الحالة بما يذكره cases (part_of)", "يُسأل المتعامل، إن كان معروفا، بحالة من asks"],
        ),
    ] {
        let said = explain(package().definition(), language);
        for sentence in sentences {
            assert!(said.contains(sentence), "{said}");
        }
    }
}

//! Concealed children: what nobody else hears and finds, and what gives one away.

use masar_domain::{CaseId, StateCategory};
use serde_json::json;

use super::{command, now, person, source, today};
use crate::{Actor, Case, CaseEvent, Code, Command, Effect, Error, Opening, Package, Source, decide, evolve};

/// What a transition says that asks for a concealed child as it should.
const LODGE: &str = "to: same, roles: [cx_member], form: covert, effects: [{child: {package: part, link: covert, with: {subject: subject}, concealed: {lodged_by: alias, revealed_to: [analyst], revealed_in: [any_closed]}}}]";

/// The improvement action with a transition `lodge`, which says this.
fn lodging(says: &str) -> Source {
    let mut source = source();
    source.workflow = source.workflow.replace(
        "\nclocks:",
        &format!("\n  - {{action: lodge, from: [proposed], label: {{ar: ت, en: Lodge}}, {says}}}\nclocks:"),
    );
    let label = json!({"ar": "ح", "en": "Test"});
    let text = json!({"type": "string", "x-label": label});
    let form = json!({"type": "object", "x-label": label, "properties": {"alias": text, "subject": text}});
    source.forms.insert("covert".to_owned(), form.to_string());
    source
}

fn messages(source: &Source) -> Vec<(Code, String)> {
    match Package::compile(source) {
        Ok(_) => Vec::new(),
        Err(Error::Findings(found)) => found.into_iter().map(|found| (found.code, found.message)).collect(),
        Err(error) => panic!("{error}"),
    }
}

/// The event with which a case opens.
fn opening(package: &Package) -> CaseEvent {
    let form = super::action("quick_fix", false);
    let opening = Opening { case_id: CaseId(uuid::Uuid::nil()), historical: false, form };
    package.open(opening, &person("cx_member"), now()).unwrap()
}

/// A case whose owner has lodged a child under this name, if any, and the event.
fn lodged(package: &Package, alias: Option<&str>) -> (Case, CaseEvent) {
    let case = evolve(None, &opening(package));
    let form = match alias {
        Some(alias) => json!({"alias": alias, "subject": "Late"}),
        None => json!({"subject": "Late"}),
    };
    let lodge = Command { form: Some(form), ..command("lodge") };
    let event = decide(package, &case, &lodge, &person("cx_member"), today()).unwrap();
    (evolve(Some(case), &event), event)
}

#[test]
fn what_asks_for_a_concealed_child_asks_for_nothing_else() {
    let package = Package::compile(&lodging(LODGE)).unwrap_or_else(|error| panic!("{error}"));
    for (alias, name) in [(Some("CUST-7"), "CUST-7"), (None, "")] {
        let (case, event) = lodged(&package, alias);
        let asked = Effect::Child {
            package: "part".to_owned(),
            link: "covert".to_owned(),
            number: 0,
            form: json!({"subject": "Late"}),
            entity: None,
            inward: false,
            for_customer: false,
            lodged_by: Some(name.to_owned()),
        };
        assert_eq!(event.effects, [asked]);
        assert_eq!(event.concealed().collect::<Vec<_>>(), [("covert", name)]);
        // The case knows that it has a child, so that its guards wait for it.
        assert_eq!(case.asked["part"], 1);
        let before = evolve(None, &opening(&package));
        let known =
            |case: &Case| (case.state.clone(), case.facts.clone(), case.clocks.clone(), case.forms.clone());
        assert_eq!(known(&case), known(&before));
    }
}

#[test]
fn only_the_roles_that_are_named_find_it_and_only_in_the_states_that_are_named() {
    let package = Package::compile(&lodging(LODGE)).unwrap_or_else(|error| panic!("{error}"));
    let definition = package.definition();
    let (_, event) = lodged(&package, Some("CUST-7"));
    let closed: Vec<&String> = (definition.states.iter())
        .filter(|(_, state)| state.category == StateCategory::Closed)
        .map(|(code, _)| code)
        .collect();
    assert!(!closed.is_empty());
    let stranger = |role: &str| Actor { id: "somebody".to_owned(), ..person(role) };
    for (state, reader, seen) in [
        ("proposed", stranger("analyst"), false),
        (closed[0], stranger("analyst"), true),
        (closed[0], stranger("case_handler"), false),
        (closed[0], stranger("tenant_admin"), false),
        ("proposed", person("cx_member"), true),
    ] {
        let reveals = |link| definition.reveals(link, &event.actor, state, &reader);
        assert_eq!(reveals("covert"), seen, "{state} {reader:?}");
        // A link of which the package says nothing stays with whoever lodged the child.
        assert_eq!(reveals("another"), reader.id == event.actor, "{state} {reader:?}");
    }
}

#[test]
fn whatever_would_give_it_away_is_refused() {
    assert_eq!(messages(&lodging(LODGE)), []);
    let rule = "concealed: {lodged_by: alias, revealed_to: [analyst], revealed_in: [any_closed]}";
    for (from, to, code, problem) in [
        ("to: same", "to: cancelled", Code::Concealed, "leads to `cancelled`, which everybody sees"),
        ("effects: [", "effects: [route, ", Code::Concealed, "asks for something else too"),
        ("with:", "each: \"[1]\", with:", Code::Concealed, "perhaps for none"),
        ("with:", "entity: alias, with:", Code::Concealed, "names an entity"),
        ("with:", "inward: true, with:", Code::Concealed, "has it answer to this case"),
        ("to: same", "to: same, count: lodged", Code::Concealed, "changes a counter or facts"),
        ("to: same", "to: same, sets: {tested: subject}", Code::Concealed, "changes a counter or facts"),
        ("[analyst]", "[]", Code::Concealed, "is never revealed"),
        ("[any_closed]", "[]", Code::Concealed, "is never revealed"),
        ("[any_closed]", "[moon]", Code::UnknownState, "`moon`, which does not exist"),
        ("[analyst]", "[wizard]", Code::UnknownRole, "the role `wizard`"),
        ("lodged_by: alias", "lodged_by: name", Code::UnknownField, "`name`, which is no field of the form"),
        (
            rule,
            &format!(
                "{rule}}}}}, {{child: {{package: part, link: covert, concealed: {{lodged_by: alias, revealed_to: [trainer], revealed_in: [any_closed]}}"
            ),
            Code::Concealed,
            "reveals it otherwise",
        ),
    ] {
        let source = lodging(&LODGE.replace(from, to));
        let found = messages(&source);
        assert!(
            found.iter().any(|(found, message)| *found == code && message.contains(problem)),
            "{to}: {found:?}"
        );
    }
    let mut moved = lodging(LODGE);
    moved.workflow = moved.workflow.replacen("start: {actions: [", "start: {actions: [lodge, ", 1);
    let mut asked = lodging(LODGE);
    let child = LODGE.split_once("effects: ").unwrap().1;
    asked.workflow = asked.workflow.replace("\nstates:", &format!("\nopening_effects: {child}\nstates:"));
    for (source, problem) in [(moved, "whose times everybody sees"), (asked, "let a transition ask for it")] {
        let found = messages(&source);
        assert!(found.iter().any(|(_, message)| message.contains(problem)), "{problem}: {found:?}");
    }
}

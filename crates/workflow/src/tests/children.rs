//! Children: asked for by row, with forms of their own, and known to the guards of the case that asked.

use std::collections::BTreeMap;

use masar_domain::StateCategory;
use serde_json::{Value, json};

use super::{command, now, person, source};
use crate::{Child, Effect, Error, Opening, Package, Situation, Source, decide, evolve};

/// The improvement action with a transition that opens children, and one that waits for them.
fn with_children(on_child: &str, ways: &str) -> Source {
    let source = source();
    let workflow = source.workflow.replace(
        "\nclocks:",
        &format!(
            "\n  - {{action: ask, from: [proposed], to: same, roles: [cx_member], form: progress, label: {{ar: ط, en: Ask}}, {ways}}}\n  - {{action: done_by_all, from: [proposed], to: cancelled, roles: [system, cx_member], label: {{ar: ت, en: Done}}, guard: \"children.all(c, c.category == 'closed')\", otherwise: {{ar: لا, en: Not yet}}}}\non_child: {on_child}\nclocks:"
        ),
    );
    Source { workflow, ..source }
}

const EACH: &str = "effects: [{child: {package: part, link: part_of, each: \"[1, 2]\", with: {number: \"=row\", whole: \"=case.forms.action.owner\", percent: percent, absent: nothing}}}]";

#[test]
fn a_list_asks_for_a_child_for_each_row_with_a_form_of_its_own() {
    let package = Package::compile(&with_children("[done_by_all]", EACH)).unwrap_or_else(|e| panic!("{e}"));
    let opening = Opening {
        case_id: masar_domain::CaseId(uuid::Uuid::nil()),
        historical: false,
        form: super::action("quick_fix", false),
    };
    let case = evolve(None, &package.open(opening, &person("cx_member"), now()).unwrap());
    let windows = BTreeMap::new();
    let situation = Situation { at: now(), windows: &windows, children: &[] };
    let ask = crate::Command { form: Some(json!({"percent": 5})), ..command("ask") };
    let event = decide(&package, &case, &ask, &person("cx_member"), situation).unwrap();
    let asked: Vec<(u32, &Value)> = (event.effects.iter())
        .filter_map(|effect| match effect {
            Effect::Child { number, form, .. } => Some((*number, form)),
            _ => None,
        })
        .collect();
    let form = |number: i64| json!({"number": number, "whole": "person:7", "percent": 5});
    assert_eq!(asked, [(0, &form(1)), (1, &form(2))]);

    // Those that are not opened yet are no less open than those that are.
    let case = evolve(Some(case), &event);
    assert_eq!(case.asked["part"], 2);
    let child = |category| Child {
        package: "part".to_owned(),
        link: "part_of".to_owned(),
        state: "x".to_owned(),
        category,
        facts: BTreeMap::new(),
    };
    let (open, closed) = (child(StateCategory::Open), child(StateCategory::Closed));
    for (children, done) in [
        (vec![], false),
        (vec![closed.clone()], false),
        (vec![closed.clone(), open], false),
        (vec![closed.clone(), closed], true),
    ] {
        let situation = Situation { children: &children, ..situation };
        let decided = decide(&package, &case, &command("done_by_all"), &person("cx_member"), situation);
        assert_eq!(decided.is_ok(), done, "{children:?}");
    }
}

#[test]
fn what_the_system_tries_when_a_child_changes_is_its_to_do_and_asks_about_children() {
    for (on_child, problem) in [
        ("[fly]", "`on_child` names the action `fly`, which does not exist"),
        (
            "[start]",
            "`on_child` has the system do `start`, which names no role `system`, or asks for a form or a reason",
        ),
        ("[ask]", "`on_child` has the system do `ask`, whose guard asks nothing about `children`"),
    ] {
        let ways = "effects: []";
        let mut source = with_children(on_child, ways);
        if on_child == "[ask]" {
            source.workflow =
                source.workflow.replace("roles: [cx_member], form: progress", "roles: [system]");
        }
        match Package::compile(&source) {
            Err(Error::Findings(found)) => {
                assert!(found.iter().any(|found| found.message == problem), "{found:?}");
            }
            Err(error) => panic!("{on_child}: {error}"),
            Ok(_) => panic!("{on_child} is sound"),
        }
    }
}

#[test]
fn names_of_members_of_a_list_are_the_expressions_own_and_others_are_refused() {
    let guarded = |guard: &str| {
        let mut source = with_children("[]", "effects: []");
        source.workflow = source.workflow.replace("children.all(c, c.category == 'closed')", guard);
        Package::compile(&source).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(guarded("children.filter(c, c.state == 'x').all(d, d.category == 'closed')"), Ok(()));
    let outside = guarded("children.all(c, c.category == 'closed') && c.state == 'x'").unwrap_err();
    assert!(outside.contains("`c` is not known: use case, actor, form, children"), "{outside}");
}

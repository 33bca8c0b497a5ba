//! The improvement action walked by people of every role, and machines that must be refused.

mod action;
mod agreement;
mod bundle;
mod children;
mod complaint;
mod concealed;
mod diff;
mod explain;
mod files;
mod findings;
mod others;
mod overlay;
mod quotas;
mod recurrence;
mod scenarios;
mod schedules;
mod schema;
mod tables;
mod walks;
pub(crate) mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use masar_domain::{CaseId, Role};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    Actor, Case, CaseEvent, Command, Opening, Package, Refusal, Situation, Source, available, decide, evolve,
};

fn source() -> Source {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows/improvement-action");
    let forms = ["action", "progress", "hold", "date_change", "completion", "verification"];
    let read = |name: String| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    Source {
        workflow: read("workflow.yaml".into()),
        forms: forms.iter().map(|form| ((*form).to_owned(), read(format!("forms/{form}.json")))).collect(),
        ..Source::default()
    }
}

fn package() -> Package {
    Package::compile(&source()).unwrap_or_else(|error| panic!("{error}"))
}

/// A person of the department MUN-ROADS, named after the role, unless a name is given as `name:role`.
fn person(text: &str) -> Actor {
    let (id, role) = text.split_once(':').unwrap_or((text, text));
    Actor {
        id: id.to_owned(),
        roles: BTreeSet::from([Role(role.to_owned())]),
        department: Some("MUN-ROADS".to_owned()),
    }
}

fn now() -> Timestamp {
    "2026-11-15T08:42:00+03:00".parse().unwrap()
}

/// No window is known to end.
fn today() -> Situation<'static> {
    static WINDOWS: BTreeMap<String, Timestamp> = BTreeMap::new();
    Situation { at: now(), windows: &WINDOWS, children: &[] }
}

fn action(kind: &str, cross_department: bool) -> Value {
    json!({
        "title": {"ar": "سد الحفر خلال يومين", "en": "Fill potholes within two days"},
        "type": kind,
        "cross_department": cross_department,
        "owner_department": "MUN-ROADS",
        "owner": "person:7",
        "priority": "high",
        "due": "2026-12-15",
    })
}

fn opened(package: &Package, kind: &str, cross_department: bool) -> Case {
    let opening = Opening {
        case_id: CaseId("01936f0e-0000-7000-8000-000000000001".parse::<CaseId>().unwrap().0),
        historical: false,
        form: action(kind, cross_department),
    };
    evolve(None, &package.open(opening, &person("cx_member"), now()).unwrap())
}

/// The data that each action's form asks for.
fn form(name: &str) -> Option<Value> {
    Some(match name {
        "update_progress" => json!({"percent": 40}),
        "hold" => json!({"resume_on": "2026-12-01"}),
        "change_date" => json!({"due": "2026-12-20"}),
        "complete" => json!({"evidence": ["photo-1"]}),
        "verify" => json!({"verification": "Seen on site"}),
        _ => return None,
    })
}

fn command(name: &str) -> Command {
    Command {
        action: name.to_owned(),
        form: form(name),
        reason: Some("because".to_owned()),
        expected_version: None,
    }
}

/// Walks `action by person` steps and returns the case, or the first refusal.
fn walk(package: &Package, case: Case, steps: &[(&str, &str)]) -> Result<Case, Refusal> {
    steps.iter().try_fold(case, |case, (action, by)| {
        let event = decide(package, &case, &command(action), &person(by), today())?;
        Ok(evolve(Some(case), &event))
    })
}

const TO_DONE: &[(&str, &str)] =
    &[("approve", "department_director"), ("start", "case_handler"), ("complete", "case_handler")];

#[test]
fn an_action_walks_from_proposal_to_verification() {
    let package = package();
    let case = opened(&package, "corrective", false);
    assert_eq!((case.state.as_str(), case.version), ("proposed", 1));
    let steps = [
        ("approve", "department_director"),
        ("start", "case_handler"),
        ("update_progress", "case_handler"),
        ("hold", "case_handler"),
        ("resume", "case_handler"),
        ("change_date", "department_director"),
        ("complete", "case_handler"),
        ("not_verified", "department_manager"),
        ("complete", "case_handler"),
        ("verify", "department_manager"),
    ];
    let case = walk(&package, case, &steps).unwrap();
    assert_eq!((case.state.as_str(), case.version), ("verified", 11));
    assert_eq!(case.counts["date_changes"], 1);
    assert_eq!(case.forms["verification"], json!({"verification": "Seen on site"}));
}

#[test]
fn approval_depends_on_role_type_and_reach() {
    let package = package();
    for (kind, cross, role, allowed) in [
        ("corrective", false, "department_director", true),
        ("corrective", true, "department_director", false),
        ("corrective", true, "pqi_director", true),
        ("quick_fix", false, "department_manager", true),
        ("quick_fix", true, "department_manager", false),
        ("corrective", false, "department_manager", false),
        ("quick_fix", false, "case_handler", false),
    ] {
        let case = opened(&package, kind, cross);
        let result = walk(&package, case, &[("approve", role)]);
        assert_eq!(result.is_ok(), allowed, "{kind} {cross} {role}: {result:?}");
    }
}

#[test]
fn refusals_say_what_is_missing() {
    let package = package();
    let case = opened(&package, "quick_fix", false);
    let refusal =
        |action: &str, by: &Actor| decide(&package, &case, &command(action), by, today()).unwrap_err();

    let needed =
        ["pqi_director", "department_director", "department_manager"].map(|role| Role(role.to_owned()));
    assert_eq!(refusal("approve", &person("case_handler")), Refusal::Role { needed: needed.to_vec() });

    let possible = ["approve", "reject", "cancel"].map(str::to_owned).to_vec();
    let unknown = Refusal::Action { action: "start".into(), state: "proposed".into(), possible };
    assert_eq!(refusal("start", &person("case_handler")), unknown);

    let stranger = Actor { department: Some("MUN-PARKS".into()), ..person("department_director") };
    assert_eq!(refusal("reject", &stranger), Refusal::Department { department: "MUN-ROADS".into() });

    let silent = Command { reason: Some("  ".into()), ..command("reject") };
    assert_eq!(decide(&package, &case, &silent, &person("pqi_director"), today()), Err(Refusal::Reason));

    let late = Command { expected_version: Some(7), ..command("reject") };
    let version = Refusal::Version { expected: 7, current: 1 };
    assert_eq!(decide(&package, &case, &late, &person("pqi_director"), today()), Err(version));
}

/// Acceptance check 8 in this package: who did the work does not verify it, whatever other role they hold.
#[test]
fn the_one_who_completed_cannot_verify() {
    let package = package();
    let done = walk(&package, opened(&package, "corrective", false), TO_DONE).unwrap();
    for action in ["verify", "not_verified"] {
        let same = walk(&package, done.clone(), &[(action, "case_handler:department_manager")]);
        let refusal = Refusal::SeparationOfDuties { step: "complete".into(), actor: "case_handler".into() };
        assert_eq!(same, Err(refusal));
        assert!(walk(&package, done.clone(), &[(action, "department_manager")]).is_ok());
    }
}

#[test]
fn the_date_changes_twice_and_no_more() {
    let package = package();
    let steps = [("approve", "department_director"), ("start", "case_handler")];
    let case = walk(&package, opened(&package, "corrective", false), &steps).unwrap();
    let change = ("change_date", "department_director");
    let twice = walk(&package, case, &[change, change]).unwrap();
    assert!(matches!(walk(&package, twice, &[change]), Err(Refusal::Guard { .. })));
}

#[test]
fn every_violation_of_a_form_names_its_field() {
    let package = package();
    let mut form = action("miracle", false);
    form["title"]["ar"] = json!("");
    let opening = Opening { case_id: opened(&package, "policy", false).id, historical: false, form };
    let Err(Refusal::Form(violations)) = package.open(opening, &person("cx_member"), now()) else {
        panic!("a bad form was accepted")
    };
    let fields: BTreeSet<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, BTreeSet::from(["action.title.ar", "action.type"]));

    let done = walk(&package, opened(&package, "corrective", false), &TO_DONE[..2]).unwrap();
    let bare = Command { form: Some(json!({"evidence": []})), ..command("complete") };
    let refusal = decide(&package, &done, &bare, &person("case_handler"), today());
    assert!(
        matches!(refusal, Err(Refusal::Form(violations)) if violations[0].field == "completion.evidence")
    );
}

#[test]
fn what_is_available_says_why_not() {
    let package = package();
    let case = opened(&package, "corrective", true);
    let lines = available(&package, &case, &person("department_director"), today());
    let view: Vec<_> = lines.iter().map(|line| (line.action.as_str(), line.refusal.is_none())).collect();
    assert_eq!(view, [("approve", false), ("reject", true), ("cancel", false)]);
    assert!(matches!(&lines[0].refusal, Some(Refusal::Guard { message }) if message.is_complete()));
}

#[test]
fn a_machine_that_does_not_hold_together_is_refused() {
    for (right, wrong, says) in [
        ("until: [date_change.due", "until: [plan.due", "the clock `delivery` names the form `plan`"),
        ("initial: true, ", "", "there are 0 initial states"),
        ("to: verified", "to: nowhere", "the state `nowhere`, which does not exist"),
        ("to: verified", "to: done", "the state `verified` cannot be reached"),
        ("to: verified", "to: verified, within: review", "within the clock `review`, which does not exist"),
        ("to: verified", "to: verified, within: delivery", "within the clock `delivery`, which is a promise"),
        ("form: hold", "form: holding", "the form `holding`, which is not in forms/"),
        ("not_by: [complete]", "not_by: [completed]", "from `completed`, which does not exist"),
        ("roles: [tenant_admin]", "roles: []", "names no role"),
        ("en: \"Proposed\"", "en: \"\"", "is not translated"),
        ("case.counts.date_changes < 2", "cases.date_changes < 2", "`cases` is not known"),
        ("case.counts.date_changes < 2", "case.counts <", "`case.counts <`"),
        ("case_type:", "kind:", "workflow.yaml"),
        (
            "from: [proposed, approved, in_progress, on_hold]",
            "from: [any_opne]",
            "`any_opne`, which does not exist",
        ),
        ("pause: [on_hold]", "pause: [in_progress]", "no waiting state"),
        ("stop: {states: [done]}", "stop: {}", "has no `stop`"),
        ("stop: {states: [done]}", "stop: {messages: [done]}", "waits for the template `done`"),
        ("start: {states: [approved], ", "start: {messages: [late], ", "starts with a message"),
        ("start: {states: [approved], ", "start: {states: [agreed], ", "names `agreed`"),
        ("    safety_net: tenant_admin\n", "", "safety_net"),
        ("  otherwise: pqi", "", "otherwise"),
        ("roles: [pqi_director]", "roles: [pqi_dirctor]", "`pqi_dirctor`, which does not exist"),
        ("to: [department_director]}", "to: [departement]}", "`departement`, which does not exist"),
        ("at: {all: breach}", "at: {hihg: breach}", "importance `hihg`"),
        ("level: L2", "level: L1", "level L1 twice"),
        ("to: [handler]}", "to: [customer]}", "nobody else, and in a `template` of its own"),
        ("to: [handler]}", "to: [handler, customer], template: late}", "nobody else, and in a `template`"),
        ("to: [handler]}", "to: [handler], template: lost}", "the template `lost` does not exist"),
        (
            "opening_form: action",
            "opening_form: action\nhistorical_end: done",
            "`done`, which is no closed state",
        ),
        ("has(case.department)", "has(cases.department)", "`cases` is not known"),
        (
            "opening_form: action",
            "opening_form: action\nbegin: [{state: drafted, when: 'true'}]",
            "`begin` names the state `drafted`",
        ),
        (
            "opening_form: action",
            "opening_form: action\nbegin: [{state: approved, when: 'case.x'}]",
            "`begin` in `approved`: `case.x`: `case` is not known",
        ),
        ("importance: priority", "importance: '=form.'", "the fact `importance` of the opening: `form.`"),
        ("importance: priority", "importance: '=case.state'", "`case` is not known: use form"),
    ] {
        let mut bad = source();
        assert!(bad.workflow.contains(right), "{right}");
        bad.workflow = bad.workflow.replacen(right, wrong, 1);
        let error = Package::compile(&bad).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(says), "{wrong}: {error}");
    }
    let mut trap = source();
    trap.workflow = trap.workflow.replace("category: closed", "category: open");
    let error = Package::compile(&trap).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("no closed state can be reached"), "{error}");
}

#[test]
fn a_form_takes_in_only_forms_of_its_package() {
    for (reference, says) in [
        ("hold", "forms/progress.json:1:1: FORM_REFERENCE: `$ref` names `hold`, which is no file in forms/"),
        ("nowhere.json", "`nowhere.json`, which is no file in forms/"),
        ("https://example.org/answer.json", "which is no file in forms/"),
        ("progress.json", "`progress.json`, which takes in this form itself"),
        ("#/$defs/nothing", "forms/progress.json"),
    ] {
        let mut bad = source();
        bad.forms.insert("progress".into(), json!({"$ref": reference}).to_string());
        let error = Package::compile(&bad).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(says), "{reference}: {error}");
    }
    let mut round = source();
    round.forms.insert("progress".into(), json!({"$ref": "hold.json"}).to_string());
    round.forms.insert("hold".into(), json!({"$ref": "#/$defs/x", "$defs": {"x": {}}}).to_string());
    let error = Package::compile(&round).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("forms/hold.json:1:1: FORM_REFERENCE: `$ref` names `#/$defs/x`"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever people try, the case stays in a state of the package and its replay gives the same case.
    #[test]
    fn random_commands_never_leave_the_machine(
        tries in prop::collection::vec((0usize..12, 0usize..6), 0..40),
    ) {
        const ROLES: [&str; 6] = [
            "case_handler", "department_manager", "department_director", "pqi_director", "tenant_admin", "customer",
        ];
        let package = package();
        let actions: BTreeMap<_, _> =
            package.definition().transitions.iter().map(|transition| (transition.action.clone(), ())).collect();
        let actions: Vec<_> = actions.into_keys().collect();
        let opening = Opening {
            case_id: opened(&package, "policy", false).id,
            historical: false,
            form: action("quick_fix", false),
        };
        let mut events: Vec<CaseEvent> = vec![package.open(opening, &person("cx_member"), now()).unwrap()];
        let mut case = evolve(None, &events[0]);
        for (action, role) in tries {
            let name = &actions[action % actions.len()];
            if let Ok(event) = decide(&package, &case, &command(name), &person(ROLES[role]), today()) {
                case = evolve(Some(case), &event);
                events.push(event);
            }
            prop_assert!(package.definition().states.contains_key(&case.state));
        }
        let stored = serde_json::to_string(&events).unwrap();
        let read: Vec<CaseEvent> = serde_json::from_str(&stored).unwrap();
        let replayed = read.iter().fold(None, |case, event| Some(evolve(case, event)));
        prop_assert_eq!(replayed, Some(case));
    }
}

#[test]
fn the_graph_shows_every_state_once_and_every_way() {
    let package = package();
    let drawing = crate::graph(package.definition(), masar_domain::Language::En);
    assert_eq!(drawing.matches(" : Proposed\n").count(), 1);
    assert!(drawing.contains("[*] --> proposed\n"));
    assert!(drawing.contains("proposed --> approved : Approve\n"), "three sentences, one arrow: {drawing}");
    assert!(drawing.contains("in_progress --> in_progress : Update progress / Change the date\n"));
    assert!(drawing.contains("verified --> [*]\n"));
    assert!(crate::graph(package.definition(), masar_domain::Language::Ar).contains("proposed : مقترح\n"));
}

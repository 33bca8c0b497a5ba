//! What an entity may lay over a package, what it may not, and where its file says so.

use serde_json::json;

use super::findings::{FORM, place, shipped, tiny};
use crate::{
    Actor, CUSTOMER, Code, Command, Error, Finding, Kind, Opening, Overlaid, Package, Situation, Source,
    decide, diff, evolve, overlay,
};

const BASE: &str = r#"package: tiny
version: 1.0.0
case_type: tiny
label: {ar: "صغيرة", en: "Tiny"}
opening_form: ask
facts: {}
states:
  fresh: {category: open, initial: true, label: {ar: "جديدة", en: "New"}}
  work: {category: open, label: {ar: "عمل", en: "In work"}}
  wait: {category: waiting, label: {ar: "انتظار", en: "Waiting"}}
  check: {category: open, label: {ar: "مراجعة", en: "Check"}}
  done: {category: closed, label: {ar: "منتهية", en: "Done"}}
  dropped: {category: closed, label: {ar: "متروكة", en: "Dropped"}}
mandatory_states: {check: {ar: "كل رد يراجع", en: "T-01: every answer is checked"}}
overlay_points: []
transitions:
  - {action: take, from: [fresh], to: work, roles: [case_handler], label: {ar: "بدء", en: "Take"}}
  - {action: ask, from: [fresh, work], to: wait, roles: [case_handler], label: {ar: "سؤال", en: "Ask"}}
  - {action: reply, from: [wait], to: work, roles: [customer, case_handler], label: {ar: "رد", en: "Reply"}}
  - {action: wake, from: [wait], to: work, roles: [system], label: {ar: "إيقاظ", en: "Wake"}}
  - {action: submit, from: [work], to: check, roles: [case_handler, department_manager], form: ask, label: {ar: "تقديم", en: "Submit"}}
  - {action: approve, from: [check], to: done, roles: [department_manager], guard: "case.state == 'check'", otherwise: {ar: "ليس بعد", en: "Not yet"}, label: {ar: "اعتماد", en: "Approve"}}
  - {action: drop, from: [any_open], to: dropped, roles: [customer], label: {ar: "ترك", en: "Drop"}}
  - {action: note, from: [any_open], to: same, roles: [case_handler], label: {ar: "ملاحظة", en: "Note"}}
clocks:
  answer: {kind: sla, target: {high: 2 business_days, all: 5 business_days}, start: {actions: [open]}, stop: {states: [done]}, label: {ar: "رد", en: "Answer"}}
  patience: {kind: internal, target: {all: 9 business_days}, start: {states: [wait]}, stop: {states: [work]}, on_breach: wake, label: {ar: "صبر", en: "Patience"}}
ladders:
  answer: {safety_net: tenant_admin, levels: [{level: L1, at: {all: breach}, to: [handler]}, {level: L3, at: {all: breach + 5 bd}, to: [pqi_director]}]}
routing: {rules: [{name: all, when: "true", queue: mine}], otherwise: desk}
templates:
  told: {subject: {ar: "أ", en: "A"}, body: {ar: "نص", en: "Text"}}
"#;

const HEAD: &str = "package: tiny\nversion: 1.0.0\nentity: DEMO-LAB\nrevision: 1\n";
/// A step between the work and its check, that leads there or back.
const BUDGET: &str = r#"states:
  budget: {category: open, label: {ar: "ميزانية", en: "Budget"}}
transitions:
  - {action: fund, from: [budget], to: check, roles: [pqi_director], label: {ar: "تمويل", en: "Fund"}}
  - {action: unfunded, from: [budget], to: work, roles: [pqi_director], label: {ar: "دون تمويل", en: "Not funded"}}
tighten:
  - {action: submit, through: budget}
"#;

fn base() -> Source {
    tiny(BASE.to_owned(), FORM.to_owned())
}

fn laid(text: &str) -> Result<Overlaid, Vec<Finding>> {
    overlay(&base(), text).map_err(|error| match error {
        Error::Findings(findings) => findings,
        Error::Catalog(problem) => panic!("{problem}"),
    })
}

fn sound(text: &str) -> Overlaid {
    laid(text).unwrap_or_else(|findings| panic!("{text}: {findings:#?}"))
}

/// What an overlay says and the differences from the package below that are reported besides the version.
const ACCEPTED: &[(&str, &[(Kind, &str)])] = &[
    (
        BUDGET,
        &[
            (Kind::Added, "states/budget"),
            (Kind::Removed, "transitions/submit/check"),
            (Kind::Added, "transitions/submit/budget"),
            (Kind::Added, "transitions/drop/dropped/from"),
            (Kind::Added, "transitions/note/same/from"),
            (Kind::Added, "transitions/fund"),
            (Kind::Added, "transitions/unfunded"),
        ],
    ),
    (
        "tighten: [{action: submit, roles: [department_manager]}]",
        &[(Kind::Removed, "transitions/submit/check/roles")],
    ),
    ("tighten: [{action: take, reason: true}]", &[(Kind::Added, "transitions/take/work/reason")]),
    ("tighten: [{action: approve, not_by: [submit]}]", &[(Kind::Added, "transitions/approve/done/not_by")]),
    (
        "tighten: [{action: approve, guard: \"actor.id != 'x'\", otherwise: {ar: \"أ\", en: \"A\"}}]",
        &[
            (Kind::Changed, "transitions/approve/done/guard"),
            (Kind::Changed, "transitions/approve/done/otherwise/ar"),
            (Kind::Changed, "transitions/approve/done/otherwise/en"),
        ],
    ),
    (
        "tighten: [{action: ask, from: [fresh], reason: true}]",
        &[(Kind::Removed, "transitions/ask/wait/from"), (Kind::Added, "transitions/ask/wait")],
    ),
    (
        "tighten: [{action: take, effects: [{notify: {template: told, to: [customer]}}]}]",
        &[(Kind::Added, "transitions/take/work/effects")],
    ),
    ("targets: {answer: {high: 1 business_day}}", &[(Kind::Changed, "clocks/answer/target/high")]),
    ("targets: {answer: {low: 5 business_days}}", &[(Kind::Added, "clocks/answer/target/low")]),
    (
        "levels: {answer: [{level: L2, at: {all: breach + 1 bd}, to: [department_manager]}]}",
        &[(Kind::Added, "ladders/answer/levels/L2")],
    ),
    ("forms: {ask: {required: [text]}}", &[(Kind::Added, "forms/ask/required")]),
    (
        "forms: {ask: {properties: {room: {type: string, x-label: {ar: \"غرفة\", en: \"Room\"}}}, required: [room]}}",
        &[(Kind::Added, "forms/ask/properties/room"), (Kind::Added, "forms/ask/required")],
    ),
    ("without: {actions: [take]}", &[(Kind::Removed, "transitions/take")]),
    ("rules: [{name: ours, when: \"false\", queue: q}]", &[(Kind::Added, "routing/rules/ours")]),
    (
        "labels: {states: {work: {ar: \"قيد العمل\", en: \"Being done\"}}}",
        &[(Kind::Changed, "states/work/label/ar"), (Kind::Changed, "states/work/label/en")],
    ),
    (
        "templates: {told: {subject: {ar: \"ب\", en: \"A\"}, body: {ar: \"نص\", en: \"Text\"}}}",
        &[(Kind::Changed, "templates/told/subject/ar")],
    ),
];

/// The texts of overlays that are accepted.
pub(super) fn accepted() -> Vec<String> {
    ACCEPTED.iter().map(|(text, _)| format!("{HEAD}{text}")).collect()
}

#[test]
fn what_adds_and_tightens_is_accepted_and_every_difference_reported() {
    for (text, expected) in ACCEPTED {
        let found = sound(&format!("{HEAD}{text}"));
        let told = |change: &crate::Edit| (change.kind, change.path.clone());
        let mut told: Vec<_> = found.difference.changes.iter().map(told).collect();
        assert_eq!(told.remove(0), (Kind::Changed, "version".to_owned()));
        let expected: Vec<_> = expected.iter().map(|(kind, path)| (*kind, (*path).to_owned())).collect();
        assert!(
            expected.iter().all(|change| told.contains(change)) && told.len() == expected.len(),
            "{text}: {told:#?}"
        );
        assert_eq!(
            (found.entity.as_str(), found.package.definition().version.as_str()),
            ("DEMO-LAB", "1.0.0.1")
        );
    }
}

/// The code, what the overlay says, and the part of its text that the finding names.
pub(super) const REFUSED: &[(Code, &str, &str)] = &[
    (Code::Yaml, "remove: [check]\n", "remove"),
    (Code::MandatoryStage, "without: {states: [check]}", "states: [check]"),
    (
        Code::MandatoryStage,
        "transitions:\n  - {action: jump, from: [work], to: done, roles: [case_handler], label: {ar: \"أ\", en: \"A\"}}",
        "{action: jump",
    ),
    (
        Code::OverlayWay,
        "transitions:\n  - {action: jump, from: [fresh], to: check, roles: [case_handler], label: {ar: \"أ\", en: \"A\"}}",
        "{action: jump",
    ),
    (Code::OverlayState, "states: {over: {category: closed, label: {ar: \"أ\", en: \"A\"}}}", "over: {"),
    (Code::OverlayState, "states: {work: {category: open, label: {ar: \"أ\", en: \"A\"}}}", "work: {"),
    (
        Code::OverlayState,
        "states: {over: {category: open, initial: true, label: {ar: \"أ\", en: \"A\"}}}",
        "over: {",
    ),
    (Code::OverlayState, "tighten: [{action: submit, through: work}]", "work}]"),
    (Code::UnreachableState, "states: {far: {category: open, label: {ar: \"أ\", en: \"A\"}}}", "far: {"),
    (Code::UnknownAction, "tighten: [{action: sumbit, reason: true}]", "sumbit"),
    (Code::UnknownAction, "without: {actions: [tak]}", "actions: [tak]"),
    (Code::UnknownState, "without: {states: [chekc]}", "states: [chekc]"),
    (Code::UnknownState, "labels: {states: {wrk: {ar: \"أ\", en: \"A\"}}}", "wrk: {"),
    (Code::Loosened, "without: {actions: [drop]}", "actions: [drop]"),
    (Code::Loosened, "tighten: [{action: approve, roles: [case_handler]}]", "roles: [case_handler]"),
    (Code::Loosened, "targets: {answer: {high: 3 business_days}}", "3 business_days"),
    (Code::Loosened, "targets: {answer: {all: 4 business_hours}}", "4 business_hours"),
    (Code::Loosened, "targets: {patience: {all: 1 business_day}}", "1 business_day"),
    (Code::Loosened, "forms: {ask: {properties: {text: {type: integer}}}}", "text: {"),
    (Code::Loosened, "ladders: {answer: {safety_net: tenant_admin, levels: []}}", "answer: {"),
    (Code::Loosened, "tighten: [{action: submit, form: other}]\nforms: {other: {}}", "other}]"),
    (Code::UnknownClock, "targets: {anser: {high: 1 business_day}}", "1 business_day"),
    (Code::UnknownField, "forms: {ask: {required: [txt]}}", "required: [txt]"),
    (Code::SystemAction, "tighten: [{action: wake, reason: true}]", "{action: wake"),
    (Code::Otherwise, "tighten: [{action: take, guard: 'true'}]", "{action: take"),
    (Code::UnknownName, "tighten: [{action: approve, guard: \"cases.x\"}]", "\"cases.x\""),
    (
        Code::LevelTwice,
        "levels: {answer: [{level: L1, at: {all: breach + 9 bd}, to: [pqi_director]}]}",
        "L1, at",
    ),
    (Code::Translation, "forms: {ask: {properties: {room: {type: string}}}}", "room: {"),
    (Code::UnknownForm, "tighten: [{action: take, form: lost}]", "lost}]"),
    (Code::UnknownName, "rules: [{name: ours, when: \"kase\", queue: q}]", "\"kase\""),
];

#[test]
fn what_loosens_or_leads_past_the_package_is_refused_at_its_place() {
    let mut problems = Vec::new();
    for (code, text, part) in REFUSED {
        let text = format!("{HEAD}{text}");
        let findings = laid(&text).err().unwrap_or_default();
        let here = |found: &&Finding| {
            found.code == *code
                && found.file == "overlay.yaml"
                && (found.line, found.column) == place(&text, part)
        };
        if !findings.iter().any(|found| here(&found)) {
            problems.push(format!("{code} at {:?} of {text}: {findings:#?}", place(&text, part)));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    for (right, wrong, part) in
        [("version: 1.0.0", "version: 0.9.0", "0.9.0"), ("package: tiny", "package: small", "small")]
    {
        let text = HEAD.replacen(right, wrong, 1);
        let findings = laid(&text).err().unwrap_or_default();
        assert_eq!(
            findings.iter().map(|found| (found.code, (found.line, found.column))).collect::<Vec<_>>(),
            [(Code::OverlayBase, place(&text, part))]
        );
    }
}

#[test]
fn a_step_of_an_overlay_leads_on_only_to_where_the_case_was_going() {
    let past = BUDGET.replace("from: [budget], to: work", "from: [budget], to: fresh");
    let findings = laid(&format!("{HEAD}{past}")).err().unwrap();
    assert_eq!(findings.iter().map(|found| found.code).collect::<Vec<_>>(), [Code::OverlayWay]);
    assert!(findings[0].message.contains("`check`, `work`"), "{}", findings[0]);
    // Into a state that is entered from two sides nothing leads that only one of them allows.
    let both = BUDGET.replace("tighten:", "  - {action: look, from: [fresh], to: budget, roles: [case_handler], label: {ar: \"أ\", en: \"A\"}}\ntighten:");
    let findings = laid(&format!("{HEAD}{both}")).err().unwrap();
    assert!(
        findings.iter().all(|found| found.code == Code::OverlayWay) && findings.len() == 2,
        "{findings:#?}"
    );
}

#[test]
fn a_package_says_where_overlays_come_in() {
    for (points, allowed) in
        [("[]", true), ("[\"after:work\"]", true), ("[\"before:check\"]", true), ("[\"after:fresh\"]", false)]
    {
        let below =
            tiny(BASE.replace("overlay_points: []", &format!("overlay_points: {points}")), FORM.to_owned());
        let found = overlay(&below, &format!("{HEAD}{BUDGET}"));
        assert_eq!(found.is_ok(), allowed, "{points}");
    }
    for (points, part) in [("[\"after:wrk\"]", "\"after:wrk\""), ("[work]", "work]\n")] {
        let text = BASE.replace("overlay_points: []", &format!("overlay_points: {points}"));
        let Err(Error::Findings(findings)) = Package::compile(&tiny(text.clone(), FORM.to_owned())) else {
            panic!("{points}")
        };
        assert_eq!(
            (findings[0].code, (findings[0].line, findings[0].column)),
            (Code::UnknownState, place(&text, part))
        );
    }
}

/// A case walks the laid package through the step of the entity, and the text of the package says the same.
#[test]
fn what_is_laid_is_a_package_like_any_other() {
    let found = sound(&format!("{HEAD}{BUDGET}"));
    let again =
        Package::compile(&found.source).unwrap_or_else(|error| panic!("{}\n{error}", found.source.workflow));
    assert_eq!(diff(&found.package, &again).changes, []);
    let person = |role: &str| Actor {
        id: role.into(),
        roles: [masar_domain::Role(role.into())].into(),
        department: None,
    };
    let (at, windows) = (jiff::Timestamp::UNIX_EPOCH, std::collections::BTreeMap::new());
    let situation = Situation { at, windows: &windows, children: &[] };
    let opening =
        Opening { case_id: masar_domain::CaseId(uuid::Uuid::nil()), historical: false, form: json!({}) };
    let mut case = evolve(None, &again.open(opening, &person(CUSTOMER), at).unwrap());
    for (action, role, state) in [
        ("take", "case_handler", "work"),
        ("submit", "case_handler", "budget"),
        ("fund", "pqi_director", "check"),
        ("approve", "department_manager", "done"),
    ] {
        let command = Command { action: action.into(), form: Some(json!({})), ..Command::default() };
        let event = decide(&again, &case, &command, &person(role), situation).unwrap();
        case = evolve(Some(case), &event);
        assert_eq!(case.state, state);
    }
}

/// Acceptance check 12: the five stages are a minimum. A step between the third and the fourth is welcome; the fifth stays.
#[test]
fn the_five_stages_take_in_a_step_and_none_of_them_goes() {
    let below =
        shipped().into_iter().find(|source| source.workflow.contains("\npackage: cx-improvement\n")).unwrap();
    let version = Package::compile(&below).unwrap().definition().version.clone();
    let head = format!("package: cx-improvement\nversion: {version}\nentity: DEMO-LAB\nrevision: 1\n");
    let inserted = format!(
        "{head}states:\n  benefit_case: {{category: open, label: {{ar: \"دراسة الجدوى\", en: \"Benefit case\"}}}}\ntighten: [{{action: confirm_causes, through: benefit_case}}]\ntransitions:\n  - {{action: worth_it, from: [benefit_case], to: action_plan, roles: [pqi_director], label: {{ar: \"مجد\", en: \"Worth it\"}}}}\n"
    );
    let found = overlay(&below, &inserted).unwrap_or_else(|error| panic!("{error}"));
    assert!(found.difference.changes.iter().any(|change| change.path == "states/benefit_case"));

    for removed in [
        "without: {states: [follow_up]}\n",
        "transitions:\n  - {action: finish_now, from: [implementation], to: closed_effective, roles: [pqi_director], label: {ar: \"إنهاء\", en: \"Finish now\"}}\n",
    ] {
        let Err(Error::Findings(findings)) = overlay(&below, &format!("{head}{removed}")) else {
            panic!("{removed}")
        };
        let named = |found: &Finding| {
            found.code == Code::MandatoryStage
                && found.message.contains("`follow_up`")
                && found.message.contains("IMP-09")
        };
        assert!(findings.iter().any(named), "{removed}: {findings:#?}");
    }
}

#[test]
fn every_shipped_package_can_be_written_out_and_is_the_same() {
    for source in shipped() {
        let package = Package::compile(&source).unwrap();
        let definition = package.definition();
        let nothing = format!(
            "package: {}\nversion: {}\nentity: DEMO-LAB\nrevision: 1\n",
            definition.package, definition.version
        );
        let found = overlay(&source, &nothing).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.difference.changes.len(), 1, "{:#?}", found.difference.changes);
        let again = Package::compile(&found.source)
            .unwrap_or_else(|error| panic!("{}\n{error}", found.source.workflow));
        assert_eq!(diff(&found.package, &again).changes, []);
    }
}

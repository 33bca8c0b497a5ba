//! Every code, earned by the smallest package that can earn it; the page that explains them; and texts that somebody spoilt.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;

use crate::{Code, Error, Finding, Package, Scenarios, Source};

pub(super) const WORKFLOW: &str = r#"package: tiny
version: 1.0.0
case_type: tiny
label: {ar: "صغيرة", en: "Tiny"}
opening_form: ask
facts: {importance: "=form.text"}
on_child: []
opening_effects: [{notify: {template: told, to: [customer]}}]
states:
  fresh: {category: open, initial: true, label: {ar: "جديدة", en: "New"}}
  wait: {category: waiting, label: {ar: "انتظار", en: "Waiting"}}
  done: {category: closed, label: {ar: "منتهية", en: "Done"}}
transitions:
  - {action: hold, from: [fresh], to: wait, roles: [case_handler], label: {ar: "تعليق", en: "Hold"}}
  - {action: resume, from: [wait], to: fresh, roles: [system, case_handler], label: {ar: "استئناف", en: "Resume"}}
  - {action: finish, from: [fresh], to: done, roles: [system, case_handler], label: {ar: "إنهاء", en: "Finish"}}
clocks:
  answer: {kind: sla, target: {all: 1 business_day}, start: {actions: [open]}, stop: {states: [done]}, pause: [wait], warn: [75%], label: {ar: "رد", en: "Answer"}}
ladders:
  answer: {safety_net: tenant_admin, levels: [{level: L1, at: {all: breach}, to: [handler]}]}
routing: {otherwise: desk}
templates:
  told: {subject: {ar: "{{ entity }}", en: "{{ entity }}"}, body: {ar: "نص", en: "Text"}}
"#;

pub(super) const FORM: &str = r#"{"type": "object", "properties": {
  "text": {"type": "string", "x-label": {"ar": "نص", "en": "Text"}},
  "phone": {"type": "string", "x-class": "confidential", "x-label": {"ar": "هاتف", "en": "Phone"}}}}"#;

const SCENARIOS: &str =
    "scenarios:\n  - {scenario: {ar: \"أ\", en: \"A\"}, calendar: moon, opening: {by: customer, form: {}}}\n";

/// The code, what the sound package says, what a wrong one says instead, and where the finding stands in that.
const WRONG: &[(Code, &str, &str, &str)] = &[
    (
        Code::Agreement,
        "to: done, roles: [system, case_handler]",
        "to: done, roles: [system, case_handler], effects: [{agree: {with: {kind: \"='ola'\"}}}]",
        "with: {kind",
    ),
    (
        Code::Agreement,
        "to: done, roles: [system, case_handler]",
        "to: done, roles: [system, case_handler], effects: [{agree: {with: {party: \"='x'\"}}}]",
        "\"='x'\"",
    ),
    (Code::Agreement, "opening_effects: [", "opening_effects: [end_agreement, ", "end_agreement"),
    (
        Code::Agreement,
        "kind: sla, target",
        "kind: ola, between: {provider: nobody, consumer: importance}, target",
        "nobody",
    ),
    (
        Code::Link,
        "to: done, roles: [system, case_handler]",
        "to: done, roles: [system, case_handler], effects: [{link: {link: part_of, to: text}}]",
        "text}",
    ),
    (Code::Link, "opening_effects: [", "opening_effects: [{link: {link: part_of, to: text}}, ", "{link: {"),
    (
        Code::UnknownField,
        "to: done, roles: [system, case_handler]",
        "to: done, roles: [system, case_handler], form: ask, effects: [{link: {link: part_of, to: txt}}]",
        "txt}",
    ),
    (
        Code::Customer,
        "opening_effects: [",
        "opening_effects: [{ask_survey: {package: asks, with: {}}}, ",
        "ask_survey: {",
    ),
    (
        Code::Customer,
        "opening_effects: [",
        "opening_effects: [{child: {package: tiny, link: part_of, inward: true, for_customer: true}}, ",
        "true}",
    ),
    (Code::UnknownTable, "kind: sla, target", "kind: sla, target_from: rank, target", "rank"),
    (Code::Yaml, "case_type: tiny", "kind: tiny", "kind: tiny"),
    (Code::Form, "\"type\": \"object\"", "\"type\": \"objekt\"", "{\"type\": \"objekt\""),
    (Code::FormReference, "\"type\": \"object\"", "\"$ref\": \"lost.json\"", "{\"$ref\""),
    (Code::Expression, "=form.text", "=form.", "\"=form.\""),
    (Code::Template, "\"{{ entity }}\", en", "\"{{ entity\", en", "\"{{ entity\", en"),
    (Code::UnknownName, "=form.text", "=from.text", "\"=from.text\""),
    (Code::UnknownField, "=form.text", "=form.txt", "\"=form.txt\""),
    (Code::UnknownForm, "form: ask", "form: asks", "asks"),
    (Code::UnknownState, "to: done", "to: nowhere", "nowhere"),
    (Code::UnknownAction, "on_child: []", "on_child: [fly]", "fly"),
    (Code::UnknownRole, "tenant_admin", "tenant_admn", "tenant_admn"),
    (Code::UnknownClock, "ladders:\n  answer:", "ladders:\n  anser:", "anser"),
    (Code::UnknownTemplate, "template: told", "template: tell", "tell"),
    (Code::UnknownImportance, "{all: 1 business_day}", "{hihg: 1 business_day}", "1 business_day"),
    (Code::InitialState, "initial: true", "initial: false", "states:"),
    (Code::UnreachableState, "to: wait", "to: fresh", "wait: {"),
    (Code::NoEnd, "from: [wait], to: fresh", "from: [fresh], to: fresh", "wait: {"),
    (Code::HistoricalEnd, "on_child: []", "historical_end: wait", "wait"),
    (Code::ReservedAction, "action: finish", "action: open", "open, from"),
    (Code::NoRole, "to: wait, roles: [case_handler]", "to: wait, roles: []", "[], label"),
    (Code::Otherwise, "action: hold,", "action: hold, guard: 'true',", "{action: hold"),
    (
        Code::Overlap,
        "action: hold, from: [fresh], to: wait",
        "action: finish, from: [fresh], to: wait",
        "{action: finish, from: [fresh], to: done",
    ),
    (
        Code::SeparationOfDuties,
        "clocks:",
        "  - {action: stop, from: [fresh], to: done, roles: [case_handler], not_by: [hold], label: {ar: \"ا\", en: \"a\"}}\nclocks:",
        "{action: finish",
    ),
    (Code::MandatoryStage, "on_child: []", "mandatory_states: {wait: {ar: \"ا\", en: \"a\"}}", "wait: {ar"),
    (Code::Translation, "en: \"Done\"", "en: \"\"", "label: {ar: \"منتهية\""),
    (Code::Translation, "\"en\": \"Phone\"", "\"en\": \"\"", "\"x-label\": {\"ar\": \"هاتف\""),
    (
        Code::Translation,
        "\"string\", \"x-label\": {\"ar\": \"نص\", \"en\": \"Text\"}",
        "\"string\"",
        "\"text\": {",
    ),
    (Code::PersonalData, "{{ entity }}\"}", "{{ form.phone }}\"}", "\"{{ form.phone }}\""),
    (Code::NoTarget, "target: {all: 1 business_day}", "target: {}", "{}, start"),
    (Code::NeverStarts, "start: {actions: [open]}", "start: {messages: [told]}", "messages: [told]"),
    (Code::NeverStops, "stop: {states: [done]}", "stop: {}", "{}, pause"),
    (
        Code::NeverStops,
        "start: {actions: [open]}, stop: {states: [done]}",
        "start: {states: [done]}, stop: {actions: [hold]}",
        "stop: {actions",
    ),
    (Code::Pause, "pause: [wait]", "pause: [fresh]", "pause: [fresh]"),
    (
        Code::EndlessPause,
        "to: fresh, roles: [system, case_handler]",
        "to: fresh, roles: [customer]",
        "pause: [wait]",
    ),
    (Code::Warning, "warn: [75%]", "warn: [breach]", "warn: [breach]"),
    (Code::Window, "action: finish,", "action: finish, within: answer,", "answer, from"),
    (
        Code::ExtensionUntold,
        "warn: [75%]",
        "warn: [75%], extend: {action: hold, days: text, told: told}",
        "told}, label: {ar",
    ),
    (Code::SystemAction, "on_child: []", "on_child: [hold]", "hold"),
    (
        Code::SystemAction,
        "action: resume, from: [wait], to: fresh,",
        "action: resume, reason: true, from: [wait], to: fresh,",
        "resume, label: {ar: \"رد\"",
    ),
    (Code::ChildGuard, "on_child: []", "on_child: [finish]", "finish"),
    (
        Code::Concealed,
        "en: \"Hold\"}}",
        "en: \"Hold\"}, form: ask, effects: [{child: {package: part, link: test, concealed: {lodged_by: text, revealed_to: [analyst], revealed_in: [done]}}}]}",
        "wait, roles",
    ),
    (Code::Quota, "en: \"Hold\"}}", "en: \"Hold\"}, quotas: panel}", "panel"),
    (
        Code::Bands,
        "ladders:\n",
        "quotas:\n  panel: {label: {ar: \"ل\", en: \"P\"}, package: part, states: [done], rules: [{dimension: age, value: old, at_least: 1}], dimensions: {age: {label: {ar: \"ع\", en: \"Age\"}, bands: {from: 18, of: [{code: old, from: 19}]}}}}\nladders:\n",
        "{code: old",
    ),
    (
        Code::AutomaticCycle,
        "to: wait, roles: [case_handler], label",
        "to: wait, roles: [system], guard: 'children == []', otherwise: {ar: \"ا\", en: \"a\"}, label",
        "{action: hold",
    ),
    (Code::LadderWithoutEnd, "at: {all: breach}", "at: {high: breach}", "answer: {safety_net"),
    (
        Code::LadderWithoutEnd,
        "levels: [{level: L1, at: {all: breach}, to: [handler]}]",
        "levels: []",
        "answer: {safety_net",
    ),
    (Code::SafetyNet, "tenant_admin", "customer", "customer, levels"),
    (Code::Level, "to: [handler]", "to: []", "{level: L1"),
    (
        Code::LevelTwice,
        "[{level: L1,",
        "[{level: L1, at: {all: 50%}, to: [handler]}, {level: L1,",
        "L1, at: {all: breach",
    ),
    (Code::Reminder, "to: [handler]", "to: [customer]", "{level: L1"),
    (Code::LevelAction, "to: [handler]", "to: [handler], do: [dance]", "do: [dance]"),
    (Code::UnknownAction, "to: [handler]", "to: [handler], do: ['act:dance']", "do: ['act:dance']"),
    (Code::SystemAction, "to: [handler]", "to: [handler], do: ['act:hold']", "do: ['act:hold']"),
    (
        Code::LevelAgain,
        "to: [handler]",
        "to: [handler], again: {every: 1 business_day, times: 0}",
        "again: {every",
    ),
    (
        Code::LevelAgain,
        "at: {all: breach}, to: [handler]",
        "at: {all: 50%}, to: [handler], again: {every: 1 business_day, times: 2}",
        "again: {every",
    ),
    (
        Code::LevelAgain,
        "at: {all: breach}, to: [handler]",
        "at: {all: breach + 1 bd}, to: [handler], again: {every: 2 hours, times: 2}",
        "again: {every",
    ),
    (
        Code::Schedule,
        "on_child: []",
        "schedules: {monthly: {label: {ar: \"ا\", en: \"a\"}, every: {months: 1}}}",
        "every: {months",
    ),
    (
        Code::Schedule,
        "on_child: []",
        "schedules: {yearly: {label: {ar: \"ا\", en: \"a\"}, after: {states: [done]}, wait: 12 months, link: of, repeats: true}}",
        "true}",
    ),
    (
        Code::Recurrence,
        "on_child: []",
        "recurrence: {again: {label: {ar: \"ا\", en: \"a\"}, same: [place], within: 30 days}}",
        "place]",
    ),
    (
        Code::Recurrence,
        "on_child: []",
        "recurrence: {again: {label: {ar: \"ا\", en: \"a\"}, same: [importance], within: 30 days, threshold: 3}}",
        "again: {label",
    ),
    (
        Code::ScheduleForm,
        "on_child: []",
        "schedules: {monthly: {label: {ar: \"ا\", en: \"a\"}, every: {months: 1, day: 1}, with: {text: '=occurrence.year'}}}",
        "with: {text",
    ),
    (
        Code::UnknownName,
        "on_child: []",
        "schedules: {monthly: {label: {ar: \"ا\", en: \"a\"}, every: {months: 1, day: 1}, with: {text: '=case.id'}}}",
        "'=case.id'",
    ),
];

pub(super) fn tiny(workflow: String, form: String) -> Source {
    Source { workflow, forms: [("ask".to_owned(), form)].into(), ..Source::default() }
}

fn findings(source: &Source) -> Vec<Finding> {
    match Package::compile(source) {
        Ok(_) => Vec::new(),
        Err(Error::Findings(findings)) => findings,
        Err(error) => panic!("{error}"),
    }
}

/// Line and column, from 1, of a part of a text.
pub(super) fn place(text: &str, part: &str) -> (Option<u64>, Option<u64>) {
    let (before, _) = text.split_once(part).unwrap_or_else(|| panic!("{part} is not there"));
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    (Some(line as u64), Some(column as u64))
}

#[test]
fn every_code_has_a_package_that_earns_it_and_says_where() {
    assert_eq!(findings(&tiny(WORKFLOW.to_owned(), FORM.to_owned())), []);
    let mut problems = Vec::new();
    for (code, right, wrong, part) in WRONG {
        assert!(WORKFLOW.contains(right) || FORM.contains(right), "{right}");
        let mut workflow = WORKFLOW.replacen(right, wrong, 1);
        if wrong.contains("reason: true") {
            workflow = workflow.replace("warn: [75%]", "on_breach: resume");
        }
        if *code == Code::AutomaticCycle {
            workflow = workflow
                .replace("on_child: []", "on_child: [hold]")
                .replace("pause: [wait]", "on_breach: resume");
        }
        let source = tiny(workflow, FORM.replacen(right, wrong, 1));
        let text = if WORKFLOW.contains(right) { &source.workflow } else { &source.forms["ask"] };
        let found = findings(&source);
        if !found.iter().any(|found| found.code == *code && (found.line, found.column) == place(text, part)) {
            problems.push(format!("{code} at {:?}: {found:#?}", place(text, part)));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn no_code_is_without_a_test() {
    let tested: BTreeSet<_> = WRONG.iter().map(|(code, ..)| *code).collect();
    let elsewhere =
        [Code::Folder, Code::UnknownCalendar, Code::OverlayBase, Code::TargetTable, Code::Scenario];
    let of_tables = super::tables::REFUSED.iter().map(|(code, ..)| *code);
    let of_overlays = super::overlay::REFUSED.iter().map(|(code, ..)| *code);
    assert_eq!(
        tested.into_iter().chain(elsewhere).chain(of_overlays).chain(of_tables).collect::<BTreeSet<_>>(),
        Code::ALL.iter().copied().collect()
    );
}

#[test]
fn a_folder_and_a_scenario_have_codes_too() {
    let only = |error: Error| match error {
        Error::Findings(findings) => findings.into_iter().next().unwrap(),
        other => panic!("{other}"),
    };
    let folder = only(Source::read(Path::new("/nowhere")).err().unwrap());
    assert_eq!((folder.code, folder.file.as_str(), folder.line), (Code::Folder, "workflow.yaml", None));
    let calendar = only(Scenarios::read("a.yaml", SCENARIOS).err().unwrap());
    assert_eq!(
        (calendar.code, calendar.file.as_str(), calendar.line),
        (Code::UnknownCalendar, "scenarios/a.yaml", Some(2))
    );
    let broken = only(Scenarios::read("a.yaml", "scenarios: [{").err().unwrap());
    assert_eq!(broken.code, Code::Yaml);
    assert!(broken.line.is_some());
}

/// The page is read by those whom a code stopped: each stands there, in the order of the list, with example and cure.
#[test]
fn the_page_explains_every_code() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/workflow-checks.md");
    let page = std::fs::read_to_string(page).unwrap();
    let sections: Vec<_> = page.split("\n## ").skip(1).collect();
    let codes: Vec<_> = sections.iter().map(|section| section.lines().next().unwrap()).collect();
    assert_eq!(codes, Code::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>());
    for section in sections {
        assert!(section.contains("\n    ") && section.contains("\nCure: "), "{section}");
    }
}

/// Every package that is shipped.
pub(super) fn shipped() -> Vec<Source> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows");
    let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = folders.collect();
    folders.sort();
    folders.iter().map(|folder| Source::read(folder).unwrap()).collect()
}

/// A text of which one line, word or character is gone, doubled, or in the place of another.
pub(super) fn spoilt(text: &str, (unit, deed, one, other): (usize, usize, usize, usize)) -> String {
    let mut parts: Vec<String> = match unit {
        0 => text.split_inclusive('\n').map(str::to_owned).collect(),
        1 => text.split_inclusive([' ', ',', '[', ']']).map(str::to_owned).collect(),
        _ => text.chars().map(String::from).collect(),
    };
    if parts.is_empty() {
        return String::new();
    }
    let (one, other) = (one % parts.len(), other % parts.len());
    match deed {
        0 => drop(parts.remove(one)),
        1 => parts.insert(one, parts[other].clone()),
        2 => parts.swap(one, other),
        _ => parts[one] = parts[other].clone(),
    }
    parts.concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever somebody did to the texts of a package, it is read or refused with places within its files.
    #[test]
    fn spoilt_packages_are_refused_in_words(
        package in any::<prop::sample::Index>(),
        deeds in prop::collection::vec((any::<prop::sample::Index>(), (0usize..3, 0usize..4, any::<usize>(), any::<usize>())), 1..4),
    ) {
        let packages = shipped();
        let mut source = package.get(&packages).clone();
        for (file, deed) in deeds {
            let mut files: Vec<&mut String> = vec![&mut source.workflow];
            files.extend(source.forms.values_mut());
            // Half of them in the machine itself.
            let file = file.index(files.len() * 2).saturating_sub(files.len());
            *files[file] = spoilt(files[file], deed);
        }
        for finding in findings(&source) {
            let form = finding.file.strip_prefix("forms/").and_then(|file| file.strip_suffix(".json"));
            let text = form.map_or(&source.workflow, |form| &source.forms[form]);
            let lines = text.split('\n').count() as u64 + 1;
            prop_assert!(finding.line.is_none_or(|line| (1..=lines).contains(&line)), "{finding}");
        }
    }
}

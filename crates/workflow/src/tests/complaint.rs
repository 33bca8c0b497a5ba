//! The complaint: its way, the clocks that follow it, its ladder and its desks.

mod begin;
mod end;
mod migrate;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use masar_domain::{CaseId, Importance, Role, StateCategory};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{now, person, today};
use crate::{
    Case, Catalog, ClockOperation, Command, Effect, Holders, Opening, Package, Refusal, SYSTEM, Situation,
    climb, decide, evolve,
};

static SHIPPED: LazyLock<Catalog> = LazyLock::new(|| Catalog::shipped().unwrap());

fn complaint() -> Arc<Package> {
    Arc::clone(SHIPPED.in_force("complaint").unwrap())
}

fn intake(importance: &str) -> Value {
    json!({"channel": "call_centre", "language": "ar", "department": "MUN-ROADS", "service": "MUN-S01",
        "subject": "حفرة في الطريق", "description": {"en": "A pothole"}, "importance_provisional": importance})
}

fn opened(package: &Package, importance: &str, historical: bool) -> (Case, Vec<Effect>) {
    opened_with(package, intake(importance), historical)
}

fn opened_with(package: &Package, form: Value, historical: bool) -> (Case, Vec<Effect>) {
    let case_id = "01936f0e-0000-7000-8000-000000000002".parse::<CaseId>().unwrap();
    let opening = Opening { case_id, historical, form };
    let event = package.open(opening, &person("intake_agent"), now()).unwrap();
    (evolve(None, &event), event.effects)
}

fn form(action: &str) -> Option<Value> {
    let triage = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "medium", "department": "MUN-ROADS"});
    let answer = json!({"text": {"ar": "تم", "en": "Done"}, "points_answered": [{"point": "the delay", "answered": true}],
            "channel": "email", "review_right_text": true});
    let investigation =
        json!({"facts": "f", "what_should_have_happened": "w", "findings": "x", "outcome": "upheld"});
    let date = "2026-12-15";
    Some(match action {
        "route" => triage,
        "resolve_now" | "answer_direct" => answer,
        "draft_answer" => json!({"investigation": investigation, "answer": answer}),
        "first_contact" | "progress_update" | "request_answered" => json!({"note": "called"}),
        "ask_customer" | "customer_replies" => json!({"text": "?"}),
        "ask_department" | "ask_provider" => json!({"to": "MUN-WASTE", "text": "?"}),
        "extend" => json!({"days": 5, "reason": "complexity", "customer_told_at": date}),
        "set_importance" => json!({"importance": "high"}),
        "merge" => json!({"survivor": "MUN-2026-0000001-X"}),
        "transfer_out" => json!({"entity": "DEMO-LAB", "customer_told": true}),
        "refuse" => json!({"code": "not_ours", "wording": {"ar": "لا", "en": "no"}}),
        "reclassify" => json!({"kind": "suggestion"}),
        "accept_answer" => json!({"satisfied": 5, "resolved": "yes"}),
        "ask_review" => json!({"reasons": "unfair"}),
        "decide" => json!({"outcome": "changed", "reasons": {"ar": "لأن", "en": "because"}}),
        "add_to_problem" => json!({"problem": "p"}),
        "open_improvement" => {
            json!({"title": {"ar": "إجراء", "en": "Action"}, "type": "quick_fix", "cross_department": false,
            "owner_department": "MUN-ROADS", "owner": "person:7", "priority": "high", "due": date})
        }
        _ => return None,
    })
}

/// Does an action as `action by person` or `action by name:role` and returns what follows from it.
fn act(package: &Package, case: &mut Case, step: &str) -> Result<Vec<Effect>, Refusal> {
    act_in(package, case, step, today())
}

fn act_in(
    package: &Package,
    case: &mut Case,
    step: &str,
    situation: Situation<'_>,
) -> Result<Vec<Effect>, Refusal> {
    let (action, actor) = step.split_once(" by ").unwrap();
    let mut form = form(action);
    if let ("route", Some(form)) = (action, &mut form) {
        form["importance"] = json!(case.importance());
    }
    let command =
        Command { action: action.into(), form, reason: Some("because".into()), expected_version: None };
    let event = decide(package, case, &command, &person(actor), situation)?;
    *case = evolve(Some(case.clone()), &event);
    Ok(event.effects)
}

fn walk(package: &Package, importance: &str, steps: &[&str]) -> (Case, Vec<Effect>) {
    let (mut case, mut effects) = opened(package, importance, false);
    for step in steps {
        effects = act(package, &mut case, step).unwrap_or_else(|refusal| panic!("{step}: {refusal}"));
    }
    (case, effects)
}

/// The operations on clocks in short: `response:start(10 business_days)`.
fn clocks(effects: &[Effect]) -> Vec<String> {
    let short = |effect: &Effect| {
        let Effect::Clock(effect) = effect else { return None };
        let operation = match &effect.operation {
            ClockOperation::Start { target, .. } => format!("start({target})"),
            ClockOperation::Pause { .. } => "pause".into(),
            ClockOperation::Resume => "resume".into(),
            ClockOperation::Retarget { target, .. } => format!("retarget({target})"),
            ClockOperation::Extend { by, .. } => format!("extend({by})"),
            ClockOperation::Stop => "stop".into(),
            ClockOperation::Cancel { .. } => "cancel".into(),
        };
        Some(format!("{}:{operation}", effect.clock))
    };
    effects.iter().filter_map(short).collect()
}

const ROUTED: [&str; 2] = ["start_triage by triage_officer", "route by triage_officer"];

fn accepted<'a>(then: &[&'a str]) -> Vec<&'a str> {
    ROUTED.iter().copied().chain(["accept by h:case_handler"]).chain(then.iter().copied()).collect()
}

#[test]
fn opening_starts_the_promises_and_tells_the_customer() {
    let package = complaint();
    let (case, effects) = opened(&package, "medium", false);
    assert_eq!((case.state.as_str(), case.department()), ("received", Some("MUN-ROADS")));
    assert_eq!(
        clocks(&effects),
        [
            "ack:start(15 minutes)",
            "first_response:start(2 business_days)",
            "response:start(10 business_days)",
            "triage:start(1 business_day)",
            "whole_life:start(60 business_days)"
        ]
    );
    assert!(effects.contains(&Effect::Route));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Notify { template, .. } if template == "acknowledgement"))
    );
}

#[test]
fn what_is_long_past_is_kept_in_silence() {
    let (_, effects) = opened(&complaint(), "medium", true);
    assert_eq!(clocks(&effects), ["response:start(10 business_days)"]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Notify { .. })));
}

#[test]
fn what_was_over_elsewhere_ends_as_it_did_and_speaks_again_once_reopened() {
    let package = complaint();
    let (case, _) = opened(&package, "medium", true);
    let end = package.end_elsewhere(&case, &person("partner"), now()).unwrap();
    assert_eq!(clocks(&end.effects), ["response:stop"]);
    assert_eq!((end.to.0.as_str(), end.effects.last()), ("closed", Some(&Effect::CloseTask)));
    let mut case = evolve(Some(case), &end);
    assert!(case.historical);
    let effects = act(&package, &mut case, "reopen by intake_agent").unwrap();
    assert!(!case.historical);
    assert!(effects.contains(&Effect::Route), "{effects:?}");
    assert!(clocks(&effects).contains(&"progress_update:start(5 business_days)".to_owned()), "{effects:?}");
}

#[test]
fn clocks_follow_the_case() {
    let package = complaint();
    let table: &[(&[&str], &[&str])] = &[
        (
            &["ask_customer by h:case_handler"],
            &[
                "customer_wait:start(10 business_days)",
                "first_response:stop",
                "inactivity:stop",
                "progress_update:stop",
                "response:pause",
            ],
        ),
        (
            &["ask_customer by h:case_handler", "customer_replies by customer"],
            &[
                "customer_wait:stop",
                "inactivity:start(2 business_days)",
                "progress_update:start(5 business_days)",
                "response:resume",
            ],
        ),
        (
            &["set_importance by triage_officer"],
            // Those with one target for all too: an agreement may tell the degrees of importance apart.
            &[
                "ack:retarget(15 minutes)",
                "first_response:retarget(1 business_day)",
                "inactivity:retarget(1 business_day)",
                "progress_update:retarget(3 business_days)",
                "response:retarget(5 business_days)",
                "whole_life:retarget(60 business_days)",
            ],
        ),
        (
            &["extend by department_director"],
            &["inactivity:start(2 business_days)", "response:extend(5 business_days)"],
        ),
        (
            &["draft_answer by h:case_handler", "approve by department_manager"],
            &[
                "auto_close:start(10 business_days)",
                "first_response:stop",
                "progress_update:stop",
                "reopen_window:start(20 business_days)",
                "response:stop",
                "review_window:start(20 business_days)",
            ],
        ),
        (
            &["draft_answer by h:case_handler", "approve by department_manager", "reopen by customer"],
            &[
                "auto_close:stop",
                "inactivity:start(2 business_days)",
                "progress_update:start(5 business_days)",
                "reopen_window:stop",
                "response:start(10 business_days)",
                "review_window:stop",
            ],
        ),
    ];
    for (steps, expected) in table {
        let (_, effects) = walk(&package, "medium", &accepted(steps));
        assert_eq!(clocks(&effects), *expected, "{steps:?}");
    }
}

#[test]
fn no_clock_outlives_a_case_that_is_withdrawn() {
    let (case, effects) = walk(&complaint(), "medium", &accepted(&["withdraw by customer"]));
    let cancelled = ["ack", "first_response", "inactivity", "progress_update", "response", "whole_life"];
    assert_eq!(clocks(&effects), cancelled.map(|clock| format!("{clock}:cancel")));
    assert!(case.clocks.is_empty());
}

/// Acceptance check 7.
#[test]
fn a_department_bounces_twice_and_then_the_director_decides() {
    let package = complaint();
    let mut steps = ROUTED.to_vec();
    for _ in 0..2 {
        steps.extend(["bounce by h:case_handler", "route by triage_officer"]);
    }
    let (mut case, _) = walk(&package, "medium", &steps);
    let refusal = act(&package, &mut case, "bounce by h:case_handler").unwrap_err();
    assert!(
        matches!(&refusal, Refusal::Guard { message } if message.en.contains("director of public relations")),
        "{refusal}"
    );
    act(&package, &mut case, "bounce by pr_director").unwrap();
    let facts = json!({"case": {"state": case.state, "counts": case.counts}, "service": {}, "category": {}});
    assert_eq!(package.route(&facts).queue, "pr_director");
}

/// Whoever once drafted may not approve, whoever drafted since (check 8).
#[test]
fn what_somebody_did_long_ago_still_counts() {
    let package = complaint();
    let steps = accepted(&[
        "draft_answer by a:case_handler",
        "return by m:department_manager",
        "draft_answer by b:case_handler",
    ]);
    let (mut case, _) = walk(&package, "medium", &steps);
    let refusal = act(&package, &mut case, "approve by a:department_manager").unwrap_err();
    assert!(matches!(refusal, Refusal::SeparationOfDuties { .. }), "{refusal}");
    assert_eq!(case.handler.as_deref(), Some("h"));
}

/// T9: once.
#[test]
fn an_extension_is_granted_once() {
    let package = complaint();
    let (mut case, _) = walk(&package, "medium", &accepted(&["extend by department_director"]));
    let refusal = act(&package, &mut case, "extend by department_director").unwrap_err();
    assert!(matches!(refusal, Refusal::Guard { .. }), "{refusal}");
}

/// Acceptance check 8.
#[test]
fn nobody_approves_or_reviews_their_own_work() {
    let package = complaint();
    let (mut case, _) = walk(&package, "medium", &accepted(&["draft_answer by x:case_handler"]));
    let refusal = act(&package, &mut case, "approve by x:department_manager").unwrap_err();
    assert!(matches!(refusal, Refusal::SeparationOfDuties { .. }), "{refusal}");
    act(&package, &mut case, "approve by m:department_manager").unwrap();
    act(&package, &mut case, "ask_review by customer").unwrap();
    for own in ["h", "x", "m"] {
        let refusal = act(&package, &mut case, &format!("decide by {own}:independent_reviewer")).unwrap_err();
        assert!(matches!(refusal, Refusal::SeparationOfDuties { .. }), "{own}: {refusal}");
    }
    act(&package, &mut case, "decide by r:independent_reviewer").unwrap();
    assert_eq!(case.state, "closed");
}

#[test]
fn the_system_acts_when_its_clock_says_so_and_people_cannot() {
    let package = complaint();
    let (mut case, _) = walk(&package, "medium", &accepted(&["ask_customer by h:case_handler"]));
    assert!(matches!(act(&package, &mut case, "no_reply by case_handler"), Err(Refusal::Role { .. })));
    let effects = act(&package, &mut case, &format!("no_reply by {SYSTEM}")).unwrap();
    assert_eq!((case.state.as_str(), effects.contains(&Effect::CloseTask)), ("closed", true));
}

/// Section 4.4, as printed.
#[test]
fn the_ladder_is_the_table() {
    let package = complaint();
    let table = [
        (
            Importance::High,
            "L0 50%, L1 breach, L2 breach + 1 business_day, L3 breach + 2 business_days, L4 breach + 5 business_days, L5 breach + 10 business_days",
        ),
        (
            Importance::Medium,
            "L0 75%, L1 breach, L2 breach + 2 business_days, L3 breach + 5 business_days, L4 breach + 10 business_days, L5 breach + 20 business_days",
        ),
        (
            Importance::Low,
            "L0 90%, L1 breach, L2 breach + 5 business_days, L3 breach + 10 business_days, L4 breach + 20 business_days",
        ),
    ];
    for (importance, expected) in table {
        let ladder = package.ladder("response", importance);
        let levels: Vec<_> = ladder.iter().map(|step| format!("{} {}", step.level, step.mark)).collect();
        assert_eq!(levels.join(", "), expected);
    }
}

#[test]
fn a_vacant_level_tells_the_next_and_at_last_the_safety_net() {
    let package = complaint();
    let steps = package.ladder("response", Importance::Medium);
    let net = package.safety_net("response").unwrap();
    let told = |holders: &[&str]| {
        let holders: Vec<String> = holders.iter().map(|role| (*role).to_owned()).collect();
        climb(&steps, 1, net, |role| Holders {
            present: holders.iter().filter(|held| *held == role).cloned().collect(),
            absent: (role == "department_director").then(|| "on leave".to_owned()).into_iter().collect(),
        })
    };
    let present = told(&["department_manager"]);
    assert_eq!((present.people, present.absent.len()), (vec!["department_manager".to_owned()], 0));
    let vacant = told(&["pqi_director"]);
    assert_eq!(
        (vacant.people, vacant.vacant, vacant.absent, vacant.safety_net),
        (
            vec!["pqi_director".to_owned()],
            vec!["department_manager".to_owned(), "department_director".into()],
            vec!["on leave".to_owned()],
            false
        )
    );
    let net = told(&["tenant_admin"]);
    assert_eq!((net.people, net.safety_net), (vec!["tenant_admin".to_owned()], true));
    let nobody = climb(&steps, 0, &Role("nobody".into()), |_| Holders::default());
    assert!(nobody.people.is_empty() && nobody.safety_net);
}

#[test]
fn a_clock_may_live_wherever_somebody_must_act() {
    let complaint = complaint();
    for (code, state) in &complaint.definition().states {
        if matches!(state.category, StateCategory::Open | StateCategory::Waiting) {
            assert!(complaint.promises_in(code), "{code}");
        }
    }
    // Nothing is promised before a course is offered.
    let course = SHIPPED.in_force("training-course").unwrap();
    assert!(!course.promises_in("planned") && !course.promises_in("nowhere"));
}

#[test]
fn routing_takes_the_first_rule_that_names_a_queue() {
    let package = complaint();
    let roads = json!({"department": "MUN-ROADS"});
    let permits = json!({"code": "LAB-S01", "department": "LAB-PERMITS"});
    let (waste, none) = (json!({"department": "MUN-WASTE"}), json!({}));
    let table = [
        ("in_review", &roads, &none, &none, "independent_review", "rule 1"),
        ("received", &roads, &permits, &waste, "triage", "rule 3"),
        ("triage", &roads, &permits, &waste, "triage", "rule 3"),
        ("routed", &roads, &permits, &waste, "MUN-ROADS", "rule 4"),
        ("in_progress", &none, &permits, &waste, "LAB-PERMITS", "rule 5"),
        ("in_progress", &none, &none, &waste, "MUN-WASTE", "rule 6"),
        ("in_progress", &none, &none, &none, "triage", "no rule"),
    ];
    for (state, known, service, category, queue, reason) in table {
        let mut case = known.clone();
        (case["state"], case["counts"]) = (json!(state), json!({"bounces": 0}));
        let routed = package.route(&json!({"case": case, "service": service, "category": category}));
        assert_eq!(routed.queue, queue, "{case}");
        assert!(routed.reason.starts_with(reason), "{}", routed.reason);
    }
}

#[test]
fn a_child_is_opened_from_the_form_of_its_transition() {
    let package = complaint();
    // Whoever is asked by a department knows which: they may have an agreement.
    let children = [
        ("open_improvement by department_manager", "improvement-action", "improves", "action", None),
        ("ask_department by case_handler", "department-request", "asked_by", "request", Some("MUN-ROADS")),
    ];
    for (step, child, link, opening_form, from) in children {
        let (_, effects) = walk(&package, "medium", &accepted(&[step]));
        let (action, _) = step.split_once(' ').unwrap();
        let mut form = form(action).unwrap();
        if let Some(from) = from {
            form["from"] = json!(from);
        }
        let (package, link) = (child.to_owned(), link.to_owned());
        let asked = Effect::Child {
            package,
            link,
            number: 0,
            form: form.clone(),
            entity: None,
            inward: false,
            for_customer: false,
            lodged_by: None,
        };
        assert!(effects.contains(&asked), "{step}");
        assert_eq!(SHIPPED.in_force(child).unwrap().violations(opening_form, &form), []);
    }
}

/// Every transition of the package is done by somebody in some state: none is there in vain.
#[test]
fn every_action_can_be_done() {
    let package = complaint();
    let mut undone: BTreeMap<String, ()> =
        package.definition().transitions.iter().map(|transition| (transition.action.clone(), ())).collect();
    let roles: Vec<String> = package
        .definition()
        .transitions
        .iter()
        .flat_map(|transition| transition.roles.iter().map(|role| role.0.clone()))
        .collect();
    let mut open: Vec<Case> =
        ["low", "medium"].map(|importance| opened(&package, importance, false).0).into();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(case) = open.pop() {
        for transition in
            package.definition().transitions.iter().filter(|transition| transition.from.contains(&case.state))
        {
            for role in roles.iter().filter(|role| transition.roles.contains(&Role((*role).clone()))) {
                let mut next = case.clone();
                if act(&package, &mut next, &format!("{} by {role}-of-it:{role}", transition.action)).is_ok()
                {
                    undone.remove(&transition.action);
                    if seen.insert((next.state.clone(), next.importance())) {
                        open.push(next);
                    }
                }
            }
        }
    }
    // That the entities of a bundle have answered is nothing that can be done without them.
    assert_eq!(undone.into_keys().collect::<Vec<_>>(), ["entities_answered"]);
}

proptest! {
    /// Whatever people try, a case stays in the machine, has a desk exactly while it
    /// needs one, and runs no clock once it is closed but those within which it can come back.
    #[test]
    fn random_actions_never_break_a_case(steps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..40)) {
        let package = complaint();
        let transitions = &package.definition().transitions;
        let (mut case, effects) = opened(&package, "low", false);
        let mut desk = effects.contains(&Effect::Route);
        for (transition, role) in steps {
            let transition = transition.get(transitions);
            let roles: Vec<_> = transition.roles.iter().collect();
            let role = &role.get(&roles).0;
            let Ok(effects) = act(&package, &mut case, &format!("{} by {role}-1:{role}", transition.action)) else { continue };
            desk = (desk || effects.iter().any(|effect| matches!(effect, Effect::Route | Effect::AssignActor))) && !effects.contains(&Effect::CloseTask);
            prop_assert!(package.definition().states.contains_key(&case.state));
            prop_assert_eq!(desk, case.category.needs_owner(), "{} -> {}", transition.action, case.state);
            if case.category == masar_domain::StateCategory::Closed {
                let left = case.clocks.iter().filter(|clock| !package.definition().is_window(clock, &case.state));
                prop_assert_eq!(left.count(), 0, "{:?}", case.clocks);
            }
        }
    }
}

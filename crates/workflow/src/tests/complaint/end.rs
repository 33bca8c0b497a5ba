//! How a complaint ends: the answer that was drafted, the way back, and the review.

use std::collections::BTreeMap;

use jiff::ToSpan;
use serde_json::{Value, json};

use super::super::{now, person};
use super::{accepted, act, act_in, clocks, complaint, form, walk};
use crate::{Effect, Refusal, Situation, available};

/// P01 17 and 18: the handler fills in both forms, and what was drafted is what is approved.
#[test]
fn an_answer_is_drafted_with_its_investigation_and_then_only_approved() {
    let package = complaint();
    let mut draft = form("draft_answer").unwrap();
    let steps = accepted(&["draft_answer by h:case_handler", "approve by department_manager"]);
    let (case, effects) = walk(&package, "medium", &steps);
    assert_eq!((case.state.as_str(), &case.forms["draft"]), ("answered", &draft));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Notify { template, .. } if template == "answer"))
    );

    assert_eq!(package.violations("draft", &draft), []);
    draft["answer"]["text"]["ar"] = json!("");
    draft["investigation"]["outcome"] = json!("maybe");
    let fields: Vec<_> = package.violations("draft", &draft).into_iter().map(|wrong| wrong.field).collect();
    assert_eq!(fields, ["draft.answer.text.ar", "draft.investigation.outcome"]);
    let schema: Value = serde_json::from_str(package.form_schema("draft").unwrap()).unwrap();
    assert_eq!(schema["properties"]["answer"]["x-label"]["en"], "Answer");
    assert!(!schema.to_string().contains("$ref"), "whoever reads a form needs no other file");
}

/// P01 23 and 24: twenty working days from the answer, and for reopening from the closing too; each time afresh.
#[test]
fn the_customer_comes_back_while_the_window_is_open() {
    let package = complaint();
    assert_eq!(package.windows(), ["reopen_window", "review_window"].into());
    let answered = accepted(&["draft_answer by h:case_handler", "approve by department_manager"]);
    let (answered, _) = walk(&package, "medium", &answered);
    let mut closed = answered.clone();
    let effects = act(&package, &mut closed, "accept_answer by customer").unwrap();
    let changed =
        ["ack:cancel", "auto_close:stop", "reopen_window:start(20 business_days)", "whole_life:stop"];
    assert_eq!(clocks(&effects), changed, "the window for a review is still open");

    let due = now();
    let (before, after) = (due.checked_sub(1.second()).unwrap(), due.checked_add(1.second()).unwrap());
    for (action, clock) in [("reopen", "reopen_window"), ("ask_review", "review_window")] {
        let windows = BTreeMap::from([(clock.to_owned(), due)]);
        for case in [&answered, &closed] {
            let try_at = |at| {
                let situation = Situation { at, windows: &windows, children: &[] };
                let step = format!("{action} by customer");
                act_in(&package, &mut case.clone(), &step, situation).map(drop)
            };
            assert_eq!((try_at(before), try_at(due)), (Ok(()), Ok(())));
            let over = Refusal::Window { clock: clock.to_owned(), ended_at: due };
            assert_eq!(try_at(after), Err(over.clone()));
            let situation = Situation { at: after, windows: &windows, children: &[] };
            let lines = available(&package, case, &person("customer"), situation);
            let line = lines.into_iter().find(|line| line.action == action).unwrap();
            assert_eq!(line.refusal, Some(over));
        }
    }
}

/// P01 25: final.
#[test]
fn nothing_follows_the_decision_of_a_review() {
    let package = complaint();
    let (mut case, _) = walk(
        &package,
        "medium",
        &accepted(&[
            "draft_answer by h:case_handler",
            "approve by department_manager",
            "ask_review by customer",
            "decide by r:independent_reviewer",
        ]),
    );
    assert_eq!((case.state.as_str(), case.clocks.len()), ("closed", 0));
    for action in ["reopen", "ask_review"] {
        let refusal = act(&package, &mut case, &format!("{action} by customer")).unwrap_err();
        assert!(matches!(refusal, Refusal::Guard { .. }), "{refusal}");
    }
}

//! Every due time that the sample cases of the demo expect, before and after what happened to them.

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar_clock::{CalendarRef, Clock, Entry, Event};
use masar_worktime::{Calendar, Target};
use serde_json::Value;

const SAMPLES: &str = include_str!("../../../demo/sample-cases.jsonl");

/// The targets of section 4.3 in the words of the samples: high, medium and low.
const TARGETS: [(&str, &str, [&str; 3]); 7] = [
    ("complaint", "first_response_due_at", ["1 bd", "2 bd", "3 bd"]),
    ("complaint", "response_due_at", ["5 bd", "10 bd", "15 bd"]),
    ("complaint", "safety_first_response_due_at", ["4 hours"; 3]),
    ("suggestion", "acknowledge_due_at", ["2 bd"; 3]),
    ("suggestion", "decision_due_at", ["20 bd"; 3]),
    ("inquiry", "response_due_at", ["1 bd", "3 bd", "3 bd"]),
    ("compliment", "share_due_at", ["5 bd"; 3]),
];

fn target(case_type: &str, what: &str, importance: &str) -> Option<Target> {
    let (.., targets) = TARGETS.iter().find(|(kind, name, _)| *kind == case_type && *name == what)?;
    let place = ["high", "medium", "low"].iter().position(|word| *word == importance)?;
    targets[place].parse().ok()
}

fn time(value: &Value) -> Result<Timestamp> {
    Ok(value.as_str().with_context(|| format!("no time: {value}"))?.parse()?)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What happened to the clock of a case; none of what leaves it alone.
fn happened(case: &Value, event: &Value) -> Result<Option<Entry>> {
    let reason = text(&event["reason"]).to_owned();
    let happened = match text(&event["event"]) {
        "clock.paused" => Event::Paused { reason },
        "clock.resumed" => Event::Resumed,
        "importance_changed" => {
            let target = target(text(&case["case_type"]), "response_due_at", text(&event["to"]));
            Event::Retargeted { target: target.context("a target")?, not_after: None, cause: reason }
        }
        "extension_granted" => {
            let days = event["days"].as_u64().and_then(|days| days.try_into().ok()).context("days")?;
            let told = time(&event["customer_told_at"])?;
            assert!(told < time(&case["expected"]["response_due_at"])?, "told before it was due (T9)");
            Event::Extended { by: Target::business_days(days), reason, granted_by: "director".to_owned() }
        }
        "bounced" => return Ok(None),
        other => anyhow::bail!("an unknown event {other}"),
    };
    Ok(Some(Entry { at: time(&event["at"])?, event: happened }))
}

#[test]
fn the_sample_cases_are_due_when_they_expect_it() -> Result<()> {
    let (_, shipped) = masar_worktime::SHIPPED[0];
    let calendar = Calendar::compile(&serde_saphyr::from_str(shipped)?)?;
    let (mut expected, mut moved) = (0, 0);
    for line in SAMPLES.lines() {
        let case: Value = serde_json::from_str(line)?;
        let started = |target: Target| -> Result<Entry> {
            let (calendar, policy) = (CalendarRef::of(&calendar), "samples".to_owned());
            let event = Event::Started { target, calendar, policy, not_after: None };
            Ok(Entry { at: time(&case["received_at"])?, event })
        };
        let (kind, importance) = (text(&case["case_type"]), text(&case["importance"]));
        for (name, due) in case["expected"].as_object().into_iter().flatten() {
            let Some(target) = target(kind, name, importance) else { continue };
            let clock = Clock::fold(&[started(target)?], &calendar)?;
            assert_eq!(clock.due_at(&calendar)?, time(due)?, "{} {name}", case["seq"]);
            expected += 1;
        }
        if let Some(due) = case["expected"].get("response_due_after_events_at") {
            let mut ledger = vec![started(target(kind, "response_due_at", importance).context("a target")?)?];
            for event in case["events"].as_array().into_iter().flatten() {
                ledger.extend(happened(&case, event)?);
            }
            let clock = Clock::fold(&ledger, &calendar)?;
            assert_eq!(clock.due_at(&calendar)?, time(due)?, "{} after what happened", case["seq"]);
            moved += 1;
        }
    }
    assert_eq!((expected, moved), (53, 4));
    Ok(())
}

//! The promises of an improvement action: its type and its plan.

use masar_worktime::Target;

use super::{opened, package, person, today};
use crate::{ClockOperation, Effect, decide, evolve};

#[test]
fn targets_of_an_action_follow_its_type() {
    let package = package();
    for (kind, days) in [("quick_fix", 10), ("corrective", 60), ("redesign", 120)] {
        let case = opened(&package, kind, false);
        let command = super::command("approve");
        let event = decide(&package, &case, &command, &person("pqi_director"), today()).unwrap();
        let started = event.effects.iter().find_map(|effect| match effect {
            Effect::Clock(effect) if effect.clock == "delivery" => Some(effect.operation.clone()),
            _ => None,
        });
        assert!(
            matches!(started, Some(ClockOperation::Start { target, .. }) if target == Target::business_days(days)),
            "{kind}"
        );
    }
}

/// Section 4.3: the day of the plan if that is earlier; a new day goes before the first.
#[test]
fn the_delivery_of_an_action_knows_its_plan() {
    let package = package();
    let mut case = opened(&package, "corrective", false);
    let mut planned = Vec::new();
    for (action, by) in [
        ("approve", "department_director"),
        ("start", "case_handler"),
        ("change_date", "department_director"),
        ("update_progress", "case_handler"),
    ] {
        let event = decide(&package, &case, &super::command(action), &person(by), today()).unwrap();
        planned.extend(event.effects.iter().filter_map(|effect| match effect {
            Effect::Clock(effect) if effect.clock == "delivery" => match &effect.operation {
                ClockOperation::Start { not_after, .. } => Some(("start", *not_after)),
                ClockOperation::Retarget { not_after, .. } => Some(("retarget", *not_after)),
                _ => None,
            },
            _ => None,
        }));
        case = evolve(Some(case), &event);
    }
    let day = |text: &str| Some(text.parse::<jiff::civil::Date>().unwrap());
    assert_eq!(planned, [("start", day("2026-12-15")), ("retarget", day("2026-12-20"))]);
}

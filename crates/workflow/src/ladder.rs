//! Ladders: who is told when a clock is late (section 4.4).

use std::collections::BTreeMap;

use masar_clock::Mark;
use masar_domain::{Importance, Role};
use masar_worktime::Target;
use serde::{Deserialize, Serialize};

use crate::Package;
#[cfg(test)]
use crate::tests::words::{Duration, Moment, RoleCode};

/// The word of ladders and messages for the customer of the case.
pub const CUSTOMER: &str = "customer";

/// Who is told when a clock is late, level by level.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// The levels from the lowest.
    pub levels: Vec<Level>,
    /// The role that is told when nobody else is there.
    #[cfg_attr(test, schemars(with = "RoleCode"))]
    pub safety_net: Role,
}

/// A level of a ladder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// `L0` and up.
    pub level: String,
    /// When it fires, by importance; `all` stands for the rest. Where there is none, the level is left out.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Moment>"))]
    pub at: BTreeMap<String, Mark>,
    /// Who is told: `handler` or role codes; or `customer` alone, as a reminder.
    pub to: Vec<String>,
    /// The template in which they are told; without one, that of the entity's people for what is due or late. The customer
    /// always has one of their own.
    pub template: Option<String>,
    /// How often it is told again while nobody has taken notice; without it, once.
    pub again: Option<Again>,
    /// What else happens: `require_reason` asks the level to say what it will do, `add_to_queue:CODE` puts the case on the
    /// list of a queue until the level is acknowledged, `act:ACTION` has the system do something to the case.
    #[serde(default, rename = "do")]
    pub actions: Vec<String>,
}

/// A level of a ladder for one degree of importance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderStep {
    /// `L0` and up.
    pub level: String,
    /// When it fires.
    pub mark: Mark,
    /// When it tells them again, as long as nobody has taken notice.
    pub again: Vec<Mark>,
    /// Who is told: `handler` or role codes, or `customer`.
    pub to: Vec<String>,
    /// The template in which they are told, where the level has its own.
    pub template: Option<String>,
    /// What else happens.
    pub actions: Vec<String>,
}

/// The people who hold a role for a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// Those who can be told.
    pub present: Vec<String>,
    /// Those who are absent.
    pub absent: Vec<String>,
}

/// How often a level is told again. Only what fires at a breach or after it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// How long after the level fired, and after each time that it was told again.
    #[cfg_attr(test, schemars(with = "Duration"))]
    pub every: Target,
    /// How often at most.
    pub times: u32,
}

/// Who is told when a level fires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Climb {
    /// The people, each once.
    pub people: Vec<String>,
    /// The roles that nobody present holds, for which others were told.
    pub vacant: Vec<String>,
    /// The people who hold them and are absent, each once.
    pub absent: Vec<String>,
    /// True when only the safety net was left to tell.
    pub safety_net: bool,
}

impl LadderStep {
    /// True for a reminder to the customer, which asks nobody of the entity to act.
    #[must_use]
    pub fn is_for_the_customer(&self) -> bool {
        self.to.iter().any(|word| word == CUSTOMER)
    }
}

/// What an action of a level says before the code of what the system then does to the case.
pub(crate) const ACT: &str = "act:";

/// What the system does to the case by itself because of the actions of a level.
pub fn acts(actions: &[String]) -> impl Iterator<Item = &str> {
    actions.iter().filter_map(|action| action.strip_prefix(ACT))
}

impl Ladder {
    /// What the system does to cases because of its levels.
    pub(crate) fn acts(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().flat_map(|level| acts(&level.actions))
    }
}

impl Again {
    /// Most repeats: who has not taken notice by then is not reached by saying it once more.
    pub(crate) const MOST: u32 = 20;

    /// When a level that fires at a mark is told again; none where the two cannot be added up.
    #[must_use]
    pub fn marks(&self, first: Mark) -> Option<Vec<Mark>> {
        let after = match first {
            Mark::Breach => 0,
            Mark::Overdue(late) if late.unit == self.every.unit => late.amount,
            Mark::Overdue(_) | Mark::Share(_) => return None,
        };
        let mark = |number: u32| {
            let amount = self.every.amount.checked_mul(number)?.checked_add(after)?;
            Some(Mark::Overdue(Target { amount, ..self.every }))
        };
        (1..=self.times.min(Self::MOST)).map(mark).collect()
    }
}

impl Package {
    /// The ladder of a clock for a degree of importance, lowest level first; empty when it has none.
    #[must_use]
    pub fn ladder(&self, clock: &str, importance: Importance) -> Vec<LadderStep> {
        let levels =
            self.definition().ladders.get(clock).map(|ladder| ladder.levels.as_slice()).unwrap_or_default();
        let step = |level: &crate::Level| {
            let mark = level.at.get(importance.as_str()).or_else(|| level.at.get("all"))?;
            Some(LadderStep {
                level: level.level.clone(),
                mark: *mark,
                again: level.again.and_then(|again| again.marks(*mark)).unwrap_or_default(),
                to: level.to.clone(),
                template: level.template.clone(),
                actions: level.actions.clone(),
            })
        };
        levels.iter().filter_map(step).collect()
    }

    /// The role that is told when nobody else of the ladder is there.
    #[must_use]
    pub fn safety_net(&self, clock: &str) -> Option<&Role> {
        self.definition().ladders.get(clock).map(|ladder| &ladder.safety_net)
    }
}

/// Who is told at a level: its people; where it is vacant those of the next, and at last the safety net.
///
/// `holders` gives the people who hold a role for the case at hand.
pub fn climb(
    steps: &[LadderStep],
    level: usize,
    safety_net: &Role,
    holders: impl Fn(&str) -> Holders,
) -> Climb {
    let mut climb = Climb::default();
    let reminder = steps.get(level).is_some_and(LadderStep::is_for_the_customer);
    // What people of the entity should have heard is never told to the customer instead.
    for step in steps.iter().skip(level).filter(|step| step.is_for_the_customer() == reminder) {
        for role in &step.to {
            let Holders { present, absent } = holders(role);
            if present.is_empty() {
                climb.vacant.push(role.clone());
                climb.absent.extend(absent);
            }
            climb.people.extend(present);
        }
        if !climb.people.is_empty() {
            break;
        }
    }
    if climb.people.is_empty() {
        let Holders { present, absent } = holders(&safety_net.0);
        climb.safety_net = true;
        climb.people = present;
        climb.absent.extend(absent);
    }
    for people in [&mut climb.people, &mut climb.absent] {
        people.sort();
        people.dedup();
    }
    climb.vacant.dedup();
    climb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_again_comes_so_long_after_the_level() {
        let again = Again { every: "2 business_days".parse().unwrap(), times: 3 };
        let marks = |first: &str| {
            let marks = again.marks(first.parse().unwrap())?;
            Some(marks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        };
        for (first, expected) in [
            ("breach", Some("breach + 2 business_days, breach + 4 business_days, breach + 6 business_days")),
            (
                "breach + 1 bd",
                Some("breach + 3 business_days, breach + 5 business_days, breach + 7 business_days"),
            ),
            ("breach + 1 day", None),
            ("75%", None),
        ] {
            assert_eq!(marks(first).as_deref(), expected, "{first}");
        }
    }
}

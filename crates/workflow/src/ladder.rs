//! Ladders: who is told when a clock is late (section 4.4).

use masar_clock::Mark;
use masar_domain::{Importance, Role};

use crate::Package;

/// The word of ladders and messages for the customer of the case.
pub const CUSTOMER: &str = "customer";

/// A level of a ladder for one degree of importance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderStep {
    /// `L0` and up.
    pub level: String,
    /// When it fires.
    pub mark: Mark,
    /// Who is told: `handler` or role codes, or `customer`.
    pub to: Vec<String>,
    /// The template in which they are told, where the level has its own.
    pub template: Option<String>,
    /// What else happens.
    pub actions: Vec<String>,
}

/// Who is told when a level fires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Climb {
    /// The people, each once.
    pub people: Vec<String>,
    /// The roles that nobody holds, for which others were told.
    pub vacant: Vec<String>,
}

impl LadderStep {
    /// True for a reminder to the customer, which asks nobody of the entity to act.
    #[must_use]
    pub fn is_for_the_customer(&self) -> bool {
        self.to.iter().any(|word| word == CUSTOMER)
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
/// `people_of` gives the people who hold a role for the case at hand.
pub fn climb(
    steps: &[LadderStep],
    level: usize,
    safety_net: &Role,
    people_of: impl Fn(&str) -> Vec<String>,
) -> Climb {
    let mut climb = Climb::default();
    let reminder = steps.get(level).is_some_and(LadderStep::is_for_the_customer);
    // What people of the entity should have heard is never told to the customer instead.
    for step in steps.iter().skip(level).filter(|step| step.is_for_the_customer() == reminder) {
        for role in &step.to {
            let people = people_of(role);
            if people.is_empty() {
                climb.vacant.push(role.clone());
            }
            climb.people.extend(people);
        }
        if !climb.people.is_empty() {
            break;
        }
    }
    if climb.people.is_empty() {
        climb.people = people_of(&safety_net.0);
    }
    climb.people.sort();
    climb.people.dedup();
    climb.vacant.dedup();
    climb
}

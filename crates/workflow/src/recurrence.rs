//! Recurrence: whether the same has happened before, as a package says what the same is (CMP-04, E20).
//!
//! Whoever keeps cases counts; what follows from the count is decided here and stands in the event that was counted, so that a
//! replay needs to count nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use masar_domain::BiText;
use masar_worktime::Target;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::children::Asking;
use crate::decide::case_facts;
use crate::expression::{CHILD, Reader, Spot};
#[cfg(test)]
use crate::tests::words::{Duration, Text};
use crate::{Case, CaseEvent, Command, Definition, Package, Task, evolve};

/// The fact that says how many of the same there were, the case itself among them; a case that is the only one has none.
pub const RECURRENCE: &str = "recurrence";

/// What makes cases of a package the same matter, and what follows when it comes again (CMP-04).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RecurrenceRule {
    /// What people call it.
    #[cfg_attr(test, schemars(with = "Text"))]
    pub label: BiText,
    /// The facts that are the same: `[service, classification]`. A case of which one is not known yet is counted once it is.
    pub same: Vec<String>,
    /// How far back cases count, by when each was received, in elapsed time such as `30 days`.
    #[cfg_attr(test, schemars(with = "Duration"))]
    pub within: Target,
    /// From how many on, this one among them, a case is proposed; one for as long as the others are within the time.
    pub threshold: Option<u32>,
    /// The case that is proposed, as a child of the one that was one too many.
    pub proposes: Option<Proposal>,
}

/// A case that is proposed to those who look for what is behind the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Its package.
    pub package: String,
    /// How it relates to the case.
    pub link: String,
    /// The fields of its opening form, as those of a child.
    #[serde(default)]
    pub with: BTreeMap<String, String>,
}

/// What a case is counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Matter {
    /// The code of the rule.
    pub rule: String,
    /// The values of its facts, in their order.
    pub same: Vec<String>,
}

/// What was counted of a matter before this case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many other cases there are within the time.
    pub earlier: u32,
    /// True when one of them proposed a case already.
    pub proposed: bool,
}

/// A case that counts from now on as one of a matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The matter.
    pub matter: Matter,
    /// True when a case was proposed with it.
    pub proposed: bool,
}

/// The proposals of all rules, by code.
#[derive(Default)]
pub(crate) struct Proposals(BTreeMap<String, Asking>);

impl Proposals {
    /// Reads how the forms of proposed cases are filled in.
    pub(crate) fn compile(reader: &Reader<'_>, definition: &Definition) -> Self {
        let asking = |(code, rule): (&String, &RecurrenceRule)| {
            let Proposal { package, link, with } = rule.proposes.clone()?;
            let spot = Spot {
                path: format!("recurrence/{code}/proposes"),
                words: format!("the recurrence `{code}`"),
                names: CHILD,
                form: None,
            };
            let task = Task::Child {
                package,
                link,
                each: None,
                with,
                entity: None,
                inward: false,
                for_customer: false,
                concealed: None,
            };
            Some((code.clone(), Asking::of(reader, &spot, &task)?))
        };
        Self(definition.recurrence.iter().filter_map(asking).collect())
    }
}

impl RecurrenceRule {
    /// How far back cases count.
    #[must_use]
    pub fn span(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.within.amount))
    }

    fn of(&self, code: &str, facts: &BTreeMap<String, String>) -> Option<Matter> {
        let known = |fact: &String| facts.get(fact).filter(|value| !value.is_empty()).cloned();
        Some(Matter { rule: code.to_owned(), same: self.same.iter().map(known).collect::<Option<_>>()? })
    }
}

impl Package {
    /// The matters of which a case would be, given what is known of it.
    fn matters(&self, facts: &BTreeMap<String, String>) -> BTreeSet<Matter> {
        let rules = self.definition().recurrence.iter();
        rules.filter_map(|(code, rule)| rule.of(code, facts)).collect()
    }

    /// The matters of which a case will be that opens with a form.
    #[must_use]
    pub fn matters_of_opening(&self, form: &Value) -> BTreeSet<Matter> {
        if self.definition().recurrence.is_empty() {
            return BTreeSet::new();
        }
        let form = self.computed(&self.definition().opening_form, None, form.clone());
        self.matters(&self.facts(&form))
    }

    /// The matters of which a case may newly be after a command, whichever of its transitions is taken.
    #[must_use]
    pub fn matters_of_command(&self, case: &Case, command: &Command) -> BTreeSet<Matter> {
        let definition = self.definition();
        let ways = definition.transitions.iter().enumerate();
        let ways = ways.filter(|(_, way)| !definition.recurrence.is_empty() && way.action == command.action);
        let before = self.matters(&case.facts);
        let mut found = BTreeSet::new();
        for (index, way) in ways.filter(|(_, way)| !way.sets.is_empty()) {
            let form = match (&way.form, &command.form) {
                (Some(name), Some(data)) => self.computed(name, Some(case), data.clone()),
                _ => Value::Null,
            };
            let mut facts = case.facts.clone();
            facts.extend(self.facts_set(index, &form));
            found.extend(self.matters(&facts));
        }
        found.difference(&before).cloned().collect()
    }

    /// The event with what follows from how often the same has happened before, and the matters of which the case is from now on.
    /// A case that was over elsewhere counts, and nothing follows from it.
    #[must_use]
    pub fn recurring(
        &self,
        before: Option<&Case>,
        mut event: CaseEvent,
        counted: impl Fn(&Matter) -> Counted,
    ) -> (CaseEvent, Vec<Noted>) {
        let definition = self.definition();
        if definition.recurrence.is_empty() {
            return (event, Vec::new());
        }
        let after = evolve(before.cloned(), &event);
        let was = before.map(|case| self.matters(&case.facts)).unwrap_or_default();
        let (mut noted, mut most) = (Vec::new(), 0);
        for matter in self.matters(&after.facts).into_iter().filter(|matter| !was.contains(matter)) {
            let Counted { earlier, proposed } = counted(&matter);
            let number = earlier.saturating_add(1);
            let rule = definition.recurrence.get(&matter.rule);
            let enough = rule.and_then(|rule| rule.threshold).is_some_and(|threshold| number >= threshold);
            let proposes = enough && !proposed && !after.historical;
            if earlier > 0 && !after.historical {
                most = most.max(number);
            }
            if let Some(asking) = self.proposals().0.get(&matter.rule).filter(|_| proposes) {
                let form = event.form.as_ref().map(|(_, data)| data);
                let children = asking.effects(&case_facts(&after), form);
                event.effects.extend(children);
            }
            noted.push(Noted { matter, proposed: proposes });
        }
        if most > 0 {
            event.facts.insert(RECURRENCE.to_owned(), most.to_string());
        }
        (event, noted)
    }
}

//! Routing: which queue takes a case, and which rule said so.

use serde_json::Value;

use crate::Package;
use crate::expression::{ROUTING, Scope};

/// Where a case goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// Code of the queue.
    pub queue: String,
    /// Which rule decided, for people: `rule 4: the service belongs to a department`.
    pub reason: String,
    /// How every rule up to that one answered.
    pub tried: Vec<Tried>,
}

/// A rule that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Its place, from 1.
    pub number: usize,
    /// What it says, for people.
    pub name: String,
    /// Its condition.
    pub condition: String,
    /// True when it took the case.
    pub matched: bool,
}

impl Package {
    /// Routes a case by the facts `case`, `service` and `category`: the first rule that holds and names a queue.
    #[must_use]
    pub fn route(&self, facts: &Value) -> Routed {
        let routing = &self.definition().routing;
        let scope = ROUTING.iter().fold(Scope::default(), |scope, name| scope.with(name, || &facts[*name]));
        let mut tried = Vec::new();
        for (index, rule) in routing.rules.iter().enumerate() {
            let queue = self.routed_by(index, &scope);
            let number = index + 1;
            let (name, condition) = (rule.name.clone(), rule.when.clone());
            tried.push(Tried { number, name, condition, matched: queue.is_some() });
            if let Some(queue) = queue {
                return Routed { queue, reason: format!("rule {number}: {}", rule.name), tried };
            }
        }
        Routed {
            queue: routing.otherwise.clone(),
            reason: "no rule took it: the desk of all others".to_owned(),
            tried,
        }
    }
}

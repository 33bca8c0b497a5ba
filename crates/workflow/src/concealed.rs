//! Concealed children: cases that look like any other to everybody but those whom the package of their parent names, and to
//! these only in the states in which the link is revealed (CMP-07, AMB-01).

use std::collections::BTreeSet;

use masar_domain::Role;
use serde::{Deserialize, Serialize};

#[cfg(test)]
use crate::tests::words::RoleCode;
use crate::{Actor, CaseEvent, Definition, Effect, Task, Transition};

/// How a child is kept from being known as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Concealed {
    /// Under which name it is lodged: a field of the form, or `=` and a CEL expression over `case` and `form`, or `table NAME`.
    /// Whoever reads the child finds it where others have who submitted them. Where it says nothing, the child is nobody's.
    pub lodged_by: String,
    /// The roles that learn of the link. Whoever lodged the child knows it anyway.
    #[cfg_attr(test, schemars(with = "BTreeSet<RoleCode>"))]
    pub revealed_to: BTreeSet<Role>,
    /// The states of this case in which they do; `any_closed` and the like stand for many.
    pub revealed_in: BTreeSet<String>,
}

impl Definition {
    /// True when somebody who reads a case in this state learns of a concealed link, given who lodged the child. A link of which
    /// the package says nothing any more stays hidden.
    #[must_use]
    pub fn reveals(&self, link: &str, lodged_by: &str, state: &str, reader: &Actor) -> bool {
        let rule = concealing(self).find(|(_, known, _)| *known == link).map(|(.., rule)| rule);
        let named = |rule: &Concealed| {
            rule.revealed_in.contains(state) && !rule.revealed_to.is_disjoint(&reader.roles)
        };
        lodged_by == reader.id || rule.is_some_and(named)
    }
}

/// Every transition that asks for a concealed child, with the link and how it is concealed.
pub(crate) fn concealing(definition: &Definition) -> impl Iterator<Item = (&Transition, &str, &Concealed)> {
    definition.transitions.iter().flat_map(|way| {
        let concealed = way.effects.iter().filter_map(Task::concealed);
        concealed.map(move |(link, rule)| (way, link, rule))
    })
}

impl Task {
    /// The link of a concealed child, and how it is concealed.
    pub(crate) fn concealed(&self) -> Option<(&str, &Concealed)> {
        match self {
            Self::Child { link, concealed: Some(concealed), .. } => Some((link, concealed)),
            _ => None,
        }
    }

    /// As [`Task::concealed`], to be changed.
    pub(crate) fn concealed_mut(&mut self) -> Option<(&str, &mut Concealed)> {
        match self {
            Self::Child { link, concealed: Some(concealed), .. } => Some((link, concealed)),
            _ => None,
        }
    }
}

impl CaseEvent {
    /// The concealed children that it asks for: the link, and the name under which each is lodged. Such an event does
    /// nothing else, nobody else hears of it, and its form is kept nowhere else.
    pub fn concealed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Child { link, lodged_by: Some(name), .. } => Some((link.as_str(), name.as_str())),
            _ => None,
        })
    }
}

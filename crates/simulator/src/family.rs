//! The packages whose cases are played: that of the plan, those of the children that its cases open, and those of theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use masar_workflow::{Actor, Lookup, Package, Task};
use serde_saphyr::Spanned;

use crate::paths::{Paths, Reached};
use crate::{Choice, Opening, Simulation};

/// The packages of children and of children's children, by name.
pub type Descendants = BTreeMap<String, Arc<Package>>;

/// What people do with cases of a package that the plan says nothing of.
static NOBODY: BTreeMap<String, Vec<Spanned<Choice>>> = BTreeMap::new();

/// Every package whose cases may come of one case of a package, however far down, as far as `lookup` knows it.
#[must_use]
pub fn descendants(package: &Package, lookup: Lookup<'_>) -> Descendants {
    let mut found = Descendants::new();
    let mut ahead: Vec<String> = opens(package).map(str::to_owned).collect();
    while let Some(name) = ahead.pop() {
        if let Some(child) =
            Some(&name).filter(|name| !found.contains_key(*name)).and_then(|name| lookup(name))
        {
            ahead.extend(opens(&child).map(str::to_owned));
            found.insert(name, child);
        }
    }
    found
}

/// The packages of the children that a case may open.
fn opens(package: &Package) -> impl Iterator<Item = &str> {
    let definition = package.definition();
    let of_ways = definition.transitions.iter().flat_map(|way| &way.effects);
    definition.opening_effects.iter().chain(of_ways).filter_map(Task::opens)
}

/// A package, and where its cases go.
pub(crate) struct Kind<'a> {
    pub(crate) package: &'a Package,
    pub(crate) paths: Paths<'a>,
    /// True when what its cases may do depends on their children.
    pub(crate) hears: bool,
}

/// The packages of a simulation: first that of its plan, then those of children by name. One that is both is there twice,
/// since what arrives and what is opened are counted by themselves.
pub(crate) struct Family<'a> {
    kinds: Vec<Kind<'a>>,
    names: BTreeMap<&'a str, usize>,
    /// How cases begin that arrive, by the openings of the plan.
    beginnings: Vec<Reached>,
}

impl<'a> Family<'a> {
    /// Nobody has arrived yet; a case that arrives begins at any time as it would at this.
    pub(crate) fn new(simulation: &Simulation<'a>, at: Timestamp) -> Self {
        let Simulation { package, plan, descendants, .. } = *simulation;
        let kind = |package: &'a Package, states| Kind {
            package,
            paths: Paths::new(package, plan, states),
            hears: hears(package),
        };
        let of_child = |(name, child): (&'a String, &'a Arc<Package>)| {
            let own = (*name == package.definition().package).then_some(&plan.states);
            let states = plan.children.get(name).map(|child| &child.states).or(own);
            kind(child, states.unwrap_or(&NOBODY))
        };
        let mut kinds = vec![kind(package, &plan.states)];
        kinds.extend(descendants.iter().map(of_child));
        let names = descendants.keys().enumerate().map(|(place, name)| (name.as_str(), place + 1)).collect();
        let begins = |opening: &Spanned<Opening>| {
            let Opening { by, form, .. } = &opening.value;
            let actor = Actor { id: by.0.clone(), roles: [by.clone()].into(), department: None };
            kinds[0].paths.open(&actor, form, at)
        };
        Self { beginnings: plan.openings.iter().map(begins).collect(), kinds, names }
    }

    pub(crate) fn beginning(&self, opening: usize) -> &Reached {
        &self.beginnings[opening]
    }

    pub(crate) fn kind(&self, number: usize) -> &Kind<'a> {
        &self.kinds[number]
    }

    /// The number of a package of children.
    pub(crate) fn child(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Things that were decided because no case had gone that way before.
    pub(crate) fn decided(&self) -> usize {
        self.kinds.iter().map(|kind| kind.paths.decided()).sum()
    }
}

/// True when a guard, a quota or the system asks about children: then it matters what has become of them.
fn hears(package: &Package) -> bool {
    let definition = package.definition();
    let asks = |guard: &String| guard.contains("children");
    !definition.on_child.is_empty()
        || !definition.quotas.is_empty()
        || definition.transitions.iter().filter_map(|way| way.guard.as_ref()).any(asks)
}

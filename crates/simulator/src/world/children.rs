//! Children: opened at the time at which they are asked for, played as every other case, and heard of by who asked.

use super::*;
use crate::paths::Wanted;

/// Cases that may descend from one that arrived. What opens more of them than that does not end by itself.
const OFFSPRING: usize = 500;

/// The case that has asked for a child.
pub(super) struct Parent {
    pub(super) case: usize,
    /// The place of the child among those that it knows.
    number: usize,
    /// The case from which it descends itself.
    pub(super) root: usize,
    /// True when what becomes of the child matters to it.
    pub(super) hears: bool,
    link: String,
}

/// A child that is asked for and not opened yet.
pub(super) struct Birth {
    case: usize,
    root: usize,
    counted: bool,
    hears: bool,
    package: String,
    link: String,
    reached: Result<(usize, Rc<Move>), String>,
}

impl World<'_> {
    /// The case asks for children. They are opened after all else that has happened by now, as in production.
    pub(super) fn ask_for(&mut self, case: usize, wanted: &[Wanted]) {
        for wanted in wanted {
            let reached = self.born(wanted);
            let Some(life) = self.cases[case].as_deref_mut() else { return };
            let hears = self.family.kind(life.kind).hears;
            life.under_way += usize::from(hears);
            self.births.push_back(Birth {
                case,
                root: life.root,
                counted: life.counted,
                hears,
                package: wanted.package.clone(),
                link: wanted.link.clone(),
                reached,
            });
            self.plan_at(self.now, Happening::Birth);
        }
    }

    /// Of which package a child is, and how it begins.
    fn born(&self, wanted: &Wanted) -> Result<(usize, Rc<Move>), String> {
        let kind = self.family.child(&wanted.package);
        let kind = kind.ok_or("its package is not known here")?;
        let reached = self.family.kind(kind).paths.bear(wanted, self.now);
        reached.map(|reached| (kind, reached)).map_err(|refusal| format!("it cannot be opened: {refusal}"))
    }

    /// The child that was asked for first is opened, or it is told why not.
    pub(super) fn birth(&mut self) -> Result<(), Error> {
        let Some(birth) = self.births.pop_front() else { return Ok(()) };
        let Birth { case, root, counted, hears, package, link, reached } = birth;
        let reached = match self.offspring[root] < OFFSPRING {
            true => reached,
            false => Err(format!("{OFFSPRING} cases descend from one that arrived: no more are opened")),
        };
        let (kind, opened) = match reached {
            Ok(reached) => reached,
            Err(reason) => {
                if counted {
                    *self.sample.unopened.entry((package, reason)).or_default() += 1;
                }
                if hears {
                    self.plan_at(self.now, Happening::Gone(case));
                }
                return Ok(());
            }
        };
        self.offspring[root] += 1;
        let number = self.cases[case].as_deref().map_or(0, |parent| parent.children.len());
        self.begin_life(&opened, kind, Some(Parent { case, number, root, hears, link }), counted)
    }

    /// Whoever asked for this case hears what it is now.
    pub(super) fn tell_above(&mut self, case: usize) {
        let Some(life) = self.cases[case].as_deref() else { return };
        let Some(Parent { case: parent, number, link, hears: true, .. }) = &life.parent else { return };
        let (parent, number, now) = (*parent, *number, &life.place.case);
        let child = Child {
            package: self.kind(life).package.definition().package.clone(),
            link: link.clone(),
            state: now.state.clone(),
            category: now.category,
            facts: now.facts.clone(),
        };
        let Some(above) = self.cases[parent].as_deref_mut() else { return };
        let children = Rc::make_mut(&mut above.children);
        match children.get_mut(number) {
            Some(known) => *known = child,
            None => children.push(child),
        }
        self.plan_at(self.now, Happening::Heard(parent));
    }

    /// A child has changed: the system does what the package says of that, and what it was in the way of may be done now.
    pub(super) fn heard(&mut self, case: usize) -> Result<(), Error> {
        let Some(life) = self.cases[case].as_deref() else { return Ok(()) };
        let mut moved = false;
        for action in &self.kind(life).package.definition().on_child {
            moved |= self.go(case, Deed::System(action.clone()))?;
        }
        if moved { Ok(()) } else { self.go_on(case) }
    }

    /// A child goes no further, or was never opened: whoever waited for it waits for one less.
    pub(super) fn gone(&mut self, case: usize) -> Result<(), Error> {
        let Some(life) = self.cases[case].as_deref_mut() else { return Ok(()) };
        life.under_way = life.under_way.saturating_sub(1);
        self.go_on(case)
    }

    /// A case to which nobody does anything goes on, if it can now.
    fn go_on(&mut self, case: usize) -> Result<(), Error> {
        let Some(life) = self.cases[case].as_deref() else { return Ok(()) };
        match (life.choice, life.barred) {
            (Some(_), _) => Ok(()),
            (None, true) => self.choose(case),
            (None, false) => self.rest(case),
        }
    }
}

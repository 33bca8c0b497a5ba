//! Where clocks may live: the states in which a case has been promised something, or the system will act.

use std::collections::BTreeSet;

use crate::check::paths::{closure, forward};
use crate::{ClockKind, ClockRule, Definition, Package, Transition};

impl Package {
    /// True when a clock may live in a state that does not end in silence: a promise, or a time at whose end the system acts.
    /// In any other state, a case has none because its package promises nothing there.
    #[must_use]
    pub fn promises_in(&self, state: &str) -> bool {
        self.promising.contains(state)
    }
}

impl Definition {
    /// The states in which a clock may live that does not end in silence.
    pub(crate) fn promising(&self) -> BTreeSet<String> {
        let lasting = |clock: &&ClockRule| clock.kind != ClockKind::Window || clock.on_breach.is_some();
        let clocks = self.clocks.values().filter(lasting);
        clocks.flat_map(|clock| self.lives_in(clock)).map(str::to_owned).collect()
    }

    /// Wherever a case may come after a clock has started, by ways that do not stop it.
    fn lives_in<'a>(&'a self, clock: &'a ClockRule) -> BTreeSet<&'a str> {
        let stops = |way: &&Transition| {
            clock.stop.actions.contains(&way.action) || clock.stop.states.contains(&way.to)
        };
        let starts = |way: &&Transition| clock.start.actions.contains(&way.action);
        let begun = self.transitions.iter().filter(starts).map(|way| way.to.as_str());
        let opened = self.beginnings().filter(|_| clock.start.actions.contains("open"));
        let entered = clock.start.states.iter().map(String::as_str);
        let onward = forward(self.transitions.iter().filter(|way| !stops(way)));
        closure(begun.chain(opened).chain(entered).collect(), &onward)
    }
}

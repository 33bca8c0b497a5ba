//! The plan of a simulation from a log: how many cases came, what followed what how often, and after how long.
//!
//! A log does not tell work from waiting, so everything is waited for: whoever says how many people work where, and how long
//! each thing takes, learns more.

use super::Plan;
use super::write::{BEGUN, add};

/// Days of a week on which cases are taken to arrive, of seven.
const WORKING: f64 = 5.0 / 7.0;
/// Days for which a plan lets cases arrive.
const DAYS: f64 = 200.0;
/// Cases of a plan at least and at most.
const CASES: (f64, f64) = (50.0, 2_000.0);

impl Plan<'_> {
    /// The text of `simulation.yaml`.
    pub(super) fn simulation(&self) -> String {
        let mut written = String::new();
        let text = &mut written;
        let rate = self.rate();
        let cases = (rate * DAYS).clamp(CASES.0, CASES.1).round();
        add(
            text,
            "# As many cases as the log tells of, going on as they did there, after as long. A log does not tell work from",
        );
        add(
            text,
            "# waiting: for how many people which work is enough, say under `staff` how many work in each queue, and replace",
        );
        add(text, "# `after` by `takes`, the time that one of them is at it.");
        add(text, "calendar: qa-gov-default");
        add(text, &format!("arrivals: {{per_day: {rate:.3}}}"));
        add(text, &format!("cases: {cases}"));
        add(text, &format!("warm_up: {}", (cases / 10.0).floor()));
        add(text, "replications: 10");
        let most =
            self.observed.variants.values().max_by_key(|(times, first)| (*times, std::cmp::Reverse(*first)));
        let form = most.map(|(_, first)| self.opening.filled(&self.log.cases[*first])).unwrap_or_default();
        add(text, "openings:");
        add(text, &format!("  - {{by: intake_agent, form: {form}}}"));
        add(text, "states:");
        let places = std::iter::once(None).chain((0..self.states.len()).map(Some));
        for from in places {
            let ways: Vec<_> = self.observed.ways.iter().filter(|((before, _), _)| *before == from).collect();
            if ways.is_empty() {
                continue;
            }
            add(text, &format!("  {}:", from.map_or(BEGUN, |from| &self.states[from])));
            for ((_, to), times) in ways {
                let after =
                    from.map_or(0, |from| self.observed.gaps.get(&(from, *to)).copied().unwrap_or_default());
                let after = about(after.max(0) as f64 / *times as f64);
                let (action, role) = (&self.actions[*to], &self.roles[*to]);
                add(text, &format!("    - {{share: {times}, does: {action}, by: {role}, after: {after}}}"));
            }
            let over =
                from.filter(|from| self.ends.contains(from)).map(|from| self.observed.activities[from].last);
            if let Some(over) = over.filter(|over| *over > 0) {
                add(text, &format!("    - {{share: {over}}}"));
            }
        }
        written
    }

    /// Cases that began on a working day, on average.
    fn rate(&self) -> f64 {
        let seconds = self.observed.last.as_second() - self.observed.first.as_second();
        let days = (seconds as f64 / 86_400.0).max(1.0) * WORKING;
        // Logs have far fewer cases than a double keeps exactly.
        (self.observed.lives.len() as f64 / days).max(0.001)
    }
}

/// A span of so many seconds on average.
fn about(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1.0 => "0 seconds".to_owned(),
        seconds if seconds < 172_800.0 => format!("about {:.1} minutes", seconds / 60.0),
        seconds => format!("about {:.2} days", seconds / 86_400.0),
    }
}

//! The texts of a draft: the machine and its scenarios, with what was observed as comments.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::StateCategory;

use super::names::{both, plain, quoted};
use super::{Plan, Sentence};

/// The state of a case to which nothing was done yet.
pub(super) const BEGUN: &str = "begun";
/// The clock of a whole case.
pub(super) const WHOLE: &str = "whole";
/// Ways of cases that are written as scenarios.
const SCENARIOS: usize = 5;
/// Words in the name of an activity after which somebody outside must act.
const WAITING: [&str; 8] = ["wait", "await", "pending", "suspend", "on hold", "انتظار", "تعليق", "معلق"];
/// Words in the name of an activity that answers what was asked.
const RESOLVED: [&str; 6] = ["resolve", "answer", "complete", "الرد", "حل", "إنجاز"];

impl Plan<'_> {
    /// The text of `workflow.yaml`.
    pub(super) fn workflow(&self) -> String {
        let mut text = String::new();
        self.head(&mut text);
        self.states(&mut text);
        self.transitions(&mut text);
        self.clocks(&mut text);
        self.routing(&mut text);
        text
    }

    fn head(&self, text: &mut String) {
        let observed = &self.observed;
        let (cases, events) = (observed.lives.len(), observed.steps);
        let (first, last) = (day(observed.first), day(observed.last));
        let mut line = |said: String| add(text, &said);
        line(format!(
            "# A draft, derived from what happened in {cases} cases with {events} events from {first} to {last}."
        ));
        line("# What is here was done; what should be done is yours to say: names, categories, roles and targets are".into());
        line("# suggestions. A case stands where the last thing was done to it.".into());
        line(format!("package: {}", self.package));
        line("version: 0.1.0".into());
        line(format!("case_type: {}", self.package.replace('-', "_")));
        line(format!("label: {}", both(&format!("«{}»", self.package), &self.package)));
        line("opening_form: opening".into());
        let most = self.ends.iter().max_by_key(|end| observed.activities[**end].last);
        if let Some(end) = most {
            line(format!("historical_end: {}", self.states[*end]));
        }
    }

    fn states(&self, text: &mut String) {
        text.push_str("\nstates:\n");
        let begun = both("بدأت", "Begun");
        add(text, &format!("  {BEGUN}: {{category: open, initial: true, label: {begun}}}"));
        for (place, activity) in self.observed.activities.iter().enumerate() {
            let name = activity.name;
            let label = both(&format!("بعد «{name}»"), &format!("After {name}"));
            let (code, category) = (&self.states[place], self.category(place));
            if activity.last > 0 {
                let (last, events) = (activity.last, activity.events);
                add(text, &format!("  # {last} cases ended here; it was reached {events} times."));
            }
            add(text, &format!("  {code}: {{category: {category}, label: {label}}}"));
        }
    }

    fn category(&self, place: usize) -> StateCategory {
        let name = self.observed.activities[place].name.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
        match () {
            () if self.ends.contains(&place) => StateCategory::Closed,
            () if says(&WAITING) => StateCategory::Waiting,
            () if says(&RESOLVED) => StateCategory::Resolved,
            () => StateCategory::Open,
        }
    }

    fn transitions(&self, text: &mut String) {
        text.push_str("\ntransitions:\n");
        for sentence in self.sentences() {
            let Sentence { place, from, rare } = &sentence;
            let activity = &self.observed.activities[*place];
            let times: usize = from.iter().map(|(_, times)| times).sum();
            let people = activity.people.len();
            match rare {
                false => add(text, &format!("  # {times} times; {people} people did it, in all.")),
                true => add(text, &format!("  # Rare, and kept because it happened: {}.", self.seen(from))),
            }
            let states: Vec<&str> = from.iter().map(|(from, _)| self.state(*from)).collect();
            let effects = if self.ends.contains(place) { "" } else { ", effects: [route]" };
            add(
                text,
                &format!(
                    "  - {{action: {}, from: [{}], to: {}, roles: [{}], label: {}{effects}}}",
                    self.actions[*place],
                    states.join(", "),
                    self.states[*place],
                    self.roles[*place],
                    both(&format!("«{}»", activity.name), activity.name)
                ),
            );
        }
    }

    /// How often each of some ways was taken.
    fn seen(&self, from: &[(Option<usize>, usize)]) -> String {
        let seen = from.iter().map(|(from, times)| {
            format!("from `{}` {times} of {} times", self.state(*from), self.observed.left(*from))
        });
        seen.collect::<Vec<_>>().join(", ")
    }

    fn clocks(&self, text: &mut String) {
        let stays = self.stays();
        if stays.is_empty() {
            return;
        }
        text.push_str("\n# Nine of ten cases were not longer: suggestions, rounded up. Working days are counted from the day that you say so.\nclocks:\n");
        for stay in &stays {
            let (code, target) = (&stay.state, stay.target);
            let seconds = u32::try_from(stay.half_seconds).unwrap_or(u32::MAX);
            let half = masar_worktime::Target::elapsed_seconds(seconds);
            add(text, &format!("  # Seen {} times; half of them took no longer than {half}.", stay.times));
            let place = self.states.iter().position(|state| state == code);
            let (kind, label, start, stop) = match place {
                None => {
                    let ends: Vec<&str> = self.ends.iter().map(|end| self.states[*end].as_str()).collect();
                    ("sla", both("عمر الحالة", "Whole life"), "{actions: [open]}".to_owned(), ends)
                }
                Some(place) => {
                    let name = self.observed.activities[place].name;
                    let label = both(&format!("المدة بعد «{name}»"), &format!("Time after {name}"));
                    ("internal", label, format!("{{states: [{code}]}}"), self.onward(place))
                }
            };
            add(
                text,
                &format!(
                    "  {code}:\n    label: {label}\n    kind: {kind}\n    target: {{all: {target}}}\n    start: {start}\n    stop: {{states: [{}]}}\n    warn: [75%]",
                    stop.join(", ")
                ),
            );
        }
        if stays.iter().any(|stay| stay.state == WHOLE) {
            text.push_str("\nladders:\n  whole:\n    safety_net: tenant_admin\n");
            text.push_str("    levels: [{level: L1, at: {all: breach}, to: [department_manager]}]\n");
        }
    }

    /// The other states to which a case went on.
    fn onward(&self, place: usize) -> Vec<&str> {
        let ways = self.observed.ways.keys().filter(|(from, to)| *from == Some(place) && *to != place);
        ways.map(|(_, to)| self.states[*to].as_str()).collect()
    }

    /// A case waits for the role that mostly did what came next.
    fn routing(&self, text: &mut String) {
        let mut next: BTreeMap<Option<usize>, BTreeMap<&str, usize>> = BTreeMap::new();
        for ((from, to), times) in &self.observed.ways {
            *next.entry(*from).or_default().entry(&self.roles[*to]).or_default() += times;
        }
        let mut waiting: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, roles) in next {
            if let Some((role, _)) = roles.into_iter().max_by_key(|(_, times)| *times) {
                waiting.entry(role).or_default().insert(self.state(from));
            }
        }
        let otherwise = waiting.iter().max_by_key(|(_, states)| states.len()).map(|(role, _)| *role);
        let otherwise = otherwise.unwrap_or("case_handler");
        text.push_str("\n# A case waits for those who mostly did what came next.\nrouting:\n");
        let rules: Vec<_> = waiting.iter().filter(|(role, _)| **role != otherwise).collect();
        if !rules.is_empty() {
            text.push_str("  rules:\n");
        }
        for (role, states) in rules {
            let states: Vec<String> = states.iter().map(|state| format!("'{state}'")).collect();
            let when = quoted(&format!("case.state in [{}]", states.join(", ")));
            add(text, &format!("    - {{name: \"mostly done by {role}\", when: {when}, queue: {role}}}"));
        }
        add(text, &format!("  otherwise: {otherwise}"));
    }

    /// The text of a file of scenarios: the ways that most cases went.
    pub(super) fn scenarios(&self) -> String {
        let mut ways: Vec<_> = self.observed.variants.iter().collect();
        ways.sort_by_key(|(way, (times, _))| (std::cmp::Reverse(*times), (*way).clone()));
        let cases = self.observed.lives.len();
        let mut written = String::from("# The ways that most cases went.\nscenarios:\n");
        let text = &mut written;
        for (way, (times, first)) in ways.into_iter().take(SCENARIOS) {
            let case = &self.log.cases[*first];
            let name = both(
                &format!("{times} من {cases} حالة سارت هكذا، مثل «{}»", case.name()),
                &format!("{times} of {cases} cases went this way, such as {}", case.name()),
            );
            let form = self.opening.filled(case);
            add(text, &format!("  # {}", plain(case.name())));
            add(
                text,
                &format!("  - scenario: {name}\n    opening: {{by: intake_agent, form: {form}}}\n    steps:"),
            );
            let last = way.len() - 1;
            for (number, place) in way.iter().enumerate() {
                let (role, action) = (&self.roles[*place], &self.actions[*place]);
                let expect = match number == last {
                    true => format!(", expect: {{state: {}}}", self.states[*place]),
                    false => String::new(),
                };
                add(text, &format!("      - {{by: {role}, does: {action}{expect}}}"));
            }
        }
        written
    }
}

/// Adds a line.
pub(super) fn add(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn day(at: jiff::Timestamp) -> String {
    jiff::tz::TimeZone::UTC.to_datetime(at).date().to_string()
}

//! A plan: how many cases arrive, who works where, and what people do in each state, as an analyst writes it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use masar_domain::Role;
use masar_workflow::{Package, SYSTEM};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::{Descendants, Error, Problem, Span};

/// What is played against a package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name of the calendar that clocks and people follow.
    #[serde(default = "calendar")]
    pub calendar: String,
    /// The first day.
    #[serde(default = "starts")]
    pub starts: Date,
    /// How cases arrive.
    pub arrivals: Spanned<Arrivals>,
    /// Cases of each replication.
    #[serde(default = "cases")]
    pub cases: usize,
    /// The first cases, which find empty desks and are not counted.
    #[serde(default)]
    pub warm_up: usize,
    /// How often all of it is played, each time by other chances.
    #[serde(default = "replications")]
    pub replications: usize,
    /// What decides all chances.
    #[serde(default)]
    pub seed: u64,
    /// How many people work in each queue.
    #[serde(default)]
    pub staff: BTreeMap<String, Staff>,
    /// The departments of services, as the registry would name them.
    #[serde(default)]
    pub services: BTreeMap<String, String>,
    /// The departments of categories, as the registry would name them.
    #[serde(default)]
    pub categories: BTreeMap<String, String>,
    /// How cases begin.
    pub openings: Vec<Spanned<Opening>>,
    /// What happens to a case in each state: one of these.
    pub states: BTreeMap<String, Vec<Spanned<Choice>>>,
    /// What happens to children, and to children's children, by package. Nobody does anything with those that are not named,
    /// unless they are of the package that is played.
    #[serde(default)]
    pub children: BTreeMap<String, ChildPlan>,
}

/// What is played with the children of a package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildPlan {
    /// How many people work in the queues that nothing else comes to.
    #[serde(default)]
    pub staff: BTreeMap<String, Staff>,
    /// What happens to a case in each state: one of these.
    pub states: BTreeMap<String, Vec<Spanned<Choice>>>,
}

fn calendar() -> String {
    "qa-gov-default".to_owned()
}

/// A Sunday.
fn starts() -> Date {
    jiff::civil::date(2026, 11, 15)
}

fn cases() -> usize {
    2_000
}

fn replications() -> usize {
    10
}

/// How cases arrive: by chance, or when those of a log did.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Arrivals {
    /// On average on an ordinary working day, each at any time of its open hours.
    pub per_day: Option<f64>,
    /// On average in an hour.
    pub per_hour: Option<f64>,
    /// True when they also arrive while nobody works.
    pub around_the_clock: bool,
    /// The file of a log: cases arrive when its cases began, moved by whole weeks to the first day.
    pub log: Option<String>,
}

/// The people of a queue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Staff {
    /// So many, in the hours of the plan's calendar.
    People(usize),
    /// So many, in the hours of a calendar of their own.
    Hours {
        /// How many.
        people: usize,
        /// Name of the calendar.
        calendar: String,
    },
}

impl Staff {
    /// How many people.
    #[must_use]
    pub const fn people(&self) -> usize {
        match self {
            Self::People(people) | Self::Hours { people, .. } => *people,
        }
    }
}

/// How cases begin.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// How many of all, against the other openings.
    #[serde(default = "one")]
    pub share: f64,
    /// The role of whoever opens it.
    pub by: Role,
    /// The opening form.
    #[serde(default = "empty")]
    pub form: Value,
}

/// What may happen to a case in a state.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// How often, against the other choices of the state.
    #[serde(default = "one")]
    pub share: f64,
    /// The action; without one nobody does anything, and only clocks move the case.
    pub does: Option<String>,
    /// The role of whoever does it.
    pub by: Option<Role>,
    /// How long it is waited before, on the wall clock: somebody outside must act.
    pub after: Option<Span>,
    /// How long somebody of the queue works on it, in open hours.
    pub takes: Option<Span>,
    /// The queue, when it is not the one that the case is in.
    pub queue: Option<String>,
    /// The form that is filled in.
    pub form: Option<Value>,
    /// The reason that is given.
    pub reason: Option<String>,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

fn one() -> f64 {
    1.0
}

impl Plan {
    /// Reads the text of a plan and compares it with the package that it is for, and with those of its children.
    ///
    /// # Errors
    /// `Plan` with everything that is wrong, with its place.
    pub fn read(text: &str, package: &Package, descendants: &Descendants) -> Result<Self, Error> {
        let options = serde_saphyr::options! { strict_booleans: true };
        let plan: Self = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let place = error.location();
            let (line, column) = (place.map(|at| at.line()), place.map(|at| at.column()));
            Error::Plan(vec![Problem { line, column, message: error.without_snippet().to_string() }])
        })?;
        let mut problems = Vec::new();
        plan.numbers(&mut problems);
        plan.openings(package, &mut problems);
        choices(package, "", &plan.states, &mut problems);
        plan.children(descendants, &mut problems);
        if problems.is_empty() { Ok(plan) } else { Err(Error::Plan(problems)) }
    }

    fn numbers(&self, problems: &mut Vec<Problem>) {
        let Spanned { value: arrivals, referenced: place, .. } = &self.arrivals;
        let rates = [arrivals.per_day, arrivals.per_hour];
        let said = rates.iter().flatten().count() + usize::from(arrivals.log.is_some());
        let mut wrong = |message: &str| {
            let (line, column) = (Some(place.line()), Some(place.column()));
            problems.push(Problem { line, column, message: message.to_owned() });
        };
        if said != 1 {
            wrong("`arrivals` says one of `per_day`, `per_hour` and `log`");
        }
        if rates.into_iter().flatten().any(|rate| !rate.is_finite() || rate <= 0.0) {
            wrong("a rate of arrivals is above 0");
        }
        let mut plain = |holds: bool, message: &str| {
            if !holds {
                problems.push(Problem { line: None, column: None, message: message.to_owned() });
            }
        };
        plain(self.cases > self.warm_up, "`cases` is above `warm_up`: those are not counted");
        plain(self.replications > 1, "`replications` is above 1: one alone says nothing about chance");
        for (queue, staff) in self.everybody() {
            plain(staff.people() > 0, &format!("`staff/{queue}`: somebody must work there"));
        }
        plain(!self.openings.is_empty(), "`openings` says how cases begin");
    }

    fn openings(&self, package: &Package, problems: &mut Vec<Problem>) {
        let definition = package.definition();
        for Spanned { value: opening, referenced: place, .. } in &self.openings {
            let mut wrong = |message: String| {
                problems.push(Problem { line: Some(place.line()), column: Some(place.column()), message });
            };
            share(opening.share, &mut wrong);
            if let Err(refusal) = definition.may_open(&BTreeSet::from([opening.by.clone()])) {
                wrong(format!("`{}` opens no case: {refusal}", opening.by));
            }
            for violation in package.violations(&definition.opening_form, &opening.form) {
                wrong(format!("{}: {}", violation.field, violation.message));
            }
        }
    }

    fn children(&self, descendants: &Descendants, problems: &mut Vec<Problem>) {
        let mut staffed: BTreeSet<&String> = self.staff.keys().collect();
        for (name, child) in &self.children {
            let mut wrong = |message| problems.push(Problem { line: None, column: None, message });
            for queue in child.staff.keys().filter(|queue| !staffed.insert(queue)) {
                wrong(format!(
                    "`children/{name}/staff/{queue}`: who works there is said twice: say it once, under `staff`"
                ));
            }
            match descendants.get(name) {
                Some(package) => choices(package, &format!("children/{name}/"), &child.states, problems),
                None => {
                    wrong(format!("`children/{name}`: no case that is played opens a child of this package"))
                }
            }
        }
    }

    /// The people of every queue, those of queues that only children come to included.
    pub fn everybody(&self) -> impl Iterator<Item = (&String, &Staff)> {
        self.staff.iter().chain(self.children.values().flat_map(|child| &child.staff))
    }
}

/// What is wrong with the choices for the states of a package.
fn choices(
    package: &Package,
    within: &str,
    states: &BTreeMap<String, Vec<Spanned<Choice>>>,
    problems: &mut Vec<Problem>,
) {
    for (state, choices) in states {
        if !package.definition().states.contains_key(state) {
            let message = format!("`{within}states/{state}`: the package has no such state");
            problems.push(Problem { line: None, column: None, message });
            continue;
        }
        for Spanned { value: choice, referenced: place, .. } in choices {
            choice.check(package, state, &mut |message| {
                problems.push(Problem { line: Some(place.line()), column: Some(place.column()), message });
            });
        }
    }
}

impl Choice {
    fn check(&self, package: &Package, state: &str, wrong: &mut impl FnMut(String)) {
        share(self.share, wrong);
        let Some(action) = &self.does else {
            if self.takes.is_some() || self.after.is_some() || self.by.is_some() {
                wrong("a choice without `does` is to wait for a clock: it says only `share`".to_owned());
            }
            return;
        };
        let ways = package.definition().transitions.iter().filter(|way| way.from.contains(state));
        let ways: Vec<_> = ways.filter(|way| way.action == *action).collect();
        if ways.is_empty() {
            return wrong(format!("`{action}` cannot be done in the state `{state}`"));
        }
        if self.takes.is_none() && self.after.is_none() {
            wrong(format!("`{action}`: say how long it `takes`, or how long `after` it is done"));
        }
        let Some(role) = &self.by else { return wrong(format!("`{action}`: say `by` which role")) };
        if role.0 == SYSTEM {
            return wrong(format!("`{action}`: the system acts when a clock says so, not by a plan"));
        }
        let Some(way) = ways.iter().find(|way| way.roles.contains(role)) else {
            return wrong(format!("`{action}` is not for `{role}` in the state `{state}`"));
        };
        if way.reason && self.reason.is_none() {
            wrong(format!("`{action}` asks for a `reason`"));
        }
        for violation in way
            .form
            .iter()
            .flat_map(|form| package.violations(form, self.form.as_ref().unwrap_or(&Value::Null)))
        {
            wrong(format!("`{action}`: {}: {}", violation.field, violation.message));
        }
    }
}

fn share(share: f64, wrong: &mut impl FnMut(String)) {
    if !share.is_finite() || share <= 0.0 {
        wrong(format!("a `share` of {share} never happens: write a number above 0"));
    }
}

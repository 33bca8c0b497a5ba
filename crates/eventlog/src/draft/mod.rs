//! A draft package from a log: what happened, as a machine that an analyst reads, corrects and tries.
//!
//! A case stands where the last thing was done to it. Rare ways are kept and marked, since somebody went them; targets are
//! suggested from the times that were observed.

mod names;
mod observed;
mod opening;
mod simulation;
mod teams;
mod write;

use std::collections::BTreeMap;

use jiff::Timestamp;
use masar_worktime::Target;
use serde::Serialize;

use self::names::Codes;
use self::observed::{Observed, percentile};
use self::opening::Opening;
use crate::{Error, Log};

/// Activities that a draft has at most.
const MOST: usize = 300;
/// A way is rare that fewer than one in so many took.
const RARE: usize = 100;
/// Times that a stay must have been seen for a target to be suggested.
const SEEN: usize = 5;

/// A draft package: the texts of its folder, and what is in it.
#[derive(Debug, Clone)]
pub struct Draft {
    /// `workflow.yaml`.
    pub workflow: String,
    /// The texts of `forms/*.json`, by name of the form.
    pub forms: BTreeMap<String, String>,
    /// The texts of `scenarios/*.yaml`, by name of the file.
    pub scenarios: BTreeMap<String, String>,
    /// `simulation.yaml`.
    pub simulation: String,
    /// What was derived.
    pub summary: Summary,
}

/// What was derived from a log.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Name of the package.
    pub package: String,
    /// When the first event happened.
    pub from: Timestamp,
    /// When the last event happened.
    pub to: Timestamp,
    /// States, the first included.
    pub states: usize,
    /// Sentences.
    pub transitions: usize,
    /// The states in which a case is over.
    pub ends: Vec<String>,
    /// Ways that few took; the draft keeps and marks them.
    pub rare: Vec<Rare>,
    /// The roles that are suggested, with what each does.
    pub teams: Vec<Team>,
    /// How long cases stayed in the states, from which targets are suggested.
    pub stays: Vec<Stay>,
    /// What the log tells of events and the draft has no place for.
    pub left_out: Vec<String>,
}

/// A way that few took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rare {
    /// The state it leaves.
    pub from: String,
    /// The action.
    pub action: String,
    /// How often it was taken.
    pub times: usize,
    /// How often the state was left.
    pub of: usize,
}

/// A role, and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Team {
    /// Code of the role.
    pub role: String,
    /// Its actions.
    pub actions: Vec<String>,
    /// How many people were seen doing them.
    pub people: usize,
}

/// How long cases stayed in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stay {
    /// The state; `whole` stands for a case from its first event to its end.
    pub state: String,
    /// How often it was left.
    pub times: usize,
    /// Half of the stays were no longer than so many seconds.
    pub half_seconds: i64,
    /// The target that is suggested: nine of ten stays were no longer, rounded up.
    pub target: Target,
}

/// What is written, by the places of the activities.
struct Plan<'a> {
    package: String,
    log: &'a Log,
    observed: Observed<'a>,
    opening: Opening,
    actions: Vec<String>,
    states: Vec<String>,
    roles: Vec<String>,
    ends: std::collections::BTreeSet<usize>,
}

impl Draft {
    /// Derives a package of this name from a log.
    ///
    /// # Errors
    /// `Empty` when nothing happens in it, `TooMany` when it names more activities than a package can be read with.
    pub fn of(log: &Log, name: &str) -> Result<Self, Error> {
        let observed = Observed::of(log);
        let found = observed.activities.len();
        match found {
            0 => return Err(Error::Empty),
            1..=MOST => {}
            _ => return Err(Error::TooMany { found, most: MOST }),
        }
        let (mut of_actions, mut of_states) = (Codes::new(), Codes::new());
        // The state in which a case has been opened and nothing was done yet.
        of_states.of(write::BEGUN, "state");
        let names = || observed.activities.iter().map(|activity| activity.name);
        let plan = Plan {
            package: names::package(name),
            log,
            opening: Opening::of(log),
            actions: names().map(|name| of_actions.of(name, "action")).collect(),
            states: names().map(|name| of_states.of(&format!("after {name}"), "after")).collect(),
            roles: teams::roles(&observed),
            ends: observed.ends(),
            observed,
        };
        Ok(Self {
            workflow: plan.workflow(),
            forms: [("opening".to_owned(), plan.opening.schema.clone())].into(),
            scenarios: [("log.yaml".to_owned(), plan.scenarios())].into(),
            simulation: plan.simulation(),
            summary: plan.summary(),
        })
    }
}

impl Plan<'_> {
    fn summary(&self) -> Summary {
        Summary {
            package: self.package.clone(),
            from: self.observed.first,
            to: self.observed.last,
            states: self.states.len() + 1,
            transitions: self.sentences().len(),
            ends: self.ends.iter().map(|end| self.states[*end].clone()).collect(),
            rare: self.rare(),
            teams: self.teams(),
            stays: self.stays(),
            left_out: self.opening.left_out.clone(),
        }
    }

    fn state(&self, place: Option<usize>) -> &str {
        place.map_or(write::BEGUN, |place| &self.states[place])
    }

    /// Of every activity the states that it was done in, those on rare ways apart.
    fn sentences(&self) -> Vec<Sentence> {
        let mut sentences = Vec::new();
        for place in 0..self.actions.len() {
            let ways = self.observed.ways.iter().filter(|((_, to), _)| *to == place);
            let (rare, usual): (Vec<_>, Vec<_>) = ways
                .map(|((from, _), times)| (*from, *times))
                .partition(|(from, times)| self.is_rare(*from, *times));
            let halves = [(usual, false), (rare, true)].into_iter().filter(|(from, _)| !from.is_empty());
            sentences.extend(halves.map(|(from, rare)| Sentence { place, from, rare }));
        }
        sentences
    }

    fn is_rare(&self, from: Option<usize>, times: usize) -> bool {
        times * RARE < self.observed.left(from)
    }

    fn rare(&self) -> Vec<Rare> {
        let rare = self.observed.ways.iter().filter(|((from, _), times)| self.is_rare(*from, **times));
        rare.map(|((from, to), times)| Rare {
            from: self.state(*from).to_owned(),
            action: self.actions[*to].clone(),
            times: *times,
            of: self.observed.left(*from),
        })
        .collect()
    }

    fn teams(&self) -> Vec<Team> {
        let mut teams: BTreeMap<&str, (Vec<String>, std::collections::BTreeSet<&str>)> = BTreeMap::new();
        for ((role, action), activity) in self.roles.iter().zip(&self.actions).zip(&self.observed.activities)
        {
            let (actions, people) = teams.entry(role).or_default();
            actions.push(action.clone());
            people.extend(activity.people.keys());
        }
        let team = |(role, (actions, people)): (&str, (Vec<String>, std::collections::BTreeSet<&str>))| {
            Team { role: role.to_owned(), actions, people: people.len() }
        };
        teams.into_iter().map(team).collect()
    }

    /// The stays of the states that a case leaves, and of whole cases.
    fn stays(&self) -> Vec<Stay> {
        let of_states = (self.observed.activities.iter().enumerate())
            .filter(|(place, _)| !self.ends.contains(place))
            .filter_map(|(place, activity)| stay(&self.states[place], &activity.stays));
        let over = self.observed.lives.iter().filter(|(last, _)| self.ends.contains(last));
        let mut lives: Vec<i64> = over.map(|(_, seconds)| *seconds).collect();
        lives.sort_unstable();
        of_states.chain(stay(write::WHOLE, &lives)).collect()
    }
}

/// A sentence: an activity, the states that it is done in with how often, and whether those ways are rare.
struct Sentence {
    place: usize,
    from: Vec<(Option<usize>, usize)>,
    rare: bool,
}

fn stay(state: &str, sorted: &[i64]) -> Option<Stay> {
    let (half, most) = (percentile(sorted, 50)?, percentile(sorted, 90)?);
    (sorted.len() >= SEEN).then(|| Stay {
        state: state.to_owned(),
        times: sorted.len(),
        half_seconds: half,
        target: rounded(most),
    })
}

/// A target of so many seconds, rounded up to what people would promise.
fn rounded(seconds: i64) -> Target {
    const STEPS: [(u32, i64); 3] = [(60, 2 * 3_600), (3_600, 2 * 86_400), (86_400, i64::MAX)];
    let (step, _) = STEPS.into_iter().find(|(_, below)| seconds < *below).unwrap_or((86_400, 0));
    let longest = u32::MAX / step * step;
    let seconds = u32::try_from(seconds.max(1)).unwrap_or(longest).min(longest);
    Target::elapsed_seconds(seconds.div_ceil(step) * step)
}

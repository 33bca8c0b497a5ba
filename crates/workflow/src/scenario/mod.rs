//! Scenarios: what should happen to a case of a package, as an analyst writes it, and what does happen on a simulated clock.

mod agenda;
mod judge;
mod report;
mod story;
mod timing;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use masar_worktime::{Calendar, CalendarSpec, SHIPPED};
use serde_saphyr::{Location, Spanned};

pub use report::{Coverage, Failure, Outcome, Trial, trial};

pub(crate) use self::story::Book;
use self::story::{Expect, Step, Story};
use self::world::World;
use crate::finding::unreadable;
use crate::{Agreement, Code, Error, Finding, OpenClocks, Package};

/// How a package that opens children finds theirs.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<Arc<Package>>;

/// The scenarios of a file.
pub struct Scenarios(Book);

impl Scenarios {
    /// Reads the text of a file of `scenarios/`.
    ///
    /// # Errors
    /// What cannot be read, which calendar is not known and which agreement is none, with their places.
    pub fn read(name: &str, text: &str) -> Result<Self, Error> {
        let file = format!("scenarios/{name}");
        let options = serde_saphyr::options! { strict_booleans: true };
        let book: Book =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| unreadable(&file, &error))?;
        let wrong = |code, at: Location, problem| {
            Error::from(Finding::at(code, &file, Some((at.line(), at.column())), problem))
        };
        for story in &book.scenarios {
            if let Err(problem) = calendar(&story.value.calendar) {
                return Err(wrong(Code::UnknownCalendar, story.referenced, problem));
            }
            for agreement in &story.value.agreements {
                agreed(&agreement.value)
                    .map_err(|(code, problem)| wrong(code, agreement.referenced, problem))?;
            }
        }
        Ok(Self(book))
    }

    /// Walks cases of the package as the scenarios say, and compares.
    #[must_use]
    pub fn run(&self, package: &Package, lookup: Lookup<'_>) -> Vec<Outcome> {
        self.0.scenarios.iter().map(|story| run(&self.0, story, package, lookup)).collect()
    }
}

fn run(book: &Book, story: &Spanned<Story>, package: &Package, lookup: Lookup<'_>) -> Outcome {
    let Spanned { value: story, referenced: place, .. } = story;
    let mut outcome = Outcome { name: story.scenario.clone(), walked: BTreeSet::new(), failures: Vec::new() };
    let calendars = match calendars(story) {
        Ok(calendars) => calendars,
        Err(problem) => {
            outcome.fail(*place, problem);
            return outcome;
        }
    };
    match World::open(package, &calendars, lookup, book, story) {
        Ok(mut world) => {
            judge(&mut outcome, &world, story.opening.value.expect.as_ref());
            let mut steps = story.steps.iter();
            // What would follow stands on a step that was not taken as it should be.
            while steps.next().is_some_and(|step| walk(&mut world, step, 0, &mut outcome)) {}
            outcome.walked = world.walked;
        }
        Err(problem) => outcome.fail(story.opening.referenced, problem),
    }
    outcome
}

/// Whether an agreement can be one of a scenario, or with which code and words it is refused.
fn agreed(agreement: &Agreement) -> Result<(), (Code, String)> {
    let none = |problem: &str| Err((Code::Agreement, format!("the agreement: {problem}")));
    if let Some(problem) = agreement.wrong() {
        return none(&problem);
    }
    if agreement.provider.is_empty() || agreement.consumer.is_empty() {
        return none("say between whom it is: `provider` and `consumer`");
    }
    if agreement.open_clocks != OpenClocks::Keep {
        return none(
            "it is in force before the case begins, so that no clock is open: leave `open_clocks` out",
        );
    }
    let named = agreement.calendar.as_deref().map_or(Ok(()), |name| calendar(name).map(drop));
    named.map_err(|problem| (Code::UnknownCalendar, problem))
}

/// The calendars of a scenario: that of the case, and those that agreements name.
fn calendars(story: &Story) -> Result<Vec<Calendar>, String> {
    let named = story.agreements.iter().filter_map(|agreement| agreement.value.calendar.as_ref());
    let mut calendars = vec![calendar(&story.calendar)?];
    for name in named {
        if calendars.iter().all(|known| known.name() != name) {
            calendars.push(calendar(name)?);
        }
    }
    Ok(calendars)
}

/// A calendar that the product brings.
fn calendar(name: &str) -> Result<Calendar, String> {
    let shipped = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
    let (_, text) =
        shipped.ok_or_else(|| format!("the calendar `{name}` is none that the product brings"))?;
    let spec: CalendarSpec = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    Calendar::compile(&spec).map_err(|error| error.to_string())
}

/// Walks within walks; more are taken for a walk that leads to itself.
const DEEPEST: usize = 16;

/// Takes a step, or those that it names. False when one was not taken as it should be.
fn walk(world: &mut World<'_>, step: &Spanned<Step>, depth: usize, outcome: &mut Outcome) -> bool {
    let Spanned { value: step, referenced: place, .. } = step;
    let taken = match &step.walk {
        None => take(world, step),
        Some(name) if depth == DEEPEST => Err(format!("the walk `{name}` leads to itself")),
        Some(name) => match world.book.walks.get(name) {
            Some(steps) if steps.iter().all(|step| walk(world, step, depth + 1, outcome)) => Ok(()),
            Some(_) => return false,
            None => Err(format!("there is no walk `{name}` in this file")),
        },
    };
    match taken {
        Ok(()) => judge(outcome, world, step.expect.as_ref()),
        Err(problem) => {
            outcome.fail(*place, problem);
            return false;
        }
    }
    true
}

fn judge(outcome: &mut Outcome, world: &World<'_>, expect: Option<&Spanned<Expect>>) {
    if let Some(Spanned { value, referenced, .. }) = expect {
        for difference in value.differences(world) {
            outcome.fail(*referenced, difference);
        }
    }
}

/// Takes a step: time passes, and then somebody does something, or not.
fn take(world: &mut World<'_>, step: &Step) -> Result<(), String> {
    world.begin_step();
    world.pass(step)?;
    match (&step.does, &step.child) {
        (Some(action), None) => {
            match (world.act(step, action)?, &step.refused) {
                (Ok(()), None) => Ok(()),
                (Ok(()), Some(code)) => {
                    Err(format!("`{action}` should be refused with {code}, and was done"))
                }
                (Err(refusal), Some(code)) if refusal.code().eq_ignore_ascii_case(code) => Ok(()),
                (Err(refusal), Some(code)) => Err(format!(
                    "`{action}` should be refused with {code}, and was with {}: {refusal}",
                    refusal.code()
                )),
                (Err(refusal), None) => {
                    Err(format!("`{action}` was refused with {}: {refusal}", refusal.code()))
                }
            }?;
            world.problem()
        }
        (None, Some(child)) => world.change_child(child, step),
        (None, None) if step.at.is_some() || step.after.is_some() => Ok(()),
        _ => {
            Err("a step says `does`, or `child` and `becomes`, or only when it is: `at` or `after`"
                .to_owned())
        }
    }
}

//! `masar workflow simulate`: what would be late, where cases would wait, and where their time would go.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use masar_simulator::{
    ChildReport, Descendants, DeskReport, Estimate, PackageReport, Plan, Report, Sample, Simulation, Staff,
    StuckReport, descendants, replicate,
};
use masar_workflow::{Catalog, Package, shipped_simulation};
use masar_worktime::Calendar;

use super::Answer;
use super::due::find;
use super::log::{read, section};
use super::workflow::load;

/// What is played. The children that cases open are played too, by what the plan says of their packages under `children`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder with `workflow.yaml` and `forms/`, or the name of a package that this program brings.
    folder: PathBuf,
    /// The plan: arrivals, staff, and what people do in each state, also with children. `simulation.yaml` of the package when
    /// not given; workflows/complaint/simulation.yaml describes every key.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// The folder of a package of children, and of children's children, that this program does not bring, or brings otherwise.
    #[arg(long = "child", value_name = "FOLDER")]
    children: Vec<PathBuf>,
    /// A calendar instead of the plan's: the name of a shipped one, or a file.
    #[arg(long)]
    calendar: Option<String>,
    /// Cases of each replication, instead of the plan's.
    #[arg(long)]
    cases: Option<usize>,
    /// How often all is played, each time by other chances, instead of the plan's.
    #[arg(long)]
    replications: Option<usize>,
    /// What decides all chances, instead of the plan's: the same seed predicts the same.
    #[arg(long)]
    seed: Option<u64>,
}

/// Plays.
pub(crate) fn run(arguments: &Arguments) -> Result<Answer> {
    let package = load(&arguments.folder)?;
    let file = arguments.plan.clone().unwrap_or_else(|| arguments.folder.join("simulation.yaml"));
    let text = text(arguments, &file)?;
    let wrong = |error: masar_simulator::Error| anyhow!("the plan {}:\n{error}", file.display());
    let family = family(&package, &arguments.children)?;
    let mut plan = Plan::read(&text, &package, &family).map_err(wrong)?;
    plan.seed = arguments.seed.unwrap_or(plan.seed);
    plan.cases = arguments.cases.unwrap_or(plan.cases).max(plan.warm_up + 1);
    plan.replications = arguments.replications.unwrap_or(plan.replications).max(2);
    let calendar = find(arguments.calendar.as_deref().unwrap_or(&plan.calendar))?;
    let calendars = calendars(&plan)?;
    let log = arrivals(&plan, &file, &calendar)?;
    let simulation = Simulation {
        package: &package,
        descendants: &family,
        plan: &plan,
        calendar: &calendar,
        calendars: &calendars,
        log: log.as_deref(),
    };
    let report = Report::of(&package, &family, &play(simulation).map_err(wrong)?);
    Ok(Answer { table: told(&report, &plan), json: serde_json::to_value(&report)? })
}

/// The packages of children: those of these folders, and else those that this program brings.
fn family(package: &Package, folders: &[PathBuf]) -> Result<Descendants> {
    let catalog = Catalog::shipped()?;
    let mut given = BTreeMap::new();
    for folder in folders {
        let child = load(folder)?;
        given.insert(child.definition().package.clone(), Arc::new(child));
    }
    Ok(descendants(package, &|name| given.get(name).or_else(|| catalog.in_force(name)).cloned()))
}

/// The text of the plan, which the program itself brings for some of its packages.
fn text(arguments: &Arguments, file: &Path) -> Result<String> {
    let brought =
        arguments.folder.to_str().filter(|_| arguments.plan.is_none() && !arguments.folder.exists());
    if let Some(text) = brought.and_then(shipped_simulation) {
        return Ok(text.to_owned());
    }
    std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the plan {}: name one with --plan", file.display()))
}

/// The calendars of queues that have their own.
fn calendars(plan: &Plan) -> Result<BTreeMap<String, Calendar>> {
    let names = plan.everybody().filter_map(|(_, staff)| match staff {
        Staff::People(_) => None,
        Staff::Hours { calendar, .. } => Some(calendar),
    });
    names.map(|name| Ok((name.clone(), find(name)?))).collect()
}

/// When the cases of the log began that the plan names, moved by whole weeks to its first day.
fn arrivals(plan: &Plan, file: &Path, calendar: &Calendar) -> Result<Option<Vec<Timestamp>>> {
    let Some(name) = &plan.arrivals.value.log else { return Ok(None) };
    // A plan and its log stand beside each other.
    let log = read(&file.parent().unwrap_or(Path::new(".")).join(name), None)?;
    let first = |case: &masar_eventlog::LogCase| Some(case.steps().first()?.at);
    let mut begun: Vec<Timestamp> = log.cases.iter().filter_map(first).collect();
    begun.sort_unstable();
    let start = calendar.time_zone().to_timestamp(plan.starts.at(0, 0, 0, 0))?;
    let earliest = begun.first().copied().with_context(|| format!("nothing happens in the log {name}"))?;
    let week = SignedDuration::from_hours(7 * 24).as_secs();
    let weeks = (start.as_second() - earliest.as_second() + week - 1).div_euclid(week);
    let shift = SignedDuration::from_secs(weeks * week);
    begun.into_iter().map(|at| Ok(at.checked_add(shift)?)).collect::<Result<Vec<_>>>().map(Some)
}

/// Plays the replications on all processors. What each predicts follows from its number alone.
fn play(simulation: Simulation<'_>) -> Result<Vec<Sample>, masar_simulator::Error> {
    let all = simulation.plan.replications;
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(all);
    let mut numbered: Vec<(usize, Sample)> = Vec::with_capacity(all);
    thread::scope(|scope| {
        let shares = (0..threads).map(|first| (first..all).step_by(threads));
        let played: Vec<_> =
            shares.map(|share| (share.clone(), scope.spawn(move || replicate(simulation, share)))).collect();
        for (numbers, played) in played {
            let samples = played.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            numbered.extend(numbers.zip(samples));
        }
        Ok::<(), masar_simulator::Error>(())
    })?;
    numbered.sort_by_key(|(number, _)| *number);
    Ok(numbered.into_iter().map(|(_, sample)| sample).collect())
}

/// A mean and how far chance may have moved it.
fn estimate(estimate: Estimate, digits: usize) -> String {
    format!("{:.digits$} ± {:.digits$}", estimate.mean, estimate.plus_minus)
}

fn told(report: &Report, plan: &Plan) -> String {
    let own = &report.own;
    let mut text = format!(
        "{} {}: {} cases in {} replications, seed {}; each figure ± the half of its 95% interval\n",
        own.package, own.version, own.cases, report.replications, plan.seed
    );
    text += &span(own);
    text += &promises(own, "promises");
    text += &section(
        "queues",
        ["queue", "people", "busy %", "waiting", "most waiting", "open hours of wait", ""],
        desks(&report.desks),
    );
    text += &stages(own, "where the time goes");
    text += &stops(own, "");
    for child in &report.children {
        text += &of_child(child);
    }
    let unopened = report.unopened.iter();
    text + &section(
        "children that were not opened, for a hundred cases",
        ["package", "children", "why"],
        unopened
            .map(|one| [one.package.clone(), estimate(one.in_a_hundred, 1), one.reason.clone()])
            .collect(),
    )
}

/// How the children of a package fare.
fn of_child(child: &ChildReport) -> String {
    let ChildReport { in_a_hundred, fared } = child;
    let name = &fared.package;
    let mut text = format!(
        "\nchildren: {name} {}, {} of them; {} for a hundred cases\n{}",
        fared.version,
        fared.cases,
        estimate(*in_a_hundred, 1),
        span(fared)
    );
    text += &promises(fared, &format!("promises of {name}"));
    text += &stages(fared, &format!("where the time of {name} goes"));
    text + &stops(fared, &format!("{name}: "))
}

/// How many cases are over, and how long they took.
fn span(fared: &PackageReport) -> String {
    format!(
        "over      {} of a hundred cases\nhours     {} from first to last, half within {}, nine of ten within {}\n",
        estimate(fared.closed_percent, 1),
        estimate(fared.hours, 1),
        estimate(fared.median_hours, 1),
        estimate(fared.most_hours, 1),
    )
}

fn promises(fared: &PackageReport, title: &str) -> String {
    let clocks = fared.clocks.iter().map(|clock| {
        let [runs, broken] = [clock.runs, clock.broken_percent].map(|figure| estimate(figure, 1));
        [clock.clock.clone(), clock.label.ar.clone(), broken, runs]
    });
    section(title, ["clock", "", "broken %", "runs in 100 cases"], clocks.collect())
}

fn desks(desks: &[DeskReport]) -> Vec<[String; 7]> {
    let line = |desk: &DeskReport| {
        let note = if desk.overloaded { "more comes than can be done" } else { "" };
        [
            desk.queue.clone(),
            desk.people.to_string(),
            estimate(desk.busy_percent, 1),
            estimate(desk.length, 1),
            estimate(desk.longest, 0),
            estimate(desk.wait_hours, 2),
            note.to_owned(),
        ]
    };
    desks.iter().map(line).collect()
}

fn stages(fared: &PackageReport, title: &str) -> String {
    let stages = fared.stages.iter().map(|stage| {
        let parts = [stage.queued_percent, stage.worked_percent, stage.outside_percent];
        let [queued, worked, outside] = parts.map(|part| format!("{part:.0}"));
        let [percent, hours] = [stage.percent, stage.hours].map(|figure| estimate(figure, 1));
        [
            stage.state.clone(),
            stage.label.ar.clone(),
            percent,
            hours,
            estimate(stage.visits, 2),
            queued,
            worked,
            outside,
        ]
    });
    let header =
        ["state", "", "% of all time", "hours of a case", "visits", "in queue %", "worked on %", "others %"];
    section(title, header, stages.collect())
}

/// What keeps cases from going on, and what was not allowed.
fn stops(fared: &PackageReport, of: &str) -> String {
    let stuck = section(
        &format!("{of}cases that go no further, in a hundred"),
        ["state", "action", "cases", "why"],
        lines(&fared.stuck),
    );
    let refused = section(
        &format!("{of}not allowed, so something else was chosen, in a hundred cases"),
        ["state", "action", "times", "why"],
        lines(&fared.refused),
    );
    stuck + &refused
}

fn lines(found: &[StuckReport]) -> Vec<[String; 4]> {
    let line = |line: &StuckReport| {
        let action = line.action.clone().unwrap_or_default();
        [line.state.clone(), action, estimate(line.in_a_hundred, 1), line.reason.clone()]
    };
    found.iter().map(line).collect()
}

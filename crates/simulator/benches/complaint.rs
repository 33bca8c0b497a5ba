//! How long the plan that is shipped with the complaint takes for a hundred thousand cases, on one processor:
//! `cargo bench -p masar-simulator`.

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::time::Instant;

use masar_simulator::{Plan, Report, Simulation, descendants, replicate};
use masar_workflow::{Catalog, shipped_simulation};
use masar_worktime::{Calendar, SHIPPED};

/// Cases of a replication, and replications.
const PLAYED: (usize, usize) = (5_000, 20);

fn main() {
    let shipped = Catalog::shipped().expect("all are sound");
    let package = shipped.in_force("complaint").expect("it is shipped");
    let text = shipped_simulation("complaint").expect("it has a plan");
    let descendants = descendants(package, &|name| shipped.in_force(name).cloned());
    let mut plan = Plan::read(text, package, &descendants).expect("it is for this package");
    (plan.cases, plan.replications) = PLAYED;
    let (_, text) = SHIPPED.iter().find(|(name, _)| *name == plan.calendar).expect("it is shipped");
    let spec = serde_saphyr::from_str(text).expect("it can be read");
    let (calendar, calendars) = (Calendar::compile(&spec).expect("it can be compiled"), BTreeMap::new());
    let descendants = &descendants;
    let simulation = Simulation {
        package,
        descendants,
        plan: &plan,
        calendar: &calendar,
        calendars: &calendars,
        log: None,
    };
    let begun = Instant::now();
    let samples = replicate(simulation, 0..plan.replications).expect("it can be played");
    let (seconds, report) = (begun.elapsed().as_secs_f64(), Report::of(package, descendants, &samples));
    let (cases, steps) = (PLAYED.0 * PLAYED.1, report.steps);
    let decided = samples.last().map_or(0, |sample| sample.decided);
    writeln!(stdout(), "{cases} cases, {steps} steps, {decided} decided: {seconds:.2} s")
        .expect("standard output takes it");
}

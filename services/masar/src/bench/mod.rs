//! `masar bench`: load on a platform of its own, and the physical limit of the same database and machine, measured in
//! the same run. What counts is the share of the limit: absolute figures differ from machine to machine and day to day.

mod bulk;
mod clocks;
mod desk;
mod house;
mod import;
mod intake;
mod limit;
mod load;
mod pipeline;
mod queue;
mod replica;
mod report;
mod sample;
mod search;
mod store;
mod stream;
mod timers;
mod transitions;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

pub(crate) use self::report::Report;

use self::house::{Ground, House};
use self::load::{Caller, Span, drive};
use self::search::Search;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// Submissions by 64 callers, each answered when it is durable; and by one.
    Intake,
    /// Submissions by streams.
    Import,
    /// From a submission to a task with its due time, shown to those who act.
    Pipeline,
    /// Transitions by 64 callers: roles, guards and forms are checked.
    Transitions,
    /// Clocks that are due at one moment, and at a steady rate.
    Timers,
    /// Clocks that are armed, paused, resumed and fired by sla alone, with many others open, and a calendar that moves them.
    Clocks,
    /// A page of a queue with many tasks, and the next one claimed.
    Queue,
}

impl Bench {
    /// The services that are measured by themselves from the beginning; none for all. How fast cases are accepted is a question to intake, which
    /// keeps what the others have not heard yet. How fast all are is what `pipeline` asks.
    fn only(self) -> &'static [&'static str] {
        if matches!(self, Self::Intake | Self::Import) { &[masar_intake::NAME] } else { &[] }
    }
}

/// What is measured, and on what.
pub(crate) struct Plan {
    pub(crate) bench: Bench,
    pub(crate) quick: bool,
    pub(crate) postgres: Option<String>,
    pub(crate) amqp: Option<String>,
    pub(crate) cases: u32,
    pub(crate) clocks: u32,
    pub(crate) open: u32,
}

/// Measures the limit, then the platform.
pub(crate) async fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let pace = Pace { quick: plan.quick };
    let ground = Ground::new(plan.postgres.clone(), plan.amqp.clone())?;
    let name = plan.bench.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    report.note("bench", name);
    report.note("mode", ground.mode());
    let limit = limit::of(plan.bench, &ground, pace.span()).await?;
    report.note("limit_per_second", limit.map(report::whole));
    let (database, clocks) = (ground.database(), (plan.clocks, plan.open));
    match plan.bench {
        Bench::Clocks => clocks::run(&database, pace, clocks, report).await,
        Bench::Intake => at(&ground, plan, async |house| intake::run(house, pace, report).await).await,
        Bench::Import => at(&ground, plan, async |house| import::run(house, pace, report).await).await,
        Bench::Pipeline => at(&ground, plan, async |house| pipeline::run(house, pace, report).await).await,
        Bench::Transitions => transitions::run(&ground, pace, report).await,
        Bench::Timers => {
            let measured = async |house: &House| timers::run(house, &database, pace, clocks, report).await;
            at(&ground, plan, measured).await
        }
        Bench::Queue => {
            let measured = async |house: &House| queue::run(house, &database, pace, plan.cases, report).await;
            at(&ground, plan, measured).await
        }
    }
}

/// Measures at a platform of its own, which ends with it.
async fn at(ground: &Ground, plan: &Plan, measured: impl AsyncFnOnce(&House) -> Result<()>) -> Result<()> {
    let house = House::start(ground, plan.bench.only()).await?;
    measured(&house).await?;
    house.stop().await
}

/// How long and how often is measured.
#[derive(Debug, Clone, Copy)]
struct Pace {
    quick: bool,
}

impl Pace {
    /// A step.
    fn span(self) -> Span {
        let (warm_up, measured) = if self.quick { (300, 1_000) } else { (2_000, 6_000) };
        Span { warm_up: Duration::from_millis(warm_up), measured: Duration::from_millis(measured) }
    }

    /// Finds the highest rate at which callers are kept up with.
    async fn climb<C: Caller>(self, mut callers: Vec<C>, report: &mut Report) -> Result<()> {
        let probe = drive(&mut callers, None, self.span()).await?;
        report.step("probe", &probe)?;
        let mut search = Search::from(probe, self.quick);
        while let Some(rate) = search.next() {
            let measured = drive(&mut callers, Some(rate), self.span()).await?;
            report.step("open loop", &measured)?;
            search.heard(measured);
        }
        search.end(report);
        Ok(())
    }
}

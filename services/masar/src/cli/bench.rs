//! `masar bench`: how much this machine does, and what share of its physical limit that is.

use anyhow::{Result, bail};
use clap::Args;

use super::{Answer, Output, table};
use crate::bench::{self, Bench, Plan, Report};

/// What is measured, and on what.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What is measured.
    #[arg(value_enum)]
    bench: Bench,
    /// Take seconds instead of minutes: enough to see that it works, too little to quote.
    #[arg(long)]
    quick: bool,
    /// `postgres://...` of a database that the bench has to itself; SQLite in a temporary folder without it.
    #[arg(long)]
    postgres: Option<String>,
    /// `amqp://...` of a virtual host that the bench has to itself; within the process without it.
    #[arg(long)]
    amqp: Option<String>,
    /// Tasks that wait in the queue (`queue`).
    #[arg(long, default_value_t = 10_000)]
    cases: u32,
    /// Clocks that are due at one moment (`timers`, `clocks`).
    #[arg(long, default_value_t = 4_000)]
    clocks: u32,
    /// Other clocks that are open meanwhile, and due on another day (`timers`, `clocks`).
    #[arg(long, default_value_t = 0)]
    open: u32,
}

/// Measures on a platform of its own, which is gone afterwards.
pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<Answer> {
    let Arguments { bench, quick, postgres, amqp, cases, clocks, open } = arguments;
    let plan = Plan { bench, quick, postgres, amqp, cases, clocks, open };
    let mut report = Report::new(matches!(output, Output::Json));
    tokio::select! {
        measured = Box::pin(bench::run(&plan, &mut report)) => measured?,
        // So that the platform and its folder go too.
        _ = tokio::signal::ctrl_c() => bail!("stopped before it was measured"),
    }
    let (header, rows) = report.rows();
    Ok(Answer { table: table(header, rows) + &report.sentence(), json: report.summary() })
}

//! `masar import`: the cases of another system, from a CSV file or JSON lines, by a mapping that an analyst can read.

mod dry;
mod flow;
mod lane;
mod mapping;
mod plan;
mod progress;
mod recipe;
mod rejects;
mod rows;
mod tally;
#[cfg(test)]
mod tests;
mod times;
mod value;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;

use self::dry::DryRun;
use self::flow::Sink;
use self::mapping::Mapping;
use self::plan::Plan;
pub(crate) use self::plan::shipped;
use self::progress::Progress;
use self::rejects::Rejects;
use self::rows::Input;
pub(crate) use self::rows::Row;
use self::tally::Tally;
use super::{Access, Answer, Unsuccessful};

/// What is imported, and how.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A .csv or .jsonl file, plain or .gz.
    input: PathBuf,
    /// The mapping file (YAML): demo/mappings/nyc-council.yaml describes every key.
    #[arg(long)]
    mapping: PathBuf,
    /// Where rejected rows go, with their number and the reason.
    /// INPUT.rejects.csv (or .jsonl) in the current folder when unsaid; made only when there is one.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Stop after so many rows.
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// Map every row and check its form against the shipped packages; submit nothing, ask no server.
    #[arg(long)]
    dry_run: bool,
    /// Exit with 1 when a single row was rejected. Otherwise only when none was taken.
    #[arg(long)]
    strict: bool,
}

/// Imports. The same command again goes on where the last one was stopped: what is there already is a duplicate.
pub(crate) async fn run(arguments: Arguments, access: &Access) -> Result<Answer> {
    let mapping = Mapping::read(&arguments.mapping)?;
    let input = Input::open(&arguments.input, mapping.delimiter)?;
    let plan = Plan::compile(&mapping, input.header());
    let plan = plan.with_context(|| format!("the mapping {} cannot be used", arguments.mapping.display()))?;
    let plan = Arc::new(plan);
    flow::same_tenant(&plan, access.tenant.as_deref())?;
    let rejects = Rejects::new(arguments.rejects, &arguments.input, input.header().cloned())?;
    let sink = match arguments.dry_run {
        true => Sink::Dry(Box::new(DryRun::new()?)),
        false => Sink::lanes(access, &plan).await?,
    };
    let progress = Progress::new(input.size, Arc::clone(&input.read), arguments.limit)?;
    let tally = Arc::new(Tally::new(rejects));
    let rows = flow::read(input, plan, arguments.limit);
    let ended = watched(&progress, &tally, sink.take(rows, access.tenant.clone(), Arc::clone(&tally))).await;
    progress.end();
    let answer = tally.answer(arguments.dry_run)?;
    let counts = tally.counts();
    let problem = match ended {
        Err(error) => format!("stopped early: {error:#}; the same command goes on from there"),
        Ok(()) if counts.rejected > 0 && arguments.strict => {
            format!("{} rows were rejected", counts.rejected)
        }
        Ok(()) if counts.rejected > 0 && counts.rejected == counts.rows() => "no row was taken".to_owned(),
        Ok(()) => return Ok(answer),
    };
    Err(Unsuccessful { answer, problem }.into())
}

/// Does the work, and shows how far it is.
async fn watched(progress: &Progress, tally: &Tally, work: impl Future<Output = Result<()>>) -> Result<()> {
    let mut work = std::pin::pin!(work);
    let mut pace = tokio::time::interval(progress.pace());
    pace.tick().await;
    loop {
        tokio::select! {
            ended = &mut work => return ended,
            _ = pace.tick() => progress.show(tally),
        }
    }
}

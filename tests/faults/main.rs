//! Nothing lost: a set of processes under load, while processes, servers and links fail, clocks jump and messages come
//! damaged, twice and late. In the end a checker reads everything through the public contracts and counts.
//!
//! The run of `make test` has few faults, and only such as other tests on the same servers do not feel. `make faults` has all
//! of them, each for minutes, on servers of its own; the environment says what:
//!
//! * `MASAR_TEST_SEED`: the seed of faults and load;
//! * `MASAR_TEST_MINUTES`: how long each fault strikes again and again;
//! * `MASAR_TEST_FAULT`: the names of the faults, with blanks between; unset: all;
//! * `MASAR_TEST_SERVERS`: the folder of `scripts/servers.sh`, which restarts them;
//! * `MASAR_TEST_BEFORE`: the binary from which the set goes over to the one of this commit.

mod blows;
mod bus;
mod check;
mod checker;
mod dice;
mod load;
mod report;
mod seen;
mod stage;
#[path = "../support/mod.rs"]
mod support;

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use blows::Fault;
use check::settle;
use dice::Dice;
use load::Load;
use masar_workflow::Catalog;
use report::{Row, tables};
use stage::Stage;
use support::set::on_servers;
use tokio_util::sync::CancellationToken;

/// The seed of a run that names none.
const SEED: u64 = 20_261_115;
/// The run of `make test`.
const SHORT: [(Fault, usize); 6] = [
    (Fault::Kill, 1),
    (Fault::Cut, 1),
    (Fault::Stop, 1),
    (Fault::Poison, 1),
    (Fault::Repeat, 1),
    (Fault::Clock, 3),
];

/// How often a fault strikes.
#[derive(Clone, Copy)]
enum Until {
    Times(usize),
    Over(Duration),
}

struct Plan {
    seed: u64,
    faults: Vec<(Fault, Until)>,
    before: Option<PathBuf>,
}

impl Plan {
    fn of_environment() -> Result<Self> {
        let seed = env::var("MASAR_TEST_SEED").map_or(Ok(SEED), |seed| seed.parse()).context("the seed")?;
        let before = env::var_os("MASAR_TEST_BEFORE").map(PathBuf::from);
        let Ok(minutes) = env::var("MASAR_TEST_MINUTES") else {
            let faults = SHORT.map(|(fault, times)| (fault, Until::Times(times))).into();
            return Ok(Self { seed, faults, before });
        };
        let over = Duration::from_secs_f64(minutes.parse::<f64>().context("the minutes")? * 60.0);
        let wanted = env::var("MASAR_TEST_FAULT").unwrap_or_default();
        let named: Vec<&str> = wanted.split_whitespace().collect();
        let known = |name: &&str| Fault::ALL.iter().any(|fault| fault.name() == *name);
        if let Some(unknown) = named.iter().find(|name| !known(name)) {
            bail!("there is no fault `{unknown}`: use {}", Fault::ALL.map(Fault::name).join(", "));
        }
        let faults = Fault::ALL.into_iter().filter(|fault| named.is_empty() || named.contains(&fault.name()));
        // Going over to another binary is done once, however long it takes.
        let until = |fault| if fault == Fault::Roll { Until::Times(1) } else { Until::Over(over) };
        Ok(Self { seed, faults: faults.map(|fault| (fault, until(fault))).collect(), before })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_whatever_goes_wrong() -> Result<()> {
    let plan = Plan::of_environment()?;
    on_servers(async |postgres, amqp| {
        let folder = tempfile::tempdir()?;
        let before = plan.before.as_deref();
        let mut stage = Box::pin(Stage::build(folder.path(), postgres, amqp, before)).await?;
        let load = Load::default();
        let rows = Box::pin(strike(&mut stage, &load, &plan)).await;
        let verdicts = match &rows {
            Ok(_) => {
                let (told, catalog) = (load.told().clone(), Catalog::shipped()?);
                settle(&stage.readers()?, || stage.now(), &told, &catalog).await?
            }
            Err(_) => Vec::new(),
        };
        let said = tables(rows.as_deref().unwrap_or_default(), &verdicts);
        writeln!(io::stdout(), "seed {}\n{said}", plan.seed)?;
        if rows.is_ok() && verdicts.iter().all(|verdict| verdict.findings.is_empty()) {
            return stage.set.terminate().await;
        }
        drop(stage);
        let logs = folder.keep();
        let why = format!("seed {}; the logs of all processes are in {}", plan.seed, logs.display());
        rows.map(drop).and_then(|()| bail!("{said}")).context(why)
    })
    .await
}

/// Lets all faults strike in turn, under load.
async fn strike(stage: &mut Stage, load: &Load, plan: &Plan) -> Result<Vec<Row>> {
    let (callers, stop) = (stage.callers()?, CancellationToken::new());
    let mut dice = Dice::of(plan.seed);
    let striking = async {
        let mut rows = Vec::new();
        for (fault, until) in &plan.faults {
            let (began, mut times) = (Instant::now(), 0);
            let goes_on = |times| match until {
                Until::Times(most) => times < *most,
                Until::Over(time) => began.elapsed() < *time,
            };
            while goes_on(times) {
                Box::pin(fault.strike(stage, times, &mut dice)).await.context(fault.name())?;
                times += 1;
            }
            let (acknowledged, silence) = load.since(began);
            writeln!(io::stdout(), "{}: {times} times, {acknowledged} calls acknowledged", fault.name())?;
            rows.push(Row { fault: *fault, took: began.elapsed(), times, acknowledged, silence });
        }
        stop.cancel();
        Ok(rows)
    };
    let (rows, ()) = tokio::try_join!(striking, load.run(&callers, plan.seed, &stop))?;
    Ok(rows)
}

//! The bench as an operator runs it, for the shortest time: its last line says what it came to.

mod support;

use anyhow::{Context, Result};
use serde_json::Value;

use support::process::masar;

#[tokio::test]
async fn a_bench_says_which_share_of_the_limit_it_reached() -> Result<()> {
    figures("intake", &["rate_per_second", "limit_per_second", "ratio", "p50_ms", "p99_ms", "alone_p50_ms"])
        .await
}

#[tokio::test]
async fn cases_are_moved_by_calls_and_in_bulk() -> Result<()> {
    figures("transitions", &["rate_per_second", "ratio", "p99_ms", "bulk_per_second", "bulk_ratio"]).await
}

#[tokio::test]
async fn clocks_are_measured_with_others_open_and_moved_by_a_calendar() -> Result<()> {
    let figures_of_clocks = [
        "rate_per_second",
        "ratio",
        "armed_ratio",
        "paused_ratio",
        "resumed_ratio",
        "steady_p99_ms",
        "moved_per_second",
    ];
    figures_of("clocks", &["--clocks", "500", "--open", "1000"], &figures_of_clocks).await
}

/// Runs a bench for the shortest time, and looks whether it says all that it should.
async fn figures(bench: &str, figures: &[&str]) -> Result<()> {
    figures_of(bench, &[], figures).await
}

async fn figures_of(bench: &str, options: &[&str], figures: &[&str]) -> Result<()> {
    let run = masar(&[&["bench", bench, "--quick", "--output", "json"], options].concat()).await?;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let lines = String::from_utf8(run.stdout)?;
    let lines: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let (summary, steps) = lines.split_last().context("it said nothing")?;
    assert!(steps.len() >= 2 && steps.iter().all(|step| step["p99_ms"].is_number()), "{steps:?}");
    assert_eq!((&summary["bench"], &summary["mode"]), (&bench.into(), &"embedded".into()));
    for figure in figures {
        assert!(summary[*figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {summary}");
    }
    Ok(())
}

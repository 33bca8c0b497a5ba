//! A second opinion on clocks, from the rules alone: it reads the published JSON and walks through time step by step, with
//! none of the product's code, no compiled intervals, no prefix sums and no ordinals.

mod days;
mod walk;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

use days::Days;
use walk::{Ledger, Walk};

const MARKS: [&str; 5] = ["50%", "75%", "90%", "breach", "breach + 2 business_days"];

/// The second opinion on every question that a vector asks.
pub(crate) fn opinion(file: &Value, case: &Value) -> Result<Value> {
    let calendars = file["calendars"].as_array().context("calendars")?;
    let calendars: Vec<_> = calendars.iter().filter(|spec| named(case, spec)).map(Days::new).collect();
    let ledger = Ledger::read(&case["ledger"])?;
    let now = instant(&case["now"])?;
    let walk = Walk { calendars: &calendars, step: step(case)? };
    let standing = walk.fold(&ledger, false)?;
    let today = ledger.under(&case["today"])?;
    let marks = MARKS.iter().map(|mark| Ok(json!([mark, millis(walk.mark(&standing, mark)?)])));
    let marks = marks.collect::<Result<Vec<_>>>()?;
    Ok(json!({
        "day0": walk.day0(&ledger)?,
        "original_due_at": text(walk.original_due(&ledger)?),
        "phase": standing.phase(),
        "due_at": text(walk.due(&standing, standing.last, false)?),
        "used": walk.used(&standing, now)?,
        "breach": walk.breach_by(&standing, now)?.map(breach),
        "as_promised": judgement(&walk, &ledger.as_promised(), now)?,
        "under_todays_rules": judgement(&walk, &today, now)?,
        "attribution": walk.attribution(&standing, &spans(&case["provider"])?, now)?,
        "marks": marks,
    }))
}

/// Only the calendars that the case speaks of.
fn named(case: &Value, spec: &Value) -> bool {
    let names = |found: &Value| found["name"] == spec["name"] && found["version"] == spec["version"];
    let ledger = case["ledger"].as_array().into_iter().flatten();
    names(&case["today"]["calendar"]) || ledger.into_iter().any(|entry| names(&entry["calendar"]))
}

fn judgement(walk: &Walk<'_>, ledger: &Ledger, now: i64) -> Result<Value> {
    let standing = walk.fold(ledger, true)?;
    let broken = walk.breach_by(&standing, now)?;
    let verdict = match (broken, standing.stopped()) {
        (Some(_), _) => json!("broken"),
        (None, true) => json!("kept"),
        (None, false) => Value::Null,
    };
    let due_at = text(walk.due(&standing, now, false)?);
    Ok(json!({"due_at": due_at, "breach": broken.map(breach), "verdict": verdict}))
}

fn breach((at, cause): (i64, &str)) -> Value {
    json!({"at": text(at), "cause": cause})
}

/// A minute where nothing of the case lies between two minutes, and else a second.
fn step(case: &Value) -> Result<i64> {
    let mut instants = vec![instant(&case["now"])?];
    for entry in case["ledger"].as_array().context("ledger")? {
        instants.push(instant(&entry["at"])?);
        if entry["event"] == "pause_entered" {
            instants.extend([instant(&entry["from"])?, instant(&entry["to"])?]);
        }
    }
    for (from, to) in spans(&case["provider"])? {
        instants.extend([from, to]);
    }
    Ok(if instants.iter().all(|at| at % 60 == 0) { 60 } else { 1 })
}

fn spans(spans: &Value) -> Result<Vec<(i64, i64)>> {
    let spans = spans.as_array().into_iter().flatten();
    spans.map(|span| Ok((instant(&span["from"])?, instant(&span["to"])?))).collect()
}

/// Seconds since 1970.
fn instant(at: &Value) -> Result<i64> {
    let text = at.as_str().with_context(|| format!("no time: {at}"))?;
    Ok(text.parse::<Timestamp>()?.as_second())
}

fn text(at: i64) -> String {
    millis(at * 1_000)
}

fn millis(at: i64) -> String {
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX).to_string()
}

//! What is said of a bench: a line for each step, and at the end what it came to.

use std::io::{self, Write};

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::load::Measured;

/// The steps of a bench and what they came to.
pub(crate) struct Report {
    /// Steps go to standard output as JSON, a line for each.
    lines: bool,
    rows: Vec<[String; 7]>,
    summary: Map<String, Value>,
}

impl Report {
    pub(crate) fn new(lines: bool) -> Self {
        Self { lines, rows: Vec::new(), summary: Map::new() }
    }

    /// Says what happens. Nobody reads it where standard error is closed, and then nothing is lost.
    pub(super) fn say(text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// A step that was measured.
    pub(super) fn step(&mut self, name: &str, measured: &Measured) -> Result<()> {
        let line = json!({
            "step": name,
            "offered_per_second": measured.offered.map(whole),
            "achieved_per_second": whole(measured.achieved),
            "p50_ms": quantile(measured, 0.5),
            "p90_ms": quantile(measured, 0.9),
            "p99_ms": quantile(measured, 0.99),
            "max_ms": quantile(measured, 1.0),
            "kept_up": measured.kept_up(),
        });
        let shown = |key: &str| match &line[key] {
            Value::Null => "-".to_owned(),
            value => value.to_string(),
        };
        let kept_up = if measured.kept_up() { "yes" } else { "no" };
        let row = ["offered_per_second", "achieved_per_second", "p50_ms", "p90_ms", "p99_ms"].map(shown);
        let [offered, achieved, p50, p90, p99] = row;
        Self::say(&format!(
            "{name:<20} offered {offered:>7}/s, done {achieved:>7}/s, p50 {p50} ms, p99 {p99} ms"
        ));
        self.rows.push([name.to_owned(), offered, achieved, p50, p90, p99, kept_up.to_owned()]);
        if self.lines {
            writeln!(io::stdout(), "{line}")?;
        }
        Ok(())
    }

    /// What the bench came to, apart from its rate.
    pub(super) fn note(&mut self, key: &str, value: impl Into<Value>) {
        self.summary.insert(key.to_owned(), value.into());
    }

    /// The rate that a bench came to, with its latencies.
    pub(super) fn result(&mut self, measured: &Measured) {
        self.rate("", measured);
        self.note("p50_ms", quantile(measured, 0.5));
        self.note("p99_ms", quantile(measured, 0.99));
    }

    /// A rate, and its share of the limit.
    pub(super) fn rate(&mut self, prefix: &str, measured: &Measured) {
        let name = if prefix.is_empty() { "rate_" } else { prefix };
        self.share(name, prefix, measured.achieved);
    }

    /// So many of what is named in a second, and their share of the limit.
    pub(super) fn per_second(&mut self, what: &str, rate: f64) {
        let prefix = format!("{what}_");
        Self::say(&format!("{what:<20} {}/s", whole(rate)));
        self.share(&prefix, &prefix, rate);
    }

    fn share(&mut self, name: &str, prefix: &str, rate: f64) {
        let limit = self.summary.get("limit_per_second").and_then(Value::as_f64);
        let ratio = limit.map(|limit| (rate / limit * 1e3).round() / 1e3);
        self.note(&format!("{name}per_second"), whole(rate));
        self.note(&format!("{prefix}ratio"), json!(ratio));
    }

    /// The result, and its share of the limit.
    pub(crate) fn summary(&self) -> Value {
        Value::Object(self.summary.clone())
    }

    /// The steps for people.
    pub(crate) fn rows(&self) -> ([&str; 7], Vec<[String; 7]>) {
        (["STEP", "OFFERED/S", "DONE/S", "P50 MS", "P90 MS", "P99 MS", "KEPT UP"], self.rows.clone())
    }

    /// The result for people, a line for each figure.
    pub(crate) fn sentence(&self) -> String {
        let Value::Object(summary) = self.summary() else { return String::new() };
        summary.iter().fold("\n".to_owned(), |text, (key, value)| format!("{text}{key:<24} {value}\n"))
    }
}

/// A quantile in milliseconds, to the hundredth.
pub(super) fn quantile(measured: &Measured, quantile: f64) -> f64 {
    let micros = measured.latencies.all().value_at_quantile(quantile);
    (micros as f64 / 10.0).round() / 100.0
}

/// A rate, as precise as it is worth.
pub(super) fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

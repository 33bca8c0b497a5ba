//! How far the import is, on standard error: a bar on a terminal, otherwise a line every few seconds.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use super::tally::Tally;

const BAR: &str = "{bar:30} {percent:>3} %  {elapsed} of about {duration}  {msg}";

/// Shows how far the import is.
pub(super) struct Progress {
    /// None where standard error is no terminal.
    bar: Option<ProgressBar>,
    /// What there is to do: bytes of the file, or rows where the import has a limit.
    whole: u64,
    /// Bytes read; none where rows count.
    read: Option<Arc<AtomicU64>>,
}

impl Progress {
    pub(super) fn new(size: u64, read: Arc<AtomicU64>, limit: Option<u64>) -> Result<Self> {
        let whole = limit.unwrap_or(size);
        let style = ProgressStyle::with_template(BAR)?;
        let bar = io::stderr().is_terminal().then(|| ProgressBar::new(whole).with_style(style));
        Ok(Self { bar, whole, read: limit.is_none().then_some(read) })
    }

    /// How often it is worth looking.
    pub(super) fn pace(&self) -> Duration {
        if self.bar.is_some() { Duration::from_millis(200) } else { Duration::from_secs(5) }
    }

    /// Shows where it stands.
    pub(super) fn show(&self, tally: &Tally) {
        let counts = tally.counts();
        let rows = counts.rows();
        let done = self.read.as_ref().map_or(rows, |read| read.load(Ordering::Relaxed)).min(self.whole);
        let pace = rows as f64 / tally.seconds().max(f64::EPSILON);
        let mut text = format!(
            "{rows} rows, {pace:.0} a second: {} accepted, {} duplicate, {} rejected",
            counts.accepted, counts.duplicate, counts.rejected
        );
        if !counts.note.is_empty() {
            text = format!("{text}; {}", counts.note);
        }
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(text);
            }
            // Nobody reads it where standard error is closed.
            None => drop(writeln!(io::stderr(), "{:3} %  {text}", 100 * done / self.whole.max(1))),
        }
    }

    /// Leaves the terminal to the summary.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

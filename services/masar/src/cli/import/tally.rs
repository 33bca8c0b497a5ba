//! What has become of the rows.

use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::rejects::Rejects;
use super::rows::Row;
use crate::cli::Answer;

/// Counts of rows. Every row is in one of the last three.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) duplicate: u64,
    pub(super) rejected: u64,
    /// How often a stream broke and was opened again.
    pub(super) reconnects: u64,
    /// What holds the import up now.
    pub(super) note: String,
}

impl Counts {
    pub(super) fn rows(&self) -> u64 {
        self.accepted + self.duplicate + self.rejected
    }
}

/// Counts, and the file of the rejected rows.
pub(super) struct Tally {
    inner: Mutex<(Counts, Rejects)>,
    began: Instant,
}

impl Tally {
    pub(super) fn new(rejects: Rejects) -> Self {
        Self { inner: Mutex::new((Counts::default(), rejects)), began: Instant::now() }
    }

    /// A row that was taken, now or before.
    pub(super) fn taken(&self, duplicate: bool) {
        let counts = &mut self.lock().0;
        *(if duplicate { &mut counts.duplicate } else { &mut counts.accepted }) += 1;
    }

    /// A row that was not taken.
    ///
    /// # Errors
    /// When the file of the rejected rows cannot be written.
    pub(super) fn reject(&self, row: &Row, reason: &str) -> Result<()> {
        let (counts, rejects) = &mut *self.lock();
        counts.rejected += 1;
        rejects.put(row, reason)
    }

    /// A stream broke, for the reason told.
    pub(super) fn held_up(&self, note: String) {
        let counts = &mut self.lock().0;
        (counts.reconnects, counts.note) = (counts.reconnects + 1, note);
    }

    /// It goes on.
    pub(super) fn goes_on(&self) {
        self.lock().0.note.clear();
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().0.clone()
    }

    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// The summary.
    ///
    /// # Errors
    /// When the file of the rejected rows cannot be written.
    pub(super) fn answer(&self, dry_run: bool) -> Result<Answer> {
        let (counts, rejects) = &mut *self.lock();
        rejects.flush()?;
        let (rows, seconds) = (counts.rows(), self.began.elapsed().as_secs_f64());
        let per_second = (rows as f64 / seconds.max(f64::EPSILON)).round();
        let Counts { accepted, duplicate, rejected, reconnects, .. } = counts;
        let file = rejects.file().map(|path| path.display().to_string());
        let mut table = format!(
            "{rows} rows in {seconds:.1} s ({per_second} a second){}\n  accepted   {accepted}\n  duplicate  {duplicate}\n  rejected   {rejected}\n",
            if dry_run { ", nothing submitted" } else { "" }
        );
        if let Some(file) = &file {
            writeln!(table, "  the rejected rows and the reasons are in {file}")?;
        }
        let json: Json = json!({
            "rows": rows, "accepted": accepted, "duplicate": duplicate, "rejected": rejected,
            "seconds": (seconds * 1_000.0).round() / 1_000.0, "per_second": per_second,
            "reconnects": reconnects, "dry_run": dry_run, "rejects_file": file,
        });
        Ok(Answer { table, json })
    }

    fn lock(&self) -> MutexGuard<'_, (Counts, Rejects)> {
        // A panic in between leaves counts that are whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The file of the rows that were not taken, each with its number and the reason.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use csv::StringRecord;
use serde_json::{Value as Json, json};

use super::rows::{Cells, Row};

/// Rows that were not taken, in the form of the input: a CSV file has `row` and `reason` before its own columns, JSON
/// lines have `{"row", "reason", "line"}`. The file is made with its first row.
pub(super) struct Rejects {
    path: PathBuf,
    /// May be made elsewhere when the current folder cannot be written.
    movable: bool,
    header: Option<StringRecord>,
    out: Option<Out>,
}

enum Out {
    Csv(Box<csv::Writer<File>>),
    Lines(BufWriter<File>),
}

impl Rejects {
    /// `named`, or a file of the input's name in the current folder, or in that for temporary files.
    ///
    /// # Errors
    /// When it would overwrite the input.
    pub(super) fn new(named: Option<PathBuf>, input: &Path, header: Option<StringRecord>) -> Result<Self> {
        let movable = named.is_none();
        let path = named.unwrap_or_else(|| {
            let name = input.file_name().unwrap_or_default().to_string_lossy();
            let name = name.strip_suffix(".gz").unwrap_or(&name);
            let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
            PathBuf::from(format!("{stem}.rejects.{}", if header.is_some() { "csv" } else { "jsonl" }))
        });
        if path.canonicalize().is_ok_and(|path| input.canonicalize().is_ok_and(|input| input == path)) {
            bail!("--rejects {} is the input itself", path.display());
        }
        Ok(Self { path, movable, header, out: None })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn put(&mut self, row: &Row, reason: &str) -> Result<()> {
        if self.out.is_none() {
            self.out = Some(self.create()?);
        }
        let Some(out) = &mut self.out else { return Ok(()) };
        let cannot = || format!("cannot write {}", self.path.display());
        match (out, &row.cells) {
            (Out::Csv(writer), Cells::Record(record)) => {
                let number = row.number.to_string();
                let cells = [number.as_str(), reason].into_iter().chain(record);
                writer.write_record(cells).with_context(cannot)
            }
            (Out::Lines(writer), Cells::Line { text, json }) => {
                let line = if json.is_null() { &Json::String(text.clone()) } else { json };
                let line = json!({"row": row.number, "reason": reason, "line": line});
                writeln!(writer, "{line}").with_context(cannot)
            }
            _ => Ok(()),
        }
    }

    /// Writes out what was put.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn flush(&mut self) -> Result<()> {
        match &mut self.out {
            Some(Out::Csv(writer)) => writer.flush(),
            Some(Out::Lines(writer)) => writer.flush(),
            None => Ok(()),
        }
        .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// The file, when there is one.
    pub(super) fn file(&self) -> Option<&Path> {
        self.out.as_ref().map(|_| self.path.as_path())
    }

    fn create(&mut self) -> Result<Out> {
        let mut file = File::create(&self.path);
        if file.is_err() && self.movable {
            self.path = std::env::temp_dir().join(&self.path);
            file = File::create(&self.path);
        }
        let file =
            file.with_context(|| format!("cannot make {}: give another --rejects", self.path.display()))?;
        let Some(header) = &self.header else { return Ok(Out::Lines(BufWriter::new(file))) };
        // Rows with too many or too few cells are kept as they are.
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(file);
        writer.write_record(["row", "reason"].into_iter().chain(header))?;
        Ok(Out::Csv(Box::new(writer)))
    }
}

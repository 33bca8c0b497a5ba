//! The rows of a file, CSV or JSON lines, packed or not, one after the other.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use csv::{ByteRecord, StringRecord};
use flate2::read::MultiGzDecoder;
use serde_json::Value as Json;

/// The longest row that is sent, in bytes: well below the largest message that a server takes.
const LONGEST: usize = 1 << 20;
/// How much is read at once, in bytes: of a packed file this is some thousand rows, which is as fine as the bar can be.
const BUFFER: usize = 1 << 15;

/// A row, and what is wrong with it already.
#[derive(Debug)]
pub(crate) struct Row {
    /// Counts from 1; the header of a CSV file is none.
    pub(super) number: u64,
    pub(super) cells: Cells,
    pub(super) problem: Option<String>,
}

/// What stands in a row.
#[derive(Debug)]
pub(super) enum Cells {
    Record(StringRecord),
    Line { text: String, json: Json },
}

impl Row {
    /// A row of JSON lines.
    pub(crate) fn json(number: u64, text: String) -> Self {
        let (json, problem) = match serde_json::from_str(&text) {
            Ok(json @ Json::Object(_)) => (json, None),
            Ok(_) => (Json::Null, Some("the line is no JSON object".to_owned())),
            Err(error) => (Json::Null, Some(format!("the line is no JSON: {error}"))),
        };
        Self { number, cells: Cells::Line { text, json }, problem }
    }

    fn record(number: u64, columns: usize, record: ByteRecord) -> Self {
        let found = record.len();
        let (record, mut problem) = match StringRecord::from_byte_record(record) {
            Ok(record) => (record, None),
            Err(error) => {
                let record = error.into_byte_record();
                let cells = record.iter().map(String::from_utf8_lossy);
                (cells.collect(), Some("the row is no UTF-8 text".to_owned()))
            }
        };
        if found != columns {
            problem = Some(format!("the row has {found} cells, the header {columns}"));
        } else if record.as_slice().len() > LONGEST {
            problem = Some(format!("the row is longer than {LONGEST} bytes"));
        }
        Self { number, cells: Cells::Record(record), problem }
    }
}

/// A file whose rows are read in turn.
pub(super) struct Input {
    rows: Rows,
    number: u64,
    /// Size of the file, in bytes.
    pub(super) size: u64,
    /// Bytes of the file that were read so far.
    pub(super) read: Arc<AtomicU64>,
}

enum Rows {
    Csv { reader: csv::Reader<Box<dyn Read + Send>>, header: StringRecord },
    Json(BufReader<Box<dyn Read + Send>>),
}

impl Input {
    /// Opens a `.csv` or `.jsonl` file, or one of them as `.gz`.
    ///
    /// # Errors
    /// When it cannot be read, or is of another kind.
    pub(super) fn open(path: &Path, delimiter: Option<char>) -> Result<Self> {
        let cannot = || format!("cannot read {}", path.display());
        let name = path.to_string_lossy().to_ascii_lowercase();
        let (plain, packed) = name.strip_suffix(".gz").map_or((name.as_str(), false), |plain| (plain, true));
        let file = File::open(path).with_context(cannot)?;
        let size = file.metadata().with_context(cannot)?.len();
        let read = Arc::new(AtomicU64::new(0));
        let counting = BufReader::with_capacity(BUFFER, Counting { file, read: Arc::clone(&read) });
        let bytes: Box<dyn Read + Send> =
            if packed { Box::new(MultiGzDecoder::new(counting)) } else { Box::new(counting) };
        let rows = if plain.ends_with(".csv") {
            let delimiter = u8::try_from(delimiter.unwrap_or(',')).context("delimiter: must be ASCII")?;
            let mut options = csv::ReaderBuilder::new();
            let mut reader = options.delimiter(delimiter).flexible(true).from_reader(bytes);
            let header = reader.headers().with_context(cannot)?.clone();
            Rows::Csv { reader, header }
        } else if plain.ends_with(".jsonl") || plain.ends_with(".ndjson") {
            Rows::Json(BufReader::with_capacity(BUFFER, bytes))
        } else {
            bail!("{} is neither .csv nor .jsonl, plain or .gz", path.display());
        };
        Ok(Self { rows, number: 0, size, read })
    }

    /// The columns of a CSV file; JSON lines have none in common.
    pub(super) fn header(&self) -> Option<&StringRecord> {
        match &self.rows {
            Rows::Csv { header, .. } => Some(header),
            Rows::Json(_) => None,
        }
    }

    /// The next row, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        let cannot = format!("the file cannot be read beyond row {}", self.number);
        let row = match &mut self.rows {
            Rows::Csv { reader, header } => {
                let mut record = ByteRecord::new();
                let more = reader.read_byte_record(&mut record).context(cannot)?;
                more.then(|| Row::record(self.number + 1, header.len(), record))
            }
            Rows::Json(reader) => line(reader, self.number + 1).context(cannot)?,
        };
        self.number += u64::from(row.is_some());
        Ok(row)
    }
}

/// The next line that is not blank. Of a line that is too long only the beginning is kept.
fn line(reader: &mut impl BufRead, number: u64) -> std::io::Result<Option<Row>> {
    loop {
        let mut bytes = Vec::new();
        if reader.take(LONGEST as u64).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        if bytes.len() == LONGEST && !bytes.ends_with(b"\n") {
            reader.skip_until(b'\n')?;
            bytes.truncate(LONGEST / 1_024);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let problem = Some(format!("the row is longer than {LONGEST} bytes"));
            return Ok(Some(Row { number, cells: Cells::Line { text, json: Json::Null }, problem }));
        }
        let text = String::from_utf8(bytes).unwrap_or_else(|error| {
            // What is no UTF-8 is no JSON either, and is rejected as such.
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        });
        let text = text.trim_start_matches('\u{feff}').trim();
        if !text.is_empty() {
            return Ok(Some(Row::json(number, text.to_owned())));
        }
    }
}

/// Counts what was read of the file, for the progress bar.
struct Counting {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

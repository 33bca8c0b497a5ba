//! Decision tables: what comes in is compared with the rows of a file, and the row that holds says what goes out.

mod cell;
mod complete;
mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use self::cell::{Cell, Datum};
pub use self::rule::{Hit, TableInput, TableRule};
use crate::expression::{Expression, Read, Reader, Scope, Spot};
use crate::finding::Found;
use crate::{Code, Finding};

/// What stands before the name of a table that says a fact, a field or a queue.
pub(crate) const TABLE: &str = "table ";
/// The column that only people read.
const NOTE: &str = "note";

/// The tables of a package by name.
pub(crate) type Tables = BTreeMap<String, Arc<Table>>;

/// A table that was read.
pub(crate) struct Table {
    name: String,
    rule: TableRule,
    rows: Vec<Row>,
}

/// A row: one cell for each input, one text for each column that is given.
struct Row {
    line: u64,
    cells: Vec<Cell>,
    gives: Vec<String>,
}

impl Table {
    /// Reads the files of the tables that a package declares; those that are wrong are found and left out.
    pub(crate) fn read_all(
        rules: &BTreeMap<String, TableRule>,
        texts: &BTreeMap<String, String>,
        found: &Found,
    ) -> Tables {
        let mut tables = Tables::new();
        for (name, rule) in rules {
            let Some(text) = texts.get(name) else {
                let message = format!("the table `{name}` is not there: write tables/{name}.csv");
                found.add(Code::UnknownTable, &format!("tables/{name}"), message);
                continue;
            };
            if let Some(table) = Self::read(name, rule, text, found) {
                complete::check(&table, found);
                tables.insert(name.clone(), Arc::new(table));
            }
        }
        for name in texts.keys().filter(|name| !rules.contains_key(*name)) {
            let message = format!("tables/{name}.csv is no table of the package: name it under `tables`");
            found.placed(Finding::at(Code::Table, &file(name), None, message));
        }
        tables
    }

    fn read(name: &str, rule: &TableRule, text: &str, found: &Found) -> Option<Self> {
        let wrong = |place: (u64, u64), message: String| {
            found.placed(Finding::at(Code::Table, &file(name), Some(place), message));
        };
        let odd = |(_, input): &(&String, &TableInput)| input.numbers.is_some() != input.values.is_empty();
        if let Some((column, input)) = rule.inputs.iter().find(odd) {
            let said = if input.values.is_empty() { "neither" } else { "both" };
            let message =
                format!("the input `{column}` of `{name}` says {said} of `values` and `numbers`: give one");
            found.add(Code::Table, &format!("tables/{name}/inputs/{column}"), message);
            return None;
        }
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let head = reader.headers().map_err(|error| wrong((1, 1), error.to_string())).ok()?;
        let head: Vec<String> = head.iter().map(str::to_owned).collect();
        let columns: Vec<&String> = rule.inputs.keys().chain(&rule.gives).collect();
        let unknown = head.iter().find(|word| *word != NOTE && !columns.contains(word));
        let missing = columns.iter().find(|column| !head.contains(column));
        if let Some(column) = unknown.or(missing.copied()) {
            wrong(
                (1, 1),
                format!(
                    "the head of `{name}` must name its inputs and what it gives, each once, and besides only `{NOTE}`: look at `{column}`"
                ),
            );
            return None;
        }
        let mut rows = Vec::new();
        let mut sound = true;
        for record in reader.records() {
            let row = record
                .map_err(|error| ((error.position().map_or(1, csv::Position::line), 1), error.to_string()));
            match row.and_then(|record| Row::read(rule, &head, &record)) {
                Ok(row) => rows.push(row),
                Err((place, message)) => {
                    wrong(place, message);
                    sound = false;
                }
            }
        }
        sound.then(|| Self { name: name.to_owned(), rule: rule.clone(), rows })
    }

    /// The first row that holds.
    fn answer(&self, data: &[Datum]) -> Option<&Row> {
        self.rows.iter().find(|row| row.holds(data))
    }

    /// Everything that a column may give.
    pub(crate) fn answers(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row.gives.get(column).map(String::as_str))
    }
}

impl Row {
    fn read(
        rule: &TableRule,
        head: &[String],
        record: &csv::StringRecord,
    ) -> Result<Self, ((u64, u64), String)> {
        let line = record.position().map_or(1, csv::Position::line);
        let text = |column: &str| {
            let at = head.iter().position(|word| word == column).unwrap_or_default();
            // Right as long as no cell before it is quoted, and else not far.
            let before: usize = record.iter().take(at).map(|cell| cell.chars().count() + 1).sum();
            (record.get(at).unwrap_or_default(), (line, before as u64 + 1))
        };
        let mut cells = Vec::new();
        for (column, input) in &rule.inputs {
            let (written, place) = text(column);
            let cell =
                Cell::read(input, written).map_err(|problem| (place, format!("`{column}`: {problem}")))?;
            cells.push(cell);
        }
        let mut gives = Vec::new();
        for column in &rule.gives {
            let (written, place) = text(column);
            if written.is_empty() {
                return Err((place, format!("`{column}` is empty: say what the row gives")));
            }
            gives.push(written.to_owned());
        }
        Ok(Self { line, cells, gives })
    }

    fn holds(&self, data: &[Datum]) -> bool {
        self.cells.iter().zip(data).all(|(cell, datum)| cell.holds(datum))
    }
}

/// A table that is asked at some place of the package.
pub(crate) struct Asked {
    table: Arc<Table>,
    /// In the order of the table's inputs.
    inputs: Vec<Expression>,
    column: usize,
}

impl Asked {
    /// Reads `NAME` or `NAME.COLUMN`, whose inputs may use what the place knows. None when something is wrong with it.
    pub(crate) fn read(reader: &Reader<'_>, spot: &Spot<'_>, text: &str) -> Option<Self> {
        let (name, column) = text.split_once('.').map_or((text, None), |(name, column)| (name, Some(column)));
        let wrong = |problem: &str| {
            reader.wrong(Code::UnknownTable, &spot.path, format!("{}: `{name}` {problem}", spot.words));
        };
        let Some(table) = reader.tables.get(name) else {
            wrong("is no table of the package, or one that cannot be read");
            return None;
        };
        let column = match column {
            None if table.rule.gives.len() == 1 => Some(0),
            None => None,
            Some(column) => table.rule.gives.iter().position(|given| given == column),
        };
        let Some(column) = column else {
            wrong("gives several columns: write table NAME.COLUMN with one of them");
            return None;
        };
        let input = |(column, input): (&String, &TableInput)| {
            let words = format!("{}, the input `{column}` of the table `{name}`", spot.words);
            reader.read(&Spot { words, ..spot.clone() }, &input.of)
        };
        let inputs = table.rule.inputs.iter().map(input).collect::<Option<Vec<_>>>()?;
        Some(Self { table: Arc::clone(table), inputs, column })
    }

    /// What the table says.
    pub(crate) fn text(&self, scope: &Scope<'_>) -> Option<String> {
        let datum = |((_, input), expression): ((_, &TableInput), &Expression)| {
            Datum::of(input, expression.json(scope).unwrap_or(Value::Null))
        };
        let data: Vec<Datum> = self.table.rule.inputs.iter().zip(&self.inputs).map(datum).collect();
        self.table.answer(&data)?.gives.get(self.column).cloned()
    }

    /// What its inputs read of what the place knows.
    pub(crate) fn reads(&self) -> impl Iterator<Item = Read> {
        self.inputs.iter().flat_map(Expression::reads)
    }

    /// Everything that it may say.
    pub(crate) fn answers(&self) -> impl Iterator<Item = &str> {
        self.table.answers(self.column)
    }
}

fn file(name: &str) -> String {
    format!("tables/{name}.csv")
}

//! Is there a row for whatever may come in, and under `unique` only one?

use super::cell::{Cell, Datum, Range};
use super::{Table, file};
use crate::finding::Found;
use crate::{Code, Finding, Hit, TableInput};

/// More kinds of what may come in than that are not looked through.
const MOST: usize = 200_000;

/// Refuses gaps, overlaps, and rows that no case ever comes to.
pub(super) fn check(table: &Table, found: &Found) {
    let wrong = |code: Code, line: u64, message: String| {
        found.placed(Finding::at(code, &file(&table.name), Some((line, 1)), message));
    };
    let mut samples = Vec::new();
    for (place, (column, input)) in table.rule.inputs.iter().enumerate() {
        let cells = table.rows.iter().filter_map(|row| row.cells.get(place));
        match of(input, cells) {
            Ok(data) => samples.push(data),
            Err(problem) => {
                return found.add(Code::Table, &format!("tables/{}/inputs/{column}", table.name), problem);
            }
        }
    }
    let kinds = samples.iter().try_fold(1usize, |all, data| all.checked_mul(data.len()));
    if kinds.is_none_or(|kinds| kinds > MOST) {
        return wrong(
            Code::Table,
            1,
            format!(
                "there are more than {MOST} kinds of what may come in: split `{}` into several tables",
                table.name
            ),
        );
    }
    let mut reached = vec![false; table.rows.len()];
    let (mut gap, mut overlap) = (None, None);
    for number in 0..kinds.unwrap_or_default() {
        let data = nth(&samples, number);
        let mut holding = table.rows.iter().enumerate().filter(|(_, row)| row.holds(&data));
        match (holding.next(), holding.next()) {
            (None, _) => drop(gap.get_or_insert(data)),
            (Some((first, _)), None) => reached[first] = true,
            (Some((first, one)), Some((_, other))) => {
                reached[first] = true;
                if table.rule.hit == Hit::Unique {
                    overlap.get_or_insert((one.line, other.line, data));
                }
            }
        }
    }
    if let Some(data) = gap {
        wrong(Code::TableGap, 1, format!("no row of `{}` holds for {}", table.name, said(table, &data)));
    }
    if let Some((one, other, data)) = overlap {
        let message = format!(
            "the rows in the lines {one} and {other} both hold for {}, and the hit policy is unique",
            said(table, &data)
        );
        return wrong(Code::TableOverlap, other, message);
    }
    for (row, _) in table.rows.iter().zip(&reached).filter(|(_, reached)| !**reached) {
        let message =
            "no case comes to this row: the rows before it hold for all that it holds for".to_owned();
        wrong(Code::TableRow, row.line, message);
    }
}

/// One datum of every kind that the rows tell apart.
fn of<'a>(input: &TableInput, cells: impl Iterator<Item = &'a Cell>) -> Result<Vec<Datum>, String> {
    let mut data: Vec<Datum> = match &input.numbers {
        None => input.values.iter().cloned().map(Datum::Word).collect(),
        Some(all) => {
            let all = Range::read(all)?;
            let ranges = cells.filter_map(|cell| match cell {
                Cell::Numbers(range) => Some(*range),
                _ => None,
            });
            let ends = ranges.chain([all]).flat_map(|range| range.ends().collect::<Vec<_>>());
            numbers(ends.collect(), input.whole)
                .into_iter()
                .filter(|number| all.holds(*number))
                .map(Datum::Number)
                .collect()
        }
    };
    if input.optional {
        data.push(Datum::Missing);
    }
    Ok(data)
}

/// The ends themselves, and one number before, between and after them.
fn numbers(mut ends: Vec<f64>, whole: bool) -> Vec<f64> {
    ends.sort_by(f64::total_cmp);
    ends.dedup();
    let mut numbers: Vec<f64> = ends.iter().flat_map(|end| [end - 1.0, *end, end + 1.0]).collect();
    if !whole {
        numbers.extend(ends.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])));
    }
    if numbers.is_empty() {
        numbers.push(0.0);
    }
    numbers.retain(|number| !whole || number.fract() == 0.0);
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    numbers
}

/// One of all combinations.
fn nth(samples: &[Vec<Datum>], mut number: usize) -> Vec<Datum> {
    let mut data = Vec::with_capacity(samples.len());
    for of_column in samples {
        data.extend(of_column.get(number % of_column.len()).cloned());
        number /= of_column.len();
    }
    data
}

fn said(table: &Table, data: &[Datum]) -> String {
    let word = |(column, datum): (&String, &Datum)| match datum {
        Datum::Missing => format!("{column} = none"),
        Datum::Word(word) => format!("{column} = {word}"),
        Datum::Number(number) => format!("{column} = {number}"),
    };
    table.rule.inputs.keys().zip(data).map(word).collect::<Vec<_>>().join(", ")
}

//! What a run came to, as tables for people.

use std::time::Duration;

use comfy_table::{Table, presets};

use crate::blows::Fault;
use crate::check::Verdict;

/// What was done by a fault, and how the platform bore it.
pub(crate) struct Row {
    pub(crate) fault: Fault,
    pub(crate) took: Duration,
    pub(crate) times: usize,
    /// Calls that were acknowledged meanwhile.
    pub(crate) acknowledged: usize,
    /// The longest time in which none was.
    pub(crate) silence: Duration,
}

/// The tables of faults and checks.
pub(crate) fn tables(rows: &[Row], verdicts: &[Verdict]) -> String {
    let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
    let faults = rows.iter().map(|row| {
        let Row { fault, took, times, acknowledged, silence } = row;
        let (name, means) = (fault.name().to_owned(), fault.means().to_owned());
        [name, means, seconds(*took), times.to_string(), acknowledged.to_string(), seconds(*silence)]
    });
    let checks = verdicts.iter().map(|verdict| {
        let findings = verdict.findings.len().to_string();
        [verdict.check.to_owned(), verdict.looked_at.to_string(), findings]
    });
    let details: String = verdicts
        .iter()
        .flat_map(|verdict| {
            verdict.findings.iter().take(MOST).map(|what| format!("{}: {what}\n", verdict.check))
        })
        .collect();
    let faults = table(["fault", "what", "seconds", "times", "calls accepted", "longest silence"], faults);
    format!("{faults}\n\n{}\n{details}", table(["check", "looked at", "findings"], checks))
}

/// Findings of a check that are told in full.
const MOST: usize = 10;

fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header).add_rows(rows);
    table.trim_fmt()
}

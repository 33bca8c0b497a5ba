//! `masar clock due`: when is something due? Needs no server.

use std::fmt;

use anyhow::{Context, Result};
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use masar_worktime::{Calendar, Target};
use serde::Serialize;

use super::Answer;
use super::calendar::here;

/// What a due time depends on.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Name of a shipped calendar (qa-gov-default, qa-gov-centre-evening, always-open) or path of a calendar file.
    #[arg(long)]
    calendar: String,
    /// When the time begins to count, with its offset, such as 2026-11-15T08:42:00+03:00.
    #[arg(long)]
    from: Timestamp,
    /// How long it may take: `15 minutes`, `4 business_hours`, `10 business_days`.
    #[arg(long)]
    target: Target,
}

/// A due time and what it follows from.
#[derive(Serialize)]
struct Due {
    calendar: String,
    calendar_version: u32,
    from: String,
    target: Target,
    /// The working day on which the start counts as received (T3).
    day0: Date,
    due_at: String,
    /// True when a day on the way is not announced yet, so that the due time may still move.
    tentative: bool,
}

/// A calendar by the name of a shipped one or the path of a file.
pub(super) fn find(name_or_file: &str) -> Result<Calendar> {
    Calendar::compile(&here(name_or_file)?)
        .with_context(|| format!("the calendar `{name_or_file}` cannot be used"))
}

/// Computes a due time.
pub(crate) fn run(arguments: Arguments) -> Result<Answer> {
    let calendar = find(&arguments.calendar)?;
    let due = due(&calendar, arguments.from, arguments.target)
        .with_context(|| format!("no due time for {} from {}", arguments.target, arguments.from))?;
    Ok(Answer { table: due.to_string(), json: serde_json::to_value(due)? })
}

fn due(calendar: &Calendar, from: Timestamp, target: Target) -> Result<Due> {
    let due_at = calendar.due(from, target)?;
    Ok(Due {
        calendar: calendar.name().to_owned(),
        calendar_version: calendar.version(),
        from: local(calendar, from),
        target,
        day0: calendar.received_day(from)?.date,
        due_at: local(calendar, due_at),
        tentative: calendar.is_tentative_between(from, due_at),
    })
}

/// RFC 3339 with the offset of the calendar's time zone, as its people read the clock.
fn local(calendar: &Calendar, at: Timestamp) -> String {
    at.display_with_offset(calendar.time_zone().to_offset(at)).to_string()
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "due       {}", self.due_at)?;
        writeln!(f, "from      {} (day 0 is {})", self.from, self.day0)?;
        writeln!(f, "target    {}", self.target)?;
        writeln!(f, "calendar  {} version {}", self.calendar, self.calendar_version)?;
        if self.tentative {
            writeln!(f, "note      a holiday on the way is not announced yet: the due time may move")?;
        }
        Ok(())
    }
}

//! The story of the day, from the events on the bus.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use masar_bus::Event;
use masar_proto::events::v1::{
    CaseChanged, CaseSnapshot, ClockChanged, ClockMarked, ClockState, EscalationRaised, TaskChanged,
};
use masar_proto::{kinds, time};
use serde_json::json;

use crate::cli::Answer;

/// Clocks whose kept promises are worth a line; the others are kept in silence.
const PROMISES: [&str; 2] = ["response", "first_response"];

/// Tells what happens, and counts.
#[derive(Default)]
pub(super) struct Teller {
    /// Case id to reference.
    references: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, u32>,
}

impl Teller {
    /// The line that an event is worth, if any.
    pub(super) fn tell(&mut self, event: &Event) -> Result<Option<String>> {
        let line = match event.kind.as_str() {
            kinds::CASE_OPENED => self.opened(event.decode()?),
            kinds::CASE_CHANGED => self.changed(event.decode()?),
            kinds::TASK_QUEUED => self.queued(&event.decode()?),
            kinds::CLOCK_WARNED => self.warned(&event.decode()?),
            kinds::CLOCK_BREACHED => self.broken(&event.decode()?),
            kinds::CLOCK_COMPLETED => self.kept(&event.decode()?),
            kinds::ESCALATION_RAISED => self.climbed(&event.decode()?),
            _ => None,
        };
        Ok(line.map(|(case, line)| {
            let reference = self.references.get(&case).map_or(case.as_str(), String::as_str);
            format!("{}  {reference:<24} {line}", of_the_day(event.time))
        }))
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn opened(&mut self, opened: CaseChanged) -> Option<(String, String)> {
        let case: CaseSnapshot = opened.case?;
        self.count("cases");
        let subject = case.subject.unwrap_or_default();
        let subject = if subject.en.is_empty() { subject.ar } else { subject.en };
        self.references.insert(case.case_id.clone(), case.reference);
        Some((case.case_id, format!("arrives: {subject}")))
    }

    fn changed(&mut self, changed: CaseChanged) -> Option<(String, String)> {
        let case = changed.case?;
        self.count("transitions");
        Some((case.case_id, format!("{}: {} -> {}", changed.actor, changed.action, case.state)))
    }

    fn queued(&mut self, task: &TaskChanged) -> Option<(String, String)> {
        Some((task.case_id.clone(), format!("waits at {} ({})", task.queue, task.reason)))
    }

    fn warned(&mut self, marked: &ClockMarked) -> Option<(String, String)> {
        let clock = marked.clock.as_ref()?;
        self.count("warnings");
        Some((
            clock.case_id.clone(),
            format!("{} of {} has passed, due {}", marked.mark, clock.clock, due(clock)),
        ))
    }

    /// The end of a window breaks no promise.
    fn broken(&mut self, marked: &ClockMarked) -> Option<(String, String)> {
        let clock = marked.clock.as_ref().filter(|clock| !clock.is_window())?;
        self.count("promises_broken");
        Some((clock.case_id.clone(), format!("BROKEN: {} was due {}", clock.clock, due(clock))))
    }

    fn kept(&mut self, changed: &ClockChanged) -> Option<(String, String)> {
        let clock = changed.clock.as_ref().filter(|clock| PROMISES.contains(&clock.clock.as_str()))?;
        if clock.breached_at.is_some() {
            return None;
        }
        self.count("promises_kept");
        Some((clock.case_id.clone(), format!("kept: {} was due {}", clock.clock, due(clock))))
    }

    fn climbed(&mut self, raised: &EscalationRaised) -> Option<(String, String)> {
        self.count("escalations");
        let vacant = match raised.vacant.as_slice() {
            [] => String::new(),
            vacant => format!(" (vacant: {})", vacant.join(", ")),
        };
        let line = format!(
            "LADDER {} of {}: tells {}{vacant}",
            raised.level,
            raised.clock,
            raised.people.join(", ")
        );
        Some((raised.case_id.clone(), line))
    }

    /// What the day came to.
    pub(super) fn summary(self) -> Answer {
        let mut table = "\nThe day in figures\n".to_owned();
        for (what, count) in &self.counts {
            table += &format!("  {:<16} {count}\n", what.replace('_', " "));
        }
        table +=
            "\nNext: `masar up` starts the platform on the real clock, with a first case for you to move.\n";
        Answer { table, json: json!(self.counts) }
    }
}

fn due(clock: &ClockState) -> String {
    time::from_proto(clock.due_at.as_ref()).map(with_day).unwrap_or_default()
}

fn of_the_day(at: Timestamp) -> String {
    at.to_zoned_datetime(zone()).strftime("%H:%M").to_string()
}

fn with_day(at: Timestamp) -> String {
    at.to_zoned_datetime(zone()).strftime("%a %H:%M").to_string()
}

/// Where the demo's entities are.
fn zone() -> TimeZone {
    TimeZone::get("Asia/Qatar").unwrap_or(TimeZone::UTC)
}

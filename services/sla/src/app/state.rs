//! A clock as others are told of it.

use masar_clock::{Entry, Event as ClockEvent, Phase};
use masar_proto::events::v1::ClockState;
use masar_proto::time;
use masar_store::time::from_db;

use super::Error;
use crate::store::clock;

/// The word of a phase.
pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Running => "running",
        Phase::Paused => "paused",
        Phase::Stopped => "stopped",
        Phase::Cancelled => "cancelled",
    }
}

/// A clock for others.
pub(crate) fn state(row: &clock::Model) -> Result<ClockState, Error> {
    Ok(told(row, serde_json::from_value(row.ledger.clone())?))
}

/// A clock for others, with its ledger.
pub(super) fn told(row: &clock::Model, ledger: Vec<Entry>) -> ClockState {
    let mut state = ClockState {
        case_id: row.case_id.to_string(),
        tenant: row.tenant.clone(),
        clock: row.clock.clone(),
        run: row.run.unsigned_abs(),
        kind: row.kind.clone(),
        phase: row.phase.clone(),
        due_at: Some(time::to_proto(from_db(row.due_at))),
        breached_at: row.breached_at.map(|at| time::to_proto(from_db(at))),
        version: row.version.unsigned_abs(),
        ..ClockState::default()
    };
    for entry in ledger {
        match entry.event {
            ClockEvent::Started { target, calendar, .. } => {
                state.started_at = Some(time::to_proto(entry.at));
                state.target = target.to_string();
                state.target_number = 1;
                (state.calendar, state.calendar_version) = (calendar.name, calendar.version);
            }
            ClockEvent::Retargeted { target, .. } => {
                state.target = target.to_string();
                state.target_number += 1;
            }
            ClockEvent::CalendarChanged { calendar } => {
                (state.calendar, state.calendar_version) = (calendar.name, calendar.version);
            }
            ClockEvent::Stopped { .. } => state.stopped_at = Some(time::to_proto(entry.at)),
            ClockEvent::Paused { .. }
            | ClockEvent::Resumed
            | ClockEvent::PauseEntered { .. }
            | ClockEvent::Extended { .. }
            | ClockEvent::MarkFired { .. }
            | ClockEvent::Cancelled { .. } => {}
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_count_are_open_for_all_services() {
        let phases = [Phase::Running, Phase::Paused, Phase::Stopped, Phase::Cancelled];
        let is_open = |of| ClockState { phase: phase(of).to_owned(), ..ClockState::default() }.is_open();
        assert_eq!(phases.map(is_open), [true, true, false, false]);
    }
}

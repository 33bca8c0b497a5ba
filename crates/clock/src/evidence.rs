//! What looks like gaming: patterns in ledgers and handovers that a person should look at. Shown, never judged.

use jiff::{SignedDuration, Timestamp};
use masar_worktime::Calendar;
use serde::{Deserialize, Serialize};

use crate::{Calendars, Clock, Entry, Error, Event, Mark};

/// The share of a target from which on a pause is late: its last tenth.
const LATE_PERCENT: u8 = 90;
/// Open time within which a reopening follows a closing soon: two days of the government calendar.
const SOON: SignedDuration = SignedDuration::from_hours(14);
/// Handovers that are a burst when they come within [`BURST_TIME`].
const BURST: usize = 3;
/// Open time within which handovers are a burst.
const BURST_TIME: SignedDuration = SignedDuration::from_hours(4);

/// A pattern, and when it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it came to be.
    pub at: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub pattern: Pattern,
}

/// The patterns that are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pattern", rename_all = "snake_case")]
pub enum Pattern {
    /// The clock was made to stand still in the last tenth of its target.
    LatePause,
    /// What was done was begun again soon after.
    CloseAndReopen {
        /// When it was done.
        closed_at: Timestamp,
    },
    /// It went from hand to hand, more often than somebody can have worked on it.
    ReassignmentBurst {
        /// How many times within four open hours.
        times: usize,
    },
    /// Another importance, service or plan put the due time off.
    Reclassification {
        /// When it was due before.
        was_due_at: Timestamp,
        /// When it was due then.
        due_at: Timestamp,
    },
}

impl Pattern {
    /// Its word in contracts and lists.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LatePause => "late_pause",
            Self::CloseAndReopen { .. } => "close_and_reopen",
            Self::ReassignmentBurst { .. } => "reassignment_burst",
            Self::Reclassification { .. } => "reclassification",
        }
    }
}

/// What the last entry of a ledger shows: a late pause, or a new target that puts the due time off.
///
/// # Errors
/// As for [`Clock::fold`].
pub fn in_last(ledger: &[Entry], calendars: &(impl Calendars + ?Sized)) -> Result<Option<Evidence>, Error> {
    let Some((entry, before @ [_, ..])) = ledger.split_last() else { return Ok(None) };
    let clock = Clock::fold(before, calendars)?;
    let pattern = match &entry.event {
        Event::Paused { .. } => late(&clock, entry.at, calendars)?,
        Event::PauseEntered { from, .. } => late(&clock, *from, calendars)?,
        Event::Retargeted { .. } => {
            let was_due_at = clock.due_at(calendars)?;
            let due_at = clock.after(entry, calendars)?.due_at(calendars)?;
            (was_due_at < due_at).then_some(Pattern::Reclassification { was_due_at, due_at })
        }
        _ => None,
    };
    Ok(pattern.map(|pattern| Evidence { at: entry.at, pattern }))
}

fn late(
    clock: &Clock,
    from: Timestamp,
    calendars: &(impl Calendars + ?Sized),
) -> Result<Option<Pattern>, Error> {
    let last_tenth = clock.mark_due(Mark::Share(LATE_PERCENT), calendars)?.at;
    Ok((last_tenth <= from && clock.breach_by(from, calendars)?.is_none()).then_some(Pattern::LatePause))
}

/// A new run of a clock soon after the last one was done.
///
/// # Errors
/// `Calendar` when a time is not covered.
pub fn reopened(
    closed_at: Timestamp,
    restarted_at: Timestamp,
    calendar: &Calendar,
) -> Result<Option<Evidence>, Error> {
    let soon = closed_at <= restarted_at && calendar.open_between(closed_at, restarted_at)? <= SOON;
    Ok(soon.then_some(Evidence { at: restarted_at, pattern: Pattern::CloseAndReopen { closed_at } }))
}

/// Bursts of handovers, each seen when the handover comes that makes it one; times in order.
///
/// # Errors
/// `Calendar` when a time is not covered.
pub fn handed_over(times: &[Timestamp], calendar: &Calendar) -> Result<Vec<Evidence>, Error> {
    let mut found = Vec::new();
    let mut rest = times;
    while let [first, ..] = rest {
        let mut within = 1;
        while within < rest.len() && calendar.open_between(*first, rest[within])? <= BURST_TIME {
            within += 1;
        }
        if within >= BURST {
            let pattern = Pattern::ReassignmentBurst { times: within };
            found.push(Evidence { at: rest[BURST - 1], pattern });
            rest = &rest[within..];
        } else {
            rest = &rest[1..];
        }
    }
    Ok(found)
}

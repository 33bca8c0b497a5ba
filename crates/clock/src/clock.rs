//! The state of a clock, folded from its ledger.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use masar_worktime::Target;
use serde::{Deserialize, Serialize};

use crate::questions::planned;
use crate::{CalendarRef, Calendars, Entry, Error, Event, Mark};

/// A clock as its ledger says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    pub(crate) started_at: Timestamp,
    pub(crate) last_at: Timestamp,
    /// What was promised at the start; it never moves.
    pub(crate) original_due_at: Timestamp,
    pub(crate) calendar: CalendarRef,
    pub(crate) target: Target,
    /// The day that was planned.
    pub(crate) not_after: Option<Date>,
    /// How many targets it has had, this one included.
    pub(crate) target_number: u32,
    pub(crate) extension: Option<Target>,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) fired: BTreeSet<Mark>,
    end: Option<End>,
    pub(crate) breach: Option<Breach>,
}

/// A span in which a clock stood still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// When it began.
    pub from: Timestamp,
    /// When it ended; none while it goes on.
    pub to: Option<Timestamp>,
    /// Why.
    pub reason: String,
}

/// The fact that a promise was broken (T10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// Since when.
    pub at: Timestamp,
    /// What broke it.
    pub cause: BreachCause,
}

/// What broke a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreachCause {
    /// The due time went by.
    Due,
    /// A new target was already past when it came (T6).
    Retarget,
    /// A new calendar put the due time into the past (T7).
    Calendar,
}

/// What became of a promise when its clock stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was done by the due time.
    Kept,
    /// It was done later.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stopped(Timestamp),
    Cancelled(Timestamp),
}

/// What a clock is doing. A breach is a fact beside it and no phase (T10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It counts.
    Running,
    /// It stands still until the customer has acted.
    Paused,
    /// What was promised was done.
    Stopped,
    /// It no longer matters.
    Cancelled,
}

impl Phase {
    const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Clock {
    /// Folds a whole ledger.
    ///
    /// # Errors
    /// The first entry that cannot have happened.
    pub fn fold(ledger: &[Entry], calendars: &(impl Calendars + ?Sized)) -> Result<Self, Error> {
        let [first, rest @ ..] = ledger else { return Err(Error::Start) };
        let mut clock = Self::start(first, calendars)?;
        for entry in rest {
            clock = clock.after(entry, calendars)?;
        }
        Ok(clock)
    }

    fn start(entry: &Entry, calendars: &(impl Calendars + ?Sized)) -> Result<Self, Error> {
        let Event::Started { target, calendar, not_after, .. } = &entry.event else {
            return Err(Error::Start);
        };
        let pinned = calendars.pinned(calendar)?;
        Ok(Self {
            started_at: entry.at,
            last_at: entry.at,
            original_due_at: planned(pinned.due(entry.at, *target)?, *not_after, pinned)?,
            calendar: calendar.clone(),
            target: *target,
            not_after: *not_after,
            target_number: 1,
            extension: None,
            pauses: Vec::new(),
            fired: BTreeSet::new(),
            end: None,
            breach: None,
        })
    }

    /// The clock after one more entry.
    ///
    /// # Errors
    /// Why the entry cannot have happened, or `Calendar` when the new due time is beyond the calendar.
    pub fn after(&self, entry: &Entry, calendars: &(impl Calendars + ?Sized)) -> Result<Self, Error> {
        if entry.at < self.last_at {
            return Err(Error::Order { at: entry.at, last: self.last_at });
        }
        let mut next = self.clone();
        // Judged under the old target and calendar, so that neither change can undo a breach (T10).
        next.breach = self.breach_by(entry.at, calendars)?;
        if let Event::MarkFired { mark } = entry.event {
            next.may_fire(mark, entry.at, calendars)?;
        }
        next.last_at = entry.at;
        next.take(entry)?;
        // What the entry itself makes overdue is breached at its moment, not in the past (T6).
        // A pause lasts at least a moment: one that begins at closing time keeps that day from counting (T5b).
        let open = next.end.is_none() && next.breach.is_none();
        let moment = entry.at.checked_add(SignedDuration::from_nanos(1)).unwrap_or(entry.at);
        if open && next.due_if_resumed(moment, calendars)? <= entry.at {
            next.breach = Some(Breach { at: entry.at, cause: cause(&entry.event) });
        }
        Ok(next)
    }

    fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        match &entry.event {
            Event::Started { .. } => return Err(Error::Start),
            Event::Paused { reason } => {
                self.expect(&[Phase::Running], "paused")?;
                self.pauses.push(Pause { from: entry.at, to: None, reason: reason.clone() });
            }
            Event::Resumed => {
                self.expect(&[Phase::Paused], "resumed")?;
                self.end_pause(entry.at);
            }
            Event::PauseEntered { from, to, reason, .. } => {
                self.expect(OPEN, "paused for a time before")?;
                self.enter_pause(Pause { from: *from, to: Some(*to), reason: reason.clone() }, entry.at)?;
            }
            Event::Retargeted { target, not_after, .. } => {
                self.expect(OPEN, "retargeted")?;
                self.retarget(*target);
                self.not_after = *not_after;
            }
            Event::Extended { by, .. } => {
                self.expect(OPEN, "extended")?;
                self.extend(*by)?;
            }
            Event::CalendarChanged { calendar } => {
                self.expect(OPEN, "moved to another calendar")?;
                self.calendar = calendar.clone();
            }
            Event::MarkFired { mark } => {
                self.fired.insert(*mark);
            }
            Event::Stopped { .. } => {
                self.expect(OPEN, "stopped")?;
                self.end_pause(entry.at);
                self.end = Some(End::Stopped(entry.at));
            }
            Event::Cancelled { .. } => {
                self.expect(OPEN, "cancelled")?;
                self.end_pause(entry.at);
                self.end = Some(End::Cancelled(entry.at));
            }
        }
        Ok(())
    }

    /// A pause that is over and was not entered when it began: it lies within the life of the clock, beside the others.
    fn enter_pause(&mut self, pause: Pause, now: Timestamp) -> Result<(), Error> {
        let until = pause.to.unwrap_or(now);
        let span = self.started_at <= pause.from && pause.from < until && until <= now;
        let free = |other: &Pause| until <= other.from || other.to.is_some_and(|end| end <= pause.from);
        if !span || !self.pauses.iter().all(free) {
            return Err(Error::PauseSpan { started_at: self.started_at, now });
        }
        let place = self.pauses.partition_point(|other| other.from < pause.from);
        self.pauses.insert(place, pause);
        Ok(())
    }

    /// A new target warns afresh (T12); what was told of a breach stays told.
    fn retarget(&mut self, target: Target) {
        if target.unit != self.target.unit
            && let Some(extension) = &mut self.extension
        {
            // Days cannot be added to hours: the extension ends with its target, and stays the only one.
            *extension = Target { unit: target.unit, amount: 0 };
        }
        self.target = target;
        self.target_number += 1;
        self.fired.retain(|mark| !matches!(mark, Mark::Share(_)));
    }

    fn extend(&mut self, by: Target) -> Result<(), Error> {
        if self.extension.is_some() {
            return Err(Error::ExtensionTwice);
        }
        if by.unit != self.target.unit {
            return Err(Error::ExtensionUnit);
        }
        if let Some(breach) = self.breach {
            return Err(Error::ExtensionLate { due_at: breach.at });
        }
        self.extension = Some(by);
        Ok(())
    }

    pub(crate) fn expect(&self, phases: &[Phase], wanted: &'static str) -> Result<(), Error> {
        if phases.contains(&self.phase()) {
            return Ok(());
        }
        Err(Error::Phase { phase: self.phase().word(), wanted })
    }

    fn end_pause(&mut self, at: Timestamp) {
        if let Some(pause) = self.pauses.last_mut() {
            pause.to.get_or_insert(at);
        }
    }

    /// What the clock is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.end {
            Some(End::Stopped(_)) => Phase::Stopped,
            Some(End::Cancelled(_)) => Phase::Cancelled,
            None if self.pauses.last().is_some_and(|pause| pause.to.is_none()) => Phase::Paused,
            None => Phase::Running,
        }
    }

    /// When what was promised was done.
    #[must_use]
    pub fn stopped_at(&self) -> Option<Timestamp> {
        match self.end {
            Some(End::Stopped(at)) => Some(at),
            Some(End::Cancelled(_)) | None => None,
        }
    }

    /// When it was stopped or cancelled.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.end {
            Some(End::Stopped(at) | End::Cancelled(at)) => Some(at),
            None => None,
        }
    }
}

/// The phases in which a clock still matters.
pub(crate) const OPEN: &[Phase] = &[Phase::Running, Phase::Paused];

fn cause(event: &Event) -> BreachCause {
    match event {
        Event::Retargeted { .. } => BreachCause::Retarget,
        Event::CalendarChanged { .. } => BreachCause::Calendar,
        Event::Started { .. }
        | Event::Paused { .. }
        | Event::Resumed
        | Event::PauseEntered { .. }
        | Event::Extended { .. }
        | Event::MarkFired { .. }
        | Event::Stopped { .. }
        | Event::Cancelled { .. } => BreachCause::Due,
    }
}

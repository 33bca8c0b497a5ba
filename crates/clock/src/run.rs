//! A run of a clock: its ledger with the marks that tell people, and how it stands after each entry.

use jiff::Timestamp;
use jiff::civil::Date;
use masar_worktime::Target;

use crate::{Breach, Calendars, Clock, Entry, Error, Event, Mark, MarkDue, Phase};

/// A run of a clock, from its start to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What has happened to it.
    pub ledger: Vec<Entry>,
    /// The marks at which people are told.
    pub marks: Vec<Mark>,
    /// True for a time in which something may be done, which nobody breaks.
    pub is_window: bool,
}

/// How a run stands after its last entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it is doing.
    pub phase: Phase,
    /// When it is due.
    pub due_at: Timestamp,
    /// How it was broken, if it was.
    pub breach: Option<Breach>,
    /// The mark that fires next if nothing else happens.
    pub next: Option<MarkDue>,
}

impl Run {
    /// Adds an entry, and says how the run stands then.
    ///
    /// # Errors
    /// Why the entry cannot have happened, or `Calendar` when the due time is beyond the calendar.
    pub fn enter(
        &mut self,
        event: Event,
        at: Timestamp,
        calendars: &(impl Calendars + ?Sized),
    ) -> Result<Standing, Error> {
        // Two services' clocks may differ by a moment; the ledger keeps the order in which we heard.
        let at = self.ledger.last().map_or(at, |last| at.max(last.at));
        self.ledger.push(Entry { at, event });
        let clock = Clock::fold(&self.ledger, calendars)?;
        Ok(Standing {
            phase: clock.phase(),
            due_at: clock.due_at(calendars)?,
            breach: clock.breach_by(at, calendars)?.filter(|_| !self.is_window),
            next: clock.marks_due(&self.marks, calendars)?.into_iter().next(),
        })
    }

    /// What follows when a mark has fired: a time in which something may be done is over at its end, and there is
    /// nobody who must still do anything.
    #[must_use]
    pub fn follows(&self, mark: Mark) -> Option<Event> {
        (self.is_window && mark == Mark::Breach).then_some(Event::Stopped { reason: None })
    }

    /// The target and the plan that were last named.
    #[must_use]
    pub fn promised(&self) -> Option<(Target, Option<Date>)> {
        self.ledger.iter().rev().find_map(|entry| match &entry.event {
            Event::Started { target, not_after, .. } | Event::Retargeted { target, not_after, .. } => {
                Some((*target, *not_after))
            }
            _ => None,
        })
    }

    /// True when a message was asked for after the run had started and, if it has ended, before that: what is asked for
    /// at its end is for the run that follows.
    #[must_use]
    pub fn asked_during(&self, asked_at: Timestamp, is_open: bool) -> bool {
        let [Some(started), Some(last)] = [self.ledger.first(), self.ledger.last()] else { return false };
        // A database keeps microseconds: finer times are not told apart.
        let [started, last, asked] = [started.at, last.at, asked_at].map(Timestamp::as_microsecond);
        started <= asked && (is_open || asked < last)
    }
}

//! The clocks of a case, folded entry by entry as in production; nobody is told of marks here.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use masar_clock::{Clock, Entry, Error, Event, Mark, Phase};
use masar_workflow::{ClockEffect, ClockKind, ClockOperation};
use masar_worktime::Calendar;

/// The runs that have not ended, and when windows are due.
#[derive(Default)]
pub(crate) struct Clocks {
    open: Vec<Open>,
    /// When the last run of each window is due, also after its end.
    windows: BTreeMap<String, Timestamp>,
}

struct Open {
    /// What started it.
    start: Arc<ClockEffect>,
    clock: Clock,
    /// True when its end was reached and the system has acted.
    fired: bool,
}

/// A run that has ended.
pub(crate) struct Ended {
    /// What started it.
    pub(crate) start: Arc<ClockEffect>,
    /// When the promise was broken, if it was.
    pub(crate) broken_at: Option<Timestamp>,
}

impl Ended {
    /// How a run stands at an instant; a window promises nothing.
    fn of(open: Open, now: Timestamp, calendar: &Calendar) -> Result<Self, Error> {
        let breach = open.clock.breach_by(now, calendar)?.filter(|_| !open.is_window());
        Ok(Self { start: open.start, broken_at: breach.map(|breach| breach.at) })
    }
}

impl Clocks {
    /// Does to a clock what an event asks for; runs that end with it go to `ended`.
    pub(crate) fn apply(
        &mut self,
        effect: &Arc<ClockEffect>,
        at: Timestamp,
        calendar: &Calendar,
        ended: &mut Vec<Ended>,
    ) -> Result<(), Error> {
        let place = self.open.iter().position(|open| open.start.clock == effect.clock);
        let event = effect.operation.event(calendar);
        if let ClockOperation::Start { .. } = effect.operation {
            if let Some(place) = place {
                self.enter(place, Event::Stopped { reason: None }, at, calendar, ended)?;
            }
            let clock = match Clock::fold(&[Entry { at, event }], calendar) {
                // A due time that the calendar does not cover is not guessed: there is no clock.
                Err(Error::Calendar(_)) => return Ok(()),
                clock => clock?,
            };
            self.open.push(Open { start: Arc::clone(effect), clock, fired: false });
            return self.note(self.open.len() - 1, calendar);
        }
        let Some(place) = place else { return Ok(()) };
        match self.enter(place, event, at, calendar, ended) {
            // A grant that comes too late is no failure: the promise stands as it was (T9).
            Err(_) if matches!(effect.operation, ClockOperation::Extend { .. }) => Ok(()),
            result => result,
        }
    }

    fn enter(
        &mut self,
        place: usize,
        event: Event,
        at: Timestamp,
        calendar: &Calendar,
        ended: &mut Vec<Ended>,
    ) -> Result<(), Error> {
        self.open[place].clock = self.open[place].clock.after(&Entry { at, event }, calendar)?;
        match self.open[place].clock.phase() {
            Phase::Running | Phase::Paused => self.note(place, calendar),
            Phase::Stopped | Phase::Cancelled => {
                ended.push(Ended::of(self.open.swap_remove(place), at, calendar)?);
                Ok(())
            }
        }
    }

    /// Keeps when a window is due: something may be done until then, whatever becomes of its clock.
    fn note(&mut self, place: usize, calendar: &Calendar) -> Result<(), Error> {
        let open = &self.open[place];
        if open.is_window() {
            self.windows.insert(open.start.clock.clone(), open.clock.due_at(calendar)?);
        }
        Ok(())
    }

    /// A message was delivered: the clocks that wait for it stop.
    pub(crate) fn told(
        &mut self,
        template: &str,
        at: Timestamp,
        calendar: &Calendar,
        ended: &mut Vec<Ended>,
    ) -> Result<(), Error> {
        let waits = |open: &Open| match &open.start.operation {
            ClockOperation::Start { messages, .. } => messages.contains(template),
            _ => false,
        };
        while let Some(place) = self.open.iter().position(waits) {
            // The run ends with the entry, so each is found once.
            self.enter(place, Event::Stopped { reason: None }, at, calendar, ended)?;
        }
        Ok(())
    }

    /// When the system acts next because a time is over.
    pub(crate) fn next(&self, calendar: &Calendar) -> Result<Option<Timestamp>, Error> {
        let mut next: Option<Timestamp> = None;
        for open in self.open.iter().filter(|open| open.acts()) {
            let due_at = open.clock.due_at(calendar)?;
            next = Some(next.map_or(due_at, |next| next.min(due_at)));
        }
        Ok(next)
    }

    /// What the system does now because a time is over, if one is.
    pub(crate) fn fire(
        &mut self,
        now: Timestamp,
        calendar: &Calendar,
        ended: &mut Vec<Ended>,
    ) -> Result<Option<String>, Error> {
        for place in 0..self.open.len() {
            if !self.open[place].acts() || self.open[place].clock.due_at(calendar)? > now {
                continue;
            }
            let start = Arc::clone(&self.open[place].start);
            let ClockOperation::Start { on_breach, .. } = &start.operation else { continue };
            self.open[place].fired = true;
            let window = self.open[place].is_window();
            self.enter(place, Event::MarkFired { mark: Mark::Breach }, now, calendar, ended)?;
            if window {
                self.enter(place, Event::Stopped { reason: None }, now, calendar, ended)?;
            }
            return Ok(on_breach.clone());
        }
        Ok(None)
    }

    /// When windows are due.
    pub(crate) fn windows(&self) -> &BTreeMap<String, Timestamp> {
        &self.windows
    }

    /// Ends all runs that are under way, as they stand now.
    pub(crate) fn close(&mut self, now: Timestamp, calendar: &Calendar) -> Result<Vec<Ended>, Error> {
        self.open.drain(..).map(|open| Ended::of(open, now, calendar)).collect()
    }
}

impl Open {
    fn is_window(&self) -> bool {
        matches!(self.start.operation, ClockOperation::Start { kind: ClockKind::Window, .. })
    }

    /// True when the system acts at its end and has not yet.
    fn acts(&self) -> bool {
        let asks = matches!(self.start.operation, ClockOperation::Start { on_breach: Some(_), .. });
        asks && !self.fired && self.clock.phase() == Phase::Running
    }
}

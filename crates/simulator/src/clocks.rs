//! The clocks of a case, folded entry by entry as in production. Nobody is told of marks here; what the system does at a level
//! of a ladder is done.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use masar_clock::{Clock, Entry, Error, Event, Mark, MarkDue, Phase};
use masar_workflow::{Case, ClockEffect, ClockKind, ClockOperation, LadderStep, Package, acts};
use masar_worktime::Calendar;

/// The runs that have not ended, and when windows are due.
#[derive(Default)]
pub(crate) struct Clocks {
    open: Vec<Open>,
    /// When the last run of each window is due, also after its end.
    windows: BTreeMap<String, Timestamp>,
}

/// What an event asks of a clock, and the ladder that it has from then on.
pub(crate) struct Asked {
    pub(crate) effect: ClockEffect,
    rungs: Vec<Rung>,
}

/// A level at which the system does something to the case.
struct Rung {
    level: String,
    mark: Mark,
    acts: Vec<String>,
}

struct Open {
    /// What started it.
    start: Arc<Asked>,
    /// What last said which ladder it has.
    ladder: Arc<Asked>,
    /// The levels that have climbed: each does once in a run.
    climbed: Vec<String>,
    clock: Clock,
    /// True when its end was reached and the system has acted.
    fired: bool,
}

/// A run that has ended.
pub(crate) struct Ended {
    /// What started it.
    pub(crate) start: Arc<Asked>,
    /// When the promise was broken, if it was.
    pub(crate) broken_at: Option<Timestamp>,
}

/// What the system does because of a mark.
#[derive(Default)]
pub(crate) struct Fired {
    asks: Option<String>,
    climbed: Vec<String>,
}

impl Fired {
    /// The actions, in order. No level climbs for a case that is over.
    pub(crate) fn acts(self, over: bool) -> impl Iterator<Item = String> {
        self.asks.into_iter().chain(self.climbed.into_iter().filter(move |_| !over))
    }
}

impl Asked {
    /// What an event asks, given the case after it.
    pub(crate) fn of(package: &Package, case: &Case, effect: &ClockEffect) -> Arc<Self> {
        let rung = |LadderStep { level, mark, actions, .. }: LadderStep| {
            let acts: Vec<String> = acts(&actions).map(str::to_owned).collect();
            (!acts.is_empty()).then_some(Rung { level, mark, acts })
        };
        let rungs = match effect.operation {
            ClockOperation::Start { .. } | ClockOperation::Retarget { .. } if !case.historical => {
                package.ladder(&effect.clock, case.importance()).into_iter().filter_map(rung).collect()
            }
            _ => Vec::new(),
        };
        Arc::new(Self { effect: effect.clone(), rungs })
    }
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
        asked: &Arc<Asked>,
        at: Timestamp,
        calendar: &Calendar,
        ended: &mut Vec<Ended>,
    ) -> Result<(), Error> {
        let effect = &asked.effect;
        let place = self.open.iter().position(|open| open.start.effect.clock == effect.clock);
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
            let (start, ladder) = (Arc::clone(asked), Arc::clone(asked));
            self.open.push(Open { start, ladder, climbed: Vec::new(), clock, fired: false });
            return self.note(self.open.len() - 1, calendar);
        }
        let Some(place) = place else { return Ok(()) };
        if matches!(effect.operation, ClockOperation::Retarget { .. }) {
            self.open[place].ladder = Arc::clone(asked);
        }
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
            self.windows.insert(open.start.effect.clock.clone(), open.clock.due_at(calendar)?);
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
        let waits = |open: &Open| match &open.start.effect.operation {
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
        for open in &self.open {
            if let Some(MarkDue { at, .. }) = open.next(calendar)? {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        Ok(next)
    }

    /// What the system does now because a time is over; nothing when none is.
    pub(crate) fn fire(
        &mut self,
        now: Timestamp,
        calendar: &Calendar,
        ended: &mut Vec<Ended>,
    ) -> Result<Fired, Error> {
        for place in 0..self.open.len() {
            let open = &mut self.open[place];
            let Some(MarkDue { mark, .. }) = open.next(calendar)?.filter(|next| next.at <= now) else {
                continue;
            };
            let over = mark == Mark::Breach;
            open.fired |= over;
            let fired = Fired { asks: open.asks().filter(|_| over), climbed: open.climb(mark) };
            let window = over && open.is_window();
            self.enter(place, Event::MarkFired { mark }, now, calendar, ended)?;
            if window {
                self.enter(place, Event::Stopped { reason: None }, now, calendar, ended)?;
            }
            return Ok(fired);
        }
        Ok(Fired::default())
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
        matches!(self.start.effect.operation, ClockOperation::Start { kind: ClockKind::Window, .. })
    }

    /// What the system does at its end.
    fn asks(&self) -> Option<String> {
        match &self.start.effect.operation {
            ClockOperation::Start { on_breach, .. } => on_breach.clone(),
            _ => None,
        }
    }

    /// True when the system acts at its end and has not yet.
    fn acts(&self) -> bool {
        let asks = matches!(self.start.effect.operation, ClockOperation::Start { on_breach: Some(_), .. });
        asks && !self.fired && self.clock.phase() == Phase::Running
    }

    /// The mark at which the system acts next.
    fn next(&self, calendar: &Calendar) -> Result<Option<MarkDue>, Error> {
        let end = match self.acts() {
            true => Some(MarkDue { mark: Mark::Breach, at: self.clock.due_at(calendar)? }),
            false => None,
        };
        let ahead = self.ladder.rungs.iter().filter(|rung| !self.climbed.contains(&rung.level));
        let marks: Vec<Mark> = ahead.map(|rung| rung.mark).collect();
        let climbs = match marks.is_empty() {
            true => None,
            false => self.clock.marks_due(&marks, calendar)?.into_iter().next(),
        };
        Ok(end.into_iter().chain(climbs).min_by_key(|next| next.at))
    }

    /// What the system does at the levels of a mark.
    fn climb(&mut self, mark: Mark) -> Vec<String> {
        let mut asked = Vec::new();
        for rung in self.ladder.rungs.iter().filter(|rung| rung.mark == mark) {
            if !self.climbed.contains(&rung.level) {
                self.climbed.push(rung.level.clone());
                asked.extend(rung.acts.iter().cloned());
            }
        }
        asked
    }
}

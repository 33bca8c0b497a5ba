//! The clocks of a scenario's case, kept by the same runs as in production.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use masar_clock::{Clock, Event, Mark, Phase, Run, Standing};
use masar_domain::Importance;
use masar_worktime::Calendar;

use crate::{ClockEffect, ClockKind, ClockOperation};

/// The runs of every clock, oldest first.
#[derive(Default)]
pub(super) struct Clocks(BTreeMap<String, Vec<Timed>>);

/// A run with what the package said at its start.
pub(super) struct Timed {
    run: Run,
    standing: Standing,
    on_breach: Option<String>,
    messages: BTreeSet<String>,
    /// False for a case that was handled elsewhere before: nobody is told.
    tells: bool,
    importance: Importance,
    /// The levels that have climbed: each does once in a run.
    levels: BTreeSet<String>,
}

/// A mark that has fired.
pub(super) struct Fired {
    pub(super) clock: String,
    pub(super) mark: Mark,
    pub(super) importance: Importance,
    /// What the system does then.
    pub(super) asks: Option<String>,
}

impl Clocks {
    /// Does to a clock what an event asks for; one that starts counts on the calendar that is given first.
    pub(super) fn apply(
        &mut self,
        effect: &ClockEffect,
        importance: Importance,
        tells: bool,
        at: Timestamp,
        (calendar, calendars): (&Calendar, &[Calendar]),
    ) -> Result<(), String> {
        let wrong = |error: masar_clock::Error| format!("the clock `{}`: {error}", effect.clock);
        let (target, not_after, marks) = match &effect.operation {
            ClockOperation::Start { target, not_after, marks, .. }
            | ClockOperation::Retarget { target, not_after, marks, .. } => (target, not_after, marks),
            other => {
                let Some(open) = self.open(&effect.clock) else { return Ok(()) };
                let event = other.event(calendar);
                return match open.enter(event, at, calendars) {
                    // A grant that comes too late is no failure: the promise stands as it was (T9).
                    Err(_) if matches!(other, ClockOperation::Extend { .. }) => Ok(()),
                    result => result.map_err(wrong),
                };
            }
        };
        let marks: Vec<Mark> = marks.iter().copied().collect();
        if let ClockOperation::Start { kind, on_breach, messages, .. } = &effect.operation {
            if let Some(open) = self.open(&effect.clock) {
                open.enter(Event::Stopped { reason: None }, at, calendars).map_err(wrong)?;
            }
            let mut run = Run { ledger: Vec::new(), marks, is_window: *kind == ClockKind::Window };
            let standing = match run.enter(effect.operation.event(calendar), at, calendars) {
                // A due time that the calendar does not cover is not guessed: there is no clock.
                Err(masar_clock::Error::Calendar(_)) => return Ok(()),
                result => result.map_err(wrong)?,
            };
            let (on_breach, messages, levels) = (on_breach.clone(), messages.clone(), BTreeSet::new());
            let timed = Timed { run, standing, on_breach, messages, tells, importance, levels };
            self.0.entry(effect.clock.clone()).or_default().push(timed);
            return Ok(());
        }
        let Some(open) = self.open(&effect.clock) else { return Ok(()) };
        let same = open.run.marks == marks && open.run.promised() == Some((*target, *not_after));
        open.importance = importance;
        open.run.marks = marks;
        if same {
            return Ok(());
        }
        let retargeted = Event::Retargeted { target: *target, not_after: *not_after, cause: String::new() };
        open.enter(retargeted, at, calendars).map_err(wrong)
    }

    /// A message was delivered: the clocks that wait for it stop.
    pub(super) fn told(
        &mut self,
        template: &str,
        at: Timestamp,
        calendars: &[Calendar],
    ) -> Result<(), String> {
        let runs = self.0.values_mut().filter_map(|runs| runs.last_mut());
        for timed in runs.filter(|timed| timed.is_open() && timed.messages.contains(template)) {
            if timed.run.asked_during(at, true) {
                let stopped = Event::Stopped { reason: Some(template.to_owned()) };
                timed.enter(stopped, at, calendars).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// The mark that comes next of all, if one does until then.
    pub(super) fn next(&self, until: Timestamp) -> Option<(String, Timestamp)> {
        let open = self.0.iter().filter_map(|(clock, runs)| Some((clock, runs.last()?)));
        let open = open.filter(|(_, timed)| timed.is_open() && timed.tells);
        let next = open.filter_map(|(clock, timed)| Some((clock, timed.standing.next?.at)));
        let next = next.filter(|(_, at)| *at <= until).min_by_key(|(_, at)| *at);
        next.map(|(clock, at)| (clock.clone(), at))
    }

    /// Fires the next mark of a clock.
    pub(super) fn fire(
        &mut self,
        clock: &str,
        now: Timestamp,
        calendars: &[Calendar],
    ) -> Result<Option<Fired>, String> {
        let wrong = |error: masar_clock::Error| format!("the clock `{clock}`: {error}");
        let Some(timed) = self.open(clock) else { return Ok(None) };
        let Some(next) = timed.standing.next else { return Ok(None) };
        timed.enter(Event::MarkFired { mark: next.mark }, now, calendars).map_err(wrong)?;
        if let Some(end) = timed.run.follows(next.mark) {
            timed.enter(end, now, calendars).map_err(wrong)?;
        }
        let asks = timed.on_breach.clone().filter(|_| next.mark == Mark::Breach);
        let (clock, importance) = (clock.to_owned(), timed.importance);
        Ok(Some(Fired { clock, mark: next.mark, importance, asks }))
    }

    /// True when a level of a clock climbs for the first time in its run.
    pub(super) fn climbs(&mut self, clock: &str, level: &str) -> bool {
        let last = self.0.get_mut(clock).and_then(|runs| runs.last_mut());
        last.is_some_and(|timed| timed.levels.insert(level.to_owned()))
    }

    /// When the last run of each of some clocks is, or was, due.
    pub(super) fn due<'a>(&self, clocks: impl Iterator<Item = &'a str>) -> BTreeMap<String, Timestamp> {
        let due = |clock: &str| Some((clock.to_owned(), self.0.get(clock)?.last()?.standing.due_at));
        clocks.filter_map(due).collect()
    }

    /// What a clock is doing, and when it is due while it runs, in the time of the calendar that is given first.
    pub(super) fn word(
        &self,
        clock: &str,
        now: Timestamp,
        (calendar, calendars): (&Calendar, &[Calendar]),
    ) -> (String, Option<String>) {
        let Some(timed) = self.0.get(clock).and_then(|runs| runs.last()) else {
            return ("never".to_owned(), None);
        };
        let breach =
            Clock::fold(&timed.run.ledger, calendars).and_then(|folded| folded.breach_by(now, calendars));
        let broken = !timed.run.is_window && breach.is_ok_and(|breach| breach.is_some());
        let word = match (timed.standing.phase, broken) {
            (Phase::Running, false) => "running",
            (Phase::Running, true) => "late",
            (Phase::Paused, _) => "paused",
            (Phase::Stopped, _) if timed.run.is_window => "ended",
            (Phase::Stopped, false) => "kept",
            (Phase::Stopped, true) => "broken",
            (Phase::Cancelled, _) => "cancelled",
        };
        let due_at = calendar.time_zone().to_datetime(timed.standing.due_at);
        let due_at = due_at.strftime("%Y-%m-%d %H:%M").to_string();
        (word.to_owned(), timed.is_open().then_some(due_at))
    }

    fn open(&mut self, clock: &str) -> Option<&mut Timed> {
        self.0.get_mut(clock)?.last_mut().filter(|timed| timed.is_open())
    }
}

impl Timed {
    fn is_open(&self) -> bool {
        matches!(self.standing.phase, Phase::Running | Phase::Paused)
    }

    /// Adds an entry; one that cannot have happened changes nothing.
    fn enter(
        &mut self,
        event: Event,
        at: Timestamp,
        calendars: &[Calendar],
    ) -> Result<(), masar_clock::Error> {
        let mut run = self.run.clone();
        self.standing = run.enter(event, at, calendars)?;
        self.run = run;
        Ok(())
    }
}

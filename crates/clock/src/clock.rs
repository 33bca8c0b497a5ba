//! The state of a clock, folded from its ledger, and the questions it answers.

use jiff::{SignedDuration, Timestamp};
use masar_worktime::{Calendar, Target, Unit};

use crate::{Entry, Error, Event, Mark, MarkDue};

/// A clock as its ledger says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    started_at: Timestamp,
    last_at: Timestamp,
    target: Target,
    /// Time granted by extensions, in the unit of the target.
    extended: u32,
    /// Spans in which the clock ran, all but the last one ended.
    runs: Vec<Run>,
    end: Option<End>,
    /// The earliest instant at which a due time was missed.
    breached_at: Option<Timestamp>,
}

/// A span in which a clock ran: from its start up to, and without, its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    from: Timestamp,
    to: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stopped(Timestamp),
    Cancelled,
}

/// What a clock is doing. A breach is a fact beside it and no phase (T10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub fn fold(ledger: &[Entry], calendar: &Calendar) -> Result<Self, Error> {
        let [first, rest @ ..] = ledger else { return Err(Error::Start) };
        let Event::Started { target } = first.event else { return Err(Error::Start) };
        let mut clock = Self {
            started_at: first.at,
            last_at: first.at,
            target,
            extended: 0,
            runs: vec![Run { from: first.at, to: None }],
            end: None,
            breached_at: None,
        };
        // Refuses a start for which no due time can be said.
        clock.due_at(calendar)?;
        for entry in rest {
            clock = clock.after(entry, calendar)?;
        }
        Ok(clock)
    }

    /// The clock after one more entry.
    ///
    /// # Errors
    /// `Order`, `Phase`, `ExtensionUnit`, or `Calendar` when the new due time is beyond the calendar.
    pub fn after(&self, entry: &Entry, calendar: &Calendar) -> Result<Self, Error> {
        if entry.at < self.last_at {
            return Err(Error::Order { at: entry.at, last: self.last_at });
        }
        let mut next = self.clone();
        next.breached_at = self.breach_by(entry.at, calendar)?;
        next.last_at = entry.at;
        next.take(entry)?;
        // What the entry itself makes overdue is breached at its moment, not in the past (T6).
        if next.end.is_none() && next.breached_at.is_none() && next.due_at(calendar)? <= entry.at {
            next.breached_at = Some(entry.at);
        }
        Ok(next)
    }

    fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        match &entry.event {
            Event::Started { .. } => return Err(Error::Start),
            Event::Paused { .. } => {
                self.expect(&[Phase::Running], "paused")?;
                self.end_run(entry.at);
            }
            Event::Resumed => {
                self.expect(&[Phase::Paused], "resumed")?;
                self.runs.push(Run { from: entry.at, to: None });
            }
            Event::Retargeted { target, .. } => {
                self.expect(&[Phase::Running, Phase::Paused], "retargeted")?;
                if self.extended > 0 && target.unit != self.target.unit {
                    return Err(Error::ExtensionUnit);
                }
                self.target = *target;
            }
            Event::Extended { by, .. } => {
                self.expect(&[Phase::Running, Phase::Paused], "extended")?;
                if by.unit != self.target.unit {
                    return Err(Error::ExtensionUnit);
                }
                self.extended = self.extended.saturating_add(by.amount);
            }
            Event::Stopped => {
                self.expect(&[Phase::Running, Phase::Paused], "stopped")?;
                self.end_run(entry.at);
                self.end = Some(End::Stopped(entry.at));
            }
            Event::Cancelled { .. } => {
                self.expect(&[Phase::Running, Phase::Paused], "cancelled")?;
                self.end_run(entry.at);
                self.end = Some(End::Cancelled);
            }
        }
        Ok(())
    }

    fn expect(&self, phases: &[Phase], wanted: &'static str) -> Result<(), Error> {
        if phases.contains(&self.phase()) {
            return Ok(());
        }
        Err(Error::Phase { phase: self.phase().word(), wanted })
    }

    fn end_run(&mut self, at: Timestamp) {
        if let Some(run) = self.runs.last_mut() {
            run.to.get_or_insert(at);
        }
    }

    /// What the clock is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.end {
            Some(End::Stopped(_)) => Phase::Stopped,
            Some(End::Cancelled) => Phase::Cancelled,
            None if self.runs.last().is_some_and(|run| run.to.is_none()) => Phase::Running,
            None => Phase::Paused,
        }
    }

    /// When it was started.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// When what was promised was done.
    #[must_use]
    pub fn stopped_at(&self) -> Option<Timestamp> {
        match self.end {
            Some(End::Stopped(at)) => Some(at),
            Some(End::Cancelled) | None => None,
        }
    }

    /// When it is due. For a paused clock: when it would be due if it were resumed at its last entry.
    ///
    /// # Errors
    /// `Calendar` when the answer is not covered.
    pub fn due_at(&self, calendar: &Calendar) -> Result<Timestamp, Error> {
        let whole = Target { amount: self.target.amount.saturating_add(self.extended), ..self.target };
        match whole.unit {
            Unit::BusinessDays => self.due_by_days(whole.amount, calendar),
            Unit::Elapsed | Unit::BusinessHours => {
                self.when_used(SignedDuration::from_secs(i64::from(whole.amount)), calendar)
            }
        }
    }

    /// The day on which the count of closings passed while running reaches `days`; day 0 never counts (T5b).
    fn due_by_days(&self, days: u32, calendar: &Calendar) -> Result<Timestamp, Error> {
        let day0 = calendar.received_day(self.started_at)?;
        if days == 0 {
            return Ok(day0.close);
        }
        let mut missing = days as usize;
        for run in self.open_ended_runs() {
            let first = calendar.closing_from(run.from)?.ordinal.max(day0.ordinal + 1);
            let passed = match run.to {
                Some(to) => calendar.closing_from(to)?.ordinal.saturating_sub(first),
                None => usize::MAX,
            };
            if missing <= passed {
                return Ok(calendar.working_day(first + missing - 1)?.close);
            }
            missing -= passed;
        }
        // Never reached: the last run never ends.
        Err(Error::Start)
    }

    /// The earliest instant by which so much time of the target's kind was used.
    fn when_used(&self, budget: SignedDuration, calendar: &Calendar) -> Result<Timestamp, Error> {
        let mut missing = budget;
        for run in self.open_ended_runs() {
            if let Some(to) = run.to {
                let used = self.span(run.from, to, calendar)?;
                if used < missing {
                    missing -= used;
                    continue;
                }
            }
            return Ok(match self.target.unit {
                Unit::Elapsed => run.from.checked_add(missing).unwrap_or(Timestamp::MAX),
                Unit::BusinessHours | Unit::BusinessDays => calendar.after_open(run.from, missing)?,
            });
        }
        // Never reached: the last run never ends.
        Err(Error::Start)
    }

    /// The runs, with one more that never ends when the last one has ended.
    fn open_ended_runs(&self) -> impl Iterator<Item = Run> {
        let ended = self.runs.last().is_some_and(|run| run.to.is_some());
        let projected = ended.then_some(Run { from: self.last_at, to: None });
        self.runs.iter().copied().chain(projected)
    }

    /// Time of the target's kind between two instants.
    fn span(&self, from: Timestamp, to: Timestamp, calendar: &Calendar) -> Result<SignedDuration, Error> {
        match self.target.unit {
            Unit::Elapsed => Ok(from.duration_until(to)),
            Unit::BusinessHours | Unit::BusinessDays => Ok(calendar.open_between(from, to)?),
        }
    }

    /// When the promise was broken, as far as is known at `now`. A kept or cancelled clock never was.
    ///
    /// # Errors
    /// `Calendar` when the due time is not covered.
    pub fn breach_by(&self, now: Timestamp, calendar: &Calendar) -> Result<Option<Timestamp>, Error> {
        if self.breached_at.is_some() || self.phase() != Phase::Running {
            return Ok(self.breached_at);
        }
        let due_at = self.due_at(calendar)?;
        Ok((due_at < now).then_some(due_at))
    }

    /// When a mark is reached if nothing else happens. A share of a day target is that share of the open time
    /// between start and due time, so that warnings spread over the working days (T12).
    ///
    /// # Errors
    /// `Calendar` when the answer is not covered.
    pub fn mark_due(&self, mark: Mark, calendar: &Calendar) -> Result<MarkDue, Error> {
        let due_at = self.due_at(calendar)?;
        let at = match mark {
            Mark::Breach => self.breached_at.unwrap_or(due_at),
            Mark::Overdue(late) => overdue(self.breached_at.unwrap_or(due_at), late, calendar)?,
            Mark::Share(percent) => {
                self.when_used(self.used_by(due_at, calendar)? * i32::from(percent) / 100, calendar)?
            }
        };
        Ok(MarkDue { mark, at })
    }

    /// Time of the target's kind that the clock will have used by its due time.
    fn used_by(&self, due_at: Timestamp, calendar: &Calendar) -> Result<SignedDuration, Error> {
        let mut used = SignedDuration::ZERO;
        for run in self.open_ended_runs().take_while(|run| run.from < due_at) {
            used += self.span(run.from, run.to.unwrap_or(due_at).min(due_at), calendar)?;
        }
        Ok(used)
    }
}

/// An instant so long after a breach. In days, the day that closes with the breach, or next after it, is day 0:
/// a breach at closing time plus two days is the closing of the second working day after it.
fn overdue(breached_at: Timestamp, late: Target, calendar: &Calendar) -> Result<Timestamp, Error> {
    match late.unit {
        Unit::BusinessDays => {
            let day0 = calendar.closing_from(breached_at)?;
            Ok(calendar.working_day(day0.ordinal + late.amount as usize)?.close)
        }
        Unit::Elapsed | Unit::BusinessHours => Ok(calendar.due(breached_at, late)?),
    }
}

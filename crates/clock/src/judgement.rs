//! Two judgements of a promise at any moment: as it was given, and under the rules of today.

use jiff::Timestamp;
use masar_worktime::Target;
use serde::{Deserialize, Serialize};

use crate::{Breach, CalendarRef, Calendars, Clock, Entry, Error, Event, Run, Verdict};

/// The rules by which a promise is judged afresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The calendar that is in force.
    pub calendar: CalendarRef,
    /// What would be promised; none where that is what was promised last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

/// How a promise stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// When it is due. While the clock stands still: when it would be due if it were resumed at this moment.
    pub due_at: Timestamp,
    /// How it was broken, if it was.
    pub breach: Option<Breach>,
    /// What became of it; none while it can still be kept, and of a clock that was cancelled in time.
    pub verdict: Option<Verdict>,
}

impl Run {
    /// As it was promised: on the calendar that was in force when the clock was started, whatever was published later.
    /// Pauses, retargets and extensions are part of the promise.
    ///
    /// # Errors
    /// As for [`Clock::fold`].
    pub fn as_promised(
        &self,
        now: Timestamp,
        calendars: &(impl Calendars + ?Sized),
    ) -> Result<Judgement, Error> {
        self.judged(self.ledger.iter().cloned(), now, calendars)
    }

    /// Under other rules: the same things happened at the same times, on the calendar and towards the target of the rules.
    /// An extension that would have come too late under them is none.
    ///
    /// # Errors
    /// As for [`Clock::fold`].
    pub fn under(
        &self,
        rules: &Rules,
        now: Timestamp,
        calendars: &(impl Calendars + ?Sized),
    ) -> Result<Judgement, Error> {
        let promised =
            |entry: &Entry| matches!(entry.event, Event::Started { .. } | Event::Retargeted { .. });
        let last = self.ledger.iter().rposition(promised);
        let entries = self.ledger.iter().cloned().enumerate().map(|(place, mut entry)| {
            if let Event::Started { calendar, .. } = &mut entry.event {
                *calendar = rules.calendar.clone();
            }
            if let Event::Started { target, .. } | Event::Retargeted { target, .. } = &mut entry.event
                && Some(place) == last
            {
                *target = rules.target.unwrap_or(*target);
            }
            entry
        });
        self.judged(entries, now, calendars)
    }

    fn judged(
        &self,
        entries: impl Iterator<Item = Entry>,
        now: Timestamp,
        calendars: &(impl Calendars + ?Sized),
    ) -> Result<Judgement, Error> {
        // Marks only tell people, and when they do depends on the rules.
        let counts =
            |entry: &Entry| !matches!(entry.event, Event::CalendarChanged { .. } | Event::MarkFired { .. });
        let mut clock: Option<Clock> = None;
        for entry in entries.filter(counts) {
            clock = Some(match clock {
                None => Clock::fold(std::slice::from_ref(&entry), calendars)?,
                Some(before) => match before.after(&entry, calendars) {
                    Err(Error::ExtensionLate { .. } | Error::ExtensionUnit) => before,
                    after => after?,
                },
            });
        }
        let clock = clock.ok_or(Error::Start)?;
        let breach = clock.breach_by(now, calendars)?.filter(|_| !self.is_window);
        let broken = breach.map(|_| Verdict::Broken);
        let verdict = broken.or_else(|| clock.verdict().filter(|_| !self.is_window));
        Ok(Judgement { due_at: clock.due_if_resumed(now, calendars)?, breach, verdict })
    }
}

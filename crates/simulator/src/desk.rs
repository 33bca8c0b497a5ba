//! A queue and the people who work in it: the most important case first, then the one that came first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::Timestamp;
use masar_domain::Importance;
use masar_worktime::{Calendar, Error};

/// A queue with its people.
pub(crate) struct Desk<'a> {
    pub(crate) calendar: &'a Calendar,
    people: usize,
    busy: usize,
    /// Cases that wait, by importance and the order in which they came; some have moved on meanwhile.
    waiting: BinaryHeap<Reverse<(Reverse<Importance>, u64, Ticket)>>,
    /// How many of them still wait.
    length: usize,
    /// True when it will look for work at its next opening.
    pub(crate) wakes: bool,
    pub(crate) figures: Figures,
    seen: Timestamp,
}

/// A case that waits, and for which of its turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    pub(crate) case: usize,
    pub(crate) turn: u32,
}

/// What was seen of a queue, in seconds of its opening hours.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) open: f64,
    /// Seconds that cases waited.
    pub(crate) waited: f64,
    /// Seconds that people worked.
    pub(crate) worked: f64,
    /// The most cases that waited at once.
    pub(crate) longest: usize,
    /// Cases that were taken up.
    pub(crate) taken: usize,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(calendar: &'a Calendar, people: usize, at: Timestamp) -> Self {
        let (waiting, figures) = (BinaryHeap::new(), Figures::default());
        Self { calendar, people, busy: 0, waiting, length: 0, wakes: false, figures, seen: at }
    }

    /// Counts anew from here.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        self.figures = Figures { longest: self.length, ..Figures::default() };
        self.seen = now;
    }

    /// Adds up what has been since the last change.
    pub(crate) fn look(&mut self, now: Timestamp) -> Result<(), Error> {
        if now > self.seen {
            let open = self.calendar.open_between(self.seen, now)?.as_secs_f64();
            self.figures.open += open;
            // A desk waits for at most what memory holds, which a double keeps exactly.
            self.figures.waited += open * self.length as f64;
            self.figures.worked += open * self.busy as f64;
            self.seen = now;
        }
        Ok(())
    }

    /// A case comes to wait.
    pub(crate) fn add(&mut self, ticket: Ticket, importance: Importance, order: u64) {
        self.waiting.push(Reverse((Reverse(importance), order, ticket)));
        self.length += 1;
        self.figures.longest = self.figures.longest.max(self.length);
    }

    /// A case that waited has moved on without it.
    pub(crate) fn leave(&mut self) {
        self.length -= 1;
    }

    /// True when somebody is free and something may wait.
    pub(crate) fn could_work(&self) -> bool {
        self.busy < self.people && !self.waiting.is_empty()
    }

    /// The next ticket, which may be of a case that has moved on.
    pub(crate) fn next(&mut self) -> Option<Ticket> {
        self.waiting.pop().map(|Reverse((_, _, ticket))| ticket)
    }

    /// Somebody takes up the case of the ticket that was last given.
    pub(crate) fn take(&mut self) {
        self.length -= 1;
        self.busy += 1;
        self.figures.taken += 1;
    }

    /// Somebody is free again.
    pub(crate) fn release(&mut self) {
        self.busy -= 1;
    }

    pub(crate) const fn people(&self) -> usize {
        self.people
    }
}

//! One replication: cases arrive, wait, are worked on and move, in the order of time.

mod children;
mod walk;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::rc::Rc;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use masar_domain::StateCategory;
use masar_workflow::{Child, Package};
use masar_worktime::Calendar;

use self::children::{Birth, Parent};
use crate::clocks::Clocks;
use crate::desk::{Desk, Ticket};
use crate::family::{Family, Kind};
use crate::paths::{Deed, Deeds, Move, Place, Step, over};
use crate::span::exponential;
use crate::tally::Tally;
use crate::{Choice, Descendants, Error, Plan, Sample, Staff};

/// Turns that a case takes at most: one that takes more goes round.
const TURNS: u32 = 2_000;

/// Everything that a replication is played with.
#[derive(Clone, Copy)]
pub struct Simulation<'a> {
    /// The package.
    pub package: &'a Package,
    /// The packages of its children and of theirs: see [`crate::descendants`].
    pub descendants: &'a Descendants,
    /// The plan, read for these packages.
    pub plan: &'a Plan,
    /// The calendar that the plan names.
    pub calendar: &'a Calendar,
    /// The calendars of queues that have their own, by name.
    pub calendars: &'a BTreeMap<String, Calendar>,
    /// When cases arrive, in order, where the plan names a log.
    pub log: Option<&'a [Timestamp]>,
}

/// Plays the replications of these numbers, each under chances of its own.
///
/// # Errors
/// `Calendar` when it ends before the cases have arrived, `NoStaff` and `NoQueue` when the plan has nobody for a case.
pub fn replicate(
    simulation: Simulation<'_>,
    numbers: impl IntoIterator<Item = usize>,
) -> Result<Vec<Sample>, Error> {
    let begin = simulation.begin()?;
    let family = Family::new(&simulation, begin);
    let one = |number: usize| World::new(simulation, &family, number, begin)?.play();
    numbers.into_iter().map(one).collect()
}

impl Simulation<'_> {
    /// The first opening of the first day.
    fn begin(&self) -> Result<Timestamp, Error> {
        let midnight = self.plan.starts.at(0, 0, 0, 0);
        let midnight = self.calendar.time_zone().to_timestamp(midnight).unwrap_or(Timestamp::MIN);
        Ok(self.calendar.next_opening(midnight)?)
    }
}

/// Something that will happen to a case or at a desk.
#[derive(Clone, Copy)]
enum Happening {
    /// The next case arrives.
    Arrival,
    /// Somebody outside, or nobody any more, is waited for.
    Ready(Ticket),
    /// Somebody at a desk has finished their work.
    Worked(Ticket, usize),
    /// A desk opens, with cases that wait.
    Opening(usize),
    /// A time of the case is over, unless it has changed since.
    Due(usize, Timestamp),
    /// The child that was asked for first is opened.
    Birth,
    /// A case hears that a child of it has changed.
    Heard(usize),
    /// A child of a case goes no further.
    Gone(usize),
}

/// What happens when; of what happens at once, what was planned first.
struct Planned {
    at: Timestamp,
    order: u64,
    what: Happening,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    /// The earliest is the greatest: a heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// What a case waits for, since when.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    Outside,
    Queued(usize),
    Worked,
}

/// A case that is under way.
struct Life {
    /// The number of its package in the family.
    kind: usize,
    parent: Option<Parent>,
    /// The case from which it descends and that arrived: itself, or one above.
    root: usize,
    /// What it knows of its children, where that matters.
    children: Rc<Vec<Child>>,
    /// Its children that are under way or not opened yet.
    under_way: usize,
    /// True when a choice was not allowed while children were under way: it may be, once they have changed.
    barred: bool,
    place: Rc<Place>,
    clocks: Clocks,
    queue: String,
    arrived: Timestamp,
    /// Counts what was chosen: what was planned for an earlier turn no longer matters.
    turn: u32,
    choice: Option<usize>,
    waits: Waits,
    since: Timestamp,
    closed_at: Option<Timestamp>,
    counted: bool,
}

struct World<'a> {
    simulation: Simulation<'a>,
    family: &'a Family<'a>,
    rng: Rng,
    now: Timestamp,
    ahead: BinaryHeap<Planned>,
    order: u64,
    arrived: usize,
    cases: Vec<Option<Box<Life>>>,
    /// How many descend from each of them.
    offspring: Vec<usize>,
    /// Children that are asked for, in the order in which they are opened.
    births: VecDeque<Birth>,
    desks: Vec<Desk<'a>>,
    names: BTreeMap<&'a str, usize>,
    /// Mean seconds between arrivals.
    gap: f64,
    sample: Sample,
}

impl<'a> World<'a> {
    fn new(
        simulation: Simulation<'a>,
        family: &'a Family<'a>,
        number: usize,
        begin: Timestamp,
    ) -> Result<Self, Error> {
        let plan = simulation.plan;
        let hours = |staff: &'a Staff| match staff {
            Staff::People(_) => simulation.calendar,
            Staff::Hours { calendar, .. } => {
                simulation.calendars.get(calendar).unwrap_or(simulation.calendar)
            }
        };
        let desk = |(_, staff): (&String, &'a Staff)| Desk::new(hours(staff), staff.people(), begin);
        let desks = plan.everybody().map(desk).collect();
        let names = plan.everybody().enumerate().map(|(desk, (name, _))| (name.as_str(), desk)).collect();
        // Two seeds never give the same chances, however near they are.
        let seed = plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64);
        Ok(Self {
            gap: gap(plan, simulation.calendar, begin)?,
            simulation,
            family,
            rng: Rng::with_seed(seed),
            now: begin,
            ahead: BinaryHeap::new(),
            order: 0,
            arrived: 0,
            cases: Vec::with_capacity(plan.cases),
            offspring: Vec::with_capacity(plan.cases),
            births: VecDeque::new(),
            desks,
            names,
            sample: Sample { tallies: vec![Tally::default(); family.len()], ..Sample::default() },
        })
    }

    fn play(mut self) -> Result<Sample, Error> {
        let first = self.arrival()?;
        self.plan_at(first, Happening::Arrival);
        while let Some(Planned { at, what, .. }) = self.ahead.pop() {
            self.now = at;
            self.sample.steps += 1;
            let played = match what {
                Happening::Arrival => self.arrive(),
                Happening::Ready(ticket) => self.ready(ticket),
                Happening::Worked(ticket, desk) => self.worked(ticket, desk),
                Happening::Opening(desk) => {
                    self.desks[desk].wakes = false;
                    self.work(desk)
                }
                Happening::Due(case, at) => self.due(case, at),
                Happening::Birth => self.birth(),
                Happening::Heard(case) => self.heard(case),
                Happening::Gone(case) => self.gone(case),
            };
            match played {
                // What lies beyond the calendar is not guessed: the case stays where it is.
                Err(Error::Calendar(_)) if self.arrived == self.most() => {}
                played => played?,
            }
        }
        self.end()
    }

    fn most(&self) -> usize {
        self.simulation
            .log
            .map_or(self.simulation.plan.cases, |log| log.len().min(self.simulation.plan.cases))
    }

    fn plan_at(&mut self, at: Timestamp, what: Happening) {
        self.order += 1;
        self.ahead.push(Planned { at, order: self.order, what });
    }

    /// When the next case arrives.
    fn arrival(&mut self) -> Result<Timestamp, Error> {
        if let Some(log) = self.simulation.log {
            return Ok(log.get(self.arrived).copied().unwrap_or(Timestamp::MAX));
        }
        let gap = span(exponential(&mut self.rng, self.gap));
        match self.simulation.plan.arrivals.value.around_the_clock {
            true => Ok(self.now.checked_add(gap).unwrap_or(Timestamp::MAX)),
            false => Ok(self.simulation.calendar.after_open(self.now, gap)?),
        }
    }

    fn arrive(&mut self) -> Result<(), Error> {
        let plan = self.simulation.plan;
        let counted = self.arrived >= plan.warm_up;
        if self.arrived == plan.warm_up {
            self.desks.iter_mut().for_each(|desk| desk.forget(self.now));
        }
        self.arrived += 1;
        if self.arrived < self.most() {
            let next = self.arrival()?;
            self.plan_at(next, Happening::Arrival);
        } else {
            // From here on it only empties: that says nothing about an ordinary day.
            self.look()?;
            self.keep_desks();
        }
        let shares = plan.openings.iter().map(|opening| opening.value.share);
        let opening = chosen(&mut self.rng, shares);
        match self.family.beginning(opening) {
            Ok(opened) => self.begin_life(opened, 0, None, counted),
            Err(refusal) => {
                if counted {
                    self.sample.tallies[0].cases += 1;
                    self.sample.tallies[0].stuck("", &format!("it cannot be opened: {refusal}"));
                }
                Ok(())
            }
        }
    }

    /// A case begins.
    fn begin_life(
        &mut self,
        opened: &Move,
        kind: usize,
        parent: Option<Parent>,
        counted: bool,
    ) -> Result<(), Error> {
        let case = self.cases.len();
        self.sample.tallies[kind].cases += usize::from(counted);
        self.offspring.push(0);
        self.cases.push(Some(Box::new(Life {
            kind,
            root: parent.as_ref().map_or(case, |parent| parent.root),
            parent,
            children: Rc::default(),
            under_way: 0,
            barred: false,
            place: Rc::clone(&opened.to),
            clocks: Clocks::default(),
            queue: String::new(),
            arrived: self.now,
            turn: 0,
            choice: None,
            waits: Waits::Outside,
            since: self.now,
            closed_at: None,
            counted,
        })));
        self.entered(case, &opened.deeds, true)
    }

    /// The package of a case, and where its cases go.
    fn kind(&self, life: &Life) -> &'a Kind<'a> {
        self.family.kind(life.kind)
    }

    fn look(&mut self) -> Result<(), Error> {
        self.desks.iter_mut().try_for_each(|desk| desk.look(self.now)).map_err(Error::from)
    }

    fn keep_desks(&mut self) {
        let figures = |(name, desk): (&&str, &usize)| {
            ((*name).to_owned(), (self.desks[*desk].figures, self.desks[*desk].people()))
        };
        self.sample.desks = self.names.iter().map(figures).collect();
    }

    /// Somebody of a desk takes up what waits, while it is open and anybody is free.
    fn work(&mut self, desk: usize) -> Result<(), Error> {
        while self.desks[desk].could_work() {
            if !self.desks[desk].calendar.is_open(self.now) {
                if !self.desks[desk].wakes {
                    let opening = self.desks[desk].calendar.next_opening(self.now)?;
                    self.desks[desk].wakes = true;
                    self.plan_at(opening, Happening::Opening(desk));
                }
                return Ok(());
            }
            let Some(ticket) = self.desks[desk].next() else { return Ok(()) };
            let Some(life) = self.cases[ticket.case].as_deref().filter(|life| life.turn == ticket.turn)
            else {
                continue;
            };
            let choice = life.choice.map(|number| self.kind(life).paths.choice(number));
            let seconds =
                choice.and_then(|choice| choice.takes.as_ref()).map(|takes| takes.draw(&mut self.rng));
            self.desks[desk].look(self.now)?;
            self.desks[desk].take();
            self.waits(ticket.case, Waits::Worked);
            let done = self.desks[desk].calendar.after_open(self.now, span(seconds.unwrap_or_default()))?;
            self.plan_at(done, Happening::Worked(ticket, desk));
        }
        Ok(())
    }

    /// Somebody has finished their work: if the case is still where it was, what they did is done.
    fn worked(&mut self, ticket: Ticket, desk: usize) -> Result<(), Error> {
        self.desks[desk].look(self.now)?;
        self.desks[desk].release();
        self.take(ticket)?;
        self.work(desk)
    }

    fn end(mut self) -> Result<Sample, Error> {
        for case in 0..self.cases.len() {
            if let Some(life) = self.cases[case].take() {
                let reason = "it was still under way when the calendar ended";
                self.finish(*life, Some(reason.to_owned()));
            }
        }
        self.sample.decided = self.family.decided();
        for tally in &mut self.sample.tallies {
            tally.hours.sort_by(f64::total_cmp);
        }
        Ok(self.sample)
    }

    /// Counts a case that is over, or that goes no further for this reason.
    fn finish(&mut self, mut life: Life, stuck: Option<String>) {
        let ended = life.clocks.close(self.now, self.simulation.calendar).unwrap_or_default();
        if !life.counted {
            return;
        }
        let tally = &mut self.sample.tallies[life.kind];
        tally.count(ended);
        match (life.closed_at, stuck) {
            (Some(closed_at), _) => {
                tally.closed += 1;
                tally.hours.push(closed_at.duration_since(life.arrived).as_secs_f64() / 3_600.0);
            }
            (None, Some(reason)) => tally.stuck(&life.place.case.state, &reason),
            (None, None) => {}
        }
    }
}

/// The mean gap between arrivals, in seconds of the time in which they arrive.
fn gap(plan: &Plan, calendar: &Calendar, begin: Timestamp) -> Result<f64, Error> {
    let arrivals = &plan.arrivals.value;
    let day = match arrivals.around_the_clock {
        true => 86_400.0,
        false => {
            let day = calendar.received_day(begin)?;
            calendar.open_between(day.open, day.close)?.as_secs_f64()
        }
    };
    let of_day = arrivals.per_day.map(|cases| day / cases);
    let of_hour = arrivals.per_hour.map(|cases| 3_600.0 / cases);
    Ok(of_day.or(of_hour).unwrap_or(day))
}

/// A span of so many seconds, to the millisecond that calendars count in.
fn span(seconds: f64) -> SignedDuration {
    // Spans are below a million days, whose milliseconds fit.
    SignedDuration::from_millis((seconds * 1_000.0) as i64)
}

/// One of several by their shares.
fn chosen(rng: &mut Rng, shares: impl Iterator<Item = f64> + Clone) -> usize {
    let mut left = rng.f64() * shares.clone().sum::<f64>();
    let last = shares.clone().count().saturating_sub(1);
    for (place, share) in shares.enumerate() {
        if left < share {
            return place;
        }
        left -= share;
    }
    last
}

//! One transaction's work on clocks: ledgers in, entries added, marks and events out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use masar_bus::Event;
use masar_clock::{CalendarRef, Entry, Event as ClockEvent, Mark};
use masar_domain::Importance;
use masar_proto::common::v1::Importance as ImportanceCode;
use masar_proto::events::v1::clock_effect::Operation;
use masar_proto::events::v1::{CaseSnapshot, ClockChanged, ClockEffect, ClockMarked};
use masar_proto::{kinds, time};
use masar_store::Transaction;
use masar_store::time::{from_db, to_db};
use masar_worktime::Target;
use uuid::Uuid;

use super::agreements::promised;
use super::state::{phase, told};
use super::{Error, Keeper};
use crate::metrics;
use crate::store::{case, clock, evidence, tenant, timer, told};

/// The clocks of one transaction.
pub(crate) struct Session<'a> {
    pub(super) keeper: &'a Keeper,
    /// By case; the runs of each clock in order.
    pub(super) rows: HashMap<Uuid, Vec<clock::Model>>,
    changed: BTreeSet<Uuid>,
    /// Messages for which no clock waits yet, by case and template.
    pub(super) early: HashMap<(Uuid, String), told::Model>,
    /// The marks that fired, by clock.
    fired: HashMap<Uuid, String>,
    /// What looks like gaming.
    pub(super) seen: Vec<evidence::Model>,
    /// The cases that came to a queue.
    queued: BTreeMap<String, BTreeSet<Uuid>>,
    /// How late the marks were that fired.
    late: Vec<SignedDuration>,
    /// The cases of which was heard, as they are now.
    cases: BTreeMap<Uuid, CaseSnapshot>,
    events: Vec<Event>,
}

/// A clock that changed, and the mark that fired if one did.
pub(crate) type Changed = (clock::Model, Option<String>);

impl<'a> Session<'a> {
    pub(crate) fn new(keeper: &'a Keeper, rows: Vec<clock::Model>) -> Self {
        let mut by_case: HashMap<Uuid, Vec<clock::Model>> = HashMap::new();
        for row in rows {
            by_case.entry(row.case_id).or_default().push(row);
        }
        Self {
            keeper,
            rows: by_case,
            changed: BTreeSet::new(),
            early: HashMap::new(),
            fired: HashMap::new(),
            seen: Vec::new(),
            queued: BTreeMap::new(),
            late: Vec::new(),
            cases: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// With what was told before we heard of the clocks that wait for it.
    pub(crate) fn with_early(mut self, told: Vec<told::Model>) -> Self {
        self.early = told.into_iter().map(|told| ((told.case_id, told.template.clone()), told)).collect();
        self
    }

    /// Hears how a case is now: by that, figures are told apart.
    pub(crate) fn case(&mut self, case: &CaseSnapshot) -> Result<(), Error> {
        let id = case_id(case)?;
        if self.cases.get(&id).is_none_or(|known| known.version < case.version) {
            self.cases.insert(id, case.clone());
        }
        Ok(())
    }

    /// Does to a clock of a case what an event asks for.
    pub(crate) fn apply(
        &mut self,
        case: &CaseSnapshot,
        effect: &ClockEffect,
        at: Timestamp,
    ) -> Result<(), Error> {
        let id = case_id(case)?;
        let (event, kind) = match effect.operation() {
            Operation::Start => return self.start(id, case, effect, at),
            Operation::Pause => (ClockEvent::Paused { reason: effect.reason.clone() }, kinds::CLOCK_PAUSED),
            Operation::Resume => (ClockEvent::Resumed, kinds::CLOCK_RESUMED),
            Operation::Retarget => return self.retarget(id, case, effect, at),
            Operation::Extend => return self.extend(id, effect, at),
            Operation::Stop => (ClockEvent::Stopped { reason: None }, kinds::CLOCK_COMPLETED),
            Operation::Cancel => {
                (ClockEvent::Cancelled { reason: effect.reason.clone() }, kinds::CLOCK_CANCELLED)
            }
            Operation::Unspecified => {
                return Err(Error::Text("a clock effect without an operation".to_owned()));
            }
        };
        let Some(row) = self.open_run(id, &effect.clock).cloned() else { return Ok(()) };
        self.add(row, event, at, kind)?;
        match effect.operation() {
            Operation::Pause => self.notice_open(case, id, &effect.clock),
            _ => Ok(()),
        }
    }

    /// What the last entry of a clock that is under way shows.
    fn notice_open(&mut self, case: &CaseSnapshot, id: Uuid, clock: &str) -> Result<(), Error> {
        match self.open_run(id, clock).cloned() {
            Some(row) => self.notice(&row, &case.department),
            None => Ok(()),
        }
    }

    /// The run of a clock that is under way. There is none of one that never started: no target, no calendar, or handled
    /// elsewhere before.
    pub(super) fn open_run(&mut self, case: Uuid, clock: &str) -> Option<&mut clock::Model> {
        let mut runs = self.rows.get_mut(&case)?.iter_mut();
        runs.rfind(|row| row.clock == clock && row.is_open())
    }

    /// Another importance or another plan: what is promised from now on (T6).
    fn retarget(
        &mut self,
        id: Uuid,
        case: &CaseSnapshot,
        effect: &ClockEffect,
        at: Timestamp,
    ) -> Result<(), Error> {
        let importance = importance(case);
        let (not_after, marks) = (planned(effect)?, serde_json::to_value(&effect.marks)?);
        let keeper = self.keeper;
        let Some(row) = self.open_run(id, &effect.clock) else { return Ok(()) };
        let agreed = keeper.promises.agreed(&promised(case, effect, &row.kind, at));
        let target = agreed.map_or_else(|| target(&effect.target), |agreed| Ok(agreed.target))?;
        row.provider.clone_from(&effect.provider);
        row.consumer.clone_from(&effect.consumer);
        let same = row.marks == marks && row.run()?.promised() == Some((target, not_after));
        importance.as_str().clone_into(&mut row.importance);
        row.marks = marks;
        let row = row.clone();
        if same {
            // The promise stands as it is; only whom its marks tell goes by the importance.
            self.keep(row);
            return Ok(());
        }
        let cause = effect.reason.clone();
        self.add(row, ClockEvent::Retargeted { target, not_after, cause }, at, kinds::CLOCK_RETARGETED)?;
        self.notice_open(case, id, &effect.clock)
    }

    fn start(
        &mut self,
        id: Uuid,
        case: &CaseSnapshot,
        effect: &ClockEffect,
        at: Timestamp,
    ) -> Result<(), Error> {
        let runs = self.rows.get(&id).into_iter().flatten();
        let run = runs.filter(|row| row.clock == effect.clock).count();
        if let Some(open) = self.open_run(id, &effect.clock).cloned() {
            self.add(open, ClockEvent::Stopped { reason: None }, at, kinds::CLOCK_COMPLETED)?;
        }
        let promises = &self.keeper.promises;
        let agreed = promises.agreed(&promised(case, effect, &effect.kind, at));
        let named = agreed.as_ref().filter(|agreed| !agreed.calendar.is_empty());
        let of_agreement =
            named.and_then(|agreed| promises.calendars(&case.tenant).newest(&agreed.calendar).cloned());
        let Some(calendar) = of_agreement.or_else(|| promises.calendar_of(case)) else {
            return Err(Error::Text(format!(
                "`{}` names a calendar that does not exist: publish it",
                case.tenant
            )));
        };
        let importance = importance(case);
        let (target, policy) = match agreed {
            Some(agreed) => (agreed.target, agreed.policy),
            None => (target(&effect.target)?, effect.policy.clone()),
        };
        let calendar = CalendarRef::of(&calendar);
        let row = clock::Model {
            id: Uuid::now_v7(),
            tenant: case.tenant.clone(),
            case_id: id,
            reference: case.reference.clone(),
            clock: effect.clock.clone(),
            run: i32::try_from(run).unwrap_or(i32::MAX).saturating_add(1),
            kind: effect.kind.clone(),
            phase: String::new(),
            importance: importance.to_string(),
            queue: String::new(),
            policy: policy.clone(),
            on_breach: effect.on_breach.clone(),
            calendar: String::new(),
            calendar_version: 0,
            due_at: to_db(at),
            breached_at: None,
            marks: serde_json::to_value(&effect.marks)?,
            messages: serde_json::to_value(&effect.messages)?,
            ledger: serde_json::json!([]),
            version: 0,
            next_mark: None,
            next_at: None,
            shard: timer::shard_of(id),
            tells: !case.historical,
            warned: false,
            ended_at: None,
            armed_at: None,
            extension: None,
            provider: effect.provider.clone(),
            consumer: effect.consumer.clone(),
        };
        let started = ClockEvent::Started { target, calendar, policy, not_after: planned(effect)? };
        match self.add(row, started, at, kinds::CLOCK_STARTED) {
            Err(Error::Clock { error: masar_clock::Error::Calendar(error), .. }) => {
                // A due time that the calendar does not cover is not guessed: there is no clock.
                tracing::warn!(case = %id, clock = effect.clock, %error, "the clock is not started");
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => {
                if let Some(row) = self.open_run(id, &effect.clock).cloned() {
                    self.notice_again(&row, &case.department)?;
                }
                self.stop_if_told(id, effect)
            }
        }
    }

    /// A new version of its calendar holds for an open clock: its due time is computed anew (T7).
    pub(crate) fn renew(
        &mut self,
        row: clock::Model,
        calendar: CalendarRef,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.add(row, ClockEvent::CalendarChanged { calendar }, at, kinds::CLOCK_RETARGETED)
    }

    /// A pause is entered that nobody entered when it began (T8).
    pub(crate) fn enter_pause(
        &mut self,
        row: clock::Model,
        pause: ClockEvent,
        at: Timestamp,
    ) -> Result<(), Error> {
        let (case, clock, queue) = (row.case_id, row.clock.clone(), row.queue.clone());
        self.add(row, pause, at, kinds::CLOCK_RETARGETED)?;
        match self.open_run(case, &clock).cloned() {
            Some(row) => self.notice(&row, &queue),
            None => Ok(()),
        }
    }

    /// A mark has come: says so in the ledger and to all who listen.
    pub(crate) fn fire(&mut self, row: clock::Model, now: Timestamp) -> Result<(), Error> {
        let Some((mark, mark_at)) = row.next_mark.as_ref().zip(row.next_at) else { return Ok(()) };
        // A mark that had passed when the clock was armed, as of a case that was handed in late, could not fire before.
        let came_at = from_db(row.armed_at.map_or(mark_at, |armed_at| armed_at.max(mark_at)));
        self.late.push(now.duration_since(came_at).max(SignedDuration::ZERO));
        let mark: Mark = mark.parse().map_err(|error: masar_clock::Error| Error::Text(error.to_string()))?;
        let on_breach = if mark == Mark::Breach { row.on_breach.clone() } else { String::new() };
        let (row, ledger) = self.entered(row, ClockEvent::MarkFired { mark }, now)?;
        let kind = match mark {
            Mark::Share(_) => kinds::CLOCK_WARNED,
            Mark::Breach => kinds::CLOCK_BREACHED,
            Mark::Overdue(_) => kinds::CLOCK_OVERDUE,
        };
        let marked = ClockMarked {
            clock: Some(told(&row, ledger)),
            mark: mark.to_string(),
            mark_at: Some(time::to_proto(from_db(mark_at))),
            fired_at: Some(time::to_proto(now)),
            on_breach,
            importance: row
                .importance
                .parse::<Importance>()
                .map(ImportanceCode::from)
                .unwrap_or_default()
                .into(),
        };
        self.events.push(Event::new(kind, &row.tenant, &row.case_id, now, &marked));
        self.fired.insert(row.id, marked.mark);
        self.keep(row.clone());
        if let Some(end) = row.run()?.follows(mark) {
            self.add(row, end, now, kinds::CLOCK_COMPLETED)?;
        }
        Ok(())
    }

    pub(super) fn add(
        &mut self,
        row: clock::Model,
        event: ClockEvent,
        at: Timestamp,
        kind: &str,
    ) -> Result<(), Error> {
        let (entry, was_due_at) = (event.to_string(), Some(row.due_at).filter(|_| row.version > 0));
        let (row, ledger) = self.entered(row, event, at)?;
        let was_due_at = was_due_at.filter(|was| *was != row.due_at).map(|was| time::to_proto(from_db(was)));
        let (clock, at_proto) = (Some(told(&row, ledger)), Some(time::to_proto(at)));
        let changed = ClockChanged { clock, at: at_proto, entry, was_due_at };
        self.events.push(Event::new(kind, &row.tenant, &row.case_id, at, &changed));
        self.keep(row);
        Ok(())
    }

    /// The clock and its ledger after one more entry, with its due time and its next mark computed anew.
    fn entered(
        &self,
        mut row: clock::Model,
        event: ClockEvent,
        at: Timestamp,
    ) -> Result<(clock::Model, Vec<Entry>), Error> {
        let calendars = self.keeper.promises.calendars(&row.tenant);
        if let ClockEvent::Started { calendar, .. } | ClockEvent::CalendarChanged { calendar } = &event {
            row.calendar.clone_from(&calendar.name);
            row.calendar_version = calendar.version.cast_signed();
        }
        let mut run = row.run()?;
        let standing = run.enter(event, at, calendars.as_ref());
        let standing = standing.map_err(|error| Error::Clock { clock: row.clock.clone(), error })?;
        row.due_at = to_db(standing.due_at);
        row.breached_at = standing.breach.map(|breach| to_db(breach.at));
        row.phase = phase(standing.phase).to_owned();
        row.warned = warned(&run.ledger);
        row.ended_at = run.ledger.last().filter(|_| !row.is_open()).map(|last| to_db(last.at));
        row.version = i64::try_from(run.ledger.len()).unwrap_or(i64::MAX);
        row.ledger = serde_json::to_value(&run.ledger)?;
        row.next_mark = standing.next.as_ref().map(|next| next.mark.to_string());
        row.next_at = standing.next.filter(|_| row.tells).map(|next| to_db(next.at));
        row.armed_at = row.next_at.map(|_| to_db(self.keeper.clock.now()));
        Ok((row, run.ledger))
    }

    pub(super) fn keep(&mut self, row: clock::Model) {
        self.changed.insert(row.id);
        let rows = self.rows.entry(row.case_id).or_default();
        match rows.iter_mut().find(|known| known.id == row.id) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
    }

    /// The queue of a case's clocks, as routing says.
    pub(crate) fn queue(&mut self, case: Uuid, queue: &str) {
        let rows = self.rows.get_mut(&case).into_iter().flatten();
        let mut elsewhere = rows.filter(|row| row.is_open() && row.queue != queue).peekable();
        if elsewhere.peek().is_some() {
            self.queued.values_mut().for_each(|cases| {
                cases.remove(&case);
            });
            self.queued.entry(queue.to_owned()).or_default().insert(case);
        }
        elsewhere.for_each(|row| queue.clone_into(&mut row.queue));
    }

    fn standing(&self, id: Uuid, case: CaseSnapshot) -> case::Standing {
        let catalog = self.keeper.packages.of(&case.tenant);
        let package = catalog.get(&case.package, &case.package_version);
        // Of a package that is not here nobody can say that nothing is promised.
        let promised = package.is_none_or(|package| package.promises_in(&case.state));
        case::Standing { lives: self.lives(id), promised, case }
    }

    /// True when a case has a clock that does not end in silence: a promise, or a time at whose end the system acts.
    fn lives(&self, case: Uuid) -> bool {
        let mut open = self.rows.get(&case).into_iter().flatten().filter(|row| row.is_open());
        open.any(|row| !row.is_window() || !row.on_breach.is_empty())
    }

    /// Writes all that changed.
    pub(crate) async fn save(mut self, tx: &Transaction) -> Result<Vec<Changed>, Error> {
        let cases = std::mem::take(&mut self.cases).into_iter();
        let cases = cases.map(|(id, case)| (id, self.standing(id, case))).collect();
        case::keep(tx, cases, self.keeper.clock.now()).await?;
        self.keeper.lateness.note(&self.late);
        metrics::fired(&self.late);
        let changed: Vec<_> =
            self.rows.into_values().flatten().filter(|row| self.changed.contains(&row.id)).collect();
        masar_store::save_all(tx, changed.clone()).await?;
        tenant::add(tx, self.keeper.others(changed.iter())).await?;
        let next = changed.iter().filter_map(|row| row.next_at).min().map(from_db);
        self.keeper.timers.tell(tx, next, self.keeper.clock.now()).await?;
        clock::queue(tx, self.queued).await?;
        evidence::keep(tx, self.seen).await?;
        told::keep(tx, self.early.into_values().collect(), self.keeper.clock.now()).await?;
        self.keeper.outbox.put(tx, self.events).await?;
        Ok(changed
            .into_iter()
            .map(|row| (self.fired.remove(&row.id), row))
            .map(|(mark, row)| (row, mark))
            .collect())
    }
}

fn case_id(case: &CaseSnapshot) -> Result<Uuid, Error> {
    case.case_id.parse().map_err(|_| Error::Text(format!("`{}` is no case id", case.case_id)))
}

/// True when a warning of the last target has fired.
fn warned(ledger: &[Entry]) -> bool {
    let promised =
        |entry: &&Entry| matches!(entry.event, ClockEvent::Started { .. } | ClockEvent::Retargeted { .. });
    let since = ledger.iter().rev().take_while(|entry| !promised(entry));
    since.into_iter().any(|entry| matches!(entry.event, ClockEvent::MarkFired { mark: Mark::Share(_) }))
}

pub(super) fn importance(case: &CaseSnapshot) -> Importance {
    ImportanceCode::try_from(case.importance)
        .ok()
        .and_then(ImportanceCode::word)
        .unwrap_or(Importance::Medium)
}

pub(super) fn target(text: &str) -> Result<Target, Error> {
    text.parse().map_err(|error: masar_worktime::Error| Error::Text(error.to_string()))
}

/// The day that was planned, if one was.
fn planned(effect: &ClockEffect) -> Result<Option<Date>, Error> {
    let written = Some(effect.not_after.as_str()).filter(|written| !written.is_empty());
    let date = written.map(str::parse).transpose();
    date.map_err(|error: jiff::Error| Error::Text(format!("`{}` is no date: {error}", effect.not_after)))
}

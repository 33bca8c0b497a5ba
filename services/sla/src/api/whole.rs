//! A clock as those see it who ask for its case: its ledger, what that means in plain sentences, how it stands as promised
//! and under the rules of today, and whose time it was (T14).

use jiff::Timestamp;
use masar_clock::{Clock as Folded, Entry, Error, Judgement, MarkDue, Rules, Run, Span, attribute, explain};
use masar_domain::BiText;
use masar_proto::sla::v1 as api;
use masar_proto::{json, time};
use masar_runtime::refuse;
use masar_store::time::from_db;
use masar_workflow::{Catalog, Package};
use masar_worktime::Target;
use tonic::Status;

use super::{encode, entries};
use crate::app::{Compiled, Extension, Promises};
use crate::store::clock::Model;
use crate::store::evidence;

/// What an answer depends on besides the clocks themselves.
pub(super) struct Whole<'a> {
    pub(super) calendars: &'a Compiled,
    pub(super) promises: &'a Promises,
    pub(super) catalog: &'a Catalog,
    pub(super) now: Timestamp,
}

impl Whole<'_> {
    /// A clock with everything that is known of it. `provider` says when providers had to act.
    pub(super) fn clock(&self, row: &Model, provider: &[Span]) -> Result<api::Clock, Status> {
        let run = row.run().map_err(|error| refuse::internal(&error))?;
        let clock = self.folded(&run)?;
        let used = clock.used_by(self.now, self.calendars).map_err(unreadable)?;
        let named = |code: &str| self.named(row, code);
        let mut sentences = explain(&run.ledger, self.now, self.calendars, &named).map_err(unreadable)?;
        let waits = Extension::of(row).map_err(|error| refuse::internal(&error))?;
        sentences.extend(waits.filter(|_| row.is_open()).map(|extension| extension.sentence()));
        Ok(api::Clock {
            ledger: self.ledger(row)?,
            ahead: self.ahead(row, &run, &clock)?,
            used: used.to_string(),
            as_promised: judgement(run.as_promised(self.now, self.calendars))?,
            under_todays_rules: judgement(self.today(row, &run))?,
            explanation: sentences.into_iter().map(Into::into).collect(),
            attribution: if row.kind == "sla" { self.attribution(&clock, provider)? } else { None },
            ..encode(row)?
        })
    }

    /// The marks that are still to come; none of a clock that tells nobody.
    fn ahead(&self, row: &Model, run: &Run, clock: &Folded) -> Result<Vec<api::MarkAhead>, Status> {
        let marks = clock.marks_due(&run.marks, self.calendars).map_err(unreadable)?;
        let ahead =
            |due: MarkDue| api::MarkAhead { mark: due.mark.to_string(), at: Some(time::to_proto(due.at)) };
        Ok(marks.into_iter().filter(|_| row.tells).map(ahead).collect())
    }

    /// The spans in which a provider had to act, as its own clock says; none of a clock that is no provider's.
    pub(super) fn provider(&self, of_child: &Model) -> Result<Vec<Span>, Status> {
        if of_child.kind != "uc" {
            return Ok(Vec::new());
        }
        let run = of_child.run().map_err(|error| refuse::internal(&error))?;
        Ok(self.folded(&run)?.counted(self.now))
    }

    /// First and total time of each clock that promises the customer something (T13); rows oldest first.
    pub(super) fn resolutions(&self, rows: &[Model]) -> Result<Vec<api::Resolution>, Status> {
        let mut found: Vec<api::Resolution> = Vec::new();
        for first in rows.iter().filter(|row| row.run == 1 && row.kind == "sla") {
            let runs = rows.iter().filter(|row| row.clock == first.clock);
            let runs: Vec<_> = runs.map(|row| self.lasted(row)).collect::<Result<_, _>>()?;
            let Some((started_at, first_end)) = runs.first().copied() else { continue };
            let seconds = |end: Timestamp| end.duration_since(started_at).as_secs();
            found.push(api::Resolution {
                clock: first.clock.clone(),
                runs: u32::try_from(runs.len()).unwrap_or(u32::MAX),
                first_seconds: first_end.map(seconds),
                total_seconds: runs.last().and_then(|(_, end)| *end).map(seconds),
            });
        }
        Ok(found)
    }

    /// When a run began, and when what it promised was done.
    fn lasted(&self, row: &Model) -> Result<(Timestamp, Option<Timestamp>), Status> {
        let clock = self.folded(&row.run().map_err(|error| refuse::internal(&error))?)?;
        Ok((clock.started_at(), clock.stopped_at()))
    }

    fn folded(&self, run: &Run) -> Result<Folded, Status> {
        Folded::fold(&run.ledger, self.calendars).map_err(unreadable)
    }

    fn today(&self, row: &Model, run: &Run) -> Result<Judgement, Error> {
        let newest =
            self.calendars.newest(&row.calendar).map(|calendar| masar_clock::CalendarRef::of(calendar));
        let rules =
            Rules { calendar: newest.unwrap_or_else(|| row.pin()), target: self.target_today(row, run) };
        run.under(&rules, self.now, self.calendars)
    }

    /// What would be promised today: what its agreement says now, or the package in force.
    fn target_today(&self, row: &Model, run: &Run) -> Option<Target> {
        let agreed = row.policy.strip_prefix("agreement ").and_then(|rest| rest.split_once(" version "));
        if let Some((id, _)) = agreed {
            return self.promises.agreement_today(&row.tenant, id, &row.clock, &row.importance);
        }
        let (package, version) = row.policy.split_once('@')?;
        let (version, _) = version.split_once('/')?;
        let rule = |package: &Package| package.definition().clocks.get(&row.clock).cloned();
        let (was, is) = (rule(self.catalog.get(package, version)?)?, rule(self.catalog.in_force(package)?)?);
        // Where a form or a table chose the target, it is not ours to choose again.
        let promised = run.promised().map(|(target, _)| target);
        let by_table = was.target_from.is_some() && promised != was.target_of(&row.importance);
        is.target_of(&row.importance).filter(|_| is.target_by.is_none() && !by_table)
    }

    /// A state or an action as the package of the clock calls it.
    fn named(&self, row: &Model, code: &str) -> BiText {
        let packages = self.catalog.packages().map(|package| package.definition());
        let mut of_clock = packages.filter(|package| package.clocks.contains_key(&row.clock));
        let label = of_clock.find_map(|package| {
            let state = package.states.get(code).map(|state| &state.label);
            let action = package.transitions.iter().find(|transition| transition.action == code);
            state.or_else(|| action.map(|transition| &transition.label)).cloned()
        });
        label.unwrap_or_else(|| BiText::new(code, code))
    }

    fn attribution(&self, clock: &Folded, provider: &[Span]) -> Result<Option<api::Attribution>, Status> {
        let Some(calendar) = masar_clock::Calendars::calendar(self.calendars, clock.calendar()) else {
            return Ok(None);
        };
        let found = attribute(clock.lasted(self.now), &clock.stood_still(self.now), provider, calendar);
        let found = match found {
            // What the calendar does not cover cannot be told apart.
            Err(Error::Calendar(_)) => return Ok(None),
            found => found.map_err(unreadable)?,
        };
        Ok(Some(api::Attribution {
            department_seconds: found.department_seconds,
            customer_seconds: found.customer_seconds,
            provider_seconds: found.provider_seconds,
            closed_seconds: found.closed_seconds,
            total_seconds: found.total_seconds(),
        }))
    }

    /// Every entry with the due time that held after it: so the ledger says what each change moved, and from when to when.
    fn ledger(&self, row: &Model) -> Result<Vec<api::LedgerEntry>, Status> {
        let mut clock: Option<Folded> = None;
        let line = |(number, entry): (u32, Entry)| {
            let after = match &clock {
                Some(before) => before.after(&entry, self.calendars),
                None => Folded::fold(std::slice::from_ref(&entry), self.calendars),
            };
            let after = clock.insert(after.map_err(unreadable)?);
            let due_at = Some(time::to_proto(after.due_at(self.calendars).map_err(unreadable)?));
            let kept = serde_json::to_value(&entry).map_err(|error| refuse::internal(&error))?;
            let event = kept["event"].as_str().unwrap_or_default().to_owned();
            let (at, text) = (Some(time::to_proto(entry.at)), entry.event.to_string());
            Ok(api::LedgerEntry { number, at, event, text, due_at, entry: Some(json::to_struct(&kept)) })
        };
        (1..).zip(entries(row)?).map(line).collect()
    }
}

/// None where a calendar does not reach as far.
fn judgement(judged: Result<Judgement, Error>) -> Result<Option<api::Judgement>, Status> {
    let judged = match judged {
        Err(Error::Calendar(_)) => return Ok(None),
        judged => judged.map_err(unreadable)?,
    };
    let word = |value: serde_json::Result<serde_json::Value>| {
        let word = value.map_err(|error| refuse::internal(&error))?;
        Ok::<_, Status>(word.as_str().unwrap_or_default().to_owned())
    };
    Ok(Some(api::Judgement {
        due_at: Some(time::to_proto(judged.due_at)),
        breached_at: judged.breach.map(|breach| time::to_proto(breach.at)),
        cause: word(serde_json::to_value(judged.breach.map(|breach| breach.cause)))?,
        verdict: word(serde_json::to_value(judged.verdict))?,
    }))
}

fn unreadable(error: Error) -> Status {
    refuse::internal(&error)
}

/// What looks like gaming, for those who ask.
pub(super) fn evidence(row: &evidence::Model) -> api::Evidence {
    api::Evidence {
        pattern: row.pattern.clone(),
        at: Some(time::to_proto(from_db(row.at))),
        clock: row.clock.clone(),
        run: row.run.unsigned_abs(),
        department: row.department.clone(),
        detail: Some(json::to_struct(&row.detail)),
    }
}

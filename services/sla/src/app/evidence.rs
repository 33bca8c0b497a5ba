//! What looks like gaming is noticed when it happens: late pauses, new targets that put a due time off, new runs soon after
//! the last, and bursts of handovers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use masar_clock::{Calendars, Evidence, handed_over, in_last, reopened};
use masar_store::time::{from_db, to_db};
use uuid::Uuid;

use super::{Error, Promises, Session};
use crate::store::{clock, evidence, handover};

impl Session<'_> {
    /// What the last entry of a clock shows.
    pub(super) fn notice(&mut self, row: &clock::Model, department: &str) -> Result<(), Error> {
        let ledger = row.run()?.ledger;
        let calendars = self.keeper.promises.calendars(&row.tenant);
        let seen = in_last(&ledger, calendars.as_ref());
        let seen = seen.map_err(|error| Error::Clock { clock: row.clock.clone(), error })?;
        self.seen.extend(seen.map(|seen| of_clock(row, department, seen)).transpose()?);
        Ok(())
    }

    /// What a new run shows of the end of the last.
    pub(super) fn notice_again(&mut self, row: &clock::Model, department: &str) -> Result<(), Error> {
        let runs = self.rows.get(&row.case_id).into_iter().flatten();
        let mut before = runs.filter(|other| other.clock == row.clock && other.run == row.run - 1);
        let Some(closed_at) = before.next().and_then(clock::Model::stopped_at) else { return Ok(()) };
        let calendars = self.keeper.promises.calendars(&row.tenant);
        let run = row.run()?;
        let (Some(start), Some(calendar)) = (run.ledger.first(), calendars.calendar(&row.pin())) else {
            return Ok(());
        };
        // A time that the calendar does not cover is not soon after another.
        let seen = reopened(closed_at, start.at, calendar).unwrap_or_default();
        self.seen.extend(seen.map(|seen| of_clock(row, department, seen)).transpose()?);
        Ok(())
    }
}

fn of_clock(row: &clock::Model, department: &str, seen: Evidence) -> Result<evidence::Model, Error> {
    Ok(evidence::Model {
        case_id: row.case_id,
        pattern: seen.pattern.word().to_owned(),
        at: to_db(seen.at),
        clock: row.clock.clone(),
        run: row.run,
        tenant: row.tenant.clone(),
        department: department.to_owned(),
        detail: serde_json::to_value(seen)?,
    })
}

/// A case that was handed over, and the department that has it now.
pub(crate) struct Handed {
    pub(crate) tenant: String,
    pub(crate) department: String,
    pub(crate) handover: handover::Model,
}

/// The bursts that end with one of the new handovers, of all that are remembered of their cases.
pub(crate) fn bursts(
    promises: &Promises,
    new: &[Handed],
    remembered: &[handover::Model],
) -> Result<Vec<evidence::Model>, Error> {
    let mut times: BTreeMap<Uuid, Vec<Timestamp>> = BTreeMap::new();
    for handover in remembered {
        times.entry(handover.case_id).or_default().push(from_db(handover.at));
    }
    let mut seen = Vec::new();
    for Handed { tenant, department, handover } in new {
        let Some(calendar) = promises.calendars(tenant).newest(&promises.default_calendar(tenant)).cloned()
        else {
            continue;
        };
        let of_case = times.get(&handover.case_id).map(Vec::as_slice).unwrap_or_default();
        let bursts = handed_over(of_case, &calendar).unwrap_or_default();
        for burst in bursts.into_iter().filter(|burst| to_db(burst.at) == handover.at) {
            seen.push(evidence::Model {
                case_id: handover.case_id,
                pattern: burst.pattern.word().to_owned(),
                at: handover.at,
                clock: String::new(),
                run: 0,
                tenant: tenant.clone(),
                department: department.clone(),
                detail: serde_json::to_value(burst)?,
            });
        }
    }
    Ok(seen)
}

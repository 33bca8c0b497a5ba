//! A pause that nobody entered when it began: the case should have waited for the customer, and did not (T8).

use masar_clock::{Error as ClockError, Event};
use masar_proto::sla::v1 as api;
use masar_proto::time;
use masar_runtime::{Caller, refuse};
use masar_store::Transaction;
use masar_store::time::from_db;
use prost_types::Timestamp;
use tonic::Status;

use super::{Api, encode, stored};
use crate::app::{Error, Session};
use crate::store::clock::{self, Model};

impl Api {
    /// Enters it in the ledger under the name of the caller; the clock, and when it was due before.
    pub(super) async fn pause(
        &self,
        caller: &Caller,
        request: &api::EnterPauseRequest,
    ) -> Result<(api::Clock, Timestamp), Status> {
        let (tenant, now) = (&caller.tenant.0, self.keeper.clock.now());
        let rows = clock::of_case(&self.store, tenant, &request.case).await.map_err(stored)?;
        let case = rows.first().ok_or_else(|| refuse::not_found("case with clocks", &request.case))?.case_id;
        self.may_pause(tenant, request)?;
        let pause = entered(request, &caller.identity.subject)?;
        let tx = self.store.begin().await.map_err(stored)?;
        // What was read above may have changed; what is locked does not.
        let rows = clock::lock(&tx, [case].into()).await.map_err(stored)?;
        let row = rows.iter().find(|row| row.clock == request.clock && row.is_open()).cloned();
        let row = row.ok_or_else(|| refuse::not_found("open clock", &request.clock))?;
        let was_due_at = time::to_proto(from_db(row.due_at));
        let mut session = Session::new(&self.keeper, rows);
        session.enter_pause(row.clone(), pause, now).map_err(refused)?;
        let changed = session.save(&tx).await.map_err(refused)?;
        commit(tx).await?;
        let paused = changed.iter().find(|(changed, _)| changed.id == row.id);
        let paused = paused.map_or(row, |(changed, _): &(Model, _)| changed.clone());
        self.keeper.tell(changed);
        Ok((encode(&paused)?, was_due_at))
    }

    /// Only what waits for a cause outside of the entity stands still, and only where the package says so (T8).
    fn may_pause(&self, tenant: &str, request: &api::EnterPauseRequest) -> Result<(), Status> {
        let catalog = self.packages.of(tenant);
        let packages = catalog.packages().map(|package| package.definition());
        let rules = packages.filter_map(|package| package.clocks.get(&request.clock));
        let waiting: Vec<_> = rules.flat_map(|rule| &rule.pause).map(String::as_str).collect();
        if waiting.contains(&request.reason.as_str()) {
            return Ok(());
        }
        let problem = match waiting.as_slice() {
            [] => format!("`{}` never stands still", request.clock),
            waiting => format!("`{}` stands still only in {}", request.clock, waiting.join(", ")),
        };
        Err(refuse::invalid(vec![("reason".to_owned(), problem)]))
    }
}

fn entered(request: &api::EnterPauseRequest, by: &str) -> Result<Event, Status> {
    let missing = |field: &str| refuse::invalid(vec![(field.to_owned(), "is missing".to_owned())]);
    let from = time::from_proto(request.from.as_ref()).ok_or_else(|| missing("from"))?;
    let to = time::from_proto(request.to.as_ref()).ok_or_else(|| missing("to"))?;
    Ok(Event::PauseEntered { from, to, reason: request.reason.clone(), entered_by: by.to_owned() })
}

async fn commit(tx: Transaction) -> Result<(), Status> {
    tx.commit().await.map_err(|error| stored(error.into()))
}

fn refused(error: Error) -> Status {
    match error {
        Error::Clock { error: error @ ClockError::PauseSpan { .. }, .. } => {
            refuse::invalid(vec![("from".to_owned(), error.to_string())])
        }
        Error::Clock { error: error @ ClockError::Calendar(_), .. } => {
            refuse::invalid(vec![("to".to_owned(), error.to_string())])
        }
        error => refuse::internal(&error),
    }
}

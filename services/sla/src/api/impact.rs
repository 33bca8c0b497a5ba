//! What a new version of a calendar would move, before anybody publishes it (T7).

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use masar_clock::{CalendarRef, Error as ClockError, Event};
use masar_proto::sla::v1 as api;
use masar_proto::sla::v1::calendar_impact::Impact as Told;
use masar_proto::time;
use masar_runtime::refuse;
use masar_store::Store;
use masar_store::time::{from_db, to_db};
use tonic::Status;

use super::{Api, stored};
use crate::app::Compiled;
use crate::store::clock::{self, Behind, Model};

/// Clocks that are read at once.
const MOST: u64 = 1_000;

pub(super) type Impacts = Pin<Box<dyn Stream<Item = Result<api::CalendarImpact, Status>> + Send>>;

/// A walk over the open clocks of a tenant that count on older versions of some calendars.
struct Impact {
    store: Store,
    tenant: String,
    calendars: Arc<Compiled>,
    now: Timestamp,
    /// The calendars that are still to be looked at, the one at hand last.
    left: Vec<CalendarRef>,
    /// The last clock that was looked at of the one at hand.
    after: Behind,
    sums: api::ImpactSums,
}

impl Api {
    /// Every clock that a calendar would move, then the sums.
    pub(super) fn impact(&self, tenant: String, yaml: &str) -> Result<Impacts, Status> {
        let wrong = |problem: String| refuse::invalid(vec![("yaml".to_owned(), problem)]);
        let published = self.promises.would_publish(&tenant, yaml).map_err(wrong)?;
        let known = self.promises.calendars(&tenant);
        let mut left: Vec<_> = published.iter().map(CalendarRef::of).collect();
        for calendar in &left {
            let newest = known.newest(&calendar.name).map(|newest| newest.version());
            if let Some(newest) = newest.filter(|newest| *newest >= calendar.version) {
                return Err(wrong(format!("version {newest} was published: give this a higher one")));
            }
        }
        left.reverse();
        let (calendars, store, now) = (known.with(published), self.store.clone(), self.keeper.clock.now());
        let (after, sums) = (clock::NEWEST, api::ImpactSums::default());
        let walk = Impact { store, tenant, calendars, now, left, after, sums };
        let batches = stream::try_unfold(walk, async |mut walk| {
            let batch = walk.next().await?;
            Ok::<_, Status>((!batch.is_empty()).then_some((batch, walk)))
        });
        let each = batches.flat_map(|batch| match batch {
            Ok(batch) => stream::iter(batch.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(status) => stream::iter(vec![Err(status)]),
        });
        Ok(Box::pin(each))
    }
}

impl Impact {
    /// What the next clocks say, and the sums behind the last of them; nothing after these.
    async fn next(&mut self) -> Result<Vec<api::CalendarImpact>, Status> {
        let mut told = Vec::new();
        while let Some(calendar) = self.left.last().cloned()
            && told.is_empty()
        {
            let behind = clock::behind(&self.store, &self.tenant, &calendar, self.after, MOST).await;
            let behind = behind.map_err(stored)?;
            self.after = behind.last().map_or(clock::NEWEST, Model::behind);
            for row in &behind {
                told.extend(self.moved(row, &calendar)?.map(Told::Moved));
            }
            if behind.is_empty() {
                self.left.pop();
            }
            if self.left.is_empty() {
                told.push(Told::Sums(self.sums));
            }
        }
        Ok(told.into_iter().map(|impact| api::CalendarImpact { impact: Some(impact) }).collect())
    }

    /// The clock, if its due time would be another; counted either way.
    fn moved(&mut self, row: &Model, calendar: &CalendarRef) -> Result<Option<api::MovedClock>, Status> {
        self.sums.open += 1;
        let mut run = row.run().map_err(|error| refuse::internal(&error))?;
        let event = Event::CalendarChanged { calendar: calendar.clone() };
        let standing = match run.enter(event, self.now, self.calendars.as_ref()) {
            Ok(standing) => Some(standing),
            Err(ClockError::Calendar(_)) => None,
            Err(error) => return Err(refuse::internal(&error)),
        };
        let would_breach =
            row.breached_at.is_none() && standing.as_ref().is_some_and(|standing| standing.breach.is_some());
        match &standing {
            None => self.sums.out_of_reach += 1,
            Some(standing) => {
                let due_at = to_db(standing.due_at);
                if due_at == row.due_at && !would_breach {
                    return Ok(None);
                }
                self.sums.moved += 1;
                self.sums.earlier += u64::from(due_at < row.due_at);
                self.sums.later += u64::from(due_at > row.due_at);
                self.sums.would_breach += u64::from(would_breach);
            }
        }
        Ok(Some(api::MovedClock {
            case_id: row.case_id.to_string(),
            reference: row.reference.clone(),
            clock: row.clock.clone(),
            run: row.run.unsigned_abs(),
            queue: row.queue.clone(),
            was_due_at: Some(time::to_proto(from_db(row.due_at))),
            due_at: standing.map(|standing| time::to_proto(standing.due_at)),
            would_breach,
            calendar: calendar.name.clone(),
            calendar_version: calendar.version,
        }))
    }
}

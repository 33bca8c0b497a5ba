//! New versions of calendars: takes every open clock over to the newest of its calendar (T7).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use masar_clock::CalendarRef;
use masar_runtime::Clock;
use masar_store::{Store, Transaction};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::app::{Error, Keeper, Session};
use crate::store::clock::{self, Behind};

/// Clocks of one transaction.
const MOST: u64 = 500;
/// Transactions at once.
const AT_ONCE: usize = 2;
/// How long to wait after a failure, for clocks that somebody holds, and while another replica leads.
const PAUSE: Duration = Duration::from_secs(1);

/// Clocks that a transaction holds, and the place of the last of them.
type Page = (Transaction, Vec<clock::Model>, Behind);

#[derive(Clone)]
pub(crate) struct Renewal {
    pub(crate) store: Store,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) clock: Clock,
}

impl Renewal {
    /// Works until it is told to stop. What the last process left undone is done at the start.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let work = async {
            loop {
                match self.renew_all().await {
                    Ok(()) => self.keeper.calendars.notified().await,
                    Err(error) => {
                        tracing::error!(%error, "clocks could not be moved to a new calendar; tried again");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// One replica walks for all; the others wait until it is they who lead.
    async fn renew_all(&self) -> Result<(), Error> {
        while !self.keeper.leads.load(Ordering::Relaxed) {
            tokio::time::sleep(PAUSE).await;
        }
        for tenant in self.keeper.promises.tenants() {
            for calendar in self.keeper.promises.calendars(&tenant).renewed() {
                self.renew(&tenant, &calendar).await?;
            }
        }
        Ok(())
    }

    /// Walks until no clock is behind but those that must stay.
    async fn renew(&self, tenant: &str, calendar: &CalendarRef) -> Result<(), Error> {
        loop {
            let stay = self.walk(tenant, calendar).await?;
            let left = clock::behind(&self.store, tenant, calendar, clock::NEWEST, stay + 1).await?;
            if left.len() as u64 <= stay {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Renews every clock that nobody holds, some in a transaction, and the next are read while these are written; how many must
    /// stay as they are.
    async fn walk(&self, tenant: &str, calendar: &CalendarRef) -> Result<u64, Error> {
        let (mut writing, mut stay, mut after) = (JoinSet::new(), 0, clock::NEWEST);
        while let Some((tx, behind, last)) = self.read(tenant, calendar, after).await? {
            after = last;
            let (renewal, calendar) = (self.clone(), calendar.clone());
            writing.spawn(async move { renewal.write(tx, behind, calendar).await });
            if writing.len() == AT_ONCE {
                stay += ended(writing.join_next().await)?;
            }
        }
        while !writing.is_empty() {
            stay += ended(writing.join_next().await)?;
        }
        Ok(stay)
    }

    /// Some clocks that come after a place, locked, and the place of the last of them; none when there are no more.
    async fn read(&self, tenant: &str, calendar: &CalendarRef, after: Behind) -> Result<Option<Page>, Error> {
        let tx = self.store.begin().await?;
        let behind = clock::lock_behind(&tx, tenant, calendar, after, MOST).await?;
        let last = behind.last().map(clock::Model::behind);
        Ok(last.map(|last| (tx, behind, last)))
    }

    /// Renews clocks that are locked; how many of them stay as they are.
    async fn write(
        &self,
        tx: Transaction,
        behind: Vec<clock::Model>,
        calendar: CalendarRef,
    ) -> Result<u64, Error> {
        let (now, mut stay) = (self.clock.now(), 0);
        let mut session = Session::new(&self.keeper, Vec::new());
        for row in behind {
            let (case, clock) = (row.case_id, row.clock.clone());
            match session.renew(row, calendar.clone(), now) {
                // The new version does not reach as far: the promise stands on the old one.
                Err(Error::Clock { error, .. }) => {
                    tracing::warn!(%case, clock, %calendar, %error, "a clock stays on its calendar");
                    stay += 1;
                }
                result => result?,
            }
        }
        let changed = session.save(&tx).await?;
        tx.commit().await.map_err(masar_store::Error::from)?;
        self.keeper.tell(changed);
        Ok(stay)
    }
}

/// How many clocks stay, of a transaction that has ended. One that was broken off is done again by the next walk.
fn ended(written: Option<Result<Result<u64, Error>, JoinError>>) -> Result<u64, Error> {
    written.map_or(Ok(0), |written| written.unwrap_or(Ok(0)))
}

//! New versions of calendars: takes every open clock over to the newest of its calendar (T7).

use std::sync::Arc;
use std::time::Duration;

use masar_clock::CalendarRef;
use masar_runtime::Clock;
use masar_store::Store;
use tokio_util::sync::CancellationToken;

use crate::app::{Error, Keeper, Session};
use crate::store::clock::{self, Behind};

/// Clocks of one transaction.
const MOST: u64 = 500;
/// How long to wait after a failure, and for clocks that another replica holds.
const PAUSE: Duration = Duration::from_secs(1);

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

    async fn renew_all(&self) -> Result<(), Error> {
        for tenant in self.keeper.promises.tenants() {
            for calendar in self.keeper.promises.calendars(&tenant).renewed() {
                self.renew(&tenant, &calendar).await?;
            }
        }
        Ok(())
    }

    /// Walks until no clock is behind but those that must stay: replicas share the walk, and one may go with what it held.
    async fn renew(&self, tenant: &str, calendar: &CalendarRef) -> Result<(), Error> {
        loop {
            let (mut stay, mut last) = (0, Some(clock::NEWEST));
            while let Some(after) = last {
                last = self.renew_some(tenant, calendar, after, &mut stay).await?;
            }
            let left = clock::behind(&self.store, tenant, calendar, clock::NEWEST, stay + 1).await?;
            if left.len() as u64 <= stay {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Renews the clocks that come after one, some in a transaction, and counts those that stay; the last of them, if there may
    /// be more.
    async fn renew_some(
        &self,
        tenant: &str,
        calendar: &CalendarRef,
        after: Behind,
        stay: &mut u64,
    ) -> Result<Option<Behind>, Error> {
        let tx = self.store.begin().await?;
        let behind = clock::lock_behind(&tx, tenant, calendar, after, MOST).await?;
        let Some(last) = behind.last().map(clock::Model::behind) else { return Ok(None) };
        let now = self.clock.now();
        let mut session = Session::new(&self.keeper, Vec::new());
        for row in behind {
            let (case, clock) = (row.case_id, row.clock.clone());
            match session.renew(row, calendar.clone(), now) {
                // The new version does not reach as far: the promise stands on the old one.
                Err(Error::Clock { error, .. }) => {
                    tracing::warn!(%case, clock, %calendar, %error, "a clock stays on its calendar");
                    *stay += 1;
                }
                result => result?,
            }
        }
        let changed = session.save(&tx).await?;
        tx.commit().await.map_err(masar_store::Error::from)?;
        self.keeper.tell(changed);
        Ok(Some(last))
    }
}

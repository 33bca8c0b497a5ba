//! Agreements that shall hold for what is open too: takes every open clock between their parties over to their targets (SVC-05).

use std::sync::Arc;
use std::time::Duration;

use masar_runtime::{Clock, Stage, Worker};
use masar_store::Store;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::{Agreement, Error, Keeper, Session};
use crate::store::{agreement, case, clock};

/// Clocks of one transaction.
const MOST: u64 = 500;
/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_secs(1);

struct Retargeting {
    store: Store,
    keeper: Arc<Keeper>,
    clock: Clock,
}

/// Works until it is told to stop. What the last process left undone is done at the start.
pub(crate) fn worker(store: Store, keeper: Arc<Keeper>, clock: Clock) -> Worker {
    let retargeting = Retargeting { store, keeper, clock };
    Worker::new("sla agreements", Stage::Consumer, async |stop| {
        retargeting.run(stop).await;
        Ok(())
    })
}

impl Retargeting {
    async fn run(self, stop: CancellationToken) {
        let work = async {
            loop {
                match self.retarget_all().await {
                    Ok(()) => self.keeper.agreements.notified().await,
                    Err(error) => {
                        tracing::error!(%error, "clocks could not be moved to an agreement; tried again");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn retarget_all(&self) -> Result<(), Error> {
        for row in agreement::retargeting(&self.store).await? {
            let tenant = row.tenant.clone();
            let agreement = Agreement::of(row)?;
            let mut last = Some(Uuid::nil());
            while let Some(after) = last {
                last = self.retarget_some(&tenant, &agreement, after).await?;
            }
        }
        Ok(())
    }

    /// Retargets the clocks that come after one, some in a transaction; the last of them, if there may be more.
    async fn retarget_some(
        &self,
        tenant: &str,
        agreement: &Agreement,
        after: Uuid,
    ) -> Result<Option<Uuid>, Error> {
        let tx = self.store.begin().await?;
        let clocks = agreement.terms.targets.keys().map(String::as_str);
        let open = clock::lock_between(&tx, tenant, clocks, after, MOST).await?;
        let last = open.last().map(|row| row.id);
        let cases = case::subjects(&tx, open.iter().map(|row| row.case_id)).await?;
        let now = self.clock.now();
        let mut session = Session::new(&self.keeper, open.clone());
        for row in &open {
            let Some((case_type, service)) = cases.get(&row.case_id) else { continue };
            match session.agree(agreement, row, (case_type, service), now) {
                // The calendar does not reach as far: the promise stands as it was.
                Err(Error::Clock { error, .. }) => {
                    tracing::warn!(case = %row.case_id, clock = row.clock, %error, "a clock keeps its target");
                }
                result => result?,
            }
        }
        let changed = session.save(&tx).await?;
        if last.is_none() {
            agreement::done(&tx, agreement.case, agreement.version).await?;
        }
        tx.commit().await.map_err(masar_store::Error::from)?;
        self.keeper.tell(changed);
        Ok(last)
    }
}

//! The timers: sleeps until the next mark of any clock, then fires all that have come.

use std::sync::Arc;
use std::time::Duration;

use masar_runtime::Clock;
use masar_store::Store;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::app::{Error, Keeper, Session};
use crate::store::clock;

/// Marks that one transaction fires.
const MOST: u64 = 500;
/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Even when nothing is said, look: another replica may have gone away after it set a timer.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) struct Timers {
    pub(crate) store: Store,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) clock: Clock,
}

impl Timers {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let work = async {
            loop {
                if let Err(error) = self.wait_and_fire().await {
                    tracing::error!(%error, "timers could not fire; tried again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn wait_and_fire(&self) -> Result<(), Error> {
        let next = clock::next_at(&self.store).await?;
        let due = async {
            match next {
                Some(at) => self.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = due => while self.fire().instrument(tracing::info_span!("fire")).await? {},
            () = self.keeper.timers.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        Ok(())
    }

    /// Fires a batch of the marks that have come. True when there may be more.
    async fn fire(&self) -> Result<bool, Error> {
        let now = self.clock.now();
        let tx = self.store.begin().await?;
        let due = clock::lock_due(&tx, now, MOST).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let mut session = Session::new(&self.keeper, due.clone());
        for row in due {
            session.fire(row, now)?;
        }
        let changed = session.save(&tx).await?;
        tx.commit().await.map_err(masar_store::Error::from)?;
        self.keeper.outbox.wake();
        self.keeper.tell(changed);
        Ok(true)
    }
}

//! Those who watch at another replica see what happens here: it is told which clocks have changed, and a replica at which
//! somebody watches reads them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use masar_store::{Error, Listener, Store, listen, tell};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::{Changed, Keeper};
use crate::store::clock;

/// Under what replicas tell each other of changes.
const CHANGES: &str = "masar_sla_changes";
/// Clocks that are told at once: PostgreSQL takes less than 8,000 bytes.
const MOST: usize = 100;
/// A replica tells no more often, so that it costs the work nothing. Who watches elsewhere misses what is too much.
const PACE: Duration = Duration::from_millis(100);

pub(crate) struct Elsewhere {
    pub(crate) store: Store,
    pub(crate) keeper: Arc<Keeper>,
    /// This replica.
    pub(crate) here: Uuid,
}

/// The clocks that changed, each with the mark that fired if one did.
#[derive(Serialize, Deserialize)]
struct Word {
    replica: Uuid,
    clocks: Vec<(Uuid, Option<String>)>,
}

impl Elsewhere {
    /// Works until it is told to stop, where there may be other replicas.
    pub(crate) async fn run(self, stop: CancellationToken) {
        if self.store.is_shared() {
            let both = async { tokio::join!(self.say_all(), listen(&self.store, CHANGES, &self)) };
            stop.run_until_cancelled(both).await;
        }
    }

    async fn say_all(&self) {
        let mut changes = self.keeper.changes.subscribe();
        while let Some(clocks) = gather(&mut changes).await {
            if let Err(error) = self.say(clocks).await {
                tracing::warn!(%error, "who watches at another replica misses some changes of clocks");
            }
            tokio::time::sleep(PACE).await;
        }
    }

    async fn say(&self, clocks: Vec<(Uuid, Option<String>)>) -> Result<(), Error> {
        let word = serde_json::json!(Word { replica: self.here, clocks }).to_string();
        let tx = self.store.begin().await?;
        tell(&tx, CHANGES, &word).await?;
        Ok(tx.commit().await?)
    }
}

#[async_trait]
impl Listener for Elsewhere {
    type Error = Error;

    async fn heard(&self, what: Option<String>) -> Result<(), Error> {
        let word = what.and_then(|what| serde_json::from_str::<Word>(&what).ok());
        let watched = self.keeper.elsewhere.receiver_count() > 0;
        let Some(word) = word.filter(|word| watched && word.replica != self.here) else { return Ok(()) };
        let rows = clock::all(&self.store, word.clocks.iter().map(|(id, _)| *id)).await?;
        for (id, mark) in word.clocks {
            if let Some(row) = rows.iter().find(|row| row.id == id) {
                // Whoever watched may be gone meanwhile.
                let _ = self.keeper.elsewhere.send((row.clone(), mark));
            }
        }
        Ok(())
    }
}

/// What has changed since, at least one clock; none when nothing will.
async fn gather(changes: &mut Receiver<Changed>) -> Option<Vec<(Uuid, Option<String>)>> {
    let mut clocks = Vec::new();
    while clocks.is_empty() {
        match changes.recv().await {
            Ok((row, mark)) => clocks.push((row.id, mark)),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
    while clocks.len() < MOST
        && let Ok((row, mark)) = changes.try_recv()
    {
        clocks.push((row.id, mark));
    }
    Some(clocks)
}

//! The timers of the shards that this replica holds: reads those that come next, waits for the moment, and fires them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use masar_runtime::Clock;
use masar_store::{Lease, Leases, Store, listen};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::app::{Error, Keeper, LOOK, NEAR, Session};
use crate::metrics;
use crate::store::timer::{self, SHARDS, Timer};

/// Marks that one transaction fires.
const MOST: usize = 500;
/// Timers of one tenant in one shard that one look reads.
const EACH: u64 = 200;
/// How far ahead a look reads.
const AHEAD: Duration = Duration::from_secs(1);
/// How far ahead is looked for the next timer.
const FAR: Duration = Duration::from_secs(3_600);
/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to wait for a clock that somebody is just changing.
const BUSY: Duration = Duration::from_millis(5);
/// When a clock that could not be read is tried again.
const STUCK: Duration = Duration::from_secs(60);

pub(crate) struct Timers {
    pub(crate) store: Store,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) clock: Clock,
    /// The clocks that could not be read, and when.
    pub(crate) stuck: HashMap<Uuid, Instant>,
}

impl Timers {
    pub(crate) fn new(store: Store, keeper: Arc<Keeper>, clock: Clock) -> Self {
        Self { store, keeper, clock, stuck: HashMap::new() }
    }

    /// Works until it is told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (store, keeper) = (self.store.clone(), Arc::clone(&self.keeper));
        let mut leases = Leases::new(store.clone(), "timers", SHARDS);
        let work = async {
            loop {
                if let Err(error) = self.turn(&mut leases).await {
                    tracing::error!(%error, "timers could not fire; tried again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
            () = listen(&store, NEAR, &keeper.timers) => {}
        }
        if let Err(error) = leases.leave().await {
            tracing::warn!(%error, "the timers of this replica wait until it counts as gone");
        }
    }

    /// Reads the timers that come next, and fires them as they come, until it is time to look again.
    async fn turn(&mut self, leases: &mut Leases) -> Result<(), Error> {
        let looked = Instant::now();
        let held = leases.turn().await?;
        let shards: Vec<_> = held.iter().map(|lease| lease.shard).collect();
        self.keeper.leads.store(shards.contains(&0), Ordering::Relaxed);
        if shards.is_empty() {
            tokio::time::sleep(LOOK).await;
            return Ok(());
        }
        self.stuck.retain(|_, since| since.elapsed() < STUCK);
        metrics::stuck(self.stuck.len());
        let now = self.clock.now();
        let (until, far) = (now + AHEAD, now + FAR);
        self.keeper.timers.read_until(Timestamp::MAX);
        let turns = timer::first(&self.store, &shards, far).await?;
        let next = turns.first().and_then(timer::Turn::at).unwrap_or(far);
        if next > until {
            self.keeper.timers.read_until(next);
            self.wait(Some(next - AHEAD), looked).await;
            return Ok(());
        }
        let stuck: Vec<_> = self.stuck.keys().copied().collect();
        let coming = timer::coming(&self.store, &turns, until, EACH, &stuck).await?;
        self.keeper.timers.read_until(until);
        self.fire_all(coming.into(), &held, looked).await
    }

    /// Fires timers as they come, as long as nothing comes before them and they are not to be read anew.
    async fn fire_all(
        &mut self,
        mut coming: VecDeque<Timer>,
        held: &[Lease],
        looked: Instant,
    ) -> Result<(), Error> {
        loop {
            let next = coming.front().map(Timer::at);
            if next.is_none_or(|next| next > self.clock.now()) {
                let comes = self.wait(next, looked).await;
                if !comes {
                    return Ok(());
                }
            }
            let now = self.clock.now();
            let due = coming.partition_point(|timer| timer.at() <= now).min(MOST);
            let due: Vec<_> = coming.drain(..due).collect();
            if !self.fire(&due, held, now).instrument(tracing::info_span!("fire")).await? {
                return Ok(());
            }
            if coming.is_empty() {
                return Ok(());
            }
        }
    }

    /// Waits until a time. False when it is time to look again: something has come before it, or the last look is old.
    async fn wait(&self, at: Option<Timestamp>, looked: Instant) -> bool {
        let comes = async {
            match at {
                Some(at) => self.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = comes => true,
            () = self.keeper.timers.rung() => false,
            () = tokio::time::sleep_until(looked + LOOK) => false,
        }
    }

    /// Fires timers that have come. False when not all could be: they are read anew.
    async fn fire(&mut self, due: &[Timer], held: &[Lease], now: Timestamp) -> Result<bool, Error> {
        let tx = self.store.begin().await?;
        let shards: Vec<_> = due.iter().map(Timer::shard).collect();
        Lease::check_all(&tx, held.iter().filter(|lease| shards.contains(&lease.shard))).await?;
        let rows = timer::lock(&tx, due.iter().map(|timer| timer.id), now).await?;
        let fired = rows.len();
        if fired == 0 {
            drop(tx);
            tokio::time::sleep(BUSY).await;
            return Ok(false);
        }
        let mut session = Session::new(&self.keeper, Vec::new());
        for row in rows {
            let (id, case, clock) = (row.id, row.case_id, row.clock.clone());
            match session.fire(row, now) {
                Err(error @ (Error::Store(_) | Error::Bus(_))) => return Err(error),
                Err(error) => {
                    // It must not keep the others from firing.
                    tracing::error!(%case, clock, %error, "a clock cannot be read: no mark of it fires until that is mended");
                    self.stuck.insert(id, Instant::now());
                    return Ok(false);
                }
                Ok(()) => {}
            }
        }
        let changed = session.save(&tx).await?;
        tx.commit().await.map_err(masar_store::Error::from)?;
        self.keeper.tell(changed);
        Ok(fired == due.len())
    }
}

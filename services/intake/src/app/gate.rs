//! The way in: what admission decides, and what it has to know for that.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use masar_bus::Event;
use masar_proto::kinds;
use masar_runtime::Clock;
use masar_store::Store;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::Error;
use super::admission::{Admission, Seen, State};
use crate::metrics;
use crate::store::submission;

/// How often is looked.
const PACE: Duration = Duration::from_millis(250);
/// So few that wait while none is opened are no lag: of some the event may be parked, and they are never opened.
const FEW: u64 = 64;
/// How far back is looked at the start.
const BACK: SignedDuration = SignedDuration::from_mins(10);
/// A submission is durable so long after it was given its id, or soon never.
const SETTLED: SignedDuration = SignedDuration::from_secs(10);

/// Shared by the calls that come in, the writer, the consumer and the worker that looks. A replica has its own; of the
/// cases that are opened each hears its part.
pub(crate) struct Gate {
    /// The time of the machine, also where the product's own runs faster: that is the one in the ids of cases.
    clock: Clock,
    /// Whether everybody is admitted: all that a submission costs while the platform keeps up.
    open: AtomicBool,
    accepted: AtomicU64,
    opened: AtomicU64,
    /// What is older than this case is not looked for: it is opened, or its event is parked. Ids are in the order of time.
    newest: Mutex<Uuid>,
    admission: Mutex<Admission>,
    looked: Notify,
}

impl Gate {
    /// Open until it is looked; `target` is how long what is accepted may wait to be opened.
    pub(crate) fn new(target: Duration) -> Self {
        let clock = Clock::wall();
        let now = clock.now();
        Self {
            clock,
            open: AtomicBool::new(true),
            accepted: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            newest: Mutex::new(id_at(now.saturating_sub(BACK).unwrap_or(now))),
            admission: Mutex::new(Admission::new(target, now)),
            looked: Notify::new(),
        }
    }

    /// Lets one submission of a tenant in, or says when to try again.
    pub(crate) fn enter(&self, tenant: &str) -> Result<(), Error> {
        if self.admits(tenant) {
            return Ok(());
        }
        let (state, after) = self.with(|admission| (admission.state(), admission.try_after()));
        metrics::refused(if state == State::Closed { "standstill" } else { "share" });
        Err(Error::Behind(after))
    }

    /// As `enter`, but waits: for streams, whose senders are held back by it.
    pub(crate) async fn enter_patiently(&self, tenant: &str) {
        loop {
            let looked = self.looked.notified();
            if self.admits(tenant) {
                return;
            }
            looked.await;
        }
    }

    fn admits(&self, tenant: &str) -> bool {
        self.open.load(Ordering::Relaxed) || self.with(|admission| admission.admits(tenant))
    }

    /// So many are durable that were not before.
    pub(crate) fn accepted(&self, count: usize) {
        self.accepted.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Hears which cases were opened.
    pub(crate) fn hear(&self, events: &[Event]) {
        let opened = events.iter().filter(|event| event.kind == kinds::CASE_OPENED);
        let opened: Vec<Uuid> = opened.filter_map(|event| event.subject.parse().ok()).collect();
        self.opened.fetch_add(opened.len() as u64, Ordering::Relaxed);
        self.pass(opened.into_iter().max().unwrap_or_default());
    }

    /// Looks again and again how far the opening lags behind.
    pub(crate) async fn watch(&self, store: &Store) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waiting = false;
        loop {
            pace.tick().await;
            // Nothing came in and nothing waited: then nothing waits.
            let quiet = !waiting && self.accepted.load(Ordering::Relaxed) == 0;
            let oldest = if quiet { Ok(None) } else { self.oldest(store).await };
            match oldest {
                Ok(oldest) => {
                    self.look(oldest);
                    waiting = oldest.is_some();
                }
                // Whoever submits hears it too.
                Err(error) => tracing::debug!(%error, "how far the opening lags behind is not known"),
            }
        }
    }

    /// When that was accepted which waits for longest to be opened, if any wait for those before them, or more than a few wait.
    async fn oldest(&self, store: &Store) -> Result<Option<Timestamp>, masar_store::Error> {
        let (now, newest) = (self.clock.now(), *lock(&self.newest));
        let few = if self.with(|admission| admission.is_opening()) { 0 } else { FEW };
        let oldest = submission::waiting(store, newest, few).await?;
        if oldest.is_none() {
            self.pass(id_at(now.saturating_sub(SETTLED).unwrap_or(now)));
        }
        Ok(oldest.and_then(time_of))
    }

    fn look(&self, oldest: Option<Timestamp>) {
        let seen = Seen {
            at: self.clock.now(),
            oldest,
            accepted: self.accepted.swap(0, Ordering::Relaxed),
            opened: self.opened.swap(0, Ordering::Relaxed),
        };
        let state = self.with(|admission| {
            admission.look(seen);
            metrics::lag(admission.age(), admission.wait());
            admission.state()
        });
        let open = state == State::Open;
        match (self.open.swap(open, Ordering::Relaxed), open) {
            (true, false) => {
                tracing::warn!("more is accepted than opened: tenants are admitted up to their shares")
            }
            (false, true) => {
                tracing::info!("what is accepted is opened in time again: everybody is admitted")
            }
            _ => {}
        }
        self.looked.notify_waiters();
    }

    fn pass(&self, case: Uuid) {
        let mut newest = lock(&self.newest);
        *newest = case.max(*newest);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Admission) -> T) -> T {
        work(&mut lock(&self.admission))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An id as it is made at a time.
fn id_at(time: Timestamp) -> Uuid {
    let (seconds, nanos) = (time.as_second().unsigned_abs(), time.subsec_nanosecond().unsigned_abs());
    Uuid::new_v7(uuid::Timestamp::from_unix_time(seconds, nanos, 0, 0))
}

/// When an id was made.
fn time_of(id: Uuid) -> Option<Timestamp> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
}

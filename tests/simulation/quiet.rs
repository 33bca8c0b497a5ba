//! Knows when nobody can go on: every task waits, and no connection to a database is at work.
//!
//! The clock of the runtime stands still until the scheduler moves it. The threads of SQLite are real, and time must not run
//! away while one of them works.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use sea_orm::sqlx::SqlitePool;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::world::Life;

/// Who may be at work.
#[derive(Default)]
pub(crate) struct Quiet {
    pools: Mutex<Vec<Watched>>,
    come: Notify,
}

struct Watched {
    life: Life,
    pool: SqlitePool,
    /// Its connections that wait for a step.
    waiting: Arc<AtomicUsize>,
}

impl Quiet {
    /// A runtime whose time stands still, and who says when it has nothing left to do.
    pub(crate) fn runtime() -> (Runtime, Arc<Self>) {
        let quiet = Arc::new(Self::default());
        let idle = Arc::clone(&quiet);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_park(move || {
                if !idle.is_at_work() {
                    idle.come.notify_one();
                }
            })
            .build();
        (runtime.expect("a runtime can be made"), quiet)
    }

    /// Keeps the time where it is until what is returned is dropped: a blocking task holds back a paused clock.
    pub(crate) fn hold_time() -> mpsc::Sender<()> {
        let (hold, held) = mpsc::channel();
        tokio::task::spawn_blocking(move || held.recv());
        hold
    }

    /// Watches the connections that a life has to a database. The counter says how many of them wait for a step.
    pub(crate) fn watch(&self, life: &Life, pool: &SqlitePool, waiting: &Arc<AtomicUsize>) {
        let watched = Watched { life: life.clone(), pool: pool.clone(), waiting: Arc::clone(waiting) };
        self.pools().push(watched);
    }

    /// A life has ended, and all that it had at work.
    pub(crate) fn forget(&self, life: &Life) {
        self.pools().retain(|watched| watched.life != *life);
    }

    /// The world has ended.
    pub(crate) fn forget_all(&self) {
        let forgotten = std::mem::take(&mut *self.pools());
        drop(forgotten);
    }

    /// Waits until nobody can go on.
    pub(crate) async fn come(&self) {
        self.come.notified().await;
    }

    fn pools(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_at_work(&self) -> bool {
        self.pools().iter().any(|watched| {
            let out = (watched.pool.size() as usize).saturating_sub(watched.pool.num_idle());
            out > watched.waiting.load(Ordering::SeqCst)
        })
    }
}

/// Waits for a database while the whole world stands still.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        thread::park();
    }
}

/// Waits in the time of the world, which stands still while anybody works and jumps on when all wait: of the time of the test
/// nothing passes.
pub(crate) async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

//! The database: SQLite in memory, of which every transaction and every query is a step.
//!
//! A transaction cannot be seen before its commit, and only one writes at a time. So a death between two of its statements
//! is the same as one before the first of them; one between its commit and the moment when its process hears of it is not.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use masar_store::Store;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, query_scalar, raw_sql};
use sea_orm::{DatabaseConnection, SqlxSqliteConnector};

use crate::quiet::block_on;
use crate::world::{Life, Verdict, Witness, World};

/// How long a process waits for a connection, as it does for one to PostgreSQL.
const PATIENCE: Duration = Duration::from_secs(10);

/// The database of a service. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Inner>);

struct Inner {
    name: &'static str,
    world: World,
    options: SqliteConnectOptions,
    /// The connection of the world itself, which keeps the database alive.
    own: Mutex<SqliteConnection>,
    /// True while that one keeps all others out.
    closed: AtomicBool,
}

/// Where the connections of one life wait for their steps.
#[derive(Clone)]
struct Gate {
    disk: Disk,
    life: Life,
    writes: bool,
    waiting: Arc<AtomicUsize>,
    /// False until the first connection is there, which is no step.
    armed: Arc<AtomicBool>,
}

impl Disk {
    /// A new database with some tables.
    pub(crate) fn new(world: &World, name: &'static str, tables: &'static str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let options = SqliteConnectOptions::new()
            .filename(format!("/{name}-{number}"))
            .vfs("memdb")
            .create_if_missing(true)
            .busy_timeout(Duration::ZERO)
            .disable_statement_logging();
        let own = block_on(options.connect()).expect("memory is there");
        let (own, closed) = (Mutex::new(own), AtomicBool::new(false));
        let disk = Self(Arc::new(Inner { name, world: world.clone(), options, own, closed }));
        disk.change(tables);
        world.witnessed_by(Arc::new(disk.clone()));
        disk
    }

    /// The database as one life has it open; others may have too.
    pub(crate) fn store(&self, life: &Life) -> Store {
        Store::shared(self.open(life, true), self.open(life, false))
    }

    fn open(&self, life: &Life, writes: bool) -> DatabaseConnection {
        let (waiting, armed) = (Arc::default(), Arc::default());
        let gate = Gate { disk: self.clone(), life: life.clone(), writes, waiting, armed };
        let (known, new) = (gate.clone(), gate.clone());
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .before_acquire(move |_, _| {
                let gate = known.clone();
                Box::pin(async move {
                    gate.pass().await;
                    Ok(true)
                })
            })
            .after_connect(move |_, _| {
                let gate = new.clone();
                Box::pin(async move {
                    gate.pass().await;
                    Ok(())
                })
            });
        let pool = block_on(pool.connect_with(self.0.options.clone())).expect("memory is there");
        gate.armed.store(true, Ordering::SeqCst);
        self.0.world.quiet().watch(life, &pool, &gate.waiting);
        SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)
    }

    /// Changes what is kept, and what the database does by itself.
    pub(crate) fn change(&self, sql: &'static str) {
        block_on(raw_sql(sql).execute(&mut *self.own())).expect("the statements are well formed");
    }

    /// What is committed: the texts that a query gives.
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        let query = query_scalar(AssertSqlSafe(sql.to_owned()));
        block_on(query.fetch_all(&mut *self.own())).expect("a query gives texts")
    }

    /// What is committed: the number that a query gives.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let query = query_scalar(AssertSqlSafe(sql.to_owned()));
        block_on(query.fetch_one(&mut *self.own())).expect("a query gives a number")
    }

    /// How many rows a table has.
    pub(crate) fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM {table}"))
    }

    fn own(&self) -> MutexGuard<'_, SqliteConnection> {
        self.0.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness for Disk {
    fn settled(&self) {
        if self.0.closed.swap(false, Ordering::SeqCst) {
            self.change("ROLLBACK");
        }
    }
}

impl Gate {
    /// Waits for the step. When it fails, the database is busy until that was heard.
    async fn pass(&self) {
        if !self.armed.load(Ordering::SeqCst) {
            return;
        }
        let what = if self.writes { "a transaction" } else { "a query" };
        let verdict = {
            let _waiting = Waiting::new(&self.waiting);
            self.life.step(format!("{what} on {}", self.disk.0.name)).await
        };
        if self.writes {
            // The database writes down who does what.
            let acting = format!("UPDATE acting SET who = '{}'", self.life);
            let acting = raw_sql(AssertSqlSafe(acting));
            block_on(acting.execute(&mut *self.disk.own())).expect("every database has the table");
        }
        if verdict == Verdict::Fail {
            self.disk.change("BEGIN EXCLUSIVE");
            self.disk.0.closed.store(true, Ordering::SeqCst);
        }
    }
}

/// One connection that waits.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn new(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(waiting))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

//! Leases: replicas share the shards of a work fairly, and one that lost a shard while it stood still writes nothing more.
//!
//! A lease has an epoch, which goes up whenever another replica takes the shard. A transaction that checks its epoch locks
//! the lease until it commits, so nobody takes the shard in between. The time is that of the database.

mod renewal;
mod share;
mod tables;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use sea_orm::sea_query::LockType;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, ExprTrait,
    QueryFilter, QueryOrder, QuerySelect, Statement, Value,
};
use sea_orm_migration::MigrationTrait;
use tokio::time::Instant;
use uuid::Uuid;

use self::tables::{leases, replicas};
use crate::{Error, Store, save_all};

/// How long a replica that says nothing keeps what it holds.
const TERM: Duration = Duration::from_secs(3);
/// How often a replica says that it is there.
pub const RENEWED: Duration = Duration::from_secs(1);

/// A table of a statement of PostgreSQL that has a row as long as nobody else has taken the shard of a lease, and sees to it that
/// nobody does until the transaction ends.
pub const HELD: &str =
    "held AS MATERIALIZED (SELECT shard FROM leases WHERE work = $1 AND shard = $2 AND epoch = $3 FOR SHARE)";

/// What one replica holds of a work.
#[derive(Debug)]
pub struct Leases {
    store: Store,
    work: &'static str,
    shards: i16,
    holder: Uuid,
    /// When the database was last asked, and what it said.
    asked: Instant,
    held: Option<Vec<Lease>>,
}

/// The right to do the work of one shard, for a while.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The shard, from 0.
    pub shard: i16,
    work: &'static str,
    epoch: i64,
    granted: Instant,
}

/// The tables of leases, which a service with shared work needs.
#[must_use]
pub fn lease_tables() -> Box<dyn MigrationTrait> {
    tables::migration()
}

impl Leases {
    /// A new replica that wants its share of a work.
    #[must_use]
    pub fn new(store: Store, work: &'static str, shards: i16) -> Self {
        Self { store, work, shards, holder: Uuid::now_v7(), asked: Instant::now(), held: None }
    }

    /// What this replica holds from now on: renewed, taken from those who are gone, or given up to those who came. Asks
    /// the database once a second at most, and once only where there are no other replicas.
    ///
    /// # Errors
    /// What the database says.
    pub async fn turn(&mut self) -> Result<Vec<Lease>, Error> {
        let now = Instant::now();
        // It is then whoever opened the database last, and nobody needs to be told that it is still there.
        let alone = !self.store.is_shared();
        match &mut self.held {
            Some(held) if alone => held.iter_mut().for_each(|lease| lease.granted = now),
            Some(_) if self.asked.elapsed() < RENEWED => {}
            held => {
                let renewed = if held.is_some() { self.renew(now).await? } else { None };
                self.held = Some(match renewed {
                    Some(leases) => leases,
                    None => self.share(now, alone).await?,
                });
                self.asked = now;
            }
        }
        Ok(self.held.clone().unwrap_or_default())
    }

    /// What this replica goes on holding, when nothing changes hands. On SQLite only a simulation asks, and shares each time.
    async fn renew(&self, granted: Instant) -> Result<Option<Vec<Lease>>, Error> {
        if self.store.backend() != DbBackend::Postgres {
            return Ok(None);
        }
        let mine = renewal::renew(&self.store, self.work, self.holder, self.shards).await?;
        let lease = |(shard, epoch)| Lease { shard, work: self.work, epoch, granted };
        Ok(mine.map(|mine| mine.into_iter().map(lease).collect()))
    }

    async fn share(&self, granted: Instant, takes_all: bool) -> Result<Vec<Lease>, Error> {
        let tx = self.store.begin().await?;
        if tx.get_database_backend() == DbBackend::Postgres {
            // One turn at a time, also when the rows are not there yet; whoever checks a lease is not held up.
            tx.execute_unprepared("LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE").await?;
        }
        let now = now(&tx).await?;
        let until = now + millis(TERM);
        let here = replicas::Model { work: self.work.to_owned(), holder: self.holder, until };
        save_all::<_, replicas::ActiveModel, _>(&tx, vec![here]).await?;
        let old = replicas::Column::Until.lte(now);
        replicas::Entity::delete_many()
            .filter(replicas::Column::Work.eq(self.work))
            .filter(if takes_all { replicas::Column::Holder.ne(self.holder) } else { old })
            .exec(&tx)
            .await?;
        let alive = replicas::Entity::find().filter(replicas::Column::Work.eq(self.work)).all(&tx).await?;
        let mut rows = leases::Entity::find().filter(leases::Column::Work.eq(self.work)).all(&tx).await?;
        if takes_all {
            rows.iter_mut().for_each(|row| row.until = 0);
        }
        let changed = share::share(rows, self.work, self.holder, self.shards, alive.len(), now, until);
        let mine = changed.iter().filter(|row| row.until == until);
        let held = mine.map(|row| Lease { shard: row.shard, work: self.work, epoch: row.epoch, granted });
        let held = held.collect();
        save_all::<_, leases::ActiveModel, _>(&tx, changed).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// Gives up all that is held: others need not wait for it.
    ///
    /// # Errors
    /// What the database says; then others wait a moment.
    pub async fn leave(self) -> Result<(), Error> {
        use sea_orm::sea_query::Expr;
        let tx = self.store.begin().await?;
        leases::Entity::update_many()
            .col_expr(leases::Column::Until, Expr::value(0))
            .filter(leases::Column::Work.eq(self.work))
            .filter(leases::Column::Holder.eq(self.holder))
            .exec(&tx)
            .await?;
        replicas::Entity::delete_many()
            .filter(replicas::Column::Work.eq(self.work))
            .filter(replicas::Column::Holder.eq(self.holder))
            .exec(&tx)
            .await?;
        Ok(tx.commit().await?)
    }
}

impl Lease {
    /// True when it is time for another turn.
    #[must_use]
    pub fn is_old(&self) -> bool {
        self.granted.elapsed() >= RENEWED
    }

    /// What a statement of PostgreSQL takes to look for itself, as its first three values, with `HELD` among its tables.
    #[must_use]
    pub fn values(&self) -> [Value; 3] {
        [self.work.into(), self.shard.into(), self.epoch.into()]
    }

    /// Makes sure, until the transaction ends, that nobody else has taken the shard.
    ///
    /// # Errors
    /// `Superseded` when somebody has: then nothing may be written.
    pub async fn check(&self, tx: &DatabaseTransaction) -> Result<(), Error> {
        Self::check_all(tx, [self]).await
    }

    /// As `check`, of some shards of one work.
    ///
    /// # Errors
    /// `Superseded` when somebody has taken one of them.
    pub async fn check_all<'a>(
        tx: &DatabaseTransaction,
        leases: impl IntoIterator<Item = &'a Self>,
    ) -> Result<(), Error> {
        let epochs: BTreeMap<_, _> =
            leases.into_iter().map(|lease| ((lease.work, lease.shard), lease.epoch)).collect();
        let mut condition = Condition::any();
        for (work, shard) in epochs.keys() {
            condition = condition.add(leases::Column::Work.eq(*work).and(leases::Column::Shard.eq(*shard)));
        }
        let mut rows = leases::Entity::find().filter(condition).order_by_asc(leases::Column::Shard);
        if tx.get_database_backend() == DbBackend::Postgres {
            rows = rows.lock(LockType::Share);
        }
        let rows = rows.all(tx).await?;
        let held = rows.iter().filter(|row| epochs.get(&(row.work.as_str(), row.shard)) == Some(&row.epoch));
        if held.count() == epochs.len() { Ok(()) } else { Err(Error::Superseded) }
    }
}

/// The time in milliseconds, alike for all who share the database: its own since 1970. A file of SQLite belongs to one process,
/// and goes by the timers of that.
async fn now(tx: &DatabaseTransaction) -> Result<i64, Error> {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    if tx.get_database_backend() != DbBackend::Postgres {
        return Ok(millis(BEGAN.elapsed()));
    }
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
    let row = tx.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    Ok(row.map(|row| row.try_get("", "now")).transpose()?.unwrap_or_default())
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

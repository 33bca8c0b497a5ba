//! The relay: hands the oldest events of the outbox to the transport and deletes them when it confirms.

mod packed;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use masar_store::{HELD, Lease, Leases, Listener, Store, listen, look_at_new_tables, padded, tell, time};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::packed::{Packed, pack};
use crate::backoff::Backoff;
use crate::tables::outbox;
use crate::{Error, Event, Message, Now, Outbox, Transport, metrics};

/// Rows that are read for a turn: enough for a full message of each partition when a transaction tells of some tens of cases.
const READ: u64 = 256;
const POLL: Duration = Duration::from_secs(1);
/// How long a message on its way may still be confirmed when the service stops.
const GRACE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// Rows that are deleted between two sweeps: whoever reads the oldest passes all that PostgreSQL has not swept.
const SWEPT: u32 = 2_000;
/// Between two looks for tables that PostgreSQL has never looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Empty pages at the end stay, for nobody could write while they were given back; the index is always swept, for it is what is read.
const SWEEP: &str = "VACUUM (SKIP_LOCKED, TRUNCATE FALSE, INDEX_CLEANUP ON) outbox";

/// Moves the events of one service from its outbox to the transport.
pub struct Relay {
    /// The database of the service.
    pub store: Store,
    /// Its outbox.
    pub outbox: Outbox,
    /// Where the events go.
    pub transport: Arc<dyn Transport>,
    /// The time, to tell how long events wait.
    pub now: Now,
}

/// What a turn came to.
enum Turn {
    /// There is more to send.
    More,
    /// Nothing is left.
    Drained,
    /// Another replica sends.
    Another,
}

/// Woken by replicas that do not send themselves.
struct Elsewhere(Notify);

#[async_trait]
impl Listener for Elsewhere {
    type Error = Error;

    async fn heard(&self, _: Option<String>) -> Result<(), Error> {
        self.0.notify_one();
        Ok(())
    }
}

impl Relay {
    /// Works until it is told to stop. What is on its way then has a moment to be confirmed; the rest stays in the
    /// outbox for the next start. Of several replicas one sends, the others tell it what they wrote, and wait for it to go.
    pub async fn run(self, stop: CancellationToken) {
        metrics::relay(self.outbox.service());
        let (elsewhere, dead) = (Elsewhere(Notify::new()), Semaphore::new(0));
        let topic = format!("masar_{}_outbox", self.outbox.service());
        tokio::select! {
            () = self.work(&stop, &elsewhere.0, &topic, &dead) => {}
            () = self.keep(&dead) => {}
            () = listen(&self.store, &topic, &elsewhere) => {}
        }
    }

    async fn work(&self, stop: &CancellationToken, elsewhere: &Notify, topic: &str, dead: &Semaphore) {
        let mut leases = Leases::new(self.store.clone(), "relay", 1);
        let mut backoff = Backoff::new(SHORTEST_PAUSE);
        while !stop.is_cancelled() {
            match self.turn(&mut leases, dead, stop).await {
                Ok(turn) => {
                    backoff.reset();
                    stop.run_until_cancelled(self.rest(turn, elsewhere, topic)).await;
                }
                Err(error) => {
                    tracing::warn!(service = self.outbox.service(), %error, "events wait in the outbox");
                    stop.run_until_cancelled(backoff.pause()).await;
                }
            }
        }
        if let Err(error) = leases.leave().await {
            tracing::warn!(service = self.outbox.service(), %error, "the next relay waits until this one counts as gone");
        }
    }

    /// Sends for as long as the lease is young, if it is ours.
    async fn turn(
        &self,
        leases: &mut Leases,
        dead: &Semaphore,
        stop: &CancellationToken,
    ) -> Result<Turn, Error> {
        match leases.turn().await?.first() {
            Some(lease) if self.drain(lease, dead, stop).await? => Ok(Turn::More),
            Some(_) => Ok(Turn::Drained),
            None => Ok(Turn::Another),
        }
    }

    /// Waits until there may be something to do: woken, or after a while, for a wake-up may have been missed.
    async fn rest(&self, turn: Turn, elsewhere: &Notify, topic: &str) {
        let written = tokio::time::timeout(POLL, self.outbox.woken());
        match turn {
            Turn::More => {}
            Turn::Drained => tokio::select! {
                _ = written => {}
                () = elsewhere.notified() => {}
            },
            Turn::Another => {
                if written.await.is_ok()
                    && let Err(error) = self.tell_another(topic).await
                {
                    tracing::warn!(service = self.outbox.service(), %error, "the relay looks a moment later");
                }
            }
        }
    }

    async fn tell_another(&self, topic: &str) -> Result<(), Error> {
        let tx = self.store.begin().await?;
        tell(&tx, topic, "").await?;
        Ok(tx.commit().await?)
    }

    /// Sends until the outbox is empty or the lease is old. At most one message of a partition is unconfirmed, so
    /// that a failure cannot turn the order of a subject's events. True when there is more.
    async fn drain(&self, lease: &Lease, dead: &Semaphore, stop: &CancellationToken) -> Result<bool, Error> {
        let mut rows = oldest(self.store.reader()).await?;
        while !stop.is_cancelled() && !lease.is_old() {
            self.tell_age(rows.first());
            if rows.is_empty() {
                return Ok(false);
            }
            let Packed { messages, rows: packed, mut failure } =
                pack(self.outbox.service(), rows, self.transport.partitions());
            let sent =
                messages.into_iter().map(|(partition, (_, events))| self.send(partition, events, stop));
            let (mut failed, mut published) = (BTreeSet::new(), 0);
            for (partition, result) in join_all(sent).await {
                match result {
                    Ok(events) => published += events,
                    Err(error) => {
                        failed.insert(partition);
                        failure = Some(error);
                    }
                }
            }
            let confirmed = packed.into_iter().filter(|(_, partitions)| partitions.is_disjoint(&failed));
            let confirmed: Vec<_> = confirmed.map(|(id, _)| id).collect();
            metrics::published(self.outbox.service(), published);
            dead.add_permits(confirmed.len());
            rows = self.next(lease, confirmed).await?;
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Ok(true)
    }

    /// Does for PostgreSQL what it does by itself a minute later at best: has it forget what was deleted, whenever that is much,
    /// and look at new tables. SQLite needs none of it.
    async fn keep(&self, dead: &Semaphore) {
        if self.store.backend() != DbBackend::Postgres {
            return std::future::pending().await;
        }
        let mut look = tokio::time::interval(LOOK);
        loop {
            let kept = tokio::select! {
                _ = look.tick() => look_at_new_tables(&self.store).await.map_err(Error::from),
                rows = dead.acquire_many(SWEPT) => {
                    drop(rows.map(SemaphorePermit::forget));
                    dead.forget_permits(usize::MAX);
                    self.store.reader().execute_unprepared(SWEEP).await.map(drop).map_err(Error::from)
                }
            };
            if let Err(error) = kept {
                tracing::warn!(service = self.outbox.service(), %error, "the database is not swept: to read it takes longer");
            }
        }
    }

    fn tell_age(&self, oldest: Option<&outbox::Model>) {
        let age = oldest.map(|row| (self.now)().duration_since(time::from_db(row.time)));
        metrics::outbox_age(self.outbox.service(), age.unwrap_or_default());
    }

    /// Sends events of a partition as one message; how many they were.
    async fn send(
        &self,
        partition: u16,
        events: Vec<Event>,
        stop: &CancellationToken,
    ) -> (u16, Result<usize, Error>) {
        let count = events.len();
        let source = self.outbox.service().to_owned();
        let message = Message { id: Uuid::now_v7(), source, partition, events };
        let given_up = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let sent = tokio::select! {
            biased;
            published = self.transport.publish(message) => published.map(|()| count),
            () = given_up => Err(Error::Transport("the service stops".to_owned())),
        };
        (partition, sent)
    }

    /// Deletes what was confirmed, and reads on in the same transaction: of what it has in memory, nothing must be read anew.
    async fn next(&self, lease: &Lease, confirmed: Vec<i64>) -> Result<Vec<outbox::Model>, Error> {
        if confirmed.is_empty() {
            return Ok(Vec::new());
        }
        if self.store.backend() == DbBackend::Postgres {
            return next_at_once(&self.store, lease, confirmed).await;
        }
        let tx = self.store.begin().await?;
        lease.check(&tx).await?;
        outbox::Entity::delete_many().filter(outbox::Column::Id.is_in(padded(confirmed))).exec(&tx).await?;
        let rows = oldest(&tx).await?;
        tx.commit().await?;
        Ok(rows)
    }
}

/// The same as one statement: a relay that is busy asks some hundred times a second.
async fn next_at_once(
    store: &Store,
    lease: &Lease,
    confirmed: Vec<i64>,
) -> Result<Vec<outbox::Model>, Error> {
    let sql = format!(
        "WITH {HELD},
        gone AS (DELETE FROM outbox WHERE id = ANY($4) AND EXISTS (SELECT FROM held) RETURNING id),
        rest AS (SELECT * FROM outbox WHERE id NOT IN (SELECT id FROM gone) ORDER BY id LIMIT {READ})
        SELECT rest.* FROM held LEFT JOIN rest ON TRUE ORDER BY id"
    );
    let values = lease.values().into_iter().chain([confirmed.into()]);
    let next = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = store.writer().query_all_raw(next).await?;
    if rows.is_empty() {
        return Err(masar_store::Error::Superseded.into());
    }
    let mut rest = Vec::with_capacity(rows.len());
    for row in &rows {
        // Where nothing is left, the lease stands alone.
        if row.try_get::<Option<i64>>("", "id")?.is_some() {
            rest.push(outbox::Model::from_query_result(row, "")?);
        }
    }
    Ok(rest)
}

/// The oldest rows: about what one turn can send.
async fn oldest<C: ConnectionTrait>(db: &C) -> Result<Vec<outbox::Model>, Error> {
    Ok(outbox::Entity::find().order_by_asc(outbox::Column::Id).limit(READ).all(db).await?)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, Result};
    use masar_store::DatabaseUrl;
    use masar_testkit::on_each_database;
    use sea_orm::PaginatorTrait;
    use sea_orm_migration::{MigrationTrait, MigratorTrait};

    use super::*;
    use crate::{Event, LocalTransport};

    struct Migrator;

    impl MigratorTrait for Migrator {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            crate::migrations()
        }
    }

    async fn held(store: &Store) -> Result<Lease> {
        let mut leases = Leases::new(store.clone(), "relay", 1);
        let lease = leases.turn().await?.pop().context("nobody else is there")?;
        leases.leave().await?;
        Ok(lease)
    }

    #[tokio::test]
    async fn who_has_lost_the_lease_deletes_nothing_and_gets_nothing() -> Result<()> {
        on_each_database(async |url| {
            let store = Store::connect(&url.parse::<DatabaseUrl>()?, "one").await?;
            store.migrate::<Migrator>().await?;
            let (outbox, now) = (Outbox::new("one"), Arc::new(jiff::Timestamp::now));
            let relay = Relay { store, outbox, transport: Arc::new(LocalTransport::new(&[])), now };
            let tx = relay.store.begin().await?;
            for subject in ["a", "b", "c"] {
                let told = Event::new("kind", "DEMO-LAB", &subject, jiff::Timestamp::UNIX_EPOCH, &());
                relay.outbox.put(&tx, vec![told]).await?;
            }
            tx.commit().await?;
            let subjects =
                |rows: Vec<outbox::Model>| rows.into_iter().map(|row| row.subject).collect::<Vec<_>>();
            let rows = oldest(relay.store.reader()).await?;
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();

            let (lost, lease) = (held(&relay.store).await?, held(&relay.store).await?);
            let refused = relay.next(&lost, ids.clone()).await;
            assert!(matches!(refused, Err(Error::Store(masar_store::Error::Superseded))), "{refused:?}");
            assert_eq!(outbox::Entity::find().count(relay.store.reader()).await?, 3);

            assert_eq!(subjects(relay.next(&lease, vec![ids[1]]).await?), ["a", "c"]);
            assert_eq!(subjects(relay.next(&lease, vec![ids[0], ids[2]]).await?), [""; 0]);
            assert_eq!(outbox::Entity::find().count(relay.store.reader()).await?, 0);
            Ok(())
        })
        .await
    }
}

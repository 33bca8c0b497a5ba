//! The relay: hands the oldest events of the outbox to the transport and deletes them when it confirms.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use masar_store::{Lease, Leases, Listener, Store, listen, look_at_new_tables, padded, tell, time};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::outbox::events;
use crate::tables::outbox;
use crate::transport::fits;
use crate::{Error, Message, Now, Outbox, Transport, metrics};

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
            let sent =
                join_all(pack(rows).into_iter().map(|(partition, rows)| self.send(partition, rows, stop)))
                    .await;
            let (mut confirmed, mut published, mut failure) = (Vec::new(), 0, None);
            for result in sent {
                match result {
                    Ok((ids, events)) => {
                        confirmed.extend(ids);
                        published += events;
                    }
                    Err(error) => failure = Some(error),
                }
            }
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

    /// Sends rows of a partition as one message; their ids, and how many events they were.
    async fn send(
        &self,
        partition: i16,
        rows: Vec<outbox::Model>,
        stop: &CancellationToken,
    ) -> Result<(Vec<i64>, usize), Error> {
        let ids = rows.iter().map(|row| row.id).collect();
        let mut told = Vec::new();
        for row in rows {
            told.extend(events(self.outbox.service(), row)?);
        }
        let count = told.len();
        let source = self.outbox.service().to_owned();
        let partition = partition.cast_unsigned();
        let message = Message { id: Uuid::now_v7(), source, partition, events: told };
        let given_up = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            published = self.transport.publish(message) => published.map(|()| (ids, count)),
            () = given_up => Err(Error::Transport("the service stops".to_owned())),
        }
    }

    /// Deletes what was confirmed, and reads on in the same transaction: of what it has in memory, nothing must be read anew.
    async fn next(&self, lease: &Lease, confirmed: Vec<i64>) -> Result<Vec<outbox::Model>, Error> {
        if confirmed.is_empty() {
            return Ok(Vec::new());
        }
        let tx = self.store.begin().await?;
        lease.check(&tx).await?;
        outbox::Entity::delete_many().filter(outbox::Column::Id.is_in(padded(confirmed))).exec(&tx).await?;
        let rows = oldest(&tx).await?;
        tx.commit().await?;
        Ok(rows)
    }
}

/// The oldest rows: about what one turn can send.
async fn oldest<C: ConnectionTrait>(db: &C) -> Result<Vec<outbox::Model>, Error> {
    Ok(outbox::Entity::find().order_by_asc(outbox::Column::Id).limit(READ).all(db).await?)
}

/// The head of each partition that fits one message.
fn pack(rows: Vec<outbox::Model>) -> BTreeMap<i16, Vec<outbox::Model>> {
    #[derive(Default)]
    struct Pack {
        events: usize,
        bytes: usize,
        full: bool,
        rows: Vec<outbox::Model>,
    }
    let mut packs: BTreeMap<i16, Pack> = BTreeMap::new();
    for row in rows {
        let pack = packs.entry(row.partition).or_default();
        pack.events += usize::try_from(row.events).unwrap_or_default();
        pack.bytes += row.data.len();
        pack.full |= !pack.rows.is_empty() && !fits(pack.events, pack.bytes);
        if !pack.full {
            pack.rows.push(row);
        }
    }
    packs.into_iter().map(|(partition, pack)| (partition, pack.rows)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(id: i64, (partition, events, bytes): (i16, i32, usize)) -> outbox::Model {
        outbox::Model {
            id,
            partition,
            event_id: Uuid::nil(),
            kind: String::new(),
            tenant: String::new(),
            subject: String::new(),
            time: chrono::DateTime::UNIX_EPOCH,
            traceparent: None,
            data: vec![0; bytes],
            events,
        }
    }

    proptest! {
        #[test]
        fn a_pack_is_the_head_of_its_partition(
            rows in prop::collection::vec(
                (0i16..3, 1i32..200, prop::sample::select(vec![10usize, 700_000, 2_000_000])), 0..40)
        ) {
            let rows: Vec<_> = (0i64..).zip(rows).map(|(id, of)| row(id, of)).collect();
            let packs = pack(rows.clone());
            for partition in 0i16..3 {
                let all: Vec<_> = rows.iter().filter(|row| row.partition == partition).cloned().collect();
                let Some(pack) = packs.get(&partition) else {
                    prop_assert!(all.is_empty());
                    continue;
                };
                prop_assert!(!pack.is_empty());
                prop_assert_eq!(&all[..pack.len()], pack.as_slice());
                let sum = |rows: &[outbox::Model]| {
                    let events = rows.iter().map(|row| usize::try_from(row.events).unwrap()).sum();
                    fits(events, rows.iter().map(|row| row.data.len()).sum())
                };
                prop_assert!(pack.len() == 1 || sum(pack));
                prop_assert!(pack.len() == all.len() || !sum(&all[..=pack.len()]));
            }
        }
    }
}

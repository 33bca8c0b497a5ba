//! A consumer whose number of partitions has changed: it takes what waits from before, and then what comes from now on.
//!
//! All processes are stopped before the number changes, so nothing comes any more to the queues of the former number. What
//! stands in an outbox is told over as many partitions as there are when it goes.

use masar_store::{Lease, Leases, RENEWED, Store, save_all};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::consumer::{SHORTEST_PAUSE, gather};
use crate::tables::consumed;
use crate::{Consumer, Error, PARTITIONS};

/// Handles what is left of a former number of partitions: one replica does, and the others wait for it.
pub(crate) async fn catch_up(consumer: &Consumer, stop: &CancellationToken) {
    let mut leases = Leases::new(consumer.store.clone(), "former", 1);
    let mut backoff = Backoff::new(SHORTEST_PAUSE);
    while !stop.is_cancelled() {
        match step(consumer, &mut leases, stop).await {
            Ok(true) => break,
            Ok(false) => {
                stop.run_until_cancelled(tokio::time::sleep(RENEWED)).await;
            }
            Err(error) => {
                tracing::warn!(consumer = consumer.name, %error, "what waits from another number of partitions is looked for again");
                stop.run_until_cancelled(backoff.pause()).await;
            }
        }
    }
    if let Err(error) = leases.leave().await {
        tracing::warn!(consumer = consumer.name, %error, "other replicas wait until this one counts as gone");
    }
}

/// True when nothing is left.
async fn step(consumer: &Consumer, leases: &mut Leases, stop: &CancellationToken) -> Result<bool, Error> {
    let (name, number) = (consumer.name, consumer.transport.partitions());
    let former = recorded(consumer.store.reader(), name).await?;
    if former == number {
        return Ok(true);
    }
    if leases.turn().await?.is_empty() {
        return Ok(false);
    }
    if !consumer.transport.leave_former(name, former).await? {
        take_former(consumer, former, leases, stop).await?;
        return Ok(false);
    }
    let Some(lease) = leases.turn().await?.pop() else { return Ok(false) };
    record(&consumer.store, &lease, name, number).await?;
    tracing::info!(consumer = name, former, number, "the number of partitions has changed");
    Ok(true)
}

/// Handles what comes, for as long as this replica is the one to do it.
async fn take_former(
    consumer: &Consumer,
    former: u16,
    leases: &mut Leases,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut deliveries = consumer.transport.subscribe_former(consumer.name, former).await?;
    let mut renew = tokio::time::interval(RENEWED);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            _ = renew.tick() => if leases.turn().await?.is_empty() {
                return Ok(());
            },
            batch = gather(&mut deliveries) => match batch {
                Some(batch) => consumer.take(batch, stop).await,
                None => return Ok(()),
            },
        }
    }
}

/// From how many partitions a consumer has taken so far.
async fn recorded<C: ConnectionTrait>(db: &C, consumer: &str) -> Result<u16, Error> {
    let row = consumed::Entity::find().filter(consumed::Column::Consumer.eq(consumer)).one(db).await?;
    Ok(row.map_or(PARTITIONS, |row| row.partitions.cast_unsigned()))
}

async fn record(store: &Store, lease: &Lease, consumer: &str, partitions: u16) -> Result<(), Error> {
    let tx = store.begin().await?;
    lease.check(&tx).await?;
    let row = consumed::Model { consumer: consumer.to_owned(), partitions: partitions.cast_signed() };
    save_all::<_, consumed::ActiveModel, _>(&tx, vec![row]).await?;
    Ok(tx.commit().await?)
}

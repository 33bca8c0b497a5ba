//! Commands gathered into transactions: all answered, all kept, none lost at the end.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use futures::FutureExt;
use masar_store::{BatchSettings, Batcher, Error, Store, Writer, insert_all};
use masar_testkit::on_each_database;
use sea_orm::sea_query::LockType;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel,
    PaginatorTrait, QuerySelect,
};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::{entry, row, store};

/// Ids from here on have a lane of their own.
const OTHERS: i64 = 1_000_000;

/// Inserts ids; a negative one breaks its batch, and `gate` holds every commit back until it opens.
struct Inserter {
    gate: Option<Arc<Semaphore>>,
}

#[async_trait]
impl Writer for Inserter {
    type Command = i64;
    type Answer = i64;
    type Error = Error;

    fn lane(id: &i64) -> &str {
        if *id < OTHERS { "" } else { "others" }
    }

    async fn write(
        &self,
        tx: &DatabaseTransaction,
        batch: Vec<i64>,
    ) -> Result<Vec<Result<i64, Error>>, Error> {
        if let Some(gate) = &self.gate {
            let _open = gate.acquire().await;
        }
        if batch.iter().any(|id| *id < 0) {
            return Err(Error::PageToken);
        }
        insert_all(tx, batch.iter().copied().map(row).collect()).await?;
        Ok(batch.into_iter().map(|id| Ok(id * 2)).collect())
    }
}

#[tokio::test]
async fn a_batcher_answers_each_command_and_keeps_all() -> Result<()> {
    on_each_database(async |url| {
        let store = store(&url).await?;
        let (batcher, work) = Batcher::new(store.clone(), Inserter { gate: None }, BatchSettings::default());
        let work = tokio::spawn(work);
        let answers = futures::future::join_all((0..2_000).map(|id| batcher.submit(id))).await;
        for (id, answer) in (0..).zip(answers) {
            assert_eq!(answer?, id * 2);
        }
        drop(batcher);
        work.await?;
        assert_eq!(entry::Entity::find().count(store.reader()).await?, 2_000);
        Ok(store.close().await?)
    })
    .await
}

#[tokio::test]
async fn one_bad_command_fails_alone() -> Result<()> {
    on_each_database(async |url| {
        let store = store(&url).await?;
        let (batcher, work) = Batcher::new(store.clone(), Inserter { gate: None }, BatchSettings::default());
        tokio::spawn(work);
        let answers = futures::future::join_all([1, -1, 2, 1].map(|id| batcher.submit(id))).await;
        assert!(answers[0].is_ok() && answers[2].is_ok());
        assert!(matches!(answers[1], Err(Error::PageToken)));
        assert!(answers[3].as_ref().is_err_and(Error::is_unique_violation));
        assert_eq!(entry::Entity::find().count(store.reader()).await?, 2);
        Ok(store.close().await?)
    })
    .await
}

/// A batcher that takes one command at a time and has room for some; nothing is written before the gate opens.
async fn gated(
    url: &str,
    queue: usize,
) -> Result<(Store, Arc<Semaphore>, Batcher<Inserter>, JoinHandle<()>)> {
    let store = store(url).await?;
    let gate = Arc::new(Semaphore::new(0));
    let settings = BatchSettings { most: 1, queue };
    let (batcher, work) = Batcher::new(store.clone(), Inserter { gate: Some(gate.clone()) }, settings);
    Ok((store, gate, batcher, tokio::spawn(work)))
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() -> Result<()> {
    on_each_database(async |url| {
        let (store, gate, batcher, work) = gated(&url, 1).await?;
        // Nobody gathers before the first wait: the queue of one is full after one.
        let mut first = Box::pin(batcher.submit(1));
        assert!(futures::poll!(first.as_mut()).is_pending());
        assert!(matches!(batcher.submit(2).now_or_never(), Some(Err(Error::Overloaded))));
        gate.add_permits(1);
        assert_eq!(first.as_mut().await?, 2);
        drop(first);
        drop(batcher);
        work.await?;
        assert_eq!(entry::Entity::find().count(store.reader()).await?, 1);
        Ok(store.close().await?)
    })
    .await
}

#[tokio::test]
async fn a_flood_in_one_lane_leaves_room_in_the_others() -> Result<()> {
    on_each_database(async |url| {
        let (store, gate, batcher, work) = gated(&url, 4).await?;
        let mut flood = futures::future::join_all((0..3).map(|id| batcher.submit(id)));
        let mut other = Box::pin(batcher.submit(OTHERS));
        assert!(futures::poll!(&mut flood).is_pending() && futures::poll!(other.as_mut()).is_pending());
        gate.add_permits(1);
        assert_eq!(other.as_mut().await?, 2 * OTHERS);
        let answers = flood.await;
        assert!(matches!(answers[..], [Ok(0), Ok(2), Err(Error::Overloaded)]));
        drop(other);
        drop(batcher);
        work.await?;
        assert_eq!(entry::Entity::find().count(store.reader()).await?, 3);
        Ok(store.close().await?)
    })
    .await
}

#[tokio::test]
async fn the_patient_wait_for_room() -> Result<()> {
    on_each_database(async |url| {
        let (store, gate, batcher, work) = gated(&url, 1).await?;
        let mut answers = futures::future::join_all((0..20).map(|id| batcher.submit_patiently(id)));
        assert!(futures::poll!(&mut answers).is_pending());
        gate.add_permits(1);
        for (id, answer) in (0..).zip(answers.await) {
            assert_eq!(answer?, id * 2);
        }
        drop(batcher);
        work.await?;
        Ok(store.close().await?)
    })
    .await
}

#[tokio::test]
async fn what_was_taken_is_written_though_all_callers_went_away() -> Result<()> {
    on_each_database(async |url| {
        let store = store(&url).await?;
        let (batcher, work) = Batcher::new(store.clone(), Inserter { gate: None }, BatchSettings::default());
        {
            let mut answers = futures::future::join_all((0..700).map(|id| batcher.submit(id)));
            assert!(futures::poll!(&mut answers).is_pending());
        }
        drop(batcher);
        work.await;
        assert_eq!(entry::Entity::find().count(store.reader()).await?, 700);
        Ok(store.close().await?)
    })
    .await
}

/// Adds one to the counter in row 0 for each command: reads it, then writes it. The answer is its value after.
struct Counter;

#[async_trait]
impl Writer for Counter {
    type Command = ();
    type Answer = i64;
    type Error = Error;

    async fn write(
        &self,
        tx: &DatabaseTransaction,
        batch: Vec<()>,
    ) -> Result<Vec<Result<i64, Error>>, Error> {
        let row = entry::Entity::find_by_id(0).lock(LockType::Update).one(tx).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("the counter".to_owned()))?;
        let (before, mut row) = (row.three.unwrap_or(0), row.into_active_model());
        let after: Vec<i64> = (before + 1..).take(batch.len()).collect();
        row.three = Set(after.last().copied());
        row.update(tx).await?;
        Ok(after.into_iter().map(Ok).collect())
    }
}

/// Two processes, each with its own connections and batcher, share one counter.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_of_concurrent_batchers_is_exact() -> Result<()> {
    on_each_database(async |url| {
        let (one, other) = (store(&url).await?, store(&url).await?);
        let tx = one.begin().await?;
        insert_all(&tx, vec![row(0)]).await?;
        tx.commit().await?;
        let settings = BatchSettings { most: 7, ..BatchSettings::default() };
        let (first, work) = Batcher::new(one.clone(), Counter, settings);
        let first_work = tokio::spawn(work);
        let (second, work) = Batcher::new(other.clone(), Counter, settings);
        let second_work = tokio::spawn(work);
        let answers = futures::future::join_all((0..500).flat_map(|_| [first.submit(()), second.submit(())]));
        let mut answers = answers.await.into_iter().collect::<Result<Vec<_>, _>>()?;
        answers.sort_unstable();
        assert_eq!(answers, (1..=1_000).collect::<Vec<_>>());
        drop((first, second));
        first_work.await?;
        second_work.await?;
        let row = entry::Entity::find_by_id(0).one(other.reader()).await?;
        assert_eq!(row.and_then(|row| row.three), Some(1_000));
        one.close().await?;
        Ok(other.close().await?)
    })
    .await
}

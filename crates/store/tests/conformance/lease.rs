//! Leases: one holder at a time, and none that can still write when another has taken over.

use std::collections::BTreeSet;

use anyhow::Result;
use masar_store::{Error, Lease, Leases, RENEWED, Store};
use masar_testkit::on_each_database;
use sea_orm::ConnectionTrait;

use crate::store;

const WORK: &str = "work";

#[tokio::test]
async fn who_gives_up_or_goes_is_followed_and_can_write_no_more() -> Result<()> {
    on_each_database(async |url| {
        let store = store(&url).await?;
        let mut first = Leases::new(store.clone(), WORK, 1);
        let held = first.turn().await?;
        let [lease] = held.as_slice() else { panic!("{held:?}") };
        let tx = store.begin().await?;
        lease.check(&tx).await?;
        tx.commit().await?;
        assert_eq!(first.turn().await?.len(), 1, "nothing changes while nobody else comes");

        // As if the first stood still for longer than its term.
        let tx = store.begin().await?;
        tx.execute_unprepared("UPDATE leases SET until = 1").await?;
        tx.execute_unprepared("UPDATE replicas SET until = 1").await?;
        tx.commit().await?;
        let mut second = Leases::new(store.clone(), WORK, 1);
        let taken = second.turn().await?;
        assert_eq!(taken.len(), 1);
        let tx = store.begin().await?;
        assert!(matches!(lease.check(&tx).await, Err(Error::Superseded)));
        tx.rollback().await?;

        second.leave().await?;
        let mut third = Leases::new(store.clone(), WORK, 1);
        assert_eq!(third.turn().await?.len(), 1, "what was given up is free at once");
        let tx = store.begin().await?;
        assert!(matches!(taken[0].check(&tx).await, Err(Error::Superseded)));
        Ok(tx.rollback().await?)
    })
    .await
}

#[tokio::test]
async fn replicas_that_come_at_once_share_the_shards() -> Result<()> {
    on_each_database(async |url| {
        // A file belongs to one process.
        if url.starts_with("sqlite") {
            return Ok(());
        }
        let (one, two) = (store(&url).await?, store(&url).await?);
        let (mut first, mut second) = (Leases::new(one.clone(), WORK, 8), Leases::new(two, WORK, 8));
        let (mine, yours) = tokio::join!(first.turn(), second.turn());
        let held = [mine?, yours?].concat();
        let shards: BTreeSet<i16> = held.iter().map(|lease| lease.shard).collect();
        assert!(held.len() >= 4 && shards.len() == held.len(), "each shard has one holder: {held:?}");
        Ok(())
    })
    .await
}

/// What a replica holds when it is time to say again that it is there.
async fn later(leases: &mut Leases) -> Result<Vec<Lease>> {
    tokio::time::pause();
    tokio::time::advance(RENEWED).await;
    tokio::time::resume();
    Ok(leases.turn().await?)
}

fn shards(held: &[Lease]) -> Vec<i16> {
    let mut shards: Vec<_> = held.iter().map(|lease| lease.shard).collect();
    shards.sort_unstable();
    shards
}

#[tokio::test]
async fn shards_stay_until_somebody_comes_or_goes() -> Result<()> {
    on_each_database(async |url| {
        // A file belongs to one process.
        if url.starts_with("sqlite") {
            return Ok(());
        }
        let store = store(&url).await?;
        let (mut first, mut second) =
            (Leases::new(store.clone(), WORK, 4), Leases::new(store.clone(), WORK, 4));
        let all = first.turn().await?;
        assert_eq!(shards(&all), [0, 1, 2, 3]);
        // Renewed to the end of a new term, not taken anew.
        tamper(&store, "UPDATE leases SET until = until - 2000").await?;
        assert_eq!(shards(&later(&mut first).await?), [0, 1, 2, 3]);
        assert_eq!(at_end(&store).await?, 4);
        let tx = store.begin().await?;
        Lease::check_all(&tx, &all).await?;
        tx.rollback().await?;

        assert!(second.turn().await?.is_empty(), "nothing is free yet");
        assert_eq!(shards(&later(&mut first).await?), [0, 1], "it gives up what is more than its part");
        let taken = later(&mut second).await?;
        assert_eq!(shards(&taken), [2, 3]);
        assert_eq!(shards(&later(&mut first).await?), [0, 1]);
        assert_eq!(shards(&later(&mut second).await?), [2, 3]);

        // The first stands still for longer than its term: its shards go over, and it hears of it.
        tamper(&store, "UPDATE leases SET until = 1 WHERE shard < 2").await?;
        tamper(&store, "DELETE FROM replicas WHERE holder = (SELECT holder FROM leases WHERE shard = 0)")
            .await?;
        assert_eq!(shards(&later(&mut second).await?), [0, 1, 2, 3]);
        let tx = store.begin().await?;
        assert!(matches!(all[0].check(&tx).await, Err(Error::Superseded)));
        taken[0].check(&tx).await?;
        tx.rollback().await?;
        assert!(later(&mut first).await?.is_empty());
        assert_eq!(shards(&later(&mut second).await?), [0, 1]);
        assert_eq!(shards(&later(&mut first).await?), [2, 3]);
        Ok(())
    })
    .await
}

async fn tamper(store: &Store, statement: &str) -> Result<()> {
    let tx = store.begin().await?;
    masar_testkit::tamper(&tx, statement).await?;
    Ok(tx.commit().await?)
}

/// How many shards are held for nearly a whole term.
async fn at_end(store: &Store) -> Result<i64> {
    let soon = "leases WHERE until > (extract(epoch FROM clock_timestamp()) * 1000) + 1500";
    masar_testkit::count(store.reader(), soon).await
}

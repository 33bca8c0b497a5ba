//! Leases: one holder at a time, and none that can still write when another has taken over.

use std::collections::BTreeSet;

use anyhow::Result;
use masar_store::{Error, Leases};
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

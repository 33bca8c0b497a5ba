//! Somebody settles what is parked while the consumer parks more: nothing is left behind.

use std::sync::Arc;

use anyhow::Result;
use masar_bus::{Desk, partition_of};
use masar_store::Store;
use sea_orm::DbBackend;
use uuid::Uuid;

use crate::bench::{Bench, ONE, TENANT, event, on_each, query};
use crate::recorder::{Gate, Recorder};

const PARKED: &str = "SELECT count(*) AS n FROM parked";
const SEEN: &str = "SELECT count(*) AS n FROM inbox";
const BLOCKED: &str = "SELECT count(*) AS n FROM pg_stat_activity \
     WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Waits until a transaction waits for another; on SQLite, where one waits before it begins, that cannot be seen. Or
/// until it turns out that nothing waits.
async fn until_blocked(store: &Store, missed: impl AsyncFn() -> Result<bool>) -> Result<()> {
    if store.backend() == DbBackend::Postgres {
        while query(store, BLOCKED).await? == 0 && !missed().await? {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Two events of one subject are parked: the id of the first, whose poison is gone.
async fn park(bench: &Bench, store: &Store, one: &Arc<Recorder>) -> Result<Uuid> {
    bench.relay();
    bench.tell(vec![event("a", 13), event("a", 14)]).await?;
    one.until_query(store, PARKED, 2).await?;
    one.heal();
    let desk = Desk { name: "one", store: store.clone(), handler: one.clone() };
    Ok(desk.list(TENANT, 1, "").await?.0[0].event.id)
}

#[tokio::test]
async fn what_arrives_while_its_subject_is_retried_comes_behind_it() -> Result<()> {
    on_each(ONE, async |bench| {
        let (store, one) = (bench.store("one").await?, Recorder::with_poison(13));
        bench.start(bench.consumer("one", store.clone(), one.clone()));
        let first = park(&bench, &store, &one).await?;
        let gate = Gate::new(one.clone(), 13);
        let retry = tokio::spawn({
            let desk = Desk { name: "one", store: store.clone(), handler: gate.clone() };
            async move { desk.retry(TENANT, first).await }
        });
        gate.reached.notified().await;
        bench.tell(vec![event("a", 15)]).await?;
        until_blocked(&store, async || Ok(query(&store, SEEN).await? == 3)).await?;
        gate.open.notify_one();
        assert_eq!(retry.await??, 2);
        one.until_query(&store, SEEN, 3).await?;
        assert_eq!(query(&store, PARKED).await?, 0);
        assert_eq!(one.of("a"), [13, 14, 15]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_retry_takes_along_what_is_parked_at_that_moment() -> Result<()> {
    on_each(ONE, async |bench| {
        let (store, one) = (bench.store("one").await?, Recorder::with_poison(13));
        let gate = Gate::new(one.clone(), 99);
        bench.start(bench.consumer("one", store.clone(), gate.clone()));
        let first = park(&bench, &store, &one).await?;
        // Of the same partition, so that one transaction parks the one and handles the other.
        let mate = (0..).map(|n: u32| n.to_string()).find(|name| partition_of(name) == partition_of("a"));
        bench.tell(vec![event("a", 15), event(&mate.unwrap(), 99)]).await?;
        gate.reached.notified().await;
        let retry = tokio::spawn({
            let desk = Desk { name: "one", store: store.clone(), handler: one.clone() };
            async move { desk.retry(TENANT, first).await }
        });
        until_blocked(&store, async || Ok(retry.is_finished())).await?;
        gate.open.notify_one();
        assert_eq!(retry.await??, 3);
        assert_eq!(one.of("a"), [13, 14, 15]);
        assert_eq!(query(&store, PARKED).await?, 0);
        Ok(())
    })
    .await
}

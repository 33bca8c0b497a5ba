//! What the consumer does by itself: it tries again, and forgets what is old.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use masar_bus::{Consumer, Error, Event, Handler};
use sea_orm::DatabaseTransaction;

use crate::bench::{ONE, event, on_each, query};
use crate::recorder::Recorder;

/// Fails some times as if its database were away.
#[derive(Default)]
struct Away {
    failures: AtomicUsize,
    batches: Mutex<Vec<usize>>,
    recorder: Recorder,
}

#[async_trait]
impl Handler for Away {
    async fn handle(&self, tx: &DatabaseTransaction, events: &[Event]) -> Result<(), Error> {
        self.batches.lock().unwrap().push(events.len());
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => Err(Error::Store(masar_store::Error::Unavailable("it restarts".to_owned()))),
            Err(_) => self.recorder.handle(tx, events).await,
        }
    }

    fn committed(&self, events: &[Event]) {
        self.recorder.committed(events);
    }
}

#[tokio::test]
async fn a_batch_whose_database_is_away_is_tried_again_as_one() -> Result<()> {
    on_each(ONE, async |bench| {
        let away = Arc::new(Away { failures: AtomicUsize::new(3), ..Away::default() });
        bench.start(bench.consumer("one", bench.store("one").await?, away.clone()));
        bench.tell((0..10).map(|n| event("a", n)).collect()).await?;
        bench.relay();
        away.recorder.until(10).await;
        assert_eq!(*away.batches.lock().unwrap(), [10, 10, 10, 10]);
        assert_eq!(away.recorder.of("a"), (0..10).collect::<Vec<_>>());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_was_seen_days_ago_is_forgotten_while_events_arrive() -> Result<()> {
    const OLD: i64 = 4_500;
    on_each(ONE, async |bench| {
        let (store, one) = (bench.store("one").await?, Arc::new(Recorder::default()));
        let stop = bench.start(bench.consumer("one", store.clone(), one.clone()));
        bench.relay();
        bench.tell((0..OLD).map(|n| event("a", n)).collect()).await?;
        one.until(4_500).await;
        stop.cancel();

        let later = Timestamp::now() + SignedDuration::from_hours(73);
        let two = Arc::new(Recorder::default());
        let consumer = bench.consumer("one", store.clone(), two.clone());
        bench.start(Consumer { now: Arc::new(move || later), ..consumer });
        let yesterday = later - SignedDuration::from_hours(24);
        let left = format!("SELECT count(*) AS n FROM inbox WHERE seen_at < '{yesterday}'");
        for number in OLD.. {
            bench.tell(vec![event("a", number)]).await?;
            let told = usize::try_from(number - OLD)? + 1;
            two.until(told).await;
            if query(&store, &left).await? == 0 {
                two.until_query(&store, "SELECT count(*) AS n FROM inbox", i64::try_from(told)?).await?;
                break;
            }
        }
        Ok(())
    })
    .await
}

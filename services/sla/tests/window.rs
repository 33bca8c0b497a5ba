//! A window is nobody's promise: its end is told, and breaks nothing.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use masar_proto::common::v1::Importance;
use masar_proto::sla::v1::WatchAtRiskRequest;
use masar_testkit::on_each_database;
use support::{Bench, at, start};

#[tokio::test]
async fn the_end_of_a_promise_breaks_it_and_the_end_of_a_window_nothing() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        let watched = bench.client().watch_at_risk(WatchAtRiskRequest::default()).await?;
        let mut watched = watched.into_inner();
        bench.asks(start("ack", "sla"), Importance::Medium, "07:00").await?;
        bench.asks(start("reopen_window", "window"), Importance::Medium, "07:00").await?;
        bench.hand.advance_to(at("07:15"));

        let mut ends = BTreeMap::new();
        while ends.len() < 2 {
            let next = tokio::time::timeout(Duration::from_secs(60), watched.message()).await;
            let seen = next.context("nothing more is seen")??.context("the watch ended")?;
            let clock = seen.clock.and_then(|clock| clock.state).context("a clock")?;
            if seen.mark == "breach" {
                ends.insert(clock.clock, (seen.what, clock.phase, clock.breached_at.is_some()));
            }
        }
        assert_eq!(ends["ack"], ("breached".to_owned(), "running".to_owned(), true));
        assert_eq!(ends["reopen_window"], ("changed".to_owned(), "stopped".to_owned(), false));
        Ok(())
    })
    .await
}

//! Timers: one clock that cannot be read keeps no other from firing.

mod support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use masar_proto::common::v1::Importance;
use masar_proto::sla::v1::WatchAtRiskRequest;
use masar_testkit::{on_each_database, tamper};
use support::{Bench, at, new_case, start};

#[tokio::test]
async fn a_clock_that_cannot_be_read_holds_up_no_other() -> Result<()> {
    on_each_database(async |url| {
        let mut bench = Bench::start(url).await?;
        let watched = bench.client().watch_at_risk(WatchAtRiskRequest::default()).await?;
        let mut watched = watched.into_inner();
        bench.asks(start("ack", "sla"), Importance::Medium, "07:00").await?;
        let tx = bench.store.begin().await?;
        let broken = tamper(&tx, "UPDATE clocks SET ledger = '[{\"event\": \"unheard of\"}]'").await?;
        ensure!(broken == 1, "no clock was started");
        tx.commit().await?;
        // Later by a second, so that the one that cannot be read comes first.
        bench.case = new_case();
        bench.asks(start("ack", "sla"), Importance::Medium, "07:01").await?;
        bench.hand.advance_to(at("07:20"));
        loop {
            let next = tokio::time::timeout(Duration::from_secs(60), watched.message()).await;
            let seen = next.context("nothing more is seen")??.context("the watch ended")?;
            let clock = seen.clock.and_then(|clock| clock.state).context("a clock")?;
            if seen.mark == "breach" {
                ensure!(clock.case_id == bench.case, "a clock that cannot be read fired");
                return Ok(());
            }
        }
    })
    .await
}

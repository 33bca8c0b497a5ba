//! Clocks that wait for a message stop when it was told, whichever of the two is heard of first.

mod support;

use anyhow::Result;
use masar_proto::common::v1::Importance;
use masar_proto::events::v1::ClockEffect;
use masar_testkit::on_each_database;
use support::{Bench, at, start};

const DELIVERED: &str = "stopped: `acknowledgement` was delivered by email";

/// The case starts a run of the clock `ack`, which waits for the message `acknowledgement`.
async fn starts(bench: &Bench, when: &str) -> Result<()> {
    let clock = ClockEffect { messages: vec!["acknowledgement".to_owned()], ..start("ack", "sla") };
    bench.asks(clock, Importance::Medium, when).await
}

#[tokio::test]
async fn a_clock_stops_when_its_message_was_delivered() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        starts(&bench, "07:00").await?;
        // Another message, and one that was asked for before.
        bench.told("answer", ("07:00", "07:01"), "").await?;
        bench.told("acknowledgement", ("06:59", "07:01"), "").await?;
        let runs = bench.runs().await?;
        assert!(
            matches!(runs.as_slice(), [(_, line)] if line.starts_with("started: 15 minutes")),
            "{runs:?}"
        );
        bench.told("acknowledgement", ("07:00", "07:02"), "").await?;
        assert_eq!(bench.runs().await?, [(at("07:02"), DELIVERED.to_owned())]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_message_that_was_faster_than_its_case_stops_the_clock_at_its_start() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        bench.told("acknowledgement", ("07:00", "07:00"), "the customer left no address").await?;
        starts(&bench, "07:00").await?;
        let nobody = "stopped: `acknowledgement` has nobody to reach: the customer left no address";
        assert_eq!(bench.runs().await?, [(at("07:00"), nobody.to_owned())]);
        // Every run waits for a message of its own: one that is faster again, and one that is of the past.
        bench.told("acknowledgement", ("08:00", "08:01"), "").await?;
        starts(&bench, "08:00").await?;
        assert_eq!(bench.runs().await?[1..], [(at("08:01"), DELIVERED.to_owned())]);
        bench.told("acknowledgement", ("08:30", "08:31"), "").await?;
        starts(&bench, "09:00").await?;
        let runs = bench.runs().await?;
        assert!(matches!(&runs[2..], [(_, line)] if line.starts_with("started: 15 minutes")), "{runs:?}");
        Ok(())
    })
    .await
}

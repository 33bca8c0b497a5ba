//! Clocks that wait for a message stop when it was told, whichever of the two is heard of first.

mod support;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use masar_proto::common::v1::Importance;
use masar_proto::events::v1::ClockEffect;
use masar_proto::events::v1::clock_effect::Operation;
use masar_proto::time;
use masar_testkit::{count, on_each_database};
use support::{Bench, at, new_case, start};

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

/// How many messages wait for a clock.
async fn waiting(bench: &Bench) -> Result<i64> {
    count(bench.store.reader(), "told").await
}

#[tokio::test]
async fn a_message_of_a_run_that_has_ended_waits_for_no_other() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        starts(&bench, "07:00").await?;
        bench.told("acknowledgement", ("07:00", "07:02"), "").await?;
        // A second letter of the same message, and one that the case asks for later.
        bench.told("acknowledgement", ("07:00", "07:03"), "").await?;
        assert_eq!(
            (waiting(&bench).await?, bench.runs().await?),
            (0, vec![(at("07:02"), DELIVERED.to_owned())])
        );
        bench.told("acknowledgement", ("08:00", "08:01"), "").await?;
        assert_eq!(waiting(&bench).await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_message_waits_for_its_clock_no_longer_than_the_bus_remembers() -> Result<()> {
    on_each_database(async |url| {
        let mut bench = Bench::start(url).await?;
        let days = |days: i64| at("07:00").checked_add(SignedDuration::from_hours(24 * days));
        bench.told("acknowledgement", ("07:00", "07:00"), "").await?;
        let early = std::mem::replace(&mut bench.case, new_case());
        bench.told("acknowledgement", ("07:00", "07:00"), "").await?;
        bench.hand.advance_to(days(3)?);
        starts(&bench, "07:00").await?;
        assert_eq!(bench.runs().await?, [(at("07:00"), DELIVERED.to_owned())]);

        bench.hand.advance_to(days(4)?);
        assert_eq!(waiting(&bench).await?, 1);
        bench.case = new_case();
        bench.told("acknowledgement", ("07:00", "07:00"), "").await?;
        assert_eq!(waiting(&bench).await?, 1, "the old one gave way to the new one");
        bench.case = early;
        starts(&bench, "07:00").await?;
        let phase = bench.clocks().await?.pop().and_then(|clock| clock.state).map(|state| state.phase);
        assert_eq!(phase.as_deref(), Some("running"));
        Ok(())
    })
    .await
}

/// More time is granted to the clock `response`, for which the customer must be told by `extended`.
async fn extends(bench: &Bench, when: &str) -> Result<()> {
    let mut clock = ClockEffect {
        clock: "response".to_owned(),
        target: "10 minutes".to_owned(),
        reason: "three bodies must answer".to_owned(),
        granted_by: "director".to_owned(),
        messages: vec!["extended".to_owned()],
        ..ClockEffect::default()
    };
    clock.set_operation(Operation::Extend);
    bench.asks(clock, Importance::Medium, when).await
}

/// When the clock is due, and the last sentence about it.
async fn due(bench: &Bench) -> Result<(Option<Timestamp>, String)> {
    let clock = bench.clocks().await?.pop().context("a clock")?;
    let sentence = clock.explanation.last().map(|sentence| sentence.en.clone()).unwrap_or_default();
    Ok((time::from_proto(clock.state.unwrap_or_default().due_at.as_ref()), sentence))
}

/// More time holds once the customer was told before the due time, and otherwise not (T9).
#[tokio::test]
async fn an_extension_holds_when_the_customer_was_told_in_time() -> Result<()> {
    on_each_database(async |url| {
        let mut bench = Bench::start(url).await?;
        for (told, holds_until) in [("07:10", "07:25"), ("07:16", "07:15")] {
            bench.asks(start("response", "sla"), Importance::Medium, "07:00").await?;
            extends(&bench, "07:05").await?;
            // One that was sent before the grant says nothing of it.
            bench.told("extended", ("07:01", "07:06"), "").await?;
            let (due_at, sentence) = due(&bench).await?;
            assert_eq!(due_at, Some(at("07:15")));
            assert!(sentence.contains("holds once the customer has been told"), "{sentence}");
            bench.told("extended", ("07:05", told), "").await?;
            let (due_at, sentence) = due(&bench).await?;
            assert_eq!(due_at, Some(at(holds_until)), "told at {told}");
            assert!(!sentence.contains("holds once"), "{sentence}");
            bench.case = new_case();
        }
        // The message may be heard of before the grant.
        bench.asks(start("response", "sla"), Importance::Medium, "07:00").await?;
        bench.told("extended", ("07:05", "07:06"), "the customer left no address").await?;
        extends(&bench, "07:05").await?;
        assert_eq!(due(&bench).await?.0, Some(at("07:25")));
        Ok(())
    })
    .await
}

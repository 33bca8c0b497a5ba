//! Agreements that tell the degrees of importance apart, where the package does not (CMP-13).

mod support;

use anyhow::{Context, Result};
use masar_proto::common::v1::Importance;
use masar_proto::events::v1::clock_effect::Operation;
use masar_proto::events::v1::{Agreement, ClockEffect};
use masar_testkit::on_each_database;
use support::{Bench, start};

/// The importance of the case's clock, its target and the kinds of its ledger's entries.
async fn promised(bench: &Bench) -> Result<(Importance, String, Vec<String>)> {
    let clock = bench.clocks().await?.pop().context("a clock")?;
    let target = clock.state.as_ref().map(|state| state.target.clone()).unwrap_or_default();
    Ok((clock.importance(), target, clock.ledger.into_iter().map(|line| line.event).collect()))
}

#[tokio::test]
async fn a_new_importance_moves_what_an_agreement_promises_and_leaves_the_rest() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        let targets = [("high".to_owned(), "5 minutes".to_owned())].into();
        let (id, clock) = ("A-1".to_owned(), "ack".to_owned());
        bench.agrees(Agreement { id, clock, targets, version: 1, ..Agreement::default() }).await?;
        bench.asks(start("ack", "sla"), Importance::Medium, "07:00").await?;
        let begun = vec!["started".to_owned()];
        assert_eq!(promised(&bench).await?, (Importance::Medium, "15 minutes".to_owned(), begun.clone()));

        let mut retarget = ClockEffect { reason: "set_importance".to_owned(), ..start("ack", "sla") };
        retarget.set_operation(Operation::Retarget);
        bench.asks(retarget.clone(), Importance::Low, "07:01").await?;
        assert_eq!(promised(&bench).await?, (Importance::Low, "15 minutes".to_owned(), begun));
        bench.asks(retarget, Importance::High, "07:02").await?;
        let moved = vec!["started".to_owned(), "retargeted".to_owned()];
        assert_eq!(promised(&bench).await?, (Importance::High, "5 minutes".to_owned(), moved));
        Ok(())
    })
    .await
}

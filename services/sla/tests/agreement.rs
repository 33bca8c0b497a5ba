//! Agreements: what an entity promises for a degree of importance or a service, and what two parties promise each other (CMP-13,
//! SVC-05).

mod support;

use anyhow::{Context, Result};
use masar_proto::common::v1::Importance;
use masar_proto::events::v1::clock_effect::Operation;
use masar_proto::events::v1::{AgreedTarget, Agreement, AgreementEffect, CaseSnapshot, ClockEffect};
use masar_testkit::on_each_database;
use support::{Bench, TENANT, new_case, start};

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

/// A request of one department to another.
fn request(id: &str) -> CaseSnapshot {
    CaseSnapshot {
        case_id: id.to_owned(),
        tenant: TENANT.to_owned(),
        case_type: "department_request".to_owned(),
        importance: Importance::Medium.into(),
        ..CaseSnapshot::default()
    }
}

/// The promise of one department to another.
fn answer(provider: &str, consumer: &str) -> ClockEffect {
    ClockEffect { provider: provider.to_owned(), consumer: consumer.to_owned(), ..start("answer", "ola") }
}

/// What two parties agree on for answers.
fn agreed(provider: &str, consumer: &str, target: &str) -> AgreementEffect {
    AgreementEffect {
        kind: "ola".to_owned(),
        provider: provider.to_owned(),
        consumer: consumer.to_owned(),
        subjects: vec!["department_request".to_owned()],
        targets: vec![AgreedTarget {
            clock: "answer".to_owned(),
            importance: "all".to_owned(),
            target: target.to_owned(),
        }],
        ..AgreementEffect::default()
    }
}

/// The target of a clock of a new case, and what promises it.
async fn begun(bench: &mut Bench, clock: ClockEffect, when: &str) -> Result<(String, String)> {
    bench.case = new_case();
    bench.hears(&request(&bench.case), vec![clock], when).await?;
    let clock = bench.clocks().await?.pop().context("a clock")?;
    Ok((clock.state.unwrap_or_default().target, clock.policy))
}

fn case_of(reference: &str, version: u64) -> CaseSnapshot {
    CaseSnapshot { reference: reference.to_owned(), version, ..request(&new_case()) }
}

#[tokio::test]
async fn an_agreement_of_two_parties_binds_what_begins_between_them_while_it_is_in_force() -> Result<()> {
    on_each_database(async |url| {
        let mut bench = Bench::start(url).await?;
        let (roads, parks) = ("MUN-ROADS", "MUN-PARKS");
        let whole = case_of("A-1", 1);
        bench.puts(&whole, agreed(TENANT, TENANT, "10 minutes"), "07:10").await?;
        let special = case_of("A-2", 1);
        bench.puts(&special, agreed(roads, parks, "5 minutes"), "07:20").await?;
        let elsewhere = [
            AgreementEffect { kind: "uc".to_owned(), ..agreed(roads, parks, "1 minute") },
            AgreementEffect { subjects: vec!["complaint".to_owned()], ..agreed(roads, parks, "1 minute") },
            AgreementEffect { until: "2026-11-14".to_owned(), ..agreed(roads, parks, "1 minute") },
            AgreementEffect { from: "2026-11-16".to_owned(), ..agreed(roads, parks, "1 minute") },
            agreed("MUN-WASTE", parks, "1 minute"),
        ];
        for (number, said) in elsewhere.into_iter().enumerate() {
            bench.puts(&case_of(&format!("B-{number}"), 1), said, "07:30").await?;
        }
        let by_package = ("15 minutes".to_owned(), "complaint@1.0.0/answer".to_owned());
        let by = |target: &str, policy: &str| (target.to_owned(), policy.to_owned());
        let of_all = by("10 minutes", "agreement A-1 version 1");
        for (provider, consumer, when, expected) in [
            // Before any came into force.
            (roads, parks, "07:05", by_package.clone()),
            (roads, parks, "07:15", of_all.clone()),
            // The departments themselves go before the entity that stands for all of them.
            (roads, parks, "07:40", by("5 minutes", "agreement A-2 version 1")),
            (parks, roads, "07:40", of_all.clone()),
            // Nobody is named.
            ("", "", "07:40", by_package),
        ] {
            let found = begun(&mut bench, answer(provider, consumer), when).await?;
            assert_eq!(found, expected, "{provider} {consumer} {when}");
        }

        // What is put into force again takes the place of what was before; what has ended binds no more.
        let anew = CaseSnapshot { version: 2, ..special.clone() };
        bench.puts(&anew, agreed(roads, parks, "6 minutes"), "07:50").await?;
        let found = begun(&mut bench, answer(roads, parks), "07:51").await?;
        assert_eq!(found, by("6 minutes", "agreement A-2 version 2"));
        let ended = AgreementEffect { ended: true, ..AgreementEffect::default() };
        bench.puts(&CaseSnapshot { version: 3, ..special }, ended, "07:55").await?;
        assert_eq!(begun(&mut bench, answer(roads, parks), "07:56").await?, of_all);
        // What comes late says nothing new.
        bench.puts(&anew, agreed(roads, parks, "6 minutes"), "07:57").await?;
        assert_eq!(begun(&mut bench, answer(roads, parks), "07:58").await?, of_all);
        Ok(())
    })
    .await
}

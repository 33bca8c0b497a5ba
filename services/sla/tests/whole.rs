//! A clock as those see it who ask for its case: what happened to it in sentences, how it stands as promised and under the
//! rules of today, whose time it was, and pauses that are entered later (T7, T8, T13, T14).

mod support;

use anyhow::{Context, Result};
use masar_proto::common::v1::Importance;
use masar_proto::events::v1::clock_effect::Operation;
use masar_proto::events::v1::{Agreement, ClockEffect};
use masar_proto::sla::v1::{Attribution, EnterPauseRequest, Judgement};
use masar_proto::time;
use masar_testkit::on_each_database;
use support::{Bench, at, start};

/// The promise of an answer to the customer, in so much time.
fn response(target: &str) -> ClockEffect {
    ClockEffect { target: target.to_owned(), ..start("response", "sla") }
}

fn effect(clock: &str, operation: Operation, reason: &str) -> ClockEffect {
    let mut effect =
        ClockEffect { clock: clock.to_owned(), reason: reason.to_owned(), ..ClockEffect::default() };
    effect.set_operation(operation);
    effect
}

/// When it is due, and the verdict.
fn stands(judgement: Option<&Judgement>) -> Result<(jiff::Timestamp, String)> {
    let judgement = judgement.context("no judgement")?;
    let due_at = time::from_proto(judgement.due_at.as_ref()).context("no due time")?;
    Ok((due_at, judgement.verdict.clone()))
}

#[tokio::test]
async fn a_clock_says_what_happened_and_whose_time_it_was() -> Result<()> {
    on_each_database(async |url| {
        let mut bench = Bench::start(url).await?;
        let first = ClockEffect { clock: "first_response".to_owned(), ..response("2 business_hours") };
        bench.asks(first, Importance::Medium, "07:00").await?;
        let pause = effect("first_response", Operation::Pause, "awaiting_customer");
        bench.asks(pause, Importance::Medium, "08:00").await?;
        bench.asks(effect("first_response", Operation::Resume, ""), Importance::Medium, "08:30").await?;
        // A provider is asked: a child with a clock of its own.
        let case = bench.has_child().await?;
        let parent = std::mem::replace(&mut bench.case, case);
        let provider = ClockEffect { clock: "answer".to_owned(), ..start("answer", "uc") };
        bench.asks(provider, Importance::Medium, "08:40").await?;
        bench.asks(effect("answer", Operation::Stop, ""), Importance::Medium, "09:00").await?;
        bench.case = parent;
        bench.hand.advance_to(at("09:20"));

        let found = bench.answer().await?;
        let clock = found.clocks.first().context("a clock")?;
        let whose = Attribution {
            department_seconds: 90 * 60,
            customer_seconds: 30 * 60,
            provider_seconds: 20 * 60,
            closed_seconds: 0,
            total_seconds: 140 * 60,
        };
        assert_eq!(clock.attribution, Some(whose));
        assert_eq!(clock.used, "110 business_minutes");
        assert_eq!(stands(clock.as_promised.as_ref())?, (at("09:30"), String::new()));
        // The package in force promises two working days.
        let today = ("2026-11-17T11:00:00Z".parse()?, String::new());
        assert_eq!(stands(clock.under_todays_rules.as_ref())?, today);
        let said = clock.explanation.get(1).context("a sentence of the pause")?;
        assert_eq!(
            said.en,
            "It stood still from Sunday 2026-11-15 11:00 to Sunday 2026-11-15 11:30 because of “Awaiting customer”: the due time moved from Sunday 2026-11-15 12:00 to Sunday 2026-11-15 12:30."
        );
        assert!(said.ar.contains("بانتظار المتعامل"), "{}", said.ar);
        let children: Vec<_> = found.of_children.iter().filter_map(|clock| clock.state.as_ref()).collect();
        assert!(matches!(children.as_slice(), [child] if child.kind == "uc"), "{children:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_an_agreement_says_today_judges_a_clock_beside_what_was_promised() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        let agreement = |version: u32, target: &str| Agreement {
            id: "A-1".to_owned(),
            clock: "response".to_owned(),
            targets: [("all".to_owned(), target.to_owned())].into(),
            version,
            ..Agreement::default()
        };
        bench.agrees(agreement(1, "2 business_hours")).await?;
        bench.asks(response("10 business_days"), Importance::Medium, "07:00").await?;
        bench.agrees(agreement(2, "1 business_hour")).await?;
        bench.asks(effect("response", Operation::Stop, ""), Importance::Medium, "08:30").await?;

        let found = bench.answer().await?;
        let clock = found.clocks.first().context("a clock")?;
        assert_eq!(stands(clock.as_promised.as_ref())?, (at("09:00"), "kept".to_owned()));
        assert_eq!(stands(clock.under_todays_rules.as_ref())?, (at("08:00"), "broken".to_owned()));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_reopened_case_says_how_long_it_took_first_and_in_the_end() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        for (begins, ends) in [("07:00", Some("07:30")), ("08:00", None)] {
            bench.asks(response("5 business_days"), Importance::Medium, begins).await?;
            if let Some(ends) = ends {
                bench.asks(effect("response", Operation::Stop, ""), Importance::Medium, ends).await?;
            }
        }
        let took = async || -> Result<_> {
            let found = bench.answer().await?;
            let resolution = found.resolutions.first().context("a resolution")?;
            Ok((resolution.runs, resolution.first_seconds, resolution.total_seconds))
        };
        assert_eq!(took().await?, (2, Some(30 * 60), None));
        bench.asks(effect("response", Operation::Stop, ""), Importance::Medium, "10:00").await?;
        assert_eq!(took().await?, (2, Some(30 * 60), Some(3 * 3_600)));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_pause_is_entered_later_with_its_reason_and_who_entered_it() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        bench.asks(response("2 business_hours"), Importance::Medium, "07:00").await?;
        bench.hand.advance_to(at("08:45"));
        let enter = async |from: &str, to: &str, reason: &str| {
            let request = EnterPauseRequest {
                case: bench.case.clone(),
                clock: "response".to_owned(),
                from: Some(time::to_proto(at(from))),
                to: Some(time::to_proto(at(to))),
                reason: reason.to_owned(),
            };
            bench.client().enter_pause(request).await
        };
        let entered = enter("07:30", "08:00", "awaiting_customer").await?.into_inner();
        assert_eq!(time::from_proto(entered.was_due_at.as_ref()), Some(at("09:00")));
        let state = entered.clock.and_then(|clock| clock.state).context("a clock")?;
        assert_eq!(time::from_proto(state.due_at.as_ref()), Some(at("09:30")));
        for (from, to, reason, problem) in [
            ("07:45", "08:15", "awaiting_customer", "overlaps no other"),
            ("06:00", "06:30", "awaiting_customer", "begins at"),
            ("08:10", "08:20", "in_progress", "stands still only in"),
        ] {
            let status = enter(from, to, reason).await.err().context("it was entered")?;
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            let details = String::from_utf8_lossy(status.details()).into_owned();
            assert!(details.contains(problem) || status.message().contains(problem), "{status}");
        }
        let found = bench.answer().await?;
        let line = found.clocks.first().and_then(|clock| clock.ledger.get(1)).context("an entry")?;
        assert_eq!(line.event, "pause_entered");
        assert!(line.text.ends_with("entered later by ops: awaiting_customer"), "{}", line.text);
        Ok(())
    })
    .await
}

//! What a new version of a calendar would move is known before it is published, and is what then moves (T7).

mod support;

use anyhow::{Context, Result};
use masar_proto::common::v1::Importance;
use masar_proto::events::v1::{Calendar, ClockEffect};
use masar_proto::sla::v1::calendar_impact::Impact;
use masar_proto::sla::v1::{ImpactSums, MovedClock, PreviewCalendarRequest};
use masar_proto::time;
use masar_testkit::{on_each_database, tamper};
use support::{Bench, at, new_case, start};

/// The shipped calendar with a day off, or open for one day less.
fn second(off: &str) -> String {
    let (_, shipped) = masar_sla::calendars::SHIPPED[0];
    let second = shipped.replacen("version: 1", "version: 2", 1);
    format!(
        "{second}  - {{label: {{ar: \"عطلة\", en: \"Day off\"}}, when: {{dates: {{from: {off}, to: {off}}}}}}}\n"
    )
}

async fn impact(bench: &Bench, yaml: &str) -> Result<(Vec<MovedClock>, ImpactSums)> {
    let request = PreviewCalendarRequest { yaml: yaml.to_owned() };
    let mut stream = bench.client().preview_calendar(request).await?.into_inner();
    let (mut moved, mut sums) = (Vec::new(), None);
    while let Some(told) = stream.message().await? {
        anyhow::ensure!(sums.is_none(), "something came after the sums");
        match told.impact.context("an impact")? {
            Impact::Moved(clock) => moved.push(clock),
            Impact::Sums(found) => sums = Some(found),
        }
    }
    Ok((moved, sums.context("the sums")?))
}

#[tokio::test]
async fn the_impact_of_a_calendar_is_what_its_publication_moves() -> Result<()> {
    on_each_database(async |url| {
        let mut bench = Bench::start(url).await?;
        let mut cases = Vec::new();
        for target in ["1 business_day", "3 business_days", "15 minutes", "400 business_days"] {
            let clock = ClockEffect { target: target.to_owned(), ..start("response", "sla") };
            bench.asks(clock, Importance::Medium, "07:00").await?;
            cases.push(std::mem::replace(&mut bench.case, new_case()));
        }
        // The last is due within what the shipped calendar covers, and beyond what the new one does.
        let yaml = second("2026-11-17").replacen("to: 2028-12-31", "to: 2027-12-31", 1);
        let (moved, sums) = impact(&bench, &yaml).await?;
        let seen: Vec<_> = moved
            .iter()
            .map(|clock| (clock.case_id.as_str(), time::from_proto(clock.due_at.as_ref())))
            .collect();
        let later = "2026-11-19T11:00:00Z".parse().ok();
        assert_eq!(seen, [(cases[3].as_str(), None), (cases[1].as_str(), later)]);
        assert_eq!(time::from_proto(moved[1].was_due_at.as_ref()), "2026-11-18T11:00:00Z".parse().ok());
        let expected =
            ImpactSums { open: 4, moved: 1, earlier: 0, later: 1, would_breach: 0, out_of_reach: 1 };
        assert_eq!(sums, expected);

        bench
            .publishes(Calendar {
                name: "qa-gov-default".to_owned(),
                version: 2,
                yaml,
                ..Calendar::default()
            })
            .await?;
        for (case, due) in [(&cases[0], "2026-11-16T11:00:00Z"), (&cases[1], "2026-11-19T11:00:00Z")] {
            bench.case.clone_from(case);
            let due: jiff::Timestamp = due.parse()?;
            bench.eventually_due(due, 2).await?;
        }
        let refused = impact(&bench, &second("2026-11-17")).await.err().context("it was published")?;
        assert!(refused.to_string().contains("was published"), "{refused:#}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_calendar_that_puts_due_times_into_the_past_says_so() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        let clock = ClockEffect { target: "3 business_hours".to_owned(), ..start("response", "sla") };
        bench.asks(clock, Importance::Medium, "10:00").await?;
        bench.hand.advance_to(at("17:00"));
        // The first hour is on Sunday, two are on Monday; with an evening shift all are on Sunday.
        let evening =
            second("2026-12-01").replacen("sunday: [\"07:00-14:00\"]", "sunday: [\"07:00-19:00\"]", 1);
        let (moved, sums) = impact(&bench, &evening).await?;
        assert_eq!((sums.earlier, sums.would_breach), (1, 1));
        assert!(moved[0].would_breach);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_clock_that_somebody_holds_moves_when_it_is_let_go_and_keeps_no_other_waiting() -> Result<()> {
    on_each_database(async |url| {
        // A file of SQLite has one writer: there nobody holds a row.
        if !url.starts_with("postgres") {
            return Ok(());
        }
        let mut bench = Bench::start(url).await?;
        let mut cases = Vec::new();
        for _ in 0..2 {
            let clock = ClockEffect { target: "3 business_days".to_owned(), ..start("response", "sla") };
            bench.asks(clock, Importance::Medium, "07:00").await?;
            cases.push(std::mem::replace(&mut bench.case, new_case()));
        }
        let holder = bench.store.begin().await?;
        tamper(&holder, &format!("SELECT id FROM clocks WHERE case_id = '{}' FOR UPDATE", cases[0])).await?;
        let calendar = Calendar {
            name: "qa-gov-default".to_owned(),
            version: 2,
            yaml: second("2026-11-17"),
            ..Calendar::default()
        };
        bench.publishes(calendar).await?;
        let later = "2026-11-19T11:00:00Z".parse()?;
        bench.case.clone_from(&cases[1]);
        bench.eventually_due(later, 2).await?;
        bench.case.clone_from(&cases[0]);
        let held = bench.clocks().await?.pop().and_then(|clock| clock.state).context("a clock")?;
        assert_eq!(held.calendar_version, 1);
        holder.rollback().await?;
        bench.eventually_due(later, 2).await
    })
    .await
}

//! Schedules on each database, looked at by several replicas that share it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use masar_bus::{Outbox, keep};
use masar_packages::{Calendars, Packages};
use masar_proto::common::v1::PageRequest;
use masar_proto::events::v1::{RegistryChanged, Service};
use masar_runtime::Clock;
use masar_runtime::clock::Hand;
use masar_store::{DatabaseUrl, Store};
use masar_testkit::on_each_database;
use masar_workflow::{Catalog, Files, shipped_files};
use tokio_util::sync::CancellationToken;

use crate::app::{Agenda, Gate};
use crate::store::{Migrator, schedule, submission};
use crate::worker::{Bell, Schedules};

const TENANT: &str = "DEMO-LAB";

fn at(text: &str) -> Timestamp {
    format!("{text}:00+03:00").parse().unwrap()
}

/// Reports as they are shipped, but that each that was missed begins, and one for each service.
fn each_for_services() -> Result<Files> {
    let mut files = shipped_files("cx-report").unwrap_or_default();
    let text = files.get_mut("workflow.yaml").expect("it has a machine");
    *text = text.replace("version: 1.0.0", "version: 1.0.1").replace(
        "every: {months: 1, working_day: 1}",
        "every: {months: 1, working_day: 1}\n    per: service\n    missed: each",
    );
    Ok(files)
}

/// A replica that looks at schedules.
async fn replica(store: &Store, clock: &Clock) -> Result<Schedules> {
    let catalog = Arc::new(Catalog::installed([each_for_services()?])?);
    Ok(Schedules {
        store: store.clone(),
        agenda: Agenda {
            packages: Packages::load(store, crate::NAME, catalog).await?,
            calendars: Calendars::default(),
        },
        outbox: Outbox::new(crate::NAME),
        gate: Arc::new(Gate::new(Duration::from_secs(2))),
        clock: clock.clone(),
        bell: Arc::new(Bell::default()),
    })
}

async fn say(store: &Store, schedules: &[&str]) -> Result<()> {
    let service = |code: &str| Service { code: code.to_owned(), ..Service::default() };
    let entity = RegistryChanged {
        tenant: TENANT.to_owned(),
        services: vec![service("LAB-S02"), service("LAB-S01")],
        schedules: schedules.iter().map(|name| (*name).to_owned()).collect(),
        ..RegistryChanged::default()
    };
    let tx = store.begin().await?;
    keep(&tx, TENANT, &entity).await?;
    Ok(tx.commit().await?)
}

/// The next schedule of the entity, once it is as it should be.
async fn until(store: &Store, wanted: impl Fn(&schedule::Model) -> bool) -> Result<schedule::Model> {
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let found = async {
        loop {
            pace.tick().await;
            let (rows, _) = schedule::list(store, TENANT, &PageRequest::default()).await?;
            if let Some(row) = rows.into_iter().find(|row| wanted(row)) {
                return Ok(row);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found).await?
}

async fn accepted(store: &Store) -> Result<Vec<String>> {
    let mut references: Vec<_> =
        submission::all(store).await?.into_iter().map(|row| row.external_ref).collect();
    references.sort();
    Ok(references)
}

async fn both(url: String, clock: &Clock, work: impl AsyncFn(&Store, &Bell) -> Result<()>) -> Result<()> {
    let store = Store::connect(&url.parse::<DatabaseUrl>()?, crate::NAME).await?;
    store.migrate::<Migrator>().await?;
    let stop = CancellationToken::new();
    let (one, other) = (replica(&store, clock).await?, replica(&store, clock).await?);
    let bell = Arc::clone(&other.bell);
    let (one, other) = (tokio::spawn(one.run(stop.clone())), tokio::spawn(other.run(stop.clone())));
    let done = work(&store, &bell).await;
    stop.cancel();
    one.await?;
    other.await?;
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn each_occurrence_begins_one_case_for_each_place_whoever_looks() -> Result<()> {
    on_each_database(async |url| {
        let (clock, hand): (Clock, Hand) = Clock::manual(at("2026-11-15T08:42"));
        both(url.clone(), &clock, async |store, bell| {
            say(store, &["cx-report/monthly"]).await?;
            bell.ring();
            until(store, |row| row.occurrence == "2026-12" && row.problem.is_empty()).await?;
            hand.advance_to(at("2026-12-01T07:00"));
            until(store, |row| row.occurrence == "2027-01").await?;
            let december = ["cx-report/monthly/2026-12/LAB-S01", "cx-report/monthly/2026-12/LAB-S02"];
            assert_eq!(accepted(store).await?, december);
            Ok(())
        })
        .await?;
        // While nobody looked two months came, of which this package wants each.
        hand.advance_to(at("2027-02-20T12:00"));
        both(url, &clock, async |store, bell| {
            until(store, |row| row.occurrence == "2027-03").await?;
            let all = ["2026-12", "2027-01", "2027-02"];
            let all = all.iter().flat_map(|month| {
                ["LAB-S01", "LAB-S02"].map(|place| format!("cx-report/monthly/{month}/{place}"))
            });
            assert_eq!(accepted(store).await?, all.collect::<Vec<_>>());

            // Whoever names what no package has hears of it, and whoever wants none has none.
            say(store, &["cx-report/weekly"]).await?;
            bell.ring();
            let unknown = until(store, |row| row.schedule == "weekly").await?;
            assert!(
                unknown.problem.contains("cx-report/weekly") && unknown.comes_at.is_none(),
                "{unknown:?}"
            );
            assert_eq!(schedule::list(store, TENANT, &PageRequest::default()).await?.0.len(), 1);
            Ok(())
        })
        .await
    })
    .await
}

//! The ladder of a complaint that nobody answers, on the clock of the whole platform (4.4).

mod support;

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::Timestamp;
use masar_proto::escalation::v1::escalation_service_client::EscalationServiceClient;
use masar_proto::escalation::v1::{Escalation, ListEscalationsRequest};
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::sla::v1::GetCaseClocksRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::time;
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::json;
use support::{Asking, Platform, complaint, eventually};

/// A Sunday before seven weeks without a holiday.
const RECEIVED: &str = "2026-11-01T08:00:00+03:00";

/// When each level fires for each importance: the table, counted out by hand on the calendar.
const LADDERS: [(&str, &[(&str, &str)]); 3] = [
    // Due after 5 working days; half of 41 open hours.
    (
        "high",
        &[
            ("L0", "2026-11-04T07:30:00+03:00"),
            ("L1", "2026-11-08T14:00:00+03:00"),
            ("L2", "2026-11-09T14:00:00+03:00"),
            ("L3", "2026-11-10T14:00:00+03:00"),
            ("L4", "2026-11-15T14:00:00+03:00"),
            ("L5", "2026-11-22T14:00:00+03:00"),
        ],
    ),
    // Due after 10; three quarters of 76 hours.
    (
        "medium",
        &[
            ("L0", "2026-11-11T09:00:00+03:00"),
            ("L1", "2026-11-15T14:00:00+03:00"),
            ("L2", "2026-11-17T14:00:00+03:00"),
            ("L3", "2026-11-22T14:00:00+03:00"),
            ("L4", "2026-11-29T14:00:00+03:00"),
            ("L5", "2026-12-13T14:00:00+03:00"),
        ],
    ),
    // Due after 15; nine tenths of 111 hours. The oversight body does not hear of it.
    (
        "low",
        &[
            ("L0", "2026-11-19T09:54:00+03:00"),
            ("L1", "2026-11-22T14:00:00+03:00"),
            ("L2", "2026-11-29T14:00:00+03:00"),
            ("L3", "2026-12-06T14:00:00+03:00"),
            ("L4", "2026-12-20T14:00:00+03:00"),
        ],
    ),
];

/// What fired on the response clock of a case so far: levels and when, oldest first.
async fn fired(
    client: &EscalationServiceClient<Asking>,
    case: &str,
) -> Result<Vec<(String, Option<Timestamp>)>> {
    let request = ListEscalationsRequest { case: case.to_owned(), ..Default::default() };
    let listed = client.clone().list_escalations(request).await?.into_inner().escalations;
    let response = listed.into_iter().rev().filter(|escalation| escalation.clock == "response");
    let told = |escalation: Escalation| (escalation.level, time::from_proto(escalation.raised_at.as_ref()));
    Ok(response.map(told).collect())
}

/// Acceptance check 9.
#[tokio::test(flavor = "multi_thread")]
async fn every_level_fires_once_at_the_time_of_the_table_also_after_a_restart_between_levels() -> Result<()> {
    on_each_database(async |url| {
        let (clock, hand) = Clock::manual(RECEIVED.parse()?);
        let mut platform = Platform::start(url.clone(), clock.clone()).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let sla = SlaServiceClient::new(platform.person("trf-ops").await?);
        let mut cases = BTreeMap::new();
        for (importance, _) in LADDERS {
            let form = json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late",
                "description": "Late", "importance_provisional": importance});
            let reference = intake.submit_case(complaint(importance, &form)).await?.into_inner().reference;
            eventually("its clocks run", async || {
                let request = GetCaseClocksRequest { case: reference.clone() };
                Ok(sla.clone().get_case_clocks(request).await.ok())
            })
            .await?;
            cases.insert(importance, reference);
        }

        let mut instants = Vec::new();
        for (_, at) in LADDERS.iter().flat_map(|(_, ladder)| ladder.iter()) {
            instants.push(at.parse::<Timestamp>()?);
        }
        instants.sort_unstable();
        instants.dedup();
        for now in instants {
            hand.advance_to(now);
            let client = EscalationServiceClient::new(platform.person("trf-ops").await?);
            for (importance, ladder) in LADDERS {
                let mut expected = Vec::new();
                for (level, at) in ladder {
                    expected.push(((*level).to_owned(), Some(at.parse::<Timestamp>()?)));
                }
                expected.retain(|(_, at)| at.is_some_and(|at| at <= now));
                let seen = eventually("the levels fire", async || {
                    let fired = fired(&client, &cases[importance]).await?;
                    Ok((fired.len() >= expected.len()).then_some(fired))
                })
                .await?;
                assert_eq!(seen, expected, "{importance} at {now}");
            }
            platform.running.stop().await?;
            platform = Platform::start(url.clone(), clock.clone()).await?;
        }
        Ok(platform.running.stop().await?)
    })
    .await
}

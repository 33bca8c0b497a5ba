//! What a level of a ladder tells belongs to the trace of the mark that fired it, whichever of mark and case came first.

mod support;

use anyhow::{Context, Result};
use masar_proto::events::v1::CaseSnapshot;
use masar_runtime::telemetry::{Telemetry, TelemetrySettings};
use masar_testkit::on_each_database;
use support::{Bench, complaint, everybody};

const TRACES: [&str; 2] = ["4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"];

/// From now on the others act within a trace.
fn within(bench: &mut Bench, trace: &str) {
    bench.traceparent = Some(format!("00-{trace}-00f067aa0ba902b7-01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_is_raised_within_the_trace_of_its_mark() -> Result<()> {
    // Nobody is there to collect them.
    let nowhere = Some("http://127.0.0.1:9".to_owned());
    let settings = TelemetrySettings { otlp_endpoint: nowhere, ..TelemetrySettings::default() };
    let _telemetry = Telemetry::start(&settings).map_err(anyhow::Error::from_boxed)?;
    on_each_database(async |url| {
        let mut bench = Bench::start(url).await?;
        bench.people(&everybody()).await?;
        let [known, late] =
            [complaint(), CaseSnapshot { case_id: uuid::Uuid::now_v7().to_string(), ..complaint() }];
        bench.case(&known).await?;
        within(&mut bench, TRACES[0]);
        bench.mark(&known, 1, "breach").await?;
        bench.mark(&late, 1, "breach").await?;
        within(&mut bench, TRACES[1]);
        bench.case(&late).await?;
        for (case, trace) in [(&known, TRACES[0]), (&late, TRACES[1])] {
            let event = bench.event().await?;
            let traceparent = event.traceparent.context("no trace")?;
            assert_eq!((&event.subject, traceparent.split('-').nth(1)), (&case.case_id, Some(trace)));
        }
        Ok(())
    })
    .await
}

//! What looks like gaming is shown with its case and counted by department, whatever becomes of it.

mod support;

use anyhow::Result;
use masar_proto::common::v1::Importance;
use masar_proto::events::v1::ClockEffect;
use masar_proto::events::v1::clock_effect::Operation;
use masar_proto::sla::v1::{EvidenceCount, ListEvidenceCountsRequest};
use masar_testkit::on_each_database;
use support::{Bench, DEPARTMENT, start};

fn response(operation: Operation, target: &str) -> ClockEffect {
    let mut effect = ClockEffect {
        target: target.to_owned(),
        reason: "awaiting_customer".to_owned(),
        ..start("response", "sla")
    };
    effect.set_operation(operation);
    effect
}

#[tokio::test]
async fn late_pauses_reopenings_reclassifications_and_bursts_are_shown_and_counted() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        for (operation, target, when) in [
            (Operation::Start, "2 business_hours", "07:00"),
            // Nine tenths of it have passed at 8:48.
            (Operation::Pause, "", "08:50"),
            (Operation::Resume, "", "08:55"),
            (Operation::Retarget, "3 business_hours", "08:56"),
            (Operation::Stop, "", "09:00"),
            (Operation::Start, "2 business_hours", "09:30"),
            (Operation::Pause, "", "09:40"),
        ] {
            bench.asks(response(operation, target), Importance::Medium, when).await?;
        }
        for (version, when) in [(2, "07:10"), (3, "07:20"), (4, "07:30"), (5, "07:40")] {
            bench.handed_over(version, when).await?;
        }
        // What was heard before is not seen again.
        bench.handed_over(4, "07:30").await?;

        let found = bench.answer().await?.evidence;
        let seen: Vec<_> =
            found.iter().map(|seen| (seen.pattern.as_str(), seen.clock.as_str(), seen.run)).collect();
        assert_eq!(
            seen,
            [
                ("reassignment_burst", "", 0),
                ("late_pause", "response", 1),
                ("reclassification", "response", 1),
                ("close_and_reopen", "response", 2),
            ]
        );
        assert!(found.iter().all(|seen| seen.department == DEPARTMENT), "{found:?}");
        let counted = bench
            .client()
            .list_evidence_counts(ListEvidenceCountsRequest::default())
            .await?
            .into_inner()
            .counts;
        let count = |pattern: &str| EvidenceCount {
            department: DEPARTMENT.to_owned(),
            pattern: pattern.to_owned(),
            times: 1,
        };
        let patterns = ["close_and_reopen", "late_pause", "reassignment_burst", "reclassification"];
        assert_eq!(counted, patterns.map(count));
        Ok(())
    })
    .await
}

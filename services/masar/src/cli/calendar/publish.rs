//! A new version of a calendar: what it would move, and that it holds.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use masar_proto::registry::v1::PublishCalendarRequest;
use masar_proto::registry::v1::registry_service_client::RegistryServiceClient;
use masar_proto::sla::v1::calendar_impact::Impact;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{ImpactSums, MovedClock, PreviewCalendarRequest};
use serde_json::json;

use super::text;
use crate::cli::client::{connect, refused};
use crate::cli::{Access, Answer, local, table};
use crate::json;

/// Every clock that the version would move.
pub(super) async fn impact(file: &Path, access: &Access) -> Result<Answer> {
    let mut client = SlaServiceClient::new(connect(access).await?);
    let request = PreviewCalendarRequest { yaml: text(file)? };
    let stream = client.preview_calendar(request).await.map_err(|status| refused(&status))?;
    let (mut stream, mut moved, mut sums) = (stream.into_inner(), Vec::new(), None);
    while let Some(told) = stream.message().await.map_err(|status| refused(&status))? {
        match told.impact {
            Some(Impact::Moved(clock)) => moved.push(clock),
            Some(Impact::Sums(found)) => sums = Some(found),
            None => {}
        }
    }
    let sums = sums.context("the platform stopped before it had looked at every clock: ask again")?;
    let mut table = clocks(&moved);
    writeln!(table, "{}", sentence(&sums))?;
    let moved = moved.iter().map(|clock| json::of(clock, "masar.sla.v1.MovedClock"));
    let moved = moved.collect::<Result<Vec<_>>>()?;
    let sums = json::of(&sums, "masar.sla.v1.ImpactSums")?;
    Ok(Answer { table, json: json!({"moved": moved, "sums": sums}) })
}

fn clocks(moved: &[MovedClock]) -> String {
    let rows = moved.iter().map(|clock| {
        let due = match &clock.due_at {
            Some(due) => local(Some(due)),
            None => "stays: out of reach".to_owned(),
        };
        let broken = if clock.would_breach { "broken at once" } else { "" };
        let was = local(clock.was_due_at.as_ref());
        [clock.reference.clone(), clock.clock.clone(), clock.queue.clone(), was, due, broken.to_owned()]
    });
    table(["reference", "clock", "queue", "was due", "due", ""], rows)
}

fn sentence(sums: &ImpactSums) -> String {
    let ImpactSums { open, moved, earlier, later, would_breach, out_of_reach } = sums;
    format!(
        "{moved} of {open} open clocks move: {earlier} earlier, {later} later, {would_breach} broken at once; {out_of_reach} stay, out of reach"
    )
}

/// The registry takes it; the clocks follow by themselves.
pub(super) async fn publish(file: &Path, access: &Access) -> Result<Answer> {
    let mut client = RegistryServiceClient::new(connect(access).await?);
    let request = PublishCalendarRequest { yaml: text(file)? };
    let answer = client.publish_calendar(request).await.map_err(|status| refused(&status))?.into_inner();
    let table = format!(
        "published: version {} of the entity's data. Open clocks move to it; `masar clock show` says from when to when\n",
        answer.version
    );
    Answer::of(&answer, "masar.registry.v1.PublishCalendarResponse", table)
}

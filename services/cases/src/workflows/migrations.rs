//! Migrations as the contract shows them: maps in, what becomes of each case out.

use std::collections::BTreeMap;
use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use masar_proto::cases::v1 as api;
use masar_proto::cases::v1::migrate_response::Result as Item;
use masar_proto::common::v1::Rejection;
use masar_proto::time;
use masar_store::time::from_db;
use masar_workflow::{ClockEffect, ClockOperation, Difference, Edit, Effect, Migration, Risk};
use serde_json::{Value, json};
use tonic::Status;
use uuid::Uuid;

use super::refusal;
use crate::app::{Migrator, Plan, Refused, Way};
use crate::store::migration;

pub(super) type Answers = Pin<Box<dyn Stream<Item = Result<api::MigrateResponse, Status>> + Send>>;

/// How cases go on, as the caller says it.
pub(super) fn map(said: api::MigrationMap) -> Result<Migration, Status> {
    let api::MigrationMap { states, clocks, route } = said;
    let unknown = |clock: &str, fate: &str| {
        let why = format!("`{fate}` is none of keep, retarget, start and cancel");
        refusal(Refused::Map(vec![(format!("clocks.{clock}"), why)]))
    };
    let fate = |(clock, fate): (String, String)| match serde_json::from_value(json!(fate)) {
        Ok(known) => Ok((clock, known)),
        Err(_) => Err(unknown(&clock, &fate)),
    };
    Ok(Migration {
        states: states.into_iter().collect(),
        clocks: clocks.into_iter().map(fate).collect::<Result<_, _>>()?,
        route,
    })
}

/// A migration that may not have ended.
struct Walk {
    migrator: Migrator,
    plan: Plan,
    /// Where it goes on; none once it has come to its end.
    after: Option<Uuid>,
    migrated: u64,
    rejected: u64,
}

/// Walks a plan to its end, batch by batch, as the caller reads.
pub(super) fn answers(migrator: Migrator, plan: Plan) -> Answers {
    let walk = Walk { migrator, plan, after: Some(Uuid::nil()), migrated: 0, rejected: 0 };
    let batches = stream::unfold(Some(walk), async |walk| {
        let mut walk = walk?;
        match walk.step().await {
            Ok((items, last)) => Some((items.into_iter().map(Ok).collect(), (!last).then_some(walk))),
            Err(status) => Some((vec![Err(status)], None)),
        }
    });
    Box::pin(batches.flat_map(stream::iter))
}

impl Walk {
    /// The answers of one batch, and whether they are the last.
    async fn step(&mut self) -> Result<(Vec<api::MigrateResponse>, bool), Status> {
        let answer = |result| api::MigrateResponse { result: Some(result) };
        let Some(after) = self.after else {
            let id = Some(self.plan.id).filter(|id| !id.is_nil());
            let summary = api::MigrationSummary {
                migration_id: id.map(|id| id.to_string()).unwrap_or_default(),
                migrated: self.migrated,
                rejected: self.rejected,
                difference: self.plan.difference().map(difference),
            };
            return Ok((vec![answer(Item::Summary(summary))], true));
        };
        let next = self.migrator.next(&self.plan, after).await;
        let (ways, last) = next.map_err(|error| refusal(error.into()))?;
        let rejected = ways.iter().filter(|way| way.gone.is_err()).count() as u64;
        self.rejected += rejected;
        self.migrated += ways.len() as u64 - rejected;
        self.after = last;
        Ok((ways.iter().map(|way| answer(Item::Case(shown(way)))).collect(), false))
    }
}

fn difference(found: Difference) -> api::VersionDifference {
    let json = |value: Value| if value.is_null() { String::new() } else { value.to_string() };
    let change = |edit: Edit| api::VersionChange {
        kind: edit.kind.to_string(),
        path: edit.path,
        before: json(edit.before),
        after: json(edit.after),
    };
    let risk = |risk: Risk| api::VersionRisk {
        code: risk.code.to_string(),
        path: risk.path,
        states: risk.states.into_iter().collect(),
        message: risk.message,
    };
    api::VersionDifference {
        old: found.old,
        new: found.new,
        changes: found.changes.into_iter().map(change).collect(),
        risks: found.risks.into_iter().map(risk).collect(),
    }
}

fn shown(way: &Way) -> api::MigratedCase {
    let case = api::MigratedCase {
        case_id: way.case.to_string(),
        reference: way.reference.clone(),
        from_state: way.from_state.clone(),
        ..api::MigratedCase::default()
    };
    match &way.gone {
        Ok(event) => api::MigratedCase {
            to_state: event.to.0.clone(),
            clocks: event.effects.iter().filter_map(clock).collect(),
            ..case
        },
        Err(stranded) => {
            let code = stranded.code().to_owned();
            let rejected = Rejection { code, message: stranded.to_string(), violations: Vec::new() };
            api::MigratedCase { rejected: Some(rejected), ..case }
        }
    }
}

fn clock(effect: &Effect) -> Option<String> {
    let Effect::Clock(ClockEffect { clock, operation, .. }) = effect else { return None };
    let what = match operation {
        ClockOperation::Start { target, .. } => format!("start with {target}"),
        ClockOperation::Retarget { target, .. } => format!("retarget to {target}"),
        ClockOperation::Pause { .. } => "pause".to_owned(),
        ClockOperation::Resume => "resume".to_owned(),
        ClockOperation::Stop => "stop".to_owned(),
        ClockOperation::Cancel { .. } => "cancel".to_owned(),
        ClockOperation::Extend { by, .. } => format!("extend by {by}"),
    };
    Some(format!("{clock}: {what}"))
}

/// A migration for those who look later.
pub(super) fn record(row: migration::Model, migrated: i64) -> api::MigrationRecord {
    let at = |at| Some(time::to_proto(from_db(at)));
    let texts = |part: &str| -> BTreeMap<String, String> {
        let part = row.map.get(part).cloned().unwrap_or_default();
        serde_json::from_value(part).unwrap_or_default()
    };
    let map = api::MigrationMap {
        states: texts("states").into_iter().collect(),
        clocks: texts("clocks").into_iter().collect(),
        route: row.map.get("route").and_then(Value::as_bool).unwrap_or_default(),
    };
    api::MigrationRecord {
        migration_id: row.id.to_string(),
        map: Some(map),
        package: row.package,
        from: row.from_version,
        to: row.to_version,
        reason: row.reason,
        migrated_by: row.migrated_by,
        began_at: at(row.began_at),
        ended_at: row.ended_at.and_then(at),
        migrated: migrated.unsigned_abs(),
        undone_by: row.undone_by,
        undone_at: row.undone_at.and_then(at),
    }
}

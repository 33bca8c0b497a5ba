//! `masar workflow migrate`: running cases go on in another version, after a look at what would become of each.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use masar_proto::cases::v1::migrate_response::Result as Item;
use masar_proto::cases::v1::workflow_service_client::WorkflowServiceClient;
use masar_proto::cases::v1::{
    ListMigrationsRequest, MigrateRequest, MigrateResponse, MigratedCase, MigrationMap, MigrationSummary,
    UndoMigrationRequest,
};
use masar_proto::common::v1::PageRequest;
use masar_workflow::Migration;
use serde_json::{Value, json};
use tonic::Streaming;

use super::client::{connect, refused};
use super::workflow::difference::of_versions;
use super::{Access, Answer, local, table};
use crate::json;

/// What is done with running cases.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Let every case that runs in one version of a package go on in another, and say of each how. The same command again goes on
    /// where one broke off.
    Migrate(Migrate),
    /// Take the cases of a migration back, as far as nothing else has happened to them since.
    Undo {
        /// Id of the migration, as `migrate` and `migrations` say it.
        migration: String,
        /// Why; stands in the history of every case.
        #[arg(long)]
        reason: String,
    },
    /// The migrations of your entity, newest first.
    Migrations {
        /// Only those of this package.
        #[arg(default_value = "")]
        package: String,
        /// Migrations of a page, at most 500.
        #[arg(long, default_value_t = 50)]
        size: u32,
        /// Token of the page, from the one before.
        #[arg(long, default_value = "")]
        page: String,
    },
}

/// Which cases go where.
#[derive(Args)]
pub(crate) struct Migrate {
    /// Name of the package.
    package: String,
    /// The version in which they run.
    #[arg(long)]
    from: String,
    /// The version in which they go on.
    #[arg(long)]
    to: String,
    /// A YAML file: `states` (from old to new), `clocks` (keep, retarget, start or cancel each) and `route`. Without one all
    /// stays as it is.
    #[arg(long, value_name = "FILE")]
    map: Option<std::path::PathBuf>,
    /// Why; stands in the history of every case. Needed unless it is a dry run.
    #[arg(long, default_value = "", required_unless_present = "dry_run")]
    reason: String,
    /// Only say what the other version says otherwise, and what would become of each case.
    #[arg(long)]
    dry_run: bool,
}

/// Answers.
pub(super) async fn run(command: Command, access: &Access) -> Result<Answer> {
    match command {
        Command::Migrate(Migrate { package, from, to, map, reason, dry_run }) => {
            let map = map.as_deref().map(read).transpose()?;
            let request = MigrateRequest { package, from, to, map, reason, dry_run };
            let answers = WorkflowServiceClient::new(connect(access).await?).migrate(request).await;
            let answers = answers.map_err(|status| refused(&status))?.into_inner();
            gather(answers, if dry_run { "would go on" } else { "go on" }).await
        }
        Command::Undo { migration, reason } => {
            let request = UndoMigrationRequest { migration_id: migration, reason };
            let answers = WorkflowServiceClient::new(connect(access).await?).undo_migration(request).await;
            gather(answers.map_err(|status| refused(&status))?.into_inner(), "are back").await
        }
        Command::Migrations { package, size, page } => {
            let request = ListMigrationsRequest { package, page: Some(PageRequest { size, token: page }) };
            let found = WorkflowServiceClient::new(connect(access).await?).list_migrations(request).await;
            let found = found.map_err(|status| refused(&status))?.into_inner();
            let rows = found.migrations.iter().map(|row| {
                let state = match (&row.undone_at, &row.ended_at) {
                    (Some(_), _) => format!("undone by {}", row.undone_by),
                    (None, Some(_)) => "ended".to_owned(),
                    (None, None) => "under way".to_owned(),
                };
                let versions = format!("{} to {}", row.from, row.to);
                let began = local(row.began_at.as_ref());
                let (id, package, by) =
                    (row.migration_id.clone(), row.package.clone(), row.migrated_by.clone());
                [id, package, versions, row.migrated.to_string(), by, began, state]
            });
            let text = table(["id", "package", "versions", "cases", "by", "began", "state"], rows);
            Answer::of(&found, "masar.cases.v1.ListMigrationsResponse", text)
        }
    }
}

fn read(file: &Path) -> Result<MigrationMap> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let read = serde_saphyr::from_str::<Migration>(&text);
    let Migration { states, clocks, route } =
        read.with_context(|| format!("{} is no map of a migration", file.display()))?;
    let fate = |(clock, fate)| Ok((clock, json!(fate).as_str().unwrap_or_default().to_owned()));
    let clocks = clocks.into_iter().map(fate).collect::<Result<_>>()?;
    Ok(MigrationMap { states: states.into_iter().collect(), clocks, route })
}

/// What becomes of each case, and how many there are in all.
async fn gather(mut answers: Streaming<MigrateResponse>, done: &str) -> Result<Answer> {
    let (mut cases, mut summary) = (Vec::new(), None);
    while let Some(answer) = answers.message().await.map_err(|status| refused(&status))? {
        match answer.result {
            Some(Item::Case(case)) => cases.push(case),
            Some(Item::Summary(all)) => summary = Some(all),
            None => {}
        }
    }
    let summary = summary.context("the answer broke off: the same command again goes on with the rest")?;
    let json: Vec<Value> =
        cases.iter().map(|case| json::of(case, "masar.cases.v1.MigratedCase")).collect::<Result<_>>()?;
    let json = json!({"cases": json, "summary": json::of(&summary, "masar.cases.v1.MigrationSummary")?});
    let MigrationSummary { migration_id, migrated, rejected, difference } = summary;
    let undo = if migration_id.is_empty() || done == "are back" {
        String::new()
    } else {
        format!("; `masar workflow undo {migration_id}` takes them back")
    };
    let rows = cases.into_iter().map(line);
    let text = table(["case", "from", "to", "clocks, or why it stays"], rows);
    let versions = difference.as_ref().map(|found| of_versions(found) + "\n").unwrap_or_default();
    Ok(Answer { table: format!("{versions}{text}{migrated} {done}, {rejected} stay{undo}\n"), json })
}

fn line(case: MigratedCase) -> [String; 4] {
    let MigratedCase { reference, from_state, to_state, clocks, rejected, .. } = case;
    let what = rejected
        .map_or_else(|| clocks.join(", "), |rejected| format!("{}: {}", rejected.code, rejected.message));
    [reference, from_state, to_state, what]
}

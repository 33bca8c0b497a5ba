//! `masar log`: event logs of other systems become draft packages, and our own cases become event logs.

mod export;
mod import;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use masar_eventlog::{Log, Replay, replay};

use super::workflow::load;
use super::{Answer, table};

pub(crate) use self::export::run as export;

/// What can be done with event logs.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Derive a draft package from an event log, and replay the log through it; needs no running server.
    Import(import::Arguments),
    /// Replay an event log through a package case by case, such as a draft after it was corrected; needs no running server.
    Replay {
        /// An event log: .xes, or OCEL 2.0 as .json; plain or .gz.
        file: PathBuf,
        /// The folder with `workflow.yaml` and `forms/`, or the name of a package that this program brings.
        folder: PathBuf,
        /// The type of the objects that are the cases of an OCEL log; without it, the type that most events are about.
        #[arg(long)]
        object_type: Option<String>,
    },
    /// Write cases of this installation as an event log, for tools that mine processes. What people wrote, in forms and as
    /// reasons, stays here.
    Export(export::Arguments),
}

/// Answers.
pub(crate) fn run(command: Command) -> Result<Answer> {
    match command {
        Command::Import(arguments) => import::run(&arguments),
        Command::Replay { file, folder, object_type } => {
            let replay = replay(&load(&folder)?, &read(&file, object_type.as_deref())?);
            Ok(Answer { table: told(&replay), json: serde_json::to_value(replay)? })
        }
        Command::Export(_) => anyhow::bail!("asks a server"),
    }
}

/// Reads the file of a log.
pub(crate) fn read(file: &Path, object_type: Option<&str>) -> Result<Log> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Log::read(&bytes, object_type).with_context(|| format!("the log {}", file.display()))
}

/// What came of a replay.
fn told(replay: &Replay) -> String {
    let Replay { cases, events, accepted, refused, whole, closed, reasons } = replay;
    let mut text = format!(
        "replayed  {cases} cases, {events} events: {accepted} accepted, {refused} refused\n          {whole} cases as a whole, {closed} to their end\n"
    );
    if !reasons.is_empty() {
        let rows = reasons.iter().map(|reason| {
            let example = &reason.example;
            let place = format!("{} event {} ({})", example.case, example.event, example.activity);
            [reason.events.to_string(), reason.code.clone(), reason.reason.clone(), place]
        });
        text += &format!("\n{}", table(["refused", "code", "why", "such as"], rows));
    }
    text
}

/// A table under a heading; nothing when it is empty.
pub(crate) fn section<const N: usize>(title: &str, header: [&str; N], rows: Vec<[String; N]>) -> String {
    match rows.is_empty() {
        true => String::new(),
        false => format!("\n{title}\n{}", table(header, rows)),
    }
}

/// Both parts of an answer about a draft.
fn with_replay(draft: serde_json::Value, replay: &Replay) -> Result<serde_json::Value> {
    let mut json = serde_json::to_value(replay)?;
    json["draft"] = draft;
    Ok(json)
}

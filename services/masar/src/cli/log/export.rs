//! `masar log export`: cases of this installation as an event log.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use flate2::Compression;
use flate2::write::GzEncoder;
use masar_eventlog::{Attribute, Log, LogCase, LogEvent, Ocel, keys};
use masar_proto::cases::v1::CaseEvent;
use masar_proto::common::v1::Importance;
use masar_proto::time;
use serde_json::json;

use crate::cli::client::connect;
use crate::cli::selection::{Cases, Selection, Told};
use crate::cli::{Access, Answer};

/// The type of objects of cases of several types.
const CASE: &str = "case";

/// The formats of event logs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// XES 1849-2016.
    Xes,
    /// OCEL 2.0, in JSON.
    Ocel,
}

/// Which cases, and where they go.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The file to write; one that ends in .gz is compressed.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The format; without it, OCEL for a .json and XES for any other file.
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    selection: Selection,
}

/// Reads the cases and writes them.
pub(crate) async fn run(arguments: Arguments, access: &Access) -> Result<Answer> {
    let client = Cases::new(connect(access).await?);
    let told = arguments.selection.read(&client).await?;
    let log =
        Log { attributes: vec![Attribute::new("origin", "masar")], cases: told.iter().map(case).collect() };
    let (text, format) = match arguments.format.unwrap_or_else(|| format(&arguments.out)) {
        Format::Xes => (log.to_xes(), "XES"),
        Format::Ocel => (ocel(&log, &told).to_json(), "OCEL 2.0"),
    };
    write(&arguments.out, &text)?;
    let (cases, events, file) = (log.cases.len(), log.events(), arguments.out.display().to_string());
    Ok(Answer {
        table: format!("{cases} cases with {events} events are in {file}, as {format}\n"),
        json: json!({"file": file, "format": format, "cases": cases, "events": events}),
    })
}

/// What the name of a file says.
fn format(file: &Path) -> Format {
    let name = file.to_string_lossy().to_lowercase();
    let json = name.trim_end_matches(".gz").ends_with(".json");
    if json { Format::Ocel } else { Format::Xes }
}

fn write(file: &Path, text: &str) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let mut out = File::create(file).with_context(cannot)?;
    if file.extension().is_some_and(|end| end == "gz") {
        let mut packed = GzEncoder::new(out, Compression::default());
        packed.write_all(text.as_bytes()).with_context(cannot)?;
        packed.finish().map(drop).with_context(cannot)
    } else {
        out.write_all(text.as_bytes()).with_context(cannot)
    }
}

/// A case as a log tells of it: what it is about and where it belongs, and nothing that anybody wrote.
fn case(Told { case, events }: &Told) -> LogCase {
    let importance = Importance::try_from(case.importance).ok().and_then(Importance::word);
    let importance = importance.map(|word| word.to_string()).unwrap_or_default();
    let said = [
        (keys::NAME, &case.reference),
        ("case_type", &case.case_type),
        ("package", &case.package),
        ("package_version", &case.package_version),
        ("state", &case.state),
        ("importance", &importance),
        ("department", &case.department),
        ("service", &case.service),
        ("classification", &case.classification),
        ("channel", &case.channel),
        ("language", &case.language),
    ];
    let texts = said.into_iter().filter(|(_, said)| !said.is_empty());
    let times = [("received_at", &case.received_at), ("closed_at", &case.closed_at)];
    let times = times.into_iter().filter_map(|(key, at)| Some((key, time::from_proto(at.as_ref())?)));
    let attributes = texts.map(|(key, said)| Attribute::new(key, said.as_str()));
    LogCase {
        attributes: attributes.chain(times.map(|(key, at)| Attribute::new(key, at))).collect(),
        // What others may not know is for those who may to read, and in no file that goes round (CMP-07).
        events: events.iter().filter(|event| !event.concealed).map(event).collect(),
    }
}

/// What happened to a case: its transitions under their actions, comments and links under what they are.
fn event(event: &CaseEvent) -> LogEvent {
    let name = if event.action.is_empty() { &event.kind } else { &event.action };
    let mut attributes = vec![Attribute::new(keys::NAME, name.as_str())];
    attributes.extend(time::from_proto(event.at.as_ref()).map(|at| Attribute::new(keys::TIME, at)));
    let said = [
        (keys::RESOURCE, event.actor.as_str()),
        (keys::LIFECYCLE, "complete"),
        ("from_state", &event.from_state),
        ("to_state", &event.to_state),
    ];
    let said = said.into_iter().filter(|(_, said)| !said.is_empty());
    attributes.extend(said.map(|(key, said)| Attribute::new(key, said)));
    LogEvent { attributes }
}

/// Cases of one type are objects of it; those of several, of the type `case`.
fn ocel(log: &Log, told: &[Told]) -> Ocel {
    let mut types = told.iter().map(|told| told.case.case_type.as_str());
    let first = types.next().unwrap_or(CASE);
    let kind = if types.all(|kind| kind == first) { first } else { CASE };
    let there: BTreeSet<&str> = told.iter().map(|told| told.case.reference.as_str()).collect();
    let links = told.iter().flat_map(|Told { case, .. }| {
        let known = case.links.iter().filter(|link| !link.concealed);
        let known = known.filter(|link| there.contains(link.reference.as_str()));
        known.map(|link| (case.reference.clone(), link.reference.clone(), link.link.clone()))
    });
    Ocel::of(log, kind, &links.collect::<Vec<_>>())
}

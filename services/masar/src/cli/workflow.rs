//! `masar workflow`: is a package sound, and what does it look like?

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use masar_domain::Language;
use masar_workflow::{Package, Source, graph};
use serde_json::json;

use super::Answer;

/// The questions about workflow packages; none needs a running server.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check a package folder and name everything that is wrong with it.
    Check {
        /// The folder with `workflow.yaml` and `forms/`.
        folder: PathBuf,
    },
    /// Draw a package as a Mermaid state diagram.
    Graph {
        /// The folder with `workflow.yaml` and `forms/`.
        folder: PathBuf,
        /// The language of the labels: `ar` or `en`.
        #[arg(long, default_value_t = Language::En)]
        language: Language,
    },
}

/// Answers a question about a workflow package.
pub(crate) fn run(command: Command) -> Result<Answer> {
    match command {
        Command::Check { folder } => Ok(summary(&load(&folder)?)),
        Command::Graph { folder, language } => {
            let drawing = graph(load(&folder)?.definition(), language);
            Ok(Answer { json: json!({"mermaid": drawing}), table: drawing })
        }
    }
}

fn summary(package: &Package) -> Answer {
    let definition = package.definition();
    let (states, transitions) = (definition.states.len(), definition.transitions.len());
    Answer {
        table: format!(
            "{} {} is sound: {states} states, {transitions} transitions\n",
            definition.package, definition.version
        ),
        json: json!({
            "package": definition.package,
            "version": definition.version,
            "states": states,
            "transitions": transitions,
        }),
    }
}

fn load(folder: &Path) -> Result<Package> {
    let package = Source::read(folder).and_then(|source| Package::compile(&source));
    package.with_context(|| format!("the package in {} cannot be used", folder.display()))
}

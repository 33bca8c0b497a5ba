//! `masar workflow`: is a package sound, and what does it look like?

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use masar_domain::Language;
use masar_workflow::{Catalog, Package, Source, graph};
use serde_json::json;

use super::{Answer, table};

/// The questions about workflow packages; none needs a running server.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// The packages that this program brings, in force unless a server has newer ones of its own.
    List,
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
        Command::List => Ok(list(&Catalog::shipped()?)),
        Command::Check { folder } => Ok(summary(&load(&folder)?)),
        Command::Graph { folder, language } => {
            let drawing = graph(load(&folder)?.definition(), language);
            Ok(Answer { json: json!({"mermaid": drawing}), table: drawing })
        }
    }
}

fn list(catalog: &Catalog) -> Answer {
    let packages: Vec<_> = catalog.packages().map(|package| package.definition()).collect();
    let rows = packages.iter().map(|found| {
        let label = format!("{} / {}", found.label.ar, found.label.en);
        [found.package.clone(), found.version.clone(), found.case_type.clone(), label]
    });
    let json = packages.iter().map(|found| {
        json!({"package": found.package, "version": found.version, "case_type": found.case_type, "label": found.label})
    });
    Answer {
        json: json!({"packages": json.collect::<Vec<_>>()}),
        table: table(["package", "version", "case type", "label"], rows),
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

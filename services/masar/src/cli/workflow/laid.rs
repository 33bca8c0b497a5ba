//! `masar workflow overlay`: an overlay checked, and its conformance report.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use masar_workflow::{Error, Overlaid, Source, overlay};
use serde_json::json;

use super::{difference, findings};
use crate::cli::{Answer, Unsuccessful};

/// Lays an overlay over a package; writes what comes of it where somebody asks for it.
pub(super) fn answer(base: &Source, file: &Path, out: Option<&Path>) -> Result<Answer> {
    let text = fs::read_to_string(file).with_context(|| format!("the overlay {}", file.display()))?;
    let laid = match overlay(base, &text) {
        Ok(laid) => laid,
        Err(Error::Findings(found)) => {
            let problem = format!(
                "the overlay {} cannot be used: {} found, see docs/workflow-checks.md",
                file.display(),
                found.len()
            );
            return Err(Unsuccessful { answer: findings(&found), problem }.into());
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(folder) = out {
        write(&laid.source, folder).with_context(|| format!("the folder {}", folder.display()))?;
    }
    Ok(Answer {
        table: told(&laid),
        json: json!({"entity": laid.entity, "package": laid.package.definition().package, "version": laid.package.definition().version, "changes": laid.difference.changes}),
    })
}

fn told(laid: &Overlaid) -> String {
    let changes = laid.difference.changes.len();
    let head = format!(
        "{} of {} conforms to {}: {changes} differences\n",
        laid.difference.new, laid.entity, laid.difference.old
    );
    head + &difference::changed(&laid.difference)
}

/// Writes a package into a folder of its own.
fn write(source: &Source, folder: &Path) -> Result<()> {
    let taken = folder.is_dir() && fs::read_dir(folder)?.next().is_some();
    ensure!(!taken, "it is not empty: name a new one");
    fs::create_dir_all(folder.join("forms"))?;
    fs::write(folder.join("workflow.yaml"), &source.workflow)?;
    for (name, form) in &source.forms {
        fs::write(folder.join("forms").join(format!("{name}.json")), form)?;
    }
    Ok(())
}

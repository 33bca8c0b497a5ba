//! The texts of a package: which files of its folder belong to it, and what each of them is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::finding::WORKFLOW;
use crate::{Code, Error, Finding, Package, Scenarios, Source};

/// The texts of a package by their paths within its folder, such as `forms/answer.json`.
pub type Files = BTreeMap<String, String>;

/// How arrivals and staff are played against the package.
const SIMULATION: &str = "simulation.yaml";
const FORMS: &str = "forms";
const TABLES: &str = "tables";
const SCENARIOS: &str = "scenarios";
/// The folders within that of a package, and how the names of its files in them end.
const FOLDERS: [(&str, &str); 3] = [(FORMS, "json"), (TABLES, "csv"), (SCENARIOS, "yaml")];

/// Reads the texts of a package from its folder; whatever else is there belongs to somebody else.
///
/// # Errors
/// `FOLDER`, with the file that cannot be read.
pub fn files(folder: &Path) -> Result<Files, Error> {
    let cannot = |path: &Path, error: &std::io::Error| {
        let file = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        Error::from(folder_finding(&file, format!("cannot read {}: {error}", path.display())))
    };
    let text = |path: &Path| fs::read_to_string(path).map_err(|error| cannot(path, &error));
    let mut files = Files::from([(WORKFLOW.to_owned(), text(&folder.join(WORKFLOW))?)]);
    let simulation = folder.join(SIMULATION);
    if simulation.is_file() {
        files.insert(SIMULATION.to_owned(), text(&simulation)?);
    }
    for (part, end) in FOLDERS {
        let folder = folder.join(part);
        // A package may have no table; and without scenarios it is none that is tried, and one all the same.
        if part != FORMS && !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(|error| cannot(&folder, &error))? {
            let path = entry.map_err(|error| cannot(&folder, &error))?.path();
            if path.extension().is_some_and(|found| found == end)
                && let Some(name) = path.file_name()
            {
                files.insert(format!("{part}/{}", name.to_string_lossy()), text(&path)?);
            }
        }
    }
    Ok(files)
}

/// The texts of the scenarios among those of a package, by the name of their file.
#[must_use]
pub fn scenarios(files: &Files) -> BTreeMap<String, String> {
    let scenario =
        |(path, text): (&String, &String)| Some((within(path, SCENARIOS)?.to_owned(), text.clone()));
    files.iter().filter_map(scenario).collect()
}

impl Source {
    /// What the texts of a package say that cases walk.
    ///
    /// # Errors
    /// `FOLDER`, with every file that is none of a package, and when `workflow.yaml` is missing.
    pub fn of(files: &Files) -> Result<Self, Error> {
        let mut source = Self::default();
        let mut findings = Vec::new();
        for (path, text) in files {
            if path == WORKFLOW {
                source.workflow.clone_from(text);
            } else if let Some(name) = within(path, FORMS) {
                let name = name.strip_suffix(".json").unwrap_or(name);
                source.forms.insert(name.to_owned(), text.clone());
            } else if let Some(name) = within(path, TABLES) {
                let name = name.strip_suffix(".csv").unwrap_or(name);
                source.tables.insert(name.to_owned(), text.clone());
            } else if path != SIMULATION && within(path, SCENARIOS).is_none() {
                let expected = "is none of a package: those are workflow.yaml, forms/*.json, tables/*.csv, scenarios/*.yaml and simulation.yaml";
                findings.push(folder_finding(path, format!("`{path}` {expected}")));
            }
        }
        if !files.contains_key(WORKFLOW) {
            findings.push(folder_finding(WORKFLOW, format!("`{WORKFLOW}` is missing")));
        }
        if findings.is_empty() { Ok(source) } else { Err(Error::Findings(findings)) }
    }

    /// Reads the folder of a package.
    ///
    /// # Errors
    /// `FOLDER`, with the file that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Self::of(&files(folder)?)
    }
}

impl Package {
    /// Reads, checks and compiles all of a package, its scenarios too.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn of(files: &Files) -> Result<Self, Error> {
        let package = Source::of(files).and_then(|source| Self::compile(&source));
        let texts = scenarios(files);
        let scenarios = texts.iter().map(|(name, text)| Scenarios::read(name, text).map(drop));
        let mut findings = Vec::new();
        for read in std::iter::once(package.as_ref().map(drop).map_err(Clone::clone)).chain(scenarios) {
            match read {
                Ok(()) => {}
                Err(Error::Findings(found)) => findings.extend(found),
                Err(error) => return Err(error),
            }
        }
        if findings.is_empty() { package } else { Err(Error::Findings(findings)) }
    }
}

/// The name of a file of one of the folders, as far as it is one of a package.
fn within<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let (found, name) = path.split_once('/')?;
    let (stem, end) = name.rsplit_once('.')?;
    let expected = FOLDERS.contains(&(found, end)) && found == folder;
    (expected && !stem.is_empty() && !name.contains(['/', '\\'])).then_some(name)
}

fn folder_finding(file: &str, message: String) -> Finding {
    Finding::at(Code::Folder, file, None, message)
}

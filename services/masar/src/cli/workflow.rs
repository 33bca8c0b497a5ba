//! `masar workflow`: is a package sound, what does it look like, and which version of it is in force?

pub(super) mod difference;
mod laid;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use masar_domain::Language;
use masar_workflow::{
    Catalog, Error, FileKind, Finding, Outcome, Package, Source, Trial, explain, files, graph, scenarios,
    schema, shipped, shipped_files, trial,
};
use serde_json::{Value, json};

use super::{Answer, Unsuccessful, dry_run, publish, simulate, table};

/// Questions about workflow packages, and their versions on a server.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// The packages that this program brings, in force unless a server has newer ones of its own.
    List,
    /// Check a package folder and name everything that is wrong with it.
    Check {
        /// The folder with `workflow.yaml` and `forms/`.
        folder: PathBuf,
    },
    /// Walk cases as the scenarios of packages say, on a simulated clock, and compare.
    Test {
        /// Folders of packages, with their `scenarios/`; without any, the packages that this program brings.
        folders: Vec<PathBuf>,
        /// How many of a hundred transitions the scenarios of each package must walk.
        #[arg(long, default_value_t = 0, value_name = "PERCENT")]
        coverage: usize,
    },
    /// Compare two packages: what the new one changes, and what would strand a running case of the old one.
    Diff {
        /// The old package: a folder, or the name of one that this program brings.
        old: PathBuf,
        /// The new package, as a folder or name too.
        new: PathBuf,
    },
    /// Lay what an entity adds and tightens over a package: check it, and report every difference from the package.
    Overlay {
        /// The package below: a folder, or the name of one that this program brings.
        base: PathBuf,
        /// The file of the overlay.
        overlay: PathBuf,
        /// A new folder for the package that comes of it.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// The JSON Schema of a file of the language, for editors.
    Schema {
        /// The file that it is for.
        #[arg(value_enum, default_value_t = LanguageFile::Workflow)]
        file: LanguageFile,
    },
    /// Say a package in plain sentences: states, who may do what under which condition, clocks, ladders.
    Explain {
        /// The folder with `workflow.yaml` and `forms/`, or the name of a package that this program brings.
        folder: PathBuf,
        /// The language of the sentences: `ar` or `en`.
        #[arg(long, alias = "lang", default_value_t = Language::En)]
        language: Language,
    },
    /// Draw a package as a Mermaid state diagram.
    Graph {
        /// The folder with `workflow.yaml` and `forms/`, or the name of a package that this program brings.
        folder: PathBuf,
        /// The language of the labels: `ar` or `en`.
        #[arg(long, default_value_t = Language::En)]
        language: Language,
    },
    #[command(flatten)]
    Versions(publish::Command),
    /// Play arrivals and staff against a package: what would be late, where cases would wait, where their time would go.
    Simulate(simulate::Arguments),
    /// Walk the cases of this installation once more, under a draft: what would have been late, stuck or routed elsewhere.
    DryRun(dry_run::Arguments),
}

/// A file that analysts write.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum LanguageFile {
    /// `workflow.yaml`.
    Workflow,
    /// A file of `scenarios/`.
    Scenarios,
    /// The overlay of an entity.
    Overlay,
}

/// Answers a question about a workflow package, for which no server is needed.
pub(crate) fn run(command: Command) -> Result<Answer> {
    match command {
        Command::List => Ok(list(&Catalog::shipped()?)),
        Command::Check { folder } => check(&folder),
        Command::Test { folders, coverage } => test(&folders, coverage),
        Command::Diff { old, new } => difference::answer(&load(&old)?, &load(&new)?),
        Command::Overlay { base, overlay, out } => laid::answer(&source(&base)?, &overlay, out.as_deref()),
        Command::Schema { file } => {
            let text = schema(match file {
                LanguageFile::Workflow => FileKind::Workflow,
                LanguageFile::Scenarios => FileKind::Scenarios,
                LanguageFile::Overlay => FileKind::Overlay,
            });
            Ok(Answer { table: text.to_owned(), json: serde_json::from_str(text)? })
        }
        Command::Explain { folder, language } => {
            let said = explain(load(&folder)?.definition(), language);
            Ok(Answer { json: json!({"sentences": said}), table: said })
        }
        Command::Graph { folder, language } => {
            let drawing = graph(load(&folder)?.definition(), language);
            Ok(Answer { json: json!({"mermaid": drawing}), table: drawing })
        }
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Versions(_) | Command::DryRun(_) => bail!("cases and their versions are asked of a server"),
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

/// Everything that is wrong with a package and its scenarios, or how much it holds when nothing is.
pub(super) fn check(folder: &Path) -> Result<Answer> {
    match files(folder).and_then(|files| Package::of(&files)) {
        Ok(package) => Ok(summary(&package)),
        Err(Error::Findings(found)) => {
            let problem = refused(folder, found.len());
            Err(Unsuccessful { answer: findings(&found), problem }.into())
        }
        Err(error) => Err(error.into()),
    }
}

fn refused(folder: &Path, findings: usize) -> String {
    format!(
        "the package in {} cannot be used: {findings} found, see docs/workflow-checks.md",
        folder.display()
    )
}

fn findings(found: &[Finding]) -> Answer {
    let rows = found.iter().map(|finding| {
        let place = match (finding.line, finding.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", finding.file),
            _ => finding.file.clone(),
        };
        [place, finding.code.to_string(), finding.message.clone()]
    });
    Answer { table: table(["place", "code", "what is wrong"], rows), json: json!({"findings": found}) }
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

/// A package and where its scenarios stand, with their texts.
type Tried = (Arc<Package>, PathBuf, BTreeMap<String, String>);

fn test(folders: &[PathBuf], coverage: usize) -> Result<Answer> {
    let catalog = Catalog::shipped()?;
    let found: Vec<Tried> = match folders {
        [] => catalog
            .packages()
            .map(|package| {
                let name = &package.definition().package;
                let folder = Path::new("workflows").join(name).join("scenarios");
                (Arc::clone(package), folder, scenarios(&shipped_files(name).unwrap_or_default()))
            })
            .collect(),
        folders => folders.iter().map(|folder| tried(folder)).collect::<Result<_>>()?,
    };
    // A package finds its children among those that are tried with it, and then among those that are shipped.
    let lookup = |name: &str| {
        let mut packages = found.iter().map(|(package, ..)| package);
        packages.find(|package| package.definition().package == name).or(catalog.in_force(name)).cloned()
    };
    let (mut lines, mut reports, mut wrong) = (String::new(), Vec::new(), 0);
    for (package, folder, texts) in &found {
        let trial = trial(package, texts, &lookup);
        wrong += usize::from(!trial.holds() || trial.coverage.percent() < coverage);
        lines += &told(package, folder, &trial);
        reports.push(report(package, &trial));
    }
    let answer = Answer { table: lines, json: json!({"packages": reports}) };
    if wrong == 0 {
        return Ok(answer);
    }
    let problem =
        format!("of {} packages {wrong} are not as their scenarios say, or walked too little", found.len());
    Err(Unsuccessful { answer, problem }.into())
}

fn tried(folder: &Path) -> Result<Tried> {
    let files = files(folder).with_context(|| unusable(folder))?;
    Ok((Arc::new(load(folder)?), folder.join("scenarios"), scenarios(&files)))
}

/// A line for each scenario, and one for what they walk of the package.
fn told(package: &Package, folder: &Path, trial: &Trial) -> String {
    let mut lines = String::new();
    for (file, outcomes) in &trial.files {
        let path = folder.join(file);
        if let Err(error) = outcomes {
            lines += &format!("FAILED  {}: {error}\n", path.display());
        }
        for outcome in outcomes.iter().flatten() {
            let word = if outcome.failures.is_empty() { "holds " } else { "FAILED" };
            lines += &format!("{word}  {} / {}\n", outcome.name.en, outcome.name.ar);
            for failure in &outcome.failures {
                let (line, column) = (failure.line, failure.column);
                lines += &format!("        {}:{line}:{column}: {}\n", path.display(), failure.message);
            }
        }
    }
    let (name, coverage) = (&package.definition().package, &trial.coverage);
    lines += &format!("{name}: {} of {} transitions walked\n", coverage.walked, coverage.transitions);
    for never in &coverage.never {
        lines += &format!("        never walked: {never}\n");
    }
    lines
}

fn report(package: &Package, trial: &Trial) -> Value {
    let scenario = |file: &String, found: &Outcome| {
        let (holds, failures) = (found.failures.is_empty(), &found.failures);
        json!({"file": file, "scenario": found.name, "holds": holds, "failures": failures})
    };
    let scenarios: Vec<Value> = (trial.files.iter())
        .flat_map(|(file, outcomes)| match outcomes {
            Err(error) => vec![json!({"file": file, "holds": false, "error": error.to_string()})],
            Ok(outcomes) => outcomes.iter().map(|outcome| scenario(file, outcome)).collect(),
        })
        .collect();
    json!({"package": package.definition().package, "scenarios": scenarios, "coverage": trial.coverage})
}

/// A package in a folder, or one that this program brings.
pub(super) fn load(place: &Path) -> Result<Package> {
    let package = Package::compile(&source(place)?);
    package.with_context(|| unusable(place))
}

/// The texts of a package in a folder, or of one that this program brings.
fn source(place: &Path) -> Result<Source> {
    if let Some(source) = place.to_str().filter(|_| !place.exists()).and_then(shipped) {
        return Ok(source);
    }
    let names = "`masar workflow list` names the packages that can be used by name";
    Source::read(place).with_context(|| format!("there is no package in {}; {names}", place.display()))
}

fn unusable(folder: &Path) -> String {
    format!("the package in {} cannot be used", folder.display())
}

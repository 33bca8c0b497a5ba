//! `masar log import`: a draft package from an event log.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use masar_eventlog::{Draft, Summary, replay};
use serde_json::json;

use super::{Answer, read, section, told, with_replay};
use crate::cli::workflow::load;

/// Where a log is, and where its draft goes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// An event log: .xes, or OCEL 2.0 as .json; plain or .gz.
    file: PathBuf,
    /// The folder of the draft, new or empty.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the package; that of the file when not given.
    #[arg(long)]
    name: Option<String>,
    /// The type of the objects that are the cases of an OCEL log; without it, the type that most events are about.
    #[arg(long)]
    object_type: Option<String>,
}

/// Derives, writes, checks and replays.
pub(crate) fn run(arguments: &Arguments) -> Result<Answer> {
    let log = read(&arguments.file, arguments.object_type.as_deref())?;
    let name = arguments.name.clone().unwrap_or_else(|| stem(&arguments.file));
    let draft = Draft::of(&log, &name)?;
    write(&arguments.out, &draft)?;
    // What was written is what is checked and replayed.
    let replay = replay(&load(&arguments.out)?, &log);
    let text = format!("{}\n{}", summary(&arguments.out, &draft.summary), told(&replay));
    let mut told = serde_json::to_value(&draft.summary)?;
    told["folder"] = json!(arguments.out);
    Ok(Answer { table: text, json: with_replay(told, &replay)? })
}

/// The name of a file without what says its format.
fn stem(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

fn write(folder: &Path, draft: &Draft) -> Result<()> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("the folder {} is not empty: name a new one", folder.display());
    }
    let put = |path: PathBuf, text: &str| {
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    put(folder.join("workflow.yaml"), &draft.workflow)?;
    put(folder.join("simulation.yaml"), &draft.simulation)?;
    for (name, text) in &draft.forms {
        put(folder.join("forms").join(format!("{name}.json")), text)?;
    }
    for (name, text) in &draft.scenarios {
        put(folder.join("scenarios").join(name), text)?;
    }
    Ok(())
}

fn summary(folder: &Path, summary: &Summary) -> String {
    let Summary { package, states, transitions, ends, rare, teams, stays, left_out, .. } = summary;
    let mut text = format!(
        "draft     {package} in {}: {states} states, {transitions} sentences, {} of them on ways that few took\nends      {}\n",
        folder.display(),
        rare.len(),
        ends.join(", "),
    );
    if !left_out.is_empty() {
        text += &format!("left out  {}: they change while a case lasts\n", left_out.join(", "));
    }
    let teams = teams.iter().map(|team| {
        let [role, people] = [team.role.clone(), team.people.to_string()];
        [role, people, team.actions.join(", ")]
    });
    text += &section("suggested roles", ["role", "people", "do"], teams.collect());
    let stays = stays.iter().map(|stay| {
        let half = format!("{:.1}", stay.half_seconds as f64 / 3_600.0);
        [stay.state.clone(), stay.times.to_string(), half, stay.target.to_string()]
    });
    let header = ["state", "left", "half within hours", "suggested target"];
    text + &section("suggested targets: nine of ten took no longer", header, stays.collect())
}

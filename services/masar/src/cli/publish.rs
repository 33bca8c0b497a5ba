//! `masar workflow publish` and what else an installation is told or asked about the versions of its packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use masar_proto::cases::v1::workflow_service_client::WorkflowServiceClient;
use masar_proto::cases::v1::{
    GetVersionRequest, ListVersionsRequest, PublishRequest, RetireRequest, WorkflowVersion,
};
use masar_proto::common::v1::PageRequest;
use masar_runtime::refuse;
use masar_workflow::{Files, files, shipped_files};
use serde_json::json;
use tonic::Status;

use super::client::{Asking, connect, refused};
use super::workflow::check;
use super::{Access, Answer, Unsuccessful, local, migrate, table};

/// What is done with the versions of packages; all but copying a shipped package asks a server.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Publish a package for your entity: from now on its new cases are opened in this version. Cases that run stay on theirs.
    Publish {
        /// The folder with `workflow.yaml` and `forms/`; its version must be higher than those that there are.
        folder: PathBuf,
    },
    /// The versions that your entity has: those it published, and those that come with the installation.
    Versions {
        /// Only those of this package.
        #[arg(default_value = "")]
        package: String,
        /// Versions of a page, at most 500.
        #[arg(long, default_value_t = 500)]
        size: u32,
        /// Token of the page, from the one before.
        #[arg(long, default_value = "")]
        page: String,
    },
    /// Open no new cases in a version that your entity published; those that run in it go on.
    Retire {
        /// Name of the package.
        package: String,
        /// The version.
        version: String,
        /// Why, for those who look later.
        #[arg(long)]
        reason: String,
    },
    /// Write the files of a package into a new folder, to be changed: one that this program brings, or a version that your
    /// entity published.
    Copy {
        /// Name of the package.
        package: String,
        /// The folder, which must not be there yet.
        folder: PathBuf,
        /// The version that was published; the package of this program without it.
        #[arg(long, value_name = "VERSION")]
        published: Option<String>,
    },
    #[command(flatten)]
    Cases(migrate::Command),
}

type Client = WorkflowServiceClient<Asking>;

/// Answers.
pub(crate) async fn run(command: Command, access: &Access) -> Result<Answer> {
    match command {
        Command::Publish { folder } => publish(&folder, access).await,
        Command::Versions { package, size, page } => {
            let request = ListVersionsRequest { package, page: Some(PageRequest { size, token: page }) };
            let found = client(access).await?.list_versions(request).await;
            let found = found.map_err(|status| refused(&status))?.into_inner();
            let text = versions(&found.versions);
            Answer::of(&found, "masar.cases.v1.ListVersionsResponse", text)
        }
        Command::Retire { package, version, reason } => {
            let request = RetireRequest { package, version, reason };
            let retired = client(access).await?.retire(request).await;
            let retired = retired.map_err(|status| refused(&status))?.into_inner();
            let text = versions(std::slice::from_ref(&retired));
            Answer::of(&retired, "masar.cases.v1.WorkflowVersion", text)
        }
        Command::Copy { package, folder, published } => {
            let files = match published {
                None => shipped_files(&package).with_context(|| {
                    format!("this program brings no package `{package}`: `masar workflow list` names those that it does")
                })?,
                Some(version) => {
                    let request = GetVersionRequest { package, version };
                    let found = client(access).await?.get_version(request).await;
                    found.map_err(|status| refused(&status))?.into_inner().files.into_iter().collect()
                }
            };
            copy(&folder, &files)
        }
        Command::Cases(command) => migrate::run(command, access).await,
    }
}

async fn client(access: &Access) -> Result<Client> {
    Ok(WorkflowServiceClient::new(connect(access).await?))
}

/// Checks here first: what is wrong is told with its place, and no server is needed for that.
async fn publish(folder: &Path, access: &Access) -> Result<Answer> {
    check(folder)?;
    let request = PublishRequest { files: files(folder)?.into_iter().collect() };
    let published = client(access).await?.publish(request).await;
    let published = published.map_err(|status| wrong(folder, &status))?.into_inner();
    let version = published.version.clone().unwrap_or_default();
    let name = format!("{} {}", version.package, version.version);
    let text = match (published.unchanged, version.in_force) {
        (false, _) => {
            format!("{name} is published: new cases of the type {} are opened in it\n", version.case_type)
        }
        (true, true) => format!("{name} was published before with the same files, and is in force\n"),
        (true, false) => {
            format!("{name} was published before with the same files, and is not in force any more\n")
        }
    };
    Answer::of(&published, "masar.cases.v1.PublishResponse", text)
}

/// What the server refused; one of a later release may find what this program does not.
fn wrong(folder: &Path, status: &Status) -> anyhow::Error {
    let found: Vec<_> = refuse::findings(status).into_iter().filter(|found| !found.code.is_empty()).collect();
    if found.is_empty() {
        return refused(status);
    }
    let json =
        found.iter().map(|found| json!({"place": found.place, "code": found.code, "message": found.message}));
    let json = json!({"findings": json.collect::<Vec<_>>()});
    let rows = found.into_iter().map(|found| [found.place, found.code, found.message]);
    let answer = Answer { table: table(["place", "code", "what is wrong"], rows), json };
    let problem = format!("the server refuses the package in {}: {}", folder.display(), status.message());
    Unsuccessful { answer, problem }.into()
}

fn copy(folder: &Path, files: &Files) -> Result<Answer> {
    if folder.exists() {
        bail!("{} is there already: name a folder that is not", folder.display());
    }
    for (path, text) in files {
        let path = folder.join(path);
        let written =
            fs::create_dir_all(path.parent().unwrap_or(folder)).and_then(|()| fs::write(&path, text));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = format!(
        "{} files are in {}: give `version` a higher number before you publish\n",
        files.len(),
        folder.display()
    );
    Ok(Answer { table: text, json: json!({"folder": folder, "files": files.keys().collect::<Vec<_>>()}) })
}

fn versions(versions: &[WorkflowVersion]) -> String {
    let rows = versions.iter().map(|found| {
        let from = if found.own { found.published_by.clone() } else { "the installation".to_owned() };
        let state = match (found.in_force, found.retired_at.is_some()) {
            (true, _) => "in force".to_owned(),
            (false, true) => format!("retired: {}", found.retired_because),
            (false, false) => String::new(),
        };
        let published = local(found.published_at.as_ref());
        [found.package.clone(), found.version.clone(), found.case_type.clone(), from, published, state]
    });
    table(["package", "version", "case type", "from", "published", "new cases"], rows)
}

//! The platform that is measured: the same binary in a process of its own, which goes when the bench ends.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use include_dir::{Dir, include_dir};
use masar_runtime::auth::mint;
use masar_store::DatabaseUrl;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::cli::{Asking, Way};
use crate::credentials::Credentials;
use crate::demo;

/// The entity whose cases are used, and its call centre and people.
pub(super) const TENANT: &str = "DEMO-LAB";
/// A package whose clocks are due after seconds.
static PACKAGE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/bench/package");
/// Connections over which callers come.
const CONNECTIONS: usize = 4;
/// How long a token is good for, and how long a platform may take to start.
const LIFE: Duration = Duration::from_secs(12 * 3_600);
const MOST: Duration = Duration::from_secs(60);
/// How long cases may wait to be opened: where nobody opens any, intake takes 5 in a second for what can be, and a bench brings
/// hundreds of thousands.
const NO_LAG: u64 = 100 * 365 * 86_400;
/// How often is asked whether it answers.
const PACE: Duration = Duration::from_millis(50);

/// What platform and limits stand on: a folder that goes with the bench, and servers if there are any.
pub(super) struct Ground {
    folder: TempDir,
    postgres: Option<String>,
    pub(super) amqp: Option<String>,
}

impl Ground {
    pub(super) fn new(postgres: Option<String>, amqp: Option<String>) -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir().context("cannot make a folder")?, postgres, amqp })
    }

    /// What it is called in reports.
    pub(super) fn mode(&self) -> &'static str {
        match (&self.postgres, &self.amqp) {
            (None, None) => "embedded",
            (Some(_), Some(_)) => "postgres+rabbitmq",
            (Some(_), None) => "postgres",
            (None, Some(_)) => "sqlite+rabbitmq",
        }
    }

    /// Where the tables are, those of the platform and those of the limits.
    pub(super) fn database(&self) -> DatabaseUrl {
        match &self.postgres {
            Some(url) => DatabaseUrl::Postgres(url.clone()),
            None => DatabaseUrl::SqliteFolder(self.data_folder().join("db")),
        }
    }

    fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// The platform, and the way to it.
pub(super) struct House {
    server: String,
    credentials: Credentials,
    log: PathBuf,
    child: Child,
}

impl House {
    /// Starts the platform, or some of its services alone, and waits until it answers.
    pub(super) async fn start(ground: &Ground, only: &[&str]) -> Result<Self> {
        let (folder, data) = (ground.folder.path(), ground.data_folder());
        let log = folder.join("platform.log");
        let credentials = Credentials::of(&data)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(std::env::current_exe()?);
        let foreign = std::env::vars_os().map(|(key, _)| key);
        for key in foreign.filter(|key| key.to_string_lossy().starts_with("MASAR_")) {
            command.env_remove(key);
        }
        let servers = [("MASAR_DATABASE", &ground.postgres), ("MASAR_AMQP", &ground.amqp)];
        command.envs(servers.into_iter().filter_map(|(key, url)| Some((key, url.as_ref()?))));
        command.args(["up", "--no-cases", "--listen", &address.to_string(), "--data"]).arg(&data);
        command.args(only.iter().map(|service| format!("--only={service}")));
        command.arg("--config").arg(configuration(folder)?);
        command.stdout(Stdio::null()).stderr(fs::File::create(&log)?).kill_on_drop(true);
        let child = command.spawn().context("cannot start the platform")?;
        let mut house = Self { server: format!("http://{address}"), credentials, log, child };
        house.until_it_answers().await?;
        Ok(house)
    }

    async fn until_it_answers(&mut self) -> Result<()> {
        let until_there = async {
            let mut pace = tokio::time::interval(PACE);
            loop {
                pace.tick().await;
                if let Some(ended) = self.child.try_wait()? {
                    let log = fs::read_to_string(&self.log).unwrap_or_default();
                    bail!("the platform ended at once ({ended}): {}", log.trim());
                }
                if self.call_centre().await.is_ok() {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(MOST, until_there).await.context("the platform does not answer")?
    }

    /// Ends it. Nothing of it is kept, so that it need not tidy up.
    pub(super) async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// A connection as the call centre of the entity.
    pub(super) async fn call_centre(&self) -> Result<Asking> {
        Way::to(&self.server, &format!("ApiKey {}", self.credentials.api_key)).await?.asking(Some(TENANT))
    }

    /// A connection as a person of the entity.
    pub(super) async fn person(&self, id: &str) -> Result<Asking> {
        let token = mint(&self.credentials.jwt(), &demo::person(id)?, LIFE)?;
        Way::to(&self.server, &format!("Bearer {token}")).await?.asking(None)
    }

    /// The connections over which many callers come, each as the call centre.
    pub(super) async fn call_centres(&self) -> Result<Vec<Asking>> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(self.call_centre().await?);
        }
        Ok(connections)
    }

    /// The connections over which many callers come, each as a person.
    pub(super) async fn people(&self, id: &str) -> Result<Vec<Asking>> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(self.person(id).await?);
        }
        Ok(connections)
    }
}

/// The configuration of the platform: with the package of the bench, and without a line for each thing that happens. Nobody is
/// held back at intake: what is measured is how much is done, not who is admitted.
fn configuration(folder: &Path) -> Result<PathBuf> {
    let package = folder.join("package");
    fs::create_dir_all(&package).and_then(|()| PACKAGE.extract(&package))?;
    let (file, package) = (folder.join("masar.toml"), serde_json::to_string(&package)?);
    fs::write(
        &file,
        format!(
            "workflows = [{package}]\n[telemetry]\nlog_filter = \"warn\"\n[limits]\nlag_seconds = {NO_LAG}\n"
        ),
    )?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use masar_workflow::{Package, Source};

    use super::*;

    #[test]
    fn the_package_of_the_bench_is_one() -> Result<()> {
        let folder = tempfile::tempdir()?;
        configuration(folder.path())?;
        let package = Package::compile(&Source::read(&folder.path().join("package"))?)?;
        assert_eq!(package.definition().clocks.len(), 1);
        Ok(())
    }
}

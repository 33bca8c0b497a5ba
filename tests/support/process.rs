//! The binary as a process of its own, as an operator runs it.

use std::ffi::OsString;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, Result, ensure};
use masar::credentials::Credentials;
use tokio::process::{Child, Command};

use super::{Asking, connect, eventually};

/// How a process is started, also again.
#[derive(Clone)]
pub(crate) struct Start {
    /// The binary: the one of this commit, unless a test compares it with another.
    pub(crate) binary: PathBuf,
    /// What it is told, but for its address.
    pub(crate) arguments: Vec<OsString>,
    /// Settings of its own.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// Where it logs; unset: to where the test does.
    pub(crate) log: Option<PathBuf>,
}

impl Start {
    /// The binary of this commit, with these arguments.
    pub(crate) fn with(arguments: Vec<OsString>) -> Self {
        let binary = env!("CARGO_BIN_EXE_masar").into();
        // A slow machine refuses nobody.
        let environment = vec![("MASAR_LIMITS__LAG_SECONDS", "600".into())];
        Self { binary, arguments, environment, log: None }
    }

    fn spawn(&self, address: SocketAddr) -> Result<Child> {
        let log = self.log.as_ref().map(|log| File::options().create(true).append(true).open(log));
        let child = Command::new(&self.binary)
            .args(&self.arguments)
            .args(["--listen", &address.to_string()])
            .env("MASAR_TELEMETRY__LOG_FILTER", "warn")
            .envs(self.environment.iter().cloned())
            .stdout(Stdio::null())
            .stderr(log.transpose()?.map_or_else(Stdio::inherit, Stdio::from))
            .kill_on_drop(true)
            .spawn()?;
        Ok(child)
    }
}

/// A server that runs until it is killed or stopped, at the latest when its test ends.
pub(crate) struct Process {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    pub(crate) start: Start,
    child: Child,
}

impl Process {
    /// Starts a process at an address of the test's own. What it logs is left out but for what went wrong.
    pub(crate) fn start(address: SocketAddr, start: Start) -> Result<Self> {
        let child = start.spawn(address)?;
        Ok(Self { address, start, child })
    }

    /// Starts it once more, after it has ended.
    pub(crate) fn again(&mut self) -> Result<()> {
        self.child = self.start.spawn(self.address)?;
        Ok(())
    }

    /// `masar up` with its data in a folder and no cases of the demo.
    pub(crate) fn up(address: SocketAddr, folder: &Path, more: &[&str]) -> Result<Self> {
        let mut arguments: Vec<OsString> = ["up", "--no-cases", "--data"].map(OsString::from).into();
        arguments.push(folder.into());
        arguments.extend(more.iter().map(OsString::from));
        Self::start(address, Start::with(arguments))
    }

    /// A connection of somebody, once the process answers.
    pub(crate) async fn asking(&self, folder: &Path, who: &str) -> Result<Asking> {
        eventually("the process answers", async || {
            let Ok(credentials) = Credentials::read(folder) else { return Ok(None) };
            Ok(connect(self.address, &credentials, who).await.ok())
        })
        .await
    }

    /// SIGKILL: no chance to tidy up.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// SIGTERM, as an operator asks; the exit code, once all is tidied up.
    pub(crate) async fn terminate(&mut self) -> Result<Option<i32>> {
        self.signal("TERM").await?;
        Ok(self.child.wait().await?.code())
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) async fn signal(&self, name: &str) -> Result<()> {
        let id = self.child.id().context("it has ended by itself")?;
        let sent = Command::new("kill").args(["-s", name, &id.to_string()]).status().await?;
        ensure!(sent.success(), "no signal {name} for {id}");
        Ok(())
    }
}

/// An address that nobody listens at.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Runs a command of the binary to its end; `arguments` say which server it asks, and as whom.
pub(crate) async fn masar(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_masar"));
    for foreign in
        ["MASAR_CONFIG", "MASAR_SERVER", "MASAR_TOKEN", "MASAR_API_KEY", "MASAR_TENANT", "MASAR_DATA_FOLDER"]
    {
        command.env_remove(foreign);
    }
    Ok(command.args(arguments).kill_on_drop(true).output().await?)
}

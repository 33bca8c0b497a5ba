//! The binary as a process of its own, as an operator runs it.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context, Result};
use masar::credentials::Credentials;
use tokio::process::{Child, Command};

use super::{Asking, connect, eventually};

/// A server that runs until it is killed or stopped, at the latest when its test ends.
pub(crate) struct Process {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Process {
    /// Starts `masar` with arguments, at an address of the test's own. What it logs is left out but for what went wrong, and
    /// a slow machine refuses nobody.
    pub(crate) fn start(address: SocketAddr, arguments: &[OsString]) -> Result<Self> {
        let child = Command::new(env!("CARGO_BIN_EXE_masar"))
            .args(arguments)
            .args(["--listen", &address.to_string()])
            .env("MASAR_TELEMETRY__LOG_FILTER", "warn")
            .env("MASAR_LIMITS__LAG_SECONDS", "600")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { address, child })
    }

    /// `masar up` with its data in a folder and no cases of the demo.
    pub(crate) fn up(address: SocketAddr, folder: &Path, more: &[&str]) -> Result<Self> {
        let mut arguments: Vec<OsString> = ["up", "--no-cases", "--data"].map(OsString::from).into();
        arguments.push(folder.into());
        arguments.extend(more.iter().map(OsString::from));
        Self::start(address, &arguments)
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
    pub(crate) async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// SIGTERM, as an operator asks; the exit code, once all is tidied up.
    pub(crate) async fn terminate(mut self) -> Result<Option<i32>> {
        let id = self.child.id().context("it has ended by itself")?;
        Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        Ok(self.child.wait().await?.code())
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

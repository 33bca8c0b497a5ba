//! A set of processes: each service in replicas of its own, on the same servers.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use masar::credentials::Credentials;
use masar::{demo, platform};
use masar_runtime::Network;
use masar_runtime::config::{Peers, Settings};
use masar_testkit::{on_each_database, on_rabbit};

use super::process::{Process, Start, free_address};
use super::{Asking, asking, connect, eventually};

/// Runs a test with a database on PostgreSQL and a virtual host on RabbitMQ that are its own.
pub(crate) async fn on_servers(test: impl AsyncFn(&str, &str) -> Result<()>) -> Result<()> {
    let test = &test;
    on_each_database(async |database| {
        if !database.starts_with("postgres:") {
            return Ok(());
        }
        on_rabbit(async |amqp| Box::pin(test(&database, &amqp)).await).await
    })
    .await
}

/// The processes, and the one way in for their clients.
pub(crate) struct Set {
    /// The configuration of all, and of those who ask them.
    pub(crate) file: PathBuf,
    network: Network,
    credentials: Credentials,
    pub(crate) services: BTreeMap<&'static str, Vec<Process>>,
}

impl Set {
    /// Starts so many replicas of each service and waits until all are there.
    pub(crate) async fn start(folder: &Path, postgres: &str, amqp: &str, replicas: usize) -> Result<Self> {
        Self::prepared(folder, postgres, amqp, replicas, &mut |_, _, _| {}).await
    }

    /// As `start`; before it starts, each process is prepared, known by its service and its number there.
    pub(crate) async fn prepared(
        folder: &Path,
        postgres: &str,
        amqp: &str,
        replicas: usize,
        prepare: &mut dyn FnMut(&'static str, usize, &mut Start),
    ) -> Result<Self> {
        let mut addresses = BTreeMap::new();
        for service in platform::SERVICES {
            let free = std::iter::repeat_with(free_address).take(replicas);
            addresses.insert(service, free.collect::<Result<Vec<_>>>()?);
        }
        let peers = addresses.iter().map(|(service, replicas)| {
            ((*service).to_owned(), replicas.iter().map(|address| format!("http://{address}")))
        });
        let settings = demo::settings(Settings {
            data_folder: folder.to_owned(),
            database: Some(postgres.to_owned()),
            amqp: Some(amqp.to_owned()),
            peers: peers.collect::<Peers>(),
            ..Settings::default()
        })?;
        let file = folder.join("masar.toml");
        fs::write(&file, demo::configuration(&settings)?)?;
        let mut services: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (service, address) in
            addresses.iter().flat_map(|(service, all)| all.iter().map(move |one| (*service, *one)))
        {
            let arguments = ["serve".into(), service.into(), "--config".into(), OsString::from(&file)];
            let replicas = services.entry(service).or_default();
            let mut start = Start::with(arguments.into());
            prepare(service, replicas.len(), &mut start);
            replicas.push(Process::start(address, start)?);
        }
        for (service, address) in
            addresses.into_iter().flat_map(|(service, all)| all.into_iter().map(move |one| (service, one)))
        {
            eventually(service, async || Ok(Network::reach(&format!("http://{address}")).await.ok())).await?;
        }
        let (network, credentials) = (Network::of(&settings.peers)?, Credentials::read(folder)?);
        Ok(Self { file, network, credentials, services })
    }

    /// Asks the services; `who` is a person of the demo, or `system:TENANT` for the call centre.
    pub(crate) fn asking(&self, who: &str) -> Result<Asking> {
        asking(self.network.clone(), &self.credentials, who)
    }

    /// As `asking`, of what every process answers: of those that serve this.
    pub(crate) fn asking_at(&self, service: &str, who: &str) -> Result<Asking> {
        asking(self.network.at(service), &self.credentials, who)
    }

    /// Asks each replica of a service.
    pub(crate) async fn each(&self, service: &str, who: &str) -> Result<Vec<Asking>> {
        let mut each = Vec::new();
        for process in self.services.get(service).into_iter().flatten() {
            each.push(connect(process.address, &self.credentials, who).await?);
        }
        Ok(each)
    }

    /// SIGKILL to the first replica of each service.
    pub(crate) async fn kill_the_first_of_each(&mut self) -> Result<()> {
        for replicas in self.services.values_mut() {
            replicas.remove(0).kill().await?;
        }
        Ok(())
    }

    /// SIGTERM to all; each ends well.
    pub(crate) async fn terminate(self) -> Result<()> {
        for (service, replicas) in self.services {
            for mut process in replicas {
                let code = process.terminate().await.context(service)?;
                anyhow::ensure!(code == Some(0), "{service} ended with {code:?}");
            }
        }
        Ok(())
    }
}

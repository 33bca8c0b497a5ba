//! The platform: services in one process, on databases and a bus. Only this file knows which mode it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use masar_bus::{Desk, LocalTransport, RabbitTransport, Transport};
use masar_runtime::config::Settings;
use masar_runtime::telemetry::Telemetry;
use masar_runtime::{BoxError, Clock, Host, Module, Peer, Running};
use masar_store::{DatabaseUrl, Store};
use masar_workflow::{Catalog, Package, files};
use tokio_util::sync::CancellationToken;

use crate::operations;

/// The consumers of the bus and the services that each hears.
pub const LINKS: &[(&str, &[&str])] = &[
    (masar_intake::NAME, masar_intake::SOURCES),
    (masar_cases::NAME, masar_cases::SOURCES),
    (masar_routing::NAME, masar_routing::SOURCES),
    (masar_sla::NAME, masar_sla::SOURCES),
    (masar_escalation::NAME, masar_escalation::SOURCES),
    (masar_notify::NAME, masar_notify::SOURCES),
];

/// Every service, in the order in which they are built.
pub const SERVICES: [&str; 7] = [
    masar_registry::NAME,
    masar_intake::NAME,
    masar_cases::NAME,
    masar_routing::NAME,
    masar_sla::NAME,
    masar_escalation::NAME,
    masar_notify::NAME,
];

/// What the services of a process stand on.
pub struct Ground {
    /// The configuration.
    pub settings: Settings,
    /// Files with the reference data of entities.
    pub registry_files: Vec<PathBuf>,
    /// Logs, traces and metrics.
    pub telemetry: Arc<Telemetry>,
    /// The time.
    pub clock: Clock,
    /// The bus.
    pub transport: Arc<dyn Transport>,
}

/// The bus that the configuration names: RabbitMQ, or the one within this process.
///
/// # Errors
/// When RabbitMQ is not reached.
pub async fn transport(settings: &Settings) -> Result<Arc<dyn Transport>> {
    Ok(match &settings.amqp {
        Some(url) => Arc::new(RabbitTransport::connect(url, LINKS, settings.partitions).await?),
        None => Arc::new(LocalTransport::new(LINKS)),
    })
}

/// Starts every service in this process.
///
/// # Errors
/// What stands in the way, and what to do.
pub async fn start(ground: Ground) -> Result<Running> {
    Box::pin(serve(ground, &SERVICES.into())).await
}

/// Starts some services in this process; the others run elsewhere, on the same bus.
///
/// # Errors
/// What stands in the way, and what to do.
pub async fn serve(ground: Ground, services: &BTreeSet<&str>) -> Result<Running> {
    let doors = CancellationToken::new();
    let house =
        House { doors: doors.clone(), catalog: Arc::new(catalog(&ground.settings.workflows)?), ground };
    let modules = Box::pin(house.build(services)).await?;
    let Ground { settings, telemetry, .. } = house.ground;
    Ok(Host::new(settings, telemetry, modules, doors).start().await?)
}

struct House {
    ground: Ground,
    doors: CancellationToken,
    catalog: Arc<Catalog>,
}

impl House {
    async fn build(&self, services: &BTreeSet<&str>) -> Result<Vec<Module>> {
        let mut modules: Vec<Module> = Vec::new();
        let mut desks: Vec<Desk> = Vec::new();
        let mut stores: Vec<(&'static str, Store)> = Vec::new();
        let mut here = BTreeMap::new();
        for service in SERVICES.into_iter().filter(|service| services.contains(service)) {
            let store = self.store(service).await?;
            stores.push((service, store.clone()));
            let (module, desk) = Box::pin(self.service(service, store, &here)).await?;
            here.insert(service, Peer::here(&module));
            modules.push(module);
            desks.extend(desk);
        }
        modules.push(operations::module(desks, stores));
        Ok(modules)
    }

    async fn service(
        &self,
        service: &str,
        store: Store,
        here: &BTreeMap<&str, Peer>,
    ) -> Result<(Module, Option<Desk>)> {
        let Ground { settings, registry_files, clock, transport, .. } = &self.ground;
        let boxed = |error: BoxError| anyhow::Error::from_boxed(error);
        let (transport, clock) = (Arc::clone(transport), clock.clone());
        let (catalog, doors) = (Arc::clone(&self.catalog), self.doors.clone());
        let (module, desk) = match service {
            masar_registry::NAME => {
                let files = registry_files.clone();
                let deps = masar_registry::Deps { store, transport, clock, files };
                return Ok((masar_registry::build(deps).await?, None));
            }
            masar_intake::NAME => {
                let target = Duration::from_secs(settings.limits.lag_seconds);
                let deps = masar_intake::Deps { store, transport, clock, catalog, target };
                masar_intake::build(deps).await?
            }
            masar_cases::NAME => {
                let intake = self.peer(service, masar_intake::NAME, here)?;
                let deps = masar_cases::Deps { store, transport, clock, catalog, intake, doors };
                masar_cases::build(deps).await?
            }
            masar_routing::NAME => {
                let deps = masar_routing::Deps { store, transport, clock, catalog, doors };
                masar_routing::build(deps).await.map_err(boxed)?
            }
            masar_sla::NAME => {
                let deps = masar_sla::Deps { store, transport, clock, catalog, doors };
                masar_sla::build(deps).await.map_err(boxed)?
            }
            masar_escalation::NAME => {
                let sla = self.peer(service, masar_sla::NAME, here)?;
                let deps = masar_escalation::Deps { store, transport, clock, catalog, sla };
                masar_escalation::build(deps).await.map_err(boxed)?
            }
            masar_notify::NAME => {
                let (mail, mail_folder) = (settings.mail.clone(), settings.data_folder.join("mail"));
                let deps = masar_notify::Deps { store, transport, clock, catalog, mail, mail_folder };
                masar_notify::build(deps).await.map_err(boxed)?
            }
            unknown => bail!("there is no service `{unknown}`: use {}", SERVICES.join(", ")),
        };
        Ok((module, Some(desk)))
    }

    /// A service that another asks: in this process, or where the configuration says.
    fn peer(&self, asking: &str, asked: &str, here: &BTreeMap<&str, Peer>) -> Result<Peer> {
        match (here.get(asked), self.ground.settings.peers.of(asked)) {
            (Some(here), _) => Ok(here.clone()),
            (None, Some(addresses)) => Ok(Peer::there(addresses)?),
            (None, None) => {
                bail!("`{asking}` asks `{asked}`: set `peers.{asked}` to its addresses, or serve both")
            }
        }
    }

    async fn store(&self, service: &str) -> Result<Store> {
        let settings = &self.ground.settings;
        let url = match &settings.database {
            Some(url) => url.parse()?,
            None => DatabaseUrl::SqliteFolder(settings.data_folder.join("db")),
        };
        Ok(Store::connect(&url, service).await?)
    }
}

/// The shipped packages and those of the folders.
fn catalog(folders: &[impl AsRef<Path>]) -> Result<Catalog> {
    let others = folders.iter().map(|folder| {
        let folder = folder.as_ref();
        // Looked at by itself first, so that what is wrong names its folder.
        let read = files(folder).and_then(|files| Package::of(&files).map(|_| files));
        read.with_context(|| format!("the package in {} cannot be used", folder.display()))
    });
    Ok(Catalog::installed(others.collect::<Result<Vec<_>>>()?)?)
}

//! The platform: every service in one process. Only this file knows which mode it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use masar_bus::{LocalTransport, Transport};
use masar_runtime::config::Settings;
use masar_runtime::telemetry::Telemetry;
use masar_runtime::{BoxError, Clock, Host, Module, Peer, Running};
use masar_store::{DatabaseUrl, Store};
use masar_workflow::{Catalog, Package, Source};
use tokio_util::sync::CancellationToken;

/// The consumers of the bus and the services that each hears.
const LINKS: &[(&str, &[&str])] = &[
    (masar_intake::NAME, masar_intake::SOURCES),
    (masar_cases::NAME, masar_cases::SOURCES),
    (masar_routing::NAME, masar_routing::SOURCES),
    (masar_sla::NAME, masar_sla::SOURCES),
];

/// Starts every service in this process.
///
/// # Errors
/// What stands in the way, and what to do.
pub async fn start(
    settings: Settings,
    registry_files: Vec<PathBuf>,
    telemetry: Arc<Telemetry>,
    clock: Clock,
) -> Result<Running> {
    let doors = CancellationToken::new();
    let modules = Box::pin(modules(&settings, registry_files, clock, &doors)).await?;
    Ok(Host::new(settings, telemetry, modules, doors).start().await?)
}

async fn modules(
    settings: &Settings,
    registry_files: Vec<PathBuf>,
    clock: Clock,
    doors: &CancellationToken,
) -> Result<Vec<Module>> {
    let url = match &settings.database {
        Some(url) => url.parse()?,
        None => DatabaseUrl::SqliteFolder(settings.data_folder.join("db")),
    };
    let store = async |service| Store::connect(&url, service).await;
    let transport: Arc<dyn Transport> = Arc::new(LocalTransport::new(LINKS));
    let catalog = Arc::new(catalog(&settings.workflows)?);
    let (transport, catalog) = (|| Arc::clone(&transport), || Arc::clone(&catalog));
    let boxed = |error: BoxError| anyhow::Error::from_boxed(error);
    let registry = masar_registry::build(masar_registry::Deps {
        store: store(masar_registry::NAME).await?,
        transport: transport(),
        clock: clock.clone(),
        files: registry_files,
    });
    let intake = masar_intake::build(masar_intake::Deps {
        store: store(masar_intake::NAME).await?,
        transport: transport(),
        clock: clock.clone(),
        catalog: catalog(),
    })
    .await?;
    let cases = masar_cases::build(masar_cases::Deps {
        store: store(masar_cases::NAME).await?,
        transport: transport(),
        clock: clock.clone(),
        catalog: catalog(),
        intake: Peer::here(&intake),
        doors: doors.clone(),
    });
    let routing = masar_routing::build(masar_routing::Deps {
        store: store(masar_routing::NAME).await?,
        transport: transport(),
        clock: clock.clone(),
        catalog: catalog(),
        doors: doors.clone(),
    });
    let sla = masar_sla::build(masar_sla::Deps {
        store: store(masar_sla::NAME).await?,
        transport: transport(),
        clock,
        catalog: catalog(),
        doors: doors.clone(),
    });
    Ok(vec![registry.await?, intake, cases.await?, routing.await.map_err(boxed)?, sla.await.map_err(boxed)?])
}

/// The shipped packages and those of the folders.
fn catalog(folders: &[impl AsRef<Path>]) -> Result<Catalog> {
    let mut catalog = Catalog::shipped()?;
    for folder in folders {
        let folder = folder.as_ref();
        let package = Source::read(folder).and_then(|source| Package::compile(&source));
        let package =
            package.with_context(|| format!("the package in {} cannot be used", folder.display()))?;
        catalog.add(package)?;
    }
    catalog.check()?;
    Ok(catalog)
}

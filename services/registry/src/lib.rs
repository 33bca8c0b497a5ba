//! Who are we and what do we promise? Entities, departments, people and their roles, services, calendars, agreements.
//!
//! Reference data is written in YAML files ([`Seed`]), checked as a whole, and told to the other services as one
//! event a tenant, `registry.changed`. They keep copies: nobody calls the registry while a case is handled.

mod api;
mod app;
mod calendars;
mod check;
mod convert;
mod entry;
mod error;
mod seed;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use masar_bus::{Outbox, Relay, Transport};
use masar_proto::registry::v1::registry_service_server::RegistryServiceServer;
use masar_runtime::{Clock, MAX_MESSAGE_BYTES, Module, Stage, Worker};
use masar_store::Store;

pub use app::{Change, Registry};
pub use error::{Error, Finding};
pub use seed::{Seed, files};

/// The name of the service.
pub const NAME: &str = "registry";

/// What it stands on.
pub struct Deps {
    /// Its database.
    pub store: Store,
    /// The way to the other services.
    pub transport: Arc<dyn Transport>,
    /// The time.
    pub clock: Clock,
    /// Files of entities, and folders of such files, to load at the start.
    pub files: Vec<PathBuf>,
}

/// The service, its tables brought to the newest form and its files loaded. What the files said before is not told
/// again.
///
/// # Errors
/// What is wrong with a file, or what the database says.
pub async fn build(deps: Deps) -> Result<Module, Error> {
    let Deps { store, transport, clock, files: paths } = deps;
    store.migrate::<store::Migrator>().await?;
    let outbox = Outbox::new(NAME);
    let registry = Registry::new(store.clone(), outbox.clone(), clock.clone());
    for file in files(&paths)? {
        let change = registry.load(&Seed::read(&file)?).await.map_err(|error| error.within(&file))?;
        tracing::info!(file = %file.display(), version = change.version, changed = change.changed, "entity loaded");
    }
    let relay = Relay { store, outbox, transport, now: clock.teller() };
    let server = RegistryServiceServer::new(api::Api(registry)).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Ok(Module {
        names: &["masar.registry.v1.RegistryService"],
        routes: Arc::new(move |routes| {
            routes.add_service(server.clone());
        }),
        workers: vec![Worker::new("registry relay", Stage::Relay, async |stop| {
            relay.run(stop).await;
            Ok(())
        })],
    })
}

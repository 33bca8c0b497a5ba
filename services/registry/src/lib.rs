//! Who are we and what do we promise?

mod api;
mod app;
mod seed;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use masar_bus::{Outbox, Relay, Transport};
use masar_proto::registry::v1::registry_service_server::RegistryServiceServer;
use masar_runtime::{Clock, MAX_MESSAGE_BYTES, Module, Stage, Worker};
use masar_store::Store;

pub use app::Error;

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
    /// The reference data of entities in YAML, loaded before anything else: what has not changed changes nothing.
    pub seeds: Vec<String>,
}

/// The service, its tables brought to the newest form and its seeds loaded.
///
/// # Errors
/// What is wrong with a seed, by field, or what the database says.
pub async fn build(deps: Deps) -> Result<Module, Error> {
    let Deps { store, transport, clock, seeds } = deps;
    store.migrate::<store::Migrator>().await?;
    let outbox = Outbox::new(NAME);
    let app = app::App { store: store.clone(), outbox: outbox.clone(), clock };
    for seed in &seeds {
        app.load(seed, None).await?;
    }
    let relay = Relay { store, outbox, transport };
    let server = RegistryServiceServer::new(api::Api { app }).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Ok(Module {
        name: "masar.registry.v1.RegistryService",
        routes: Box::new(|routes| {
            routes.add_service(server);
        }),
        workers: vec![Worker::new("registry relay", Stage::Relay, async |stop| {
            relay.run(stop).await;
            Ok(())
        })],
    })
}

//! Who should act on a case now?

mod api;
mod app;
mod consumer;
mod store;

use std::sync::Arc;

use masar_bus::{Consumer, Desk, Outbox, Relay, Transport};
use masar_packages::Packages;
use masar_proto::routing::v1::routing_service_server::RoutingServiceServer;
use masar_runtime::{BoxError, Clock, MAX_MESSAGE_BYTES, Module, Stage, Worker};
use masar_store::{BatchSettings, Batcher, Store, listen};
use masar_workflow::Catalog;
use tokio_util::sync::CancellationToken;

/// The name of the service, and of its consumer on the bus.
pub const NAME: &str = "routing";
/// The services whose events it hears.
pub const SOURCES: &[&str] = &["cases", "sla", "registry"];

/// What it stands on.
pub struct Deps {
    /// Its database.
    pub store: Store,
    /// The way to the other services.
    pub transport: Arc<dyn Transport>,
    /// The time.
    pub clock: Clock,
    /// The packages of the installation, whose routing rules it follows.
    pub catalog: Arc<Catalog>,
    /// Cancelled when the doors close: watches end.
    pub doors: CancellationToken,
}

/// The service and its desk for parked events, its tables brought to the newest form.
///
/// # Errors
/// What the database says.
pub async fn build(deps: Deps) -> Result<(Module, Desk), BoxError> {
    let Deps { store, transport, clock, catalog, doors } = deps;
    store.migrate::<store::Migrator>().await?;
    let packages = Packages::load(&store, NAME, catalog).await?;
    let core = app::Core::load(&store, Outbox::new(NAME), Arc::clone(&packages)).await?;
    let writer = app::Act { core: Arc::clone(&core) };
    let (batcher, writing) = Batcher::new(store.clone(), writer, BatchSettings::default());
    let relay = Relay {
        store: store.clone(),
        outbox: core.outbox.clone(),
        transport: Arc::clone(&transport),
        now: clock.teller(),
    };
    let handler = Arc::new(consumer::Hear { core: Arc::clone(&core) });
    let consumer = Consumer {
        name: NAME,
        sources: SOURCES,
        store: store.clone(),
        handler,
        transport,
        now: clock.teller(),
    };
    let desk = consumer.desk();
    let registered = app::Registered { store: store.clone(), core: Arc::clone(&core) };
    let server = RoutingServiceServer::new(api::Api { store, batcher, core, clock, doors })
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let module = Module {
        names: &["masar.routing.v1.RoutingService"],
        routes: Arc::new(move |routes| {
            routes.add_service(server.clone());
        }),
        workers: vec![
            Worker::new("routing writer", Stage::Writer, async |_| {
                writing.await;
                Ok(())
            }),
            Worker::new("routing consumer", Stage::Consumer, async |stop| Ok(consumer.run(stop).await?)),
            packages.worker(),
            Worker::new("routing entities", Stage::Consumer, async move |stop| {
                let listening = listen(&registered.store, app::ENTITIES, &registered);
                stop.run_until_cancelled(listening).await;
                Ok(())
            }),
            Worker::new("routing relay", Stage::Relay, async |stop| {
                relay.run(stop).await;
                Ok(())
            }),
        ],
    };
    Ok((module, desk))
}

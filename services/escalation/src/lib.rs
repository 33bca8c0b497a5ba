//! What happens when it is late?

mod api;
mod app;
mod consumer;
mod metrics;
mod store;

use std::sync::Arc;

use masar_bus::{Consumer, Desk, Outbox, Relay, Transport};
use masar_packages::Packages;
use masar_proto::escalation::v1::escalation_service_server::EscalationServiceServer;
use masar_runtime::{BoxError, Clock, MAX_MESSAGE_BYTES, Module, Peer, Stage, Worker};
use masar_store::Store;
use masar_workflow::Catalog;

/// The name of the service, and of its consumer on the bus.
pub const NAME: &str = "escalation";
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
    /// The packages of the installation, whose ladders it climbs.
    pub catalog: Arc<Catalog>,
    /// Who is asked when the marks of clocks come.
    pub sla: Peer,
}

/// The service and its desk for parked events, its tables brought to the newest form.
///
/// # Errors
/// What the database says.
pub async fn build(deps: Deps) -> Result<(Module, Desk), BoxError> {
    let Deps { store, transport, clock, catalog, sla } = deps;
    store.migrate::<store::Migrator>().await?;
    let packages = Packages::load(&store, NAME, catalog).await?;
    metrics::begin();
    let outbox = Outbox::new(NAME);
    let core = app::Core { outbox: outbox.clone(), packages: Arc::clone(&packages), clock: clock.clone() };
    let core = Arc::new(core);
    let relay =
        Relay { store: store.clone(), outbox, transport: Arc::clone(&transport), now: clock.teller() };
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
    let server = EscalationServiceServer::new(api::Api { store, core, sla })
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let module = Module {
        names: &["masar.escalation.v1.EscalationService"],
        routes: Arc::new(move |routes| {
            routes.add_service(server.clone());
        }),
        workers: vec![
            Worker::new("escalation consumer", Stage::Consumer, async |stop| Ok(consumer.run(stop).await?)),
            packages.worker(),
            Worker::new("escalation relay", Stage::Relay, async |stop| {
                relay.run(stop).await;
                Ok(())
            }),
        ],
    };
    Ok((module, desk))
}

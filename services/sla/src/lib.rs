//! How long may it take?

mod api;
mod app;
pub mod calendars;
mod consumer;
mod elsewhere;
mod figures;
mod metrics;
mod renewal;
mod retargeting;
mod store;
mod summary;
mod worker;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use masar_bus::{Consumer, Desk, Outbox, Relay, Transport};
use masar_packages::Packages;
use masar_proto::sla::v1::sla_service_server::SlaServiceServer;
use masar_runtime::{BoxError, Clock, MAX_MESSAGE_BYTES, Module, Stage, Worker};
use masar_store::{Store, listen};
use masar_workflow::Catalog;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The name of the service, and of its consumer on the bus.
pub const NAME: &str = "sla";
/// The services whose events it hears.
pub const SOURCES: &[&str] = &["cases", "routing", "notify", "registry"];

/// What it stands on.
pub struct Deps {
    /// Its database.
    pub store: Store,
    /// The way to the other services.
    pub transport: Arc<dyn Transport>,
    /// The time.
    pub clock: Clock,
    /// The packages of the installation, whose promises it lists.
    pub catalog: Arc<Catalog>,
    /// Cancelled when the doors close: watches end.
    pub doors: CancellationToken,
}

/// The service and its desk for parked events, its tables brought to the newest form and its calendars compiled.
///
/// # Errors
/// What the database says, or which calendar cannot be used.
pub async fn build(deps: Deps) -> Result<(Module, Desk), BoxError> {
    let Deps { store, transport, clock, catalog, doors } = deps;
    store::prepare(&store).await?;
    let packages = Packages::load(&store, NAME, catalog).await?;
    let outbox = Outbox::new(NAME);
    let promises = app::Promises::load(&store).await?;
    let keeper = Arc::new(app::Keeper::new(outbox.clone(), &promises, &clock, &packages));
    let timers = worker::Timers::new(store.clone(), Arc::clone(&keeper), clock.clone());
    let renewal =
        renewal::Renewal { store: store.clone(), keeper: Arc::clone(&keeper), clock: clock.clone() };
    let retargeting = retargeting::worker(store.clone(), Arc::clone(&keeper), clock.clone());
    let relay =
        Relay { store: store.clone(), outbox, transport: Arc::clone(&transport), now: clock.teller() };
    let handler = Arc::new(consumer::Hear {
        keeper: Arc::clone(&keeper),
        packages: Arc::clone(&packages),
        changed: Mutex::default(),
        agreed: AtomicBool::new(false),
    });
    let consumer = Consumer {
        name: NAME,
        sources: SOURCES,
        store: store.clone(),
        handler,
        transport,
        now: clock.teller(),
    };
    let desk = consumer.desk();
    let elsewhere =
        elsewhere::Elsewhere { store: store.clone(), keeper: Arc::clone(&keeper), here: Uuid::new_v4() };
    let registered = app::Registered { store: store.clone(), keeper: Arc::clone(&keeper) };
    let counting = figures::worker(store.clone(), Arc::clone(&keeper));
    let listed = Arc::clone(&packages);
    let server = SlaServiceServer::new(api::Api { store, keeper, promises, packages: listed, doors })
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let module = Module {
        names: &["masar.sla.v1.SlaService"],
        routes: Arc::new(move |routes| {
            routes.add_service(server.clone());
        }),
        workers: vec![
            Worker::new("sla consumer", Stage::Consumer, async |stop| Ok(consumer.run(stop).await?)),
            Worker::new("sla timers", Stage::Consumer, async |stop| {
                timers.run(stop).await;
                Ok(())
            }),
            Worker::new("sla calendars", Stage::Consumer, async |stop| {
                renewal.run(stop).await;
                Ok(())
            }),
            retargeting,
            packages.worker(),
            Worker::new("sla entities", Stage::Consumer, async move |stop| {
                let listening = listen(&registered.store, app::ENTITIES, &registered);
                stop.run_until_cancelled(listening).await;
                Ok(())
            }),
            Worker::new("sla watchers elsewhere", Stage::Consumer, async |stop| {
                elsewhere.run(stop).await;
                Ok(())
            }),
            counting,
            Worker::new("sla relay", Stage::Relay, async |stop| {
                relay.run(stop).await;
                Ok(())
            }),
        ],
    };
    Ok((module, desk))
}

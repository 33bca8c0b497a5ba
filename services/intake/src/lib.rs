//! How does a case get in, once and only once?

mod api;
mod app;
mod consumer;
mod metrics;
mod store;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use masar_bus::{Consumer, Desk, Outbox, Relay, Transport};
use masar_packages::{Calendars, Entities, Packages};
use masar_proto::intake::v1::intake_service_server::IntakeServiceServer;
use masar_runtime::{Clock, MAX_MESSAGE_BYTES, Module, Stage, Worker};
use masar_store::{BatchSettings, Batcher, Store};
use masar_workflow::Catalog;

/// The name of the service, and of its consumer on the bus.
pub const NAME: &str = "intake";
/// The services whose events it hears.
pub const SOURCES: &[&str] = &["cases", "registry"];

/// What it stands on.
pub struct Deps {
    /// Its database.
    pub store: Store,
    /// The way to the other services.
    pub transport: Arc<dyn Transport>,
    /// The time.
    pub clock: Clock,
    /// The packages of the installation, whose opening forms it checks.
    pub catalog: Arc<Catalog>,
    /// How long what is accepted may wait to be opened, before each tenant is admitted no further than to its share.
    pub target: Duration,
}

/// The service and its desk for parked events, its tables brought to the newest form.
///
/// # Errors
/// What the database says, or what is kept there and cannot be read.
pub async fn build(deps: Deps) -> Result<(Module, Desk), masar_bus::Error> {
    let Deps { store, transport, clock, catalog, target } = deps;
    store.migrate::<store::Migrator>().await?;
    let packages = Packages::load(&store, NAME, catalog).await?;
    let entities = Entities::load(&store, NAME).await?;
    metrics::begin();
    let outbox = Outbox::new(NAME);
    let gate = Arc::new(app::Gate::new(target));
    let writer = app::Accept { outbox: outbox.clone(), gate: Arc::clone(&gate) };
    let (batcher, writing) = Batcher::new(store.clone(), writer, BatchSettings::default());
    let bell = Arc::new(worker::Bell::default());
    let handler = consumer::Hear {
        outbox: outbox.clone(),
        packages: Arc::clone(&packages),
        entities: Arc::clone(&entities),
        gate: Arc::clone(&gate),
        bell: Arc::clone(&bell),
    };
    let agenda = app::Agenda { packages: Arc::clone(&packages), calendars: Calendars::default() };
    let schedules = schedules(&store, agenda, &outbox, &gate, &clock, bell);
    let relay =
        Relay { store: store.clone(), outbox, transport: Arc::clone(&transport), now: clock.teller() };
    let consumer = Consumer {
        name: NAME,
        sources: SOURCES,
        store: store.clone(),
        handler: Arc::new(handler),
        transport,
        now: clock.teller(),
    };
    let desk = consumer.desk();
    let (watching, watched) = (Arc::clone(&gate), store.clone());
    let known = (Arc::clone(&packages), Arc::clone(&entities));
    let app = Arc::new(app::App { store, batcher, gate, clock, packages: known.0, entities: known.1 });
    let server = IntakeServiceServer::new(api::Api { app }).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let module = Module {
        names: &["masar.intake.v1.IntakeService"],
        routes: Arc::new(move |routes| {
            routes.add_service(server.clone());
        }),
        workers: vec![
            Worker::new("intake writer", Stage::Writer, async |_| {
                writing.await;
                Ok(())
            }),
            Worker::new("intake gate", Stage::Consumer, async move |stop| {
                stop.run_until_cancelled(watching.watch(&watched)).await;
                Ok(())
            }),
            packages.worker(),
            entities.worker(),
            Worker::new("intake schedules", Stage::Consumer, async |stop| {
                schedules.run(stop).await;
                Ok(())
            }),
            Worker::new("intake consumer", Stage::Consumer, async |stop| Ok(consumer.run(stop).await?)),
            Worker::new("intake relay", Stage::Relay, async |stop| {
                relay.run(stop).await;
                Ok(())
            }),
        ],
    };
    Ok((module, desk))
}

/// What opens the cases that begin by themselves.
fn schedules(
    store: &Store,
    agenda: app::Agenda,
    outbox: &Outbox,
    gate: &Arc<app::Gate>,
    clock: &Clock,
    bell: Arc<worker::Bell>,
) -> worker::Schedules {
    let (store, outbox, clock) = (store.clone(), outbox.clone(), clock.clone());
    worker::Schedules { store, agenda, outbox, gate: Arc::clone(gate), clock, bell }
}

//! Where is a case in its process, and who may move it?

mod api;
mod app;
mod consumer;
mod encode;
mod figures;
mod receipts;
mod reveal;
mod store;
mod workflows;

use std::sync::Arc;

use masar_bus::{Consumer, Desk, Outbox, Relay, Transport};
use masar_packages::{Entities, Packages};
use masar_proto::cases::v1::case_service_server::CaseServiceServer;
use masar_proto::cases::v1::workflow_service_server::WorkflowServiceServer;
use masar_runtime::{Clock, MAX_MESSAGE_BYTES, Module, Peer, Stage, Worker};
use masar_store::{BatchSettings, Batcher, Store};
use masar_workflow::Catalog;
use tokio_util::sync::CancellationToken;

/// The name of the service, and of its consumer on the bus.
pub const NAME: &str = "cases";
/// The services whose events it hears.
/// Its own, because a case must know what became of its children; those of the registry, because they may be opened in other
/// entities.
pub const SOURCES: &[&str] = &["cases", "intake", "routing", "sla", "escalation", "registry"];

/// What it stands on.
pub struct Deps {
    /// Its database.
    pub store: Store,
    /// The way to the other services.
    pub transport: Arc<dyn Transport>,
    /// The time.
    pub clock: Clock,
    /// The packages of the installation.
    pub catalog: Arc<Catalog>,
    /// Knows the cases that are accepted and not opened yet.
    pub intake: Peer,
    /// Cancelled when the doors close: watches end.
    pub doors: CancellationToken,
}

/// The service and its desk for parked events, its tables brought to the newest form.
///
/// # Errors
/// What the database says, or what is kept there and cannot be read.
pub async fn build(deps: Deps) -> Result<(Module, Desk), masar_bus::Error> {
    let Deps { store, transport, clock, catalog, intake, doors } = deps;
    store.migrate::<store::Migrator>().await?;
    let packages = Packages::load(&store, NAME, catalog).await?;
    let entities = Entities::load(&store, NAME).await?;
    let core = app::Core::new(Outbox::new(NAME), Arc::clone(&packages), Arc::clone(&entities));
    let writer = app::Act { core: core.clone() };
    let (batcher, writing) = Batcher::new(store.clone(), writer, BatchSettings::default());
    let relay = Relay {
        store: store.clone(),
        outbox: core.outbox.clone(),
        transport: Arc::clone(&transport),
        now: clock.teller(),
    };
    let partitions = transport.partitions();
    let handler = Arc::new(consumer::Hear::new(core.clone(), clock.clone()));
    let consumer = Consumer {
        name: NAME,
        sources: SOURCES,
        store: store.clone(),
        handler,
        transport,
        now: clock.teller(),
    };
    let desk = consumer.desk();
    let watched = store.clone();
    let publisher = app::Publisher {
        store: store.clone(),
        outbox: core.outbox.clone(),
        packages: Arc::clone(&packages),
        clock: clock.clone(),
        partitions,
    };
    let migrator = app::Migrator { core: core.clone(), store: store.clone(), clock: clock.clone() };
    let workflows = WorkflowServiceServer::new(workflows::Api { publisher, migrator })
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let app = app::App { store, batcher, clock, packages: Arc::clone(&packages), changes: core.changes };
    let server = CaseServiceServer::new(api::Api {
        app: Arc::new(app),
        receipts: receipts::Receipts { intake },
        doors,
    })
    .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let module = Module {
        names: &["masar.cases.v1.CaseService", "masar.cases.v1.WorkflowService"],
        routes: Arc::new(move |routes| {
            routes.add_service(server.clone()).add_service(workflows.clone());
        }),
        workers: vec![
            Worker::new("cases writer", Stage::Writer, async |_| {
                writing.await;
                Ok(())
            }),
            packages.worker(),
            entities.worker(),
            Worker::new("cases consumer", Stage::Consumer, async |stop| Ok(consumer.run(stop).await?)),
            Worker::new("cases figures", Stage::Consumer, async move |stop| {
                figures::watch(watched, stop).await;
                Ok(())
            }),
            Worker::new("cases relay", Stage::Relay, async |stop| {
                relay.run(stop).await;
                Ok(())
            }),
        ],
    };
    Ok((module, desk))
}

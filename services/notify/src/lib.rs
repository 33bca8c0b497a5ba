//! Who hears about it?
//!
//! What a case or an escalation tells people becomes deliveries, written in the transaction of the event. Workers make
//! them outside of any transaction: mail and webhooks, at least once, with an id that stays the same over all attempts.

mod api;
mod app;
mod consumer;
mod metrics;
mod post;
mod store;
#[cfg(test)]
mod tests;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use masar_bus::{Consumer, Desk, Outbox, Relay, Transport};
use masar_packages::Packages;
use masar_proto::notify::v1::notify_service_server::NotifyServiceServer;
use masar_runtime::config::MailSettings;
use masar_runtime::{BoxError, Clock, MAX_MESSAGE_BYTES, Module, Stage, Worker};
use masar_store::Store;
use masar_workflow::Catalog;
use tokio::sync::Notify;

use crate::post::Post;
use crate::store::delivery::{EMAIL, WEBHOOK};

/// The name of the service, and of its consumer on the bus.
pub const NAME: &str = "notify";
/// The services whose events it hears.
pub const SOURCES: &[&str] = &["cases", "escalation", "registry"];

/// What it stands on.
pub struct Deps {
    /// Its database.
    pub store: Store,
    /// The way to the other services.
    pub transport: Arc<dyn Transport>,
    /// The time.
    pub clock: Clock,
    /// The packages of the installation, whose templates it fills in.
    pub catalog: Arc<Catalog>,
    /// How mail goes out.
    pub mail: MailSettings,
    /// Where mail is written, one `.eml` file each, when no server is set.
    pub mail_folder: PathBuf,
}

/// The service and its desk for parked events, its tables brought to the newest form.
///
/// # Errors
/// What the database says, or which mail setting cannot be used.
pub async fn build(deps: Deps) -> Result<(Module, Desk), BoxError> {
    let Deps { store, transport, clock, catalog, mail, mail_folder } = deps;
    store.migrate::<store::Migrator>().await?;
    let mail = Arc::new(post::Mail::new(&mail, mail_folder)?);
    let webhooks = Arc::new(post::Webhooks::new(store.clone()));
    let packages = Packages::load(&store, NAME, catalog).await?;
    let core = Arc::new(app::Core::new(Arc::clone(&packages), clock.clone()));
    let outbox = Outbox::new(NAME);
    let courier = |channel, post: Arc<dyn Post>, written: &Arc<Notify>| {
        let (store, clock, outbox) = (store.clone(), clock.clone(), outbox.clone());
        Arc::new(worker::Courier { store, clock, channel, post, outbox, written: Arc::clone(written) })
    };
    let mail = courier(EMAIL, mail, &core.mail);
    let webhooks = courier(WEBHOOK, webhooks, &core.webhooks);
    let handler = Arc::new(consumer::Hear { core, outbox: outbox.clone() });
    let relay =
        Relay { store: store.clone(), outbox, transport: Arc::clone(&transport), now: clock.teller() };
    let consumer = Consumer {
        name: NAME,
        sources: SOURCES,
        store: store.clone(),
        handler,
        transport,
        now: clock.teller(),
    };
    let desk = consumer.desk();
    let server =
        NotifyServiceServer::new(api::Api { store, clock }).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let module = Module {
        names: &["masar.notify.v1.NotifyService"],
        routes: Arc::new(move |routes| {
            routes.add_service(server.clone());
        }),
        workers: vec![
            Worker::new("notify consumer", Stage::Consumer, async |stop| Ok(consumer.run(stop).await?)),
            packages.worker(),
            Worker::new("notify mail", Stage::Relay, async |stop| {
                mail.run(stop).await;
                Ok(())
            }),
            Worker::new("notify webhooks", Stage::Relay, async |stop| {
                webhooks.run(stop).await;
                Ok(())
            }),
            Worker::new("notify relay", Stage::Relay, async |stop| {
                relay.run(stop).await;
                Ok(())
            }),
        ],
    };
    Ok((module, desk))
}

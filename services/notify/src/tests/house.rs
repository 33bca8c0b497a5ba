//! The service on a database of a test's own, with a clock that the test moves.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use masar_bus::{
    Delivery as Heard, Event, LocalTransport, Message, Transport, every_partition, partition_of,
};
use masar_domain::{Identity, Role, TenantCode};
use masar_proto::events::v1::MessageTold;
use masar_proto::notify::v1::notify_service_client::NotifyServiceClient;
use masar_proto::notify::v1::{Delivery, ListDeliveriesRequest, PutWebhookRequest, Webhook};
use masar_proto::{kinds, time};
use masar_runtime::clock::Hand;
use masar_runtime::config::MailSettings;
use masar_runtime::{BoxError, Caller, Channel, Clock, Peer};
use masar_store::{DatabaseUrl, Store};
use masar_workflow::{Catalog, Package, Source};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::case::{TENANT, registry, start};
use crate::{Deps, NAME, SOURCES, build};

/// Who hears what the service tells.
const EAR: &str = "ear";

pub(super) struct House {
    transport: Arc<dyn Transport>,
    peer: Peer,
    stop: CancellationToken,
    workers: JoinSet<Result<(), BoxError>>,
    clock: Clock,
    ear: Receiver<Heard>,
    pub(super) hand: Hand,
    pub(super) folder: TempDir,
}

impl House {
    /// The service, which knows the people of the municipality and writes mail into a folder.
    pub(super) async fn open(url: &str) -> Result<Self> {
        Self::with(url, MailSettings::default()).await
    }

    /// The same, with mail settings.
    pub(super) async fn with(url: &str, mail: MailSettings) -> Result<Self> {
        let house = Self::silent(url, mail, start()).await?;
        house.tell("registry", vec![registry()]).await?;
        Ok(house)
    }

    /// The service as it starts, perhaps on the database of another.
    pub(super) async fn silent(url: &str, mail: MailSettings, now: jiff::Timestamp) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let transport: Arc<dyn Transport> = Arc::new(LocalTransport::new(&[(NAME, SOURCES), (EAR, &[NAME])]));
        let ear = transport.subscribe(EAR, &[NAME], every_partition()).await?;
        let (clock, hand) = Clock::manual(now);
        let module = build(Deps {
            store: Store::connect(&url.parse::<DatabaseUrl>()?, NAME).await?,
            transport: Arc::clone(&transport),
            clock: clock.clone(),
            catalog: Arc::new(catalog()?),
            mail,
            mail_folder: folder.path().join("mail"),
        });
        let (module, _) = module.await.map_err(anyhow::Error::from_boxed)?;
        let (peer, stop, mut workers) = (Peer::here(&module), CancellationToken::new(), JoinSet::new());
        for worker in module.workers {
            workers.spawn((worker.run)(stop.clone()));
        }
        Ok(Self { transport, peer, stop, workers, clock, ear, hand, folder })
    }

    /// Brings events, each in a message, and returns when they are committed.
    pub(super) async fn tell(&self, source: &str, events: Vec<Event>) -> Result<()> {
        for event in events {
            let partition = partition_of(&event.subject);
            let message =
                Message { id: Uuid::now_v7(), source: source.to_owned(), partition, events: vec![event] };
            self.transport.publish(message).await?;
        }
        Ok(())
    }

    /// What the clocks hear next.
    pub(super) async fn told(&mut self) -> Result<MessageTold> {
        let heard = tokio::time::timeout(Duration::from_secs(60), self.ear.recv()).await?;
        let heard = heard.context("the relay is gone")?;
        let [event] = heard.message.events.as_slice() else { bail!("{:?}", heard.message.events) };
        ensure!(event.kind == kinds::MESSAGE_TOLD, "{event:?}");
        let told = event.decode()?;
        // A relay that stops meanwhile says it again.
        let _ = heard.done.send(());
        Ok(told)
    }

    /// Waits until the deliveries are as a test waits for.
    pub(super) async fn until(&self, what: &str, wanted: impl Fn(&[Delivery]) -> bool) -> Result<()> {
        let there = async {
            while !wanted(&self.deliveries().await?) {
                tokio::task::yield_now().await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(Duration::from_secs(60), there)
            .await
            .with_context(|| format!("never: {what}"))?
    }

    /// Waits until nothing is due, and ends the workers as a process does that goes down: what was begun is finished.
    /// Calls are still answered.
    pub(super) async fn rest(&mut self) -> Result<()> {
        let at = |delivery: &Delivery| time::from_proto(delivery.next_attempt_at.as_ref());
        let due = |delivery: &Delivery| at(delivery).is_some_and(|at| at <= self.clock.now());
        let until_nothing_is_due = async {
            while self.deliveries().await?.iter().any(due) {
                tokio::task::yield_now().await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(Duration::from_secs(60), until_nothing_is_due).await??;
        self.stop.cancel();
        while let Some(ended) = self.workers.join_next().await {
            ended?.map_err(anyhow::Error::from_boxed)?;
        }
        Ok(())
    }

    /// Ends the workers as a process does that is killed.
    pub(super) async fn kill(mut self) {
        self.workers.shutdown().await;
    }

    /// A caller of an entity, with a role.
    pub(super) fn client(&self, tenant: &str, role: &str) -> NotifyServiceClient<Channel> {
        let tenant = TenantCode(tenant.to_owned());
        let identity = Identity {
            subject: "somebody".to_owned(),
            tenants: [tenant.clone()].into(),
            roles: BTreeSet::from([Role(role.to_owned())]),
            department: None,
        };
        let mut cause = tonic::Request::new(());
        cause.extensions_mut().insert(Caller { identity, tenant });
        NotifyServiceClient::new(self.peer.asked_by(&cause))
    }

    /// The deliveries of the municipality, newest first, as its administrator sees them.
    pub(super) async fn deliveries(&self) -> Result<Vec<Delivery>> {
        let request = ListDeliveriesRequest::default();
        let mut client = self.client(TENANT, "tenant_admin");
        Ok(client.list_deliveries(request).await?.into_inner().deliveries)
    }

    /// The only delivery there is.
    pub(super) async fn only(&self) -> Result<Delivery> {
        let mut deliveries = self.deliveries().await?;
        anyhow::ensure!(deliveries.len() == 1, "{deliveries:?}");
        deliveries.pop().context("there is one")
    }

    pub(super) async fn hook(&self, url: String, events: &[&str]) -> Result<Webhook> {
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        let mut client = self.client(TENANT, "tenant_admin");
        Ok(client.put_webhook(PutWebhookRequest { url, events }).await?.into_inner())
    }

    /// The files in the mail folder, by name.
    pub(super) fn mail(&self) -> Result<Vec<(String, String)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.folder.path().join("mail"))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(entry.path())?));
        }
        files.sort();
        Ok(files)
    }
}

/// The shipped packages, and a version of one with a template that asks for what only a ladder knows.
fn catalog() -> Result<Catalog> {
    let mut catalog = Catalog::shipped()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/complaint");
    let mut source = Source::read(&folder)?;
    let right = "We are still working on your complaint {{ case.reference }}. {{ entity }}";
    assert!(source.workflow.contains(right));
    source.workflow = source.workflow.replace(right, "At {{ level }}");
    source.workflow = source.workflow.replace("version: 1.0.0", "version: 9.0.0");
    catalog.add(Package::compile(&source)?)?;
    Ok(catalog)
}

//! The packages of every entity, ready for use. Readers never wait.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use masar_bus::Event;
use masar_proto::events::v1::WorkflowChanged;
use masar_runtime::{Stage, Worker};
use masar_store::{Listener, Store, Transaction, listen, tell};
use masar_workflow::{Catalog, Definition, Package, Source, Version};
use sea_orm::ConnectionTrait;

use crate::{digest, is_told, store};

/// Whose the versions are that the installation brings: nobody's who calls.
const INSTALLATION: &str = "";

/// Why versions could not be read or taken over.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A published version cannot be used.
    #[error(transparent)]
    Package(#[from] masar_workflow::Error),
    /// What the bus says.
    #[error(transparent)]
    Bus(#[from] masar_bus::Error),
    /// What the database says.
    #[error(transparent)]
    Store(#[from] masar_store::Error),
}

/// The packages of every entity, as this replica knows them.
pub struct Packages {
    store: Store,
    /// Under what replicas tell each other that an entity has published something.
    topic: String,
    installed: Arc<Catalog>,
    /// What those have that have published something.
    entities: ArcSwap<HashMap<String, Arc<Catalog>>>,
}

impl Packages {
    /// The packages of the installation, and all that was published before. What the installation brings is kept with its
    /// texts, so that cases go on in it when a later release does not bring it any more. A version that cannot be used is left out,
    /// and logged: it stops no other.
    ///
    /// # Errors
    /// What the database says.
    pub async fn load(
        store: &Store,
        service: &str,
        installed: Arc<Catalog>,
    ) -> Result<Arc<Self>, masar_store::Error> {
        let topic = format!("masar_{service}_packages");
        let installed = with_former(store, installed).await?;
        let packages = Self { store: store.clone(), topic, installed, entities: ArcSwap::default() };
        packages.read(store.reader(), None).await?;
        Ok(Arc::new(packages))
    }

    /// The packages of an entity.
    #[must_use]
    pub fn of(&self, tenant: &str) -> Arc<Catalog> {
        Arc::clone(self.entities.load().get(tenant).unwrap_or(&self.installed))
    }

    /// Makes sure that the packages of cases, given as tenant, package and version, are here if this service was told of
    /// them at all: another replica may have been.
    ///
    /// # Errors
    /// What the database says.
    pub async fn know<'a, C: ConnectionTrait>(
        &self,
        db: &C,
        cases: impl Iterator<Item = [&'a str; 3]>,
    ) -> Result<(), masar_store::Error> {
        let (mut unknown, mut last) = (BTreeSet::new(), None);
        for case in cases {
            let [tenant, package, version] = case;
            // Cases of one kind often come one after another.
            if last.replace(case) != Some(case) && self.of(tenant).get(package, version).is_none() {
                unknown.insert(tenant);
            }
        }
        for tenant in unknown {
            self.read(db, Some(tenant)).await?;
        }
        Ok(())
    }

    /// Keeps the versions that events tell of, in the transaction of all that follows from these events.
    ///
    /// # Errors
    /// What the database says, or which event cannot be read.
    pub async fn hear(&self, tx: &Transaction, events: &[Event]) -> Result<(), masar_bus::Error> {
        for event in events.iter().filter(|event| is_told(event)) {
            let changed = event.decode::<WorkflowChanged>()?;
            store::insert(tx, std::slice::from_ref(&changed)).await?;
            if changed.retired_at.is_some() {
                store::retire(tx, &changed).await?;
            }
            self.tell(tx, &changed).await?;
            self.take(&changed);
        }
        Ok(())
    }

    /// Tells the other replicas that an entity has something new, once the transaction commits.
    ///
    /// # Errors
    /// What the database says.
    pub async fn tell(&self, tx: &Transaction, changed: &WorkflowChanged) -> Result<(), masar_store::Error> {
        tell(tx, &self.topic, &changed.tenant).await
    }

    /// Takes a version over that was written. One that cannot be used is logged.
    pub fn take(&self, changed: &WorkflowChanged) {
        if let Err(error) = self.try_take(changed) {
            let WorkflowChanged { tenant, package, version, .. } = changed;
            tracing::error!(tenant, package, version, %error, "a published version cannot be used: publish a higher one");
        }
    }

    fn try_take(&self, changed: &WorkflowChanged) -> Result<(), masar_workflow::Error> {
        let known = self.of(&changed.tenant);
        let known = known.version(&changed.package, &changed.version).filter(|version| version.own);
        let retired = changed.retired_at.is_some();
        let package = match known {
            // It is told often, and what was retired stays so.
            Some(version) if version.retired || !retired => return Ok(()),
            Some(version) => Arc::clone(&version.package),
            None => compiled(changed)?,
        };
        let (version, mut done) = (Version { package, own: true, retired, files: None }, Ok(()));
        self.entities.rcu(|entities| {
            let mut entities = HashMap::clone(entities);
            let catalog =
                entities.entry(changed.tenant.clone()).or_insert_with(|| Arc::clone(&self.installed));
            done = Arc::make_mut(catalog).put(version.clone());
            entities
        });
        done
    }

    async fn read<C: ConnectionTrait>(&self, db: &C, tenant: Option<&str>) -> Result<(), masar_store::Error> {
        let own = store::of_tenant(db, tenant).await?;
        own.iter().filter(|changed| changed.tenant != INSTALLATION).for_each(|changed| self.take(changed));
        Ok(())
    }

    /// Reads what an entity has published, in a transaction that decides what it may publish next.
    ///
    /// # Errors
    /// What the database says.
    pub async fn refresh(&self, tx: &Transaction, tenant: &str) -> Result<Arc<Catalog>, masar_store::Error> {
        self.read(tx, Some(tenant)).await?;
        Ok(self.of(tenant))
    }

    /// Hears what other replicas are told, for as long as the service runs.
    #[must_use]
    pub fn worker(self: Arc<Self>) -> Worker {
        Worker::new(self.topic.clone(), Stage::Consumer, async move |stop| {
            stop.run_until_cancelled(listen(&self.store, &self.topic, &*self)).await;
            Ok(())
        })
    }
}

/// The packages of the installation with those that it had before, in which no new cases are opened; the new ones are kept.
async fn with_former(store: &Store, installed: Arc<Catalog>) -> Result<Arc<Catalog>, masar_store::Error> {
    let mut former: BTreeMap<_, _> = store::of_tenant(store.reader(), Some(INSTALLATION))
        .await?
        .into_iter()
        .map(|kept| ((kept.package.clone(), kept.version.clone()), kept))
        .collect();
    let mut new = Vec::new();
    for version in installed.versions() {
        let Definition { package, version: number, .. } = version.package.definition();
        let kept = former.remove(&(package.clone(), number.clone()));
        let Some(files) = &version.files else { continue };
        let digest = digest(files);
        match kept {
            Some(kept) if kept.digest != digest => tracing::warn!(
                package,
                version = number,
                "this version says something else than when it was installed first: a change needs a higher version"
            ),
            Some(_) => {}
            None => new.push(WorkflowChanged {
                package: package.clone(),
                version: number.clone(),
                files: files.iter().map(|(path, text)| (path.clone(), text.clone())).collect(),
                digest,
                ..WorkflowChanged::default()
            }),
        }
    }
    if !new.is_empty() {
        let tx = store.begin().await?;
        store::insert(&tx, &new).await?;
        tx.commit().await?;
    }
    if former.is_empty() {
        return Ok(installed);
    }
    let mut all = Catalog::clone(&installed);
    for kept in former.into_values() {
        let put = compiled(&kept)
            .and_then(|package| all.put(Version { package, own: false, retired: true, files: None }));
        if let Err(error) = put {
            let WorkflowChanged { package, version, .. } = kept;
            tracing::error!(package, version, %error, "a version that was installed before cannot be used: migrate its cases");
        }
    }
    Ok(Arc::new(all))
}

fn compiled(changed: &WorkflowChanged) -> Result<Arc<Package>, masar_workflow::Error> {
    let files = changed.files.clone().into_iter().collect();
    Ok(Arc::new(Package::published(&Source::of(&files)?)?))
}

#[async_trait]
impl Listener for Packages {
    type Error = masar_store::Error;

    async fn heard(&self, tenant: Option<String>) -> Result<(), masar_store::Error> {
        self.read(self.store.reader(), tenant.as_deref()).await
    }
}

//! Publishing: a version that was checked is kept for good and told to every service, and new cases are opened in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use masar_bus::Outbox;
use masar_packages::{Packages, alone, digest, find, insert, retire, told};
use masar_proto::events::v1::WorkflowChanged;
use masar_proto::time;
use masar_runtime::Clock;
use masar_store::{Store, Transaction};
use masar_workflow::{Catalog, Files, Package, Version, scenarios, trial};
use uuid::Uuid;

/// What the texts of a package may come to. They are told once for each partition of the bus.
const MOST_BYTES: usize = 1 << 20;

/// Why a version was not published or retired.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The package does not hold together.
    #[error(transparent)]
    Package(#[from] masar_workflow::Error),
    /// The walks of its scenarios broke off.
    #[error(
        "its scenarios could not be walked to their end: run `masar workflow test` on it, and publish it again"
    )]
    Untried,
    #[error("has {0} bytes in all, and {MOST_BYTES} are the most: leave out what is no part of the package")]
    Size(usize),
    #[error(
        "{package} {highest} is there, and a version never changes: give the new one a version that is higher"
    )]
    Version { package: String, highest: String },
    /// Children of a package of which no version is in force.
    #[error("{0}: publish that package first, or leave its last version in force")]
    Child(String),
    #[error(
        "`{package}` has the cases of the type `{case_type}`: give these another `case_type`, or publish them as a version of that package"
    )]
    CaseType { case_type: String, package: String },
    #[error(
        "{package} {version} is none that this entity has published: `masar workflow versions` lists those"
    )]
    Unknown { package: String, version: String },
    #[error("this entity has no {package} {version}: `masar workflow versions {package}` lists what it has")]
    NoVersion { package: String, version: String },
    #[error("there is no migration `{0}` of this entity")]
    NoMigration(Uuid),
    /// What a map of a migration names that is not there.
    #[error("the map names what is not there")]
    Map(Vec<(String, String)>),
    #[error("the migration `{0}` of this package is under way: call it again until it has ended, or undo it")]
    UnderWay(Uuid),
    #[error(transparent)]
    Case(#[from] super::Error),
    #[error(transparent)]
    Bus(#[from] masar_bus::Error),
    #[error(transparent)]
    Store(#[from] masar_store::Error),
}

/// Takes versions in.
pub(crate) struct Publisher {
    pub(crate) store: Store,
    pub(crate) outbox: Outbox,
    pub(crate) packages: Arc<Packages>,
    pub(crate) clock: Clock,
    /// In each of so many partitions a version is told.
    pub(crate) partitions: u16,
}

impl Publisher {
    /// Publishes a version for an entity. True when it was published before, with the same texts.
    pub(crate) async fn publish(
        &self,
        tenant: &str,
        by: &str,
        files: Files,
    ) -> Result<(WorkflowChanged, bool), Refused> {
        let bytes = files.iter().map(|(path, text)| path.len() + text.len()).sum();
        if bytes > MOST_BYTES {
            return Err(Refused::Size(bytes));
        }
        let package = Arc::new(Package::of(&files)?);
        let definition = package.definition();
        let texts = scenarios(&files);
        let new = WorkflowChanged {
            tenant: tenant.to_owned(),
            package: definition.package.clone(),
            version: definition.version.clone(),
            digest: digest(&files),
            files: files.into_iter().collect(),
            published_by: by.to_owned(),
            published_at: Some(time::to_proto(self.clock.now())),
            ..WorkflowChanged::default()
        };
        // What was published before was tried then. Nobody waits for the walks: they change nothing.
        let known = find(self.store.reader(), tenant, &new.package, &new.version).await?;
        if known.is_none_or(|known| known.digest != new.digest) {
            self.tried(tenant, &package, texts).await?;
        }
        let tx = self.store.begin().await?;
        alone(&tx).await?;
        let before = find(&tx, tenant, &new.package, &new.version).await?;
        if let Some(same) = before.filter(|before| before.digest == new.digest) {
            self.tell(tx, &same).await?;
            return Ok((same, true));
        }
        let known = self.packages.refresh(&tx, tenant).await?;
        fits(&known, package)?;
        insert(&tx, std::slice::from_ref(&new)).await?;
        self.tell(tx, &new).await?;
        Ok((new, false))
    }

    /// Walks cases of a package as its own scenarios say, with the children that the entity has.
    async fn tried(
        &self,
        tenant: &str,
        package: &Arc<Package>,
        texts: BTreeMap<String, String>,
    ) -> Result<(), Refused> {
        let (known, package) = (self.packages.of(tenant), Arc::clone(package));
        let walks = tokio::task::spawn_blocking(move || {
            let name = package.definition().package.clone();
            let lookup = |child: &str| match child == name {
                true => Some(Arc::clone(&package)),
                false => known.in_force(child).cloned(),
            };
            trial(&package, &texts, &lookup).verdict()
        });
        Ok(walks.await.map_err(|_| Refused::Untried)??)
    }

    /// Opens no new cases in a version any more.
    pub(crate) async fn retire(
        &self,
        tenant: &str,
        by: &str,
        (package, version): (&str, &str),
        reason: &str,
    ) -> Result<WorkflowChanged, Refused> {
        let tx = self.store.begin().await?;
        alone(&tx).await?;
        let mut changed =
            find(&tx, tenant, package, version).await?.ok_or_else(|| Refused::unknown(package, version))?;
        if changed.retired_at.is_none() {
            let known = self.packages.refresh(&tx, tenant).await?;
            without(&known, package, version)?;
            changed.retired_at = Some(time::to_proto(self.clock.now()));
            (changed.retired_by, changed.retired_because) = (by.to_owned(), reason.to_owned());
            retire(&tx, &changed).await?;
        }
        self.tell(tx, &changed).await?;
        Ok(changed)
    }

    async fn tell(&self, tx: Transaction, changed: &WorkflowChanged) -> Result<(), Refused> {
        self.outbox.put(&tx, told(changed, self.partitions)).await?;
        self.packages.tell(&tx, changed).await?;
        tx.commit().await.map_err(masar_store::Error::from)?;
        self.outbox.wake();
        self.packages.take(changed);
        Ok(())
    }
}

impl Refused {
    pub(crate) fn unknown(package: &str, version: &str) -> Self {
        Self::Unknown { package: package.to_owned(), version: version.to_owned() }
    }
}

/// Whether a new version may stand among those that the entity has.
fn fits(known: &Catalog, package: Arc<Package>) -> Result<(), Refused> {
    let definition = package.definition();
    if let Some(highest) = known.not_below(&definition.package, &definition.version)? {
        let highest = highest.package.definition().version.clone();
        return Err(Refused::Version { package: definition.package.clone(), highest });
    }
    let other = known.for_case_type(&definition.case_type).map(|other| other.definition());
    if let Some(other) = other.filter(|other| other.package != definition.package) {
        let (case_type, package) = (definition.case_type.clone(), other.package.clone());
        return Err(Refused::CaseType { case_type, package });
    }
    let mut with = known.clone();
    with.put(Version { package, own: true, retired: false, files: None })?;
    with.check().map_err(|error| Refused::Child(error.to_string()))
}

/// Whether all can go on without new cases in a version.
fn without(known: &Catalog, package: &str, version: &str) -> Result<(), Refused> {
    let found = known.version(package, version).ok_or_else(|| Refused::unknown(package, version))?;
    let mut without = known.clone();
    without.put(Version { retired: true, ..found.clone() })?;
    without.check().map_err(|error| Refused::Child(error.to_string()))
}

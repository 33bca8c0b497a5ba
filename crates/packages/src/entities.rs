//! Which entities there are, as the registry has told a service, and whether they take the children that a case asks them for.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use masar_bus::{all_kept, keep};
use masar_domain::BiText;
use masar_proto::events::v1::RegistryChanged;
use masar_runtime::{Stage, Worker};
use masar_store::{Listener, Store, Transaction, listen, tell};
use masar_workflow::{CaseEvent, Named, Refusal};

use crate::Packages;

/// The entities of which the registry has told a service. Readers never wait.
pub struct Entities {
    store: Store,
    /// Under what replicas tell each other of an entity.
    topic: String,
    known: ArcSwap<BTreeSet<String>>,
}

impl Entities {
    /// Those of whom a service was told before: nothing but what the registry says may be kept in its database.
    ///
    /// # Errors
    /// What the database says, or what is kept and cannot be read.
    pub async fn load(store: &Store, service: &str) -> Result<Arc<Self>, masar_bus::Error> {
        let topic = format!("masar_{service}_registered");
        let entities = Self { store: store.clone(), topic, known: ArcSwap::default() };
        entities.read(None).await?;
        Ok(Arc::new(entities))
    }

    /// Keeps what the registry says of an entity, in the transaction of all that follows from it.
    ///
    /// # Errors
    /// What the database says.
    pub async fn hear(&self, tx: &Transaction, changed: &RegistryChanged) -> Result<(), masar_bus::Error> {
        keep(tx, &changed.tenant, changed).await?;
        tell(tx, &self.topic, &changed.tenant).await?;
        self.take(&changed.tenant);
        Ok(())
    }

    /// True for an entity of which the registry has told.
    #[must_use]
    pub fn contains(&self, entity: &str) -> bool {
        self.known.load().contains(entity)
    }

    /// Refuses an event of a case of an entity that asks another for a child which would not be opened there.
    ///
    /// # Errors
    /// `Entity` with the entity, and whether it is unknown, has no such package or needs another form.
    pub fn refuse(&self, packages: &Packages, tenant: &str, event: &CaseEvent) -> Result<(), Refusal> {
        let mut elsewhere = event.named().filter(|named| named.entity != tenant);
        elsewhere.try_for_each(|named| self.take_in(packages, named))
    }

    fn take_in(&self, packages: &Packages, named: Named<'_>) -> Result<(), Refusal> {
        let Named { entity, package, form } = named;
        let refused = |message: BiText| Err(Refusal::Entity { message });
        if !self.contains(entity) {
            return refused(BiText::new(
                format!("لا توجد جهة برمز `{entity}`: استخدم رمزا من السجل"),
                format!("there is no entity `{entity}`: use a code of the registry"),
            ));
        }
        let catalog = packages.of(entity);
        let Some(package) = catalog.in_force(package) else {
            return refused(BiText::new(
                format!("لا تعمل الجهة `{entity}` بالحزمة `{package}`"),
                format!("the entity `{entity}` has no package `{package}`"),
            ));
        };
        let wrong = package.violations(&package.definition().opening_form, form);
        let wrong: Vec<_> =
            wrong.into_iter().map(|wrong| format!("{} {}", wrong.field, wrong.message)).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let wrong = wrong.join("; ");
        refused(BiText::new(
            format!("تطلب الجهة `{entity}` غير ما كتب: {wrong}"),
            format!("the entity `{entity}` asks for something else: {wrong}"),
        ))
    }

    /// Hears what other replicas are told, for as long as the service runs.
    #[must_use]
    pub fn worker(self: Arc<Self>) -> Worker {
        Worker::new(self.topic.clone(), Stage::Consumer, async move |stop| {
            stop.run_until_cancelled(listen(&self.store, &self.topic, &*self)).await;
            Ok(())
        })
    }

    async fn read(&self, entity: Option<&str>) -> Result<(), masar_bus::Error> {
        let kept: Vec<RegistryChanged> = all_kept(self.store.reader(), entity).await?;
        kept.iter().for_each(|changed| self.take(&changed.tenant));
        Ok(())
    }

    fn take(&self, entity: &str) {
        if !self.contains(entity) {
            self.known.rcu(|known| known.iter().cloned().chain([entity.to_owned()]).collect::<BTreeSet<_>>());
        }
    }
}

#[async_trait]
impl Listener for Entities {
    type Error = masar_bus::Error;

    async fn heard(&self, entity: Option<String>) -> Result<(), masar_bus::Error> {
        self.read(entity.as_deref()).await
    }
}

//! What everything that changes tasks needs: packages, and what the registry said of each entity.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use masar_bus::{Outbox, all_kept};
use masar_packages::Packages;
use masar_proto::events::v1::RegistryChanged;
use masar_runtime::BoxError;
use masar_store::{Listener, Store};
use masar_workflow::Routed;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::Error;
use crate::store::task;

/// Under what replicas tell each other that the registry has said something new of an entity.
pub(crate) const ENTITIES: &str = "masar_routing_entities";
/// Watchers that fall further behind read the queue anew.
const WATCHED: usize = 1_024;

pub(crate) struct Core {
    pub(crate) outbox: Outbox,
    pub(crate) packages: Arc<Packages>,
    entities: ArcSwap<HashMap<String, Arc<RegistryChanged>>>,
    /// The queues that changed, for those who watch.
    pub(crate) changes: broadcast::Sender<String>,
}

impl Core {
    pub(crate) async fn load(
        store: &Store,
        outbox: Outbox,
        packages: Arc<Packages>,
    ) -> Result<Arc<Self>, BoxError> {
        let core =
            Self { outbox, packages, entities: ArcSwap::default(), changes: broadcast::Sender::new(WATCHED) };
        for changed in all_kept(store.reader(), None).await? {
            core.hear(changed);
        }
        Ok(Arc::new(core))
    }

    /// Takes over what the registry says of an entity.
    pub(crate) fn hear(&self, changed: RegistryChanged) {
        let changed = Arc::new(changed);
        self.entities.rcu(|entities| {
            let mut entities = HashMap::clone(entities);
            entities.insert(changed.tenant.clone(), Arc::clone(&changed));
            entities
        });
    }

    pub(crate) fn entity(&self, tenant: &str) -> Option<Arc<RegistryChanged>> {
        self.entities.load().get(tenant).cloned()
    }

    /// The queue of a case by the rules of its package.
    pub(crate) fn route(&self, task: &task::Model) -> Result<Routed, Error> {
        let catalog = self.packages.of(&task.tenant);
        let package = catalog.get(&task.package, &task.package_version);
        let package =
            package.ok_or_else(|| Error::Package(task.package.clone(), task.package_version.clone()))?;
        let entity = self.entity(&task.tenant);
        let entity = entity.as_deref();
        let service =
            entity.and_then(|entity| entity.services.iter().find(|service| service.code == task.service));
        let category = entity.and_then(|entity| entity.category_departments.get(&task.classification));
        let department =
            |code: Option<&String>| code.map_or_else(|| json!({}), |code| json!({"department": code}));
        let mut named = department(service.map(|service| &service.department));
        if let Value::Object(named) = &mut named {
            named.insert("code".to_owned(), json!(task.service));
        }
        Ok(package.route(&json!({"case": task.facts, "service": named, "category": department(category)})))
    }

    /// True when the entity has a department or a desk of this code.
    pub(crate) fn knows_queue(&self, tenant: &str, queue: &str) -> bool {
        let of_entity = self.entity(tenant);
        let mut departments = of_entity.iter().flat_map(|entity| &entity.departments);
        self.packages.of(tenant).names_desk(queue) || departments.any(|department| department.code == queue)
    }

    /// Tells the relay and those who watch which queues a commit has changed.
    pub(crate) fn tell(&self, queues: impl Iterator<Item = String>) {
        self.outbox.wake();
        for queue in queues.collect::<BTreeSet<_>>() {
            // Nobody may be watching.
            let _ = self.changes.send(queue);
        }
    }
}

/// Takes over what the registry told another replica.
pub(crate) struct Registered {
    pub(crate) store: Store,
    pub(crate) core: Arc<Core>,
}

#[async_trait]
impl Listener for Registered {
    type Error = masar_bus::Error;

    async fn heard(&self, tenant: Option<String>) -> Result<(), masar_bus::Error> {
        let changed: Vec<RegistryChanged> = all_kept(self.store.reader(), tenant.as_deref()).await?;
        changed.into_iter().for_each(|changed| self.core.hear(changed));
        Ok(())
    }
}

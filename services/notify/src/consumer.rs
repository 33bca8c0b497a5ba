//! Hears what happens to cases, and who the people of each entity are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use masar_bus::{Error as BusError, Event, Handler, Outbox, keep, kept};
use masar_packages::is_told;
use masar_proto::events::v1::RegistryChanged;
use masar_proto::kinds;
use masar_store::Transaction;
use tracing::Span;

use crate::NAME;
use crate::app::{Core, Occasion, told};
use crate::store::{delivery, webhook};

pub(crate) struct Hear {
    pub(crate) core: Arc<Core>,
    pub(crate) outbox: Outbox,
}

#[async_trait]
impl Handler for Hear {
    fn hears(&self, event: &Event) -> bool {
        event.kind == kinds::REGISTRY_CHANGED
            || is_told(event)
            || Occasion::read(event).map_or(true, |occasion| occasion.is_some())
    }

    async fn handle(&self, tx: &Transaction, events: &[Event]) -> Result<(), BusError> {
        self.core.packages.hear(tx, events).await?;
        for event in events.iter().filter(|event| event.kind == kinds::REGISTRY_CHANGED) {
            let changed = event.decode::<RegistryChanged>()?;
            keep(tx, &changed.tenant, &changed).await?;
        }
        let occasions: Vec<_> =
            events.iter().filter_map(|event| Occasion::read(event).transpose()).collect::<Result<_, _>>()?;
        if occasions.is_empty() {
            return Ok(());
        }
        let telling = || occasions.iter().filter(|occasion| occasion.tells_people());
        self.core.packages.know(tx, telling().map(|occasion| occasion.package())).await?;
        // Read in the transaction: every replica tells the same people.
        let entities = kept(tx, telling().map(|occasion| occasion.case.tenant.as_str()).collect()).await?;
        let tenants: BTreeSet<_> = occasions.iter().map(|occasion| occasion.case.tenant.as_str()).collect();
        let webhooks = webhook::of(tx, tenants).await?;
        // Whoever is meant twice by one message gets it once.
        let (mut deliveries, mut causes) = (BTreeMap::new(), BTreeMap::new());
        for occasion in &occasions {
            let entity = entities.get(&occasion.case.tenant);
            occasion.event.cause(NAME, || {
                for delivery in self.core.deliveries(occasion, entity, &webhooks) {
                    causes.insert(delivery.id, Span::current());
                    deliveries.insert(delivery.id, delivery);
                }
            });
        }
        let new = delivery::insert(tx, deliveries.into_values().collect()).await?;
        // A clock that waits for a message hears at once that it can reach nobody.
        let events = new.iter().filter_map(|delivery| causes.get(&delivery.id)?.in_scope(|| told(delivery)));
        self.outbox.put(tx, events.collect()).await
    }

    fn committed(&self, _: &[Event]) {
        self.outbox.wake();
        self.core.mail.notify_one();
        self.core.webhooks.notify_one();
    }
}

//! From an occasion to its deliveries: one for each recipient of each message, and one for each webhook that hears it.

use std::sync::Arc;

use masar_domain::BiText;
use masar_packages::{Calendars, Packages};
use masar_proto::events::v1::{EscalationRaised, RegistryChanged};
use masar_proto::time;
use masar_runtime::Clock;
use masar_store::time::to_db;
use masar_workflow::{CUSTOMER, Package};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use uuid::Uuid;

use super::payload::payload;
use super::recipients::{Around, Recipient};
use super::text::{Values, render};
use super::{Occasion, What};
use crate::store::delivery::{FAILED, Model as Delivery, NOT_DELIVERABLE, PENDING, WEBHOOK};
use crate::store::webhook::Model as Webhook;

/// What everything that tells somebody needs.
pub(crate) struct Core {
    pub(crate) packages: Arc<Packages>,
    clock: Clock,
    calendars: Calendars,
    /// Told when mail was written down.
    pub(crate) mail: Arc<Notify>,
    /// Told when something for webhooks was written down.
    pub(crate) webhooks: Arc<Notify>,
}

impl Core {
    pub(crate) fn new(packages: Arc<Packages>, clock: Clock) -> Self {
        Self {
            packages,
            clock,
            calendars: Calendars::default(),
            mail: Arc::default(),
            webhooks: Arc::default(),
        }
    }

    /// Everything that an occasion sends.
    pub(crate) fn deliveries(
        &self,
        occasion: &Occasion<'_>,
        entity: Option<&RegistryChanged>,
        webhooks: &[Webhook],
    ) -> Vec<Delivery> {
        let heard = |webhook: &&Webhook| {
            webhook.tenant == occasion.case.tenant && webhook.hears(&occasion.event.kind)
        };
        let mut deliveries: Vec<_> =
            webhooks.iter().filter(heard).map(|webhook| self.hook(occasion, webhook)).collect();
        if occasion.tells_people() {
            deliveries.extend(self.letters(occasion, entity));
        }
        deliveries
    }

    fn letters(&self, occasion: &Occasion<'_>, entity: Option<&RegistryChanged>) -> Vec<Delivery> {
        let case = &occasion.case;
        let catalog = self.packages.of(&case.tenant);
        let package = catalog.get(&case.package, &case.package_version).map(AsRef::as_ref);
        let level = occasion.raised().map(|(raised, _)| raised.level.as_str());
        let around = Around { case, entity, calendars: &self.calendars, level, now: self.clock.now() };
        let label = entity.and_then(|entity| entity.entity_label.clone()).map(BiText::from);
        let values = Values {
            reference: case.reference.clone(),
            entity: label.unwrap_or_else(|| BiText::new(&case.tenant, &case.tenant)),
            ..Values::default()
        };
        let mut letters = Vec::new();
        for effect in occasion.effects() {
            let actor = match &occasion.what {
                What::Changed(changed) => changed.actor.as_str(),
                What::Escalated(_) => "",
            };
            let people = effect.recipients.iter().flat_map(|word| around.called(word, actor));
            letters.extend(people.map(|to| self.letter(occasion, package, &effect.template, to, &values)));
        }
        if let Some((raised, template)) = occasion.raised() {
            let values = late(package, raised, values);
            let people = raised.people.iter().map(|id| match id.as_str() {
                // Never in the words for people of the entity.
                CUSTOMER if !raised.template.is_empty() => around.customer(),
                id => around.person(id),
            });
            letters.extend(people.map(|to| self.letter(occasion, package, template, to, &values)));
        }
        letters
    }

    /// A message to one recipient. What cannot be put into words is a delivery that failed: it holds nothing up.
    fn letter(
        &self,
        occasion: &Occasion<'_>,
        package: Option<&Package>,
        template: &str,
        to: Recipient,
        values: &Values,
    ) -> Delivery {
        let key = format!("{template}\n{}\n{}", to.channel, to.name);
        let blank = Delivery {
            template: template.to_owned(),
            channel: to.channel,
            recipient: to.name,
            language: to.language.to_string(),
            awaited_since: package
                .filter(|package| package.definition().awaits(template))
                .map(|_| to_db(occasion.at())),
            ..self.blank(occasion, &key)
        };
        if let Some(obstacle) = to.obstacle {
            return Delivery { status: NOT_DELIVERABLE.to_owned(), last_error: obstacle, ..blank };
        }
        let text = package.and_then(|package| package.definition().templates.get(template));
        let text = text.ok_or_else(|| {
            let case = &occasion.case;
            format!("{} {} has no template `{template}` here", case.package, case.package_version)
        });
        let words =
            text.and_then(|text| render(text, values, to.language).map_err(|error| error.to_string()));
        match words {
            Ok((subject, body)) => {
                let held_until = to.held_until.map(to_db);
                let next_attempt_at = held_until.or(Some(blank.created_at));
                Delivery { subject, body, status: PENDING.to_owned(), next_attempt_at, held_until, ..blank }
            }
            Err(error) => Delivery { status: FAILED.to_owned(), last_error: error, ..blank },
        }
    }

    fn hook(&self, occasion: &Occasion<'_>, webhook: &Webhook) -> Delivery {
        let blank = self.blank(occasion, &format!("{WEBHOOK}\n{}", webhook.id));
        Delivery {
            template: occasion.event.kind.clone(),
            channel: WEBHOOK.to_owned(),
            recipient: webhook.url.clone(),
            body: payload(occasion),
            webhook_id: Some(webhook.id),
            status: PENDING.to_owned(),
            next_attempt_at: Some(blank.created_at),
            ..blank
        }
    }

    /// A delivery about the case of an occasion. Its id follows from the event and the key: an event that comes again
    /// makes no second one.
    fn blank(&self, occasion: &Occasion<'_>, key: &str) -> Delivery {
        let case = &occasion.case;
        Delivery {
            id: named(occasion.event.id, key),
            tenant: case.tenant.clone(),
            case_id: occasion.case_id,
            reference: case.reference.clone(),
            template: String::new(),
            channel: String::new(),
            recipient: String::new(),
            language: String::new(),
            subject: String::new(),
            body: String::new(),
            webhook_id: None,
            status: String::new(),
            attempts: 0,
            last_error: String::new(),
            created_at: to_db(self.clock.now()),
            delivered_at: None,
            next_attempt_at: None,
            awaited_since: None,
            lease: None,
            held_until: None,
        }
    }
}

/// The same id for the same event and key, always.
fn named(event: Uuid, key: &str) -> Uuid {
    let hash = Sha256::new().chain_update(event).chain_update(key).finalize();
    uuid::Builder::from_custom_bytes(std::array::from_fn(|at| hash[at])).into_uuid()
}

/// What is said of a clock that is late, or about to be.
fn late(package: Option<&Package>, raised: &EscalationRaised, values: Values) -> Values {
    let rule = package.and_then(|package| package.definition().clocks.get(&raised.clock));
    let label = rule.map(|rule| rule.label.clone());
    Values {
        clock: Some(label.unwrap_or_else(|| BiText::new(&raised.clock, &raised.clock))),
        level: Some(raised.level.clone()),
        due_at: time::from_proto(raised.due_at.as_ref()),
        notes: notes(raised),
        ..values
    }
}

/// What whoever a level tells must know besides: that they stand in for others, and that nobody has taken notice yet.
fn notes(raised: &EscalationRaised) -> Vec<BiText> {
    let mut notes = Vec::new();
    if !raised.vacant.is_empty() {
        let roles = raised.vacant.join(", ");
        notes.push(match raised.safety_net {
            true => BiText::new(
                format!("وصلتك هذه الرسالة لأنك شبكة الأمان: لا أحد حاضر بصفة {roles}."),
                format!("You are told because you are the safety net: nobody present is {roles}."),
            ),
            false => BiText::new(
                format!("وصلتك هذه الرسالة لأنه لا أحد حاضر بصفة {roles}."),
                format!("You are told because nobody present is {roles}."),
            ),
        });
    }
    if raised.told > 1 {
        let told = raised.told;
        notes.push(BiText::new(
            format!("أُبلغ هذا المستوى {told} مرات، ولم يُعلم أحد باستلامه بعد."),
            format!("This level was told {told} times, and nobody has taken notice yet."),
        ));
    }
    notes
}

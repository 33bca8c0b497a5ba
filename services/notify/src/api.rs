//! The contract of notify: what was sent to whom, and who is called when something happens.

use masar_domain::Role;
use masar_proto::common::v1::PageResponse;
use masar_proto::notify::v1 as api;
use masar_proto::notify::v1::notify_service_server::NotifyService;
use masar_proto::{kinds, time};
use masar_runtime::{Clock, caller, refuse};
use masar_store::time::{from_db, to_db};
use masar_store::{Error, Store};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::post::{new_secret, usable};
use crate::store::delivery::{EMAIL, Model, STATUSES, WEBHOOK};
use crate::store::{list, webhook};

/// The events that webhooks hear.
const HEARD: [&str; 4] =
    [kinds::CASE_OPENED, kinds::CASE_CHANGED, kinds::ESCALATION_RAISED, kinds::ESCALATION_ACKNOWLEDGED];
/// Who sees addresses in full.
const SEES_ADDRESSES: &str = "tenant_admin";

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
}

#[tonic::async_trait]
impl NotifyService for Api {
    async fn list_deliveries(
        &self,
        request: Request<api::ListDeliveriesRequest>,
    ) -> Result<Response<api::ListDeliveriesResponse>, Status> {
        let caller = caller(&request)?;
        let in_full = caller.identity.roles.contains(&Role(SEES_ADDRESSES.to_owned()));
        let request = request.into_inner();
        if !request.status.is_empty() && !STATUSES.contains(&request.status.as_str()) {
            let problem = format!("there is no status `{}`: use {}", request.status, STATUSES.join(", "));
            return Err(refuse::invalid(vec![("status".to_owned(), problem)]));
        }
        let listed = list(&self.store, &caller.tenant.0, &request).await;
        let (rows, next_token) = listed.map_err(stored)?;
        let deliveries = rows.into_iter().map(|row| encode(row, in_full)).collect();
        Ok(Response::new(api::ListDeliveriesResponse { deliveries, page: Some(PageResponse { next_token }) }))
    }

    async fn put_webhook(
        &self,
        request: Request<api::PutWebhookRequest>,
    ) -> Result<Response<api::Webhook>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let api::PutWebhookRequest { url, events } = request.into_inner();
        let url = usable(&url);
        let unknown = events.iter().filter(|event| !HEARD.contains(&event.as_str()));
        let unknown = unknown
            .map(|event| ("events".to_owned(), format!("`{event}` is never told: use {}", HEARD.join(", "))));
        let wrong = url.as_ref().err().map(|problem| ("url".to_owned(), problem.clone()));
        let wrong: Vec<_> = wrong.into_iter().chain(unknown).collect();
        let Some(url) = url.ok().filter(|_| wrong.is_empty()) else { return Err(refuse::invalid(wrong)) };
        let secret = new_secret().ok_or_else(|| refuse::unavailable("the system gives no random numbers"))?;
        let created_at = to_db(self.clock.now());
        let (id, url, events) = (Uuid::now_v7(), url.to_string(), events.join(" "));
        let row = webhook::Model { id, tenant, url, events, secret, created_at };
        let tx = self.store.begin().await.map_err(stored)?;
        let kept = webhook::put(&tx, row).await.map_err(stored)?;
        tx.commit().await.map_err(|error| stored(error.into()))?;
        let secret = kept.secret.clone();
        Ok(Response::new(api::Webhook { secret, ..shown(kept) }))
    }

    async fn list_webhooks(
        &self,
        request: Request<api::ListWebhooksRequest>,
    ) -> Result<Response<api::ListWebhooksResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let rows = webhook::list(&self.store, &tenant).await.map_err(stored)?;
        Ok(Response::new(api::ListWebhooksResponse { webhooks: rows.into_iter().map(shown).collect() }))
    }

    async fn delete_webhook(
        &self,
        request: Request<api::DeleteWebhookRequest>,
    ) -> Result<Response<api::DeleteWebhookResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let key = request.into_inner().webhook_id;
        let unknown = || refuse::not_found("webhook", &key);
        let id: Uuid = key.parse().map_err(|_| unknown())?;
        let tx = self.store.begin().await.map_err(stored)?;
        let deleted = webhook::delete(&tx, &tenant, id).await.map_err(stored)?;
        tx.commit().await.map_err(|error| stored(error.into()))?;
        if !deleted {
            return Err(unknown());
        }
        Ok(Response::new(api::DeleteWebhookResponse {}))
    }
}

fn encode(row: Model, in_full: bool) -> api::Delivery {
    let at = |at| time::to_proto(from_db(at));
    let (recipient, last_error) = match in_full {
        true => (row.recipient, row.last_error),
        false => (masked(&row.channel, &row.recipient), without_addresses(&row.last_error)),
    };
    api::Delivery {
        delivery_id: row.id.to_string(),
        case_id: row.case_id.to_string(),
        reference: row.reference,
        template: row.template,
        channel: row.channel,
        recipient,
        language: row.language,
        subject: row.subject,
        status: row.status,
        attempts: row.attempts.unsigned_abs(),
        last_error,
        created_at: Some(at(row.created_at)),
        delivered_at: row.delivered_at.map(at),
        next_attempt_at: row.next_attempt_at.map(at),
        held_until: row.held_until.map(at),
    }
}

/// An address, so that those who know it recognise it: `f***@mail.example`, `https://partner.example/***`.
fn masked(channel: &str, recipient: &str) -> String {
    match (channel, recipient.rsplit_once('@')) {
        (EMAIL, Some((name, host))) => {
            format!("{}***@{host}", name.chars().next().map(String::from).unwrap_or_default())
        }
        (WEBHOOK, _) => {
            let origin = usable(recipient).map(|url| url.origin().ascii_serialization());
            format!("{}/***", origin.unwrap_or_default())
        }
        _ => recipient.to_owned(),
    }
}

/// What a mail server answers often names the address.
fn without_addresses(text: &str) -> String {
    let words = text.split(' ').map(|word| if word.contains('@') { "***" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// A webhook without its secret.
fn shown(row: webhook::Model) -> api::Webhook {
    api::Webhook {
        webhook_id: row.id.to_string(),
        url: row.url,
        events: row.events.split_whitespace().map(str::to_owned).collect(),
        secret: String::new(),
    }
}

fn stored(error: Error) -> Status {
    match error {
        error @ Error::PageToken => refuse::invalid(vec![("page.token".into(), error.to_string())]),
        error => refuse::internal(&error),
    }
}

//! The contract of notify: what was sent to whom, and who is called when something happens.

use masar_domain::Role;
use masar_proto::common::v1::PageResponse;
use masar_proto::notify::v1 as api;
use masar_proto::notify::v1::notify_service_server::NotifyService;
use masar_proto::{kinds, time};
use masar_runtime::{Clock, caller, refuse};
use masar_store::time::{from_db, to_db};
use masar_store::{Error, Store, page};
use sea_orm::prelude::ChronoDateTimeUtc;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::post::{new_secret, usable};
use crate::store::delivery::{Column, EMAIL, Entity, Model, STATUSES, WEBHOOK};
use crate::store::webhook;

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
        let wanted = request.page.clone().unwrap_or_default();
        let size = page::size(wanted.size);
        let mut filter = filter(caller.tenant.0, &request)?;
        if let Some((at, id)) = page::decode::<(i64, Uuid)>(&wanted.token).map_err(stored)? {
            let at = to_db(jiff::Timestamp::from_microsecond(at).unwrap_or_default());
            let same = Condition::all().add(Column::CreatedAt.eq(at)).add(Column::Id.lt(id));
            filter = filter.add(Condition::any().add(Column::CreatedAt.lt(at)).add(same));
        }
        let query = Entity::find().filter(filter).order_by_desc(Column::CreatedAt).order_by_desc(Column::Id);
        let rows = query.limit(size + 1).all(self.store.reader()).await;
        let mut rows = rows.map_err(|error| stored(error.into()))?;
        let key = |row: &Model| (row.created_at.timestamp_micros(), row.id);
        let next_token = page::cut(&mut rows, size, key).map_err(stored)?;
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
        let kept = webhook::put(&tx, row).await.map_err(|error| stored(error.into()))?;
        tx.commit().await.map_err(|error| stored(error.into()))?;
        let secret = kept.secret.clone();
        Ok(Response::new(api::Webhook { secret, ..shown(kept) }))
    }

    async fn list_webhooks(
        &self,
        request: Request<api::ListWebhooksRequest>,
    ) -> Result<Response<api::ListWebhooksResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let query = webhook::Entity::find().filter(webhook::Column::Tenant.eq(tenant));
        let rows = query.order_by_asc(webhook::Column::Id).all(self.store.reader()).await;
        let webhooks = rows.map_err(|error| stored(error.into()))?.into_iter().map(shown).collect();
        Ok(Response::new(api::ListWebhooksResponse { webhooks }))
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
        let query = webhook::Entity::delete_many().filter(webhook::Column::Id.eq(id));
        let deleted = query.filter(webhook::Column::Tenant.eq(tenant)).exec(&tx).await;
        let deleted = deleted.map_err(|error| stored(error.into()))?;
        tx.commit().await.map_err(|error| stored(error.into()))?;
        if deleted.rows_affected == 0 {
            return Err(unknown());
        }
        Ok(Response::new(api::DeleteWebhookResponse {}))
    }
}

fn filter(tenant: String, request: &api::ListDeliveriesRequest) -> Result<Condition, Status> {
    let mut filter = Condition::all().add(Column::Tenant.eq(tenant));
    if !request.case.is_empty() {
        filter = filter.add(match request.case.parse::<Uuid>() {
            Ok(id) => Column::CaseId.eq(id),
            Err(_) => Column::Reference.eq(request.case.trim().to_uppercase()),
        });
    }
    if !request.status.is_empty() {
        if !STATUSES.contains(&request.status.as_str()) {
            let problem = format!("there is no status `{}`: use {}", request.status, STATUSES.join(", "));
            return Err(refuse::invalid(vec![("status".to_owned(), problem)]));
        }
        filter = filter.add(Column::Status.eq(request.status.as_str()));
    }
    Ok(filter)
}

fn encode(row: Model, in_full: bool) -> api::Delivery {
    let at = |at: ChronoDateTimeUtc| time::to_proto(from_db(at));
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

//! What waits or is parked on the bus, and what shall become of it: the outboxes and desks of all services of this process.

use std::sync::Arc;
use std::time::Duration;

use masar_bus::{Desk, Error, Parked, waiting};
use masar_proto::common::v1::PageResponse;
use masar_proto::operations::v1 as api;
use masar_proto::operations::v1::operations_service_server::{OperationsService, OperationsServiceServer};
use masar_proto::{kinds, time};
use masar_runtime::telemetry::Counted;
use masar_runtime::{Module, Stage, Worker, caller, refuse};
use masar_store::{Store, page};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::json;

/// Between two looks at what is parked.
const PACE: Duration = Duration::from_secs(30);

/// The service over the desks of this process, and the databases of its services with their outboxes.
pub(crate) fn module(desks: Vec<Desk>, stores: Vec<(&'static str, Store)>) -> Module {
    let watched = desks.clone();
    let server = OperationsServiceServer::new(Api { desks: desks.into(), stores: stores.into() });
    Module {
        names: &["masar.operations.v1.OperationsService"],
        routes: Arc::new(move |routes| {
            routes.add_service(server.clone());
        }),
        workers: vec![Worker::new("parked events", Stage::Consumer, async move |stop| {
            stop.run_until_cancelled(watch(watched)).await;
            Ok(())
        })],
    }
}

/// Says again and again how many events are parked at each consumer. Every replica looks, and all see the same.
async fn watch(desks: Vec<Desk>) {
    let mut parked = Counted::new("masar_bus_parked_events", ["consumer"]);
    loop {
        let counts = desks.iter().map(async |desk| Ok::<_, Error>((desk.name, desk.count().await?)));
        match futures::future::try_join_all(counts).await {
            Ok(counts) => {
                let count = |(name, count): (&str, u64)| ([name.to_owned()], count.cast_signed());
                parked.show(counts.into_iter().map(count));
            }
            Err(error) => tracing::warn!(%error, "parked events cannot be counted; tried again"),
        }
        tokio::time::sleep(PACE).await;
    }
}

struct Api {
    desks: Arc<[Desk]>,
    stores: Arc<[(&'static str, Store)]>,
}

impl Api {
    fn desk(&self, consumer: &str) -> Result<&Desk, Status> {
        self.desks.iter().find(|desk| desk.name == consumer).ok_or_else(|| {
            let names: Vec<_> = self.desks.iter().map(|desk| desk.name).collect();
            let why = format!("`{consumer}` does not listen here: use {}", names.join(", "));
            refuse::invalid(vec![("consumer".into(), why)])
        })
    }
}

#[tonic::async_trait]
impl OperationsService for Api {
    async fn list_parked(
        &self,
        request: Request<api::ListParkedRequest>,
    ) -> Result<Response<api::ListParkedResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let api::ListParkedRequest { consumer, page } = request.into_inner();
        let wanted = page.unwrap_or_default();
        let asked = match consumer.as_str() {
            "" => &self.desks[..],
            consumer => std::slice::from_ref(self.desk(consumer)?),
        };
        let at = page::decode::<(usize, String)>(&wanted.token).map_err(|error| refusal(error.into()))?;
        let (first, mut token) = at.unwrap_or_default();
        // A page shows the events of one desk; the next goes on there, or with the next desk that has any.
        for (place, desk) in asked.iter().enumerate().skip(first) {
            let (parked, next) = desk.list(&tenant, wanted.size, &token).await.map_err(refusal)?;
            token.clear();
            if parked.is_empty() {
                continue;
            }
            let next = if next.is_empty() { (place + 1, next) } else { (place, next) };
            let next_token = if next.0 == asked.len() { Ok(String::new()) } else { page::encode(&next) };
            let next_token = next_token.map_err(|error| refusal(error.into()))?;
            let events = parked.into_iter().map(|parked| encode(desk, parked, false)).collect();
            return Ok(Response::new(api::ListParkedResponse {
                events,
                page: Some(PageResponse { next_token }),
            }));
        }
        Ok(Response::new(api::ListParkedResponse::default()))
    }

    async fn get_parked(
        &self,
        request: Request<api::GetParkedRequest>,
    ) -> Result<Response<api::ParkedEvent>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let api::GetParkedRequest { consumer, event_id } = request.into_inner();
        let desk = self.desk(&consumer)?;
        let parked = desk.show(&tenant, id(&event_id)?).await.map_err(refusal)?;
        Ok(Response::new(encode(desk, parked, true)))
    }

    async fn retry_parked(
        &self,
        request: Request<api::RetryParkedRequest>,
    ) -> Result<Response<api::RetryParkedResponse>, Status> {
        let caller = caller(&request)?;
        let api::RetryParkedRequest { consumer, event_id } = request.into_inner();
        let handled = self.desk(&consumer)?.retry(&caller.tenant.0, id(&event_id)?).await.map_err(refusal)?;
        tracing::info!(
            consumer,
            event = event_id,
            by = caller.identity.subject,
            handled,
            "a parked event was retried"
        );
        Ok(Response::new(api::RetryParkedResponse { handled: u32::try_from(handled).unwrap_or(u32::MAX) }))
    }

    async fn drop_parked(
        &self,
        request: Request<api::DropParkedRequest>,
    ) -> Result<Response<api::DropParkedResponse>, Status> {
        let caller = caller(&request)?;
        let api::DropParkedRequest { consumer, event_id } = request.into_inner();
        let released =
            self.desk(&consumer)?.give_up(&caller.tenant.0, id(&event_id)?).await.map_err(refusal)?;
        tracing::warn!(
            consumer,
            event = event_id,
            by = caller.identity.subject,
            released,
            "a parked event was given up"
        );
        Ok(Response::new(api::DropParkedResponse { released: u32::try_from(released).unwrap_or(u32::MAX) }))
    }

    async fn list_outboxes(
        &self,
        request: Request<api::ListOutboxesRequest>,
    ) -> Result<Response<api::ListOutboxesResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let mut outboxes = Vec::new();
        for (service, store) in &*self.stores {
            let waiting = waiting(store, &tenant).await.map_err(refusal)?;
            outboxes.push(api::OutboxState { service: (*service).to_owned(), waiting });
        }
        Ok(Response::new(api::ListOutboxesResponse { outboxes }))
    }
}

fn id(text: &str) -> Result<Uuid, Status> {
    text.parse()
        .map_err(|_| refuse::invalid(vec![("event_id".into(), format!("`{text}` is no id of an event"))]))
}

fn encode(desk: &Desk, parked: Parked, whole: bool) -> api::ParkedEvent {
    let Parked { event, error, parked_at } = parked;
    let data = kinds::message_of(&event.kind).filter(|_| whole);
    let data = data.and_then(|name| json::of_bytes(&event.data, name).ok());
    api::ParkedEvent {
        event_id: event.id.to_string(),
        consumer: desk.name.to_owned(),
        source: event.source,
        r#type: event.kind,
        subject: event.subject,
        held: error.is_none(),
        error: error.unwrap_or_default(),
        at: Some(time::to_proto(event.time)),
        parked_at: Some(time::to_proto(parked_at)),
        data_json: data.map(|data| data.to_string()).unwrap_or_default(),
    }
}

fn refusal(error: Error) -> Status {
    match error {
        Error::NotParked(id) => refuse::not_found("parked event", &id.to_string()),
        Error::Held(_) => refuse::refused("HELD", error.to_string()),
        Error::Unusable(_) | Error::Data { .. } => refuse::refused("STILL_FAILS", error.to_string()),
        Error::Store(error @ masar_store::Error::PageToken) => {
            refuse::invalid(vec![("page.token".into(), error.to_string())])
        }
        error if error.is_retryable() => refuse::unavailable(error.to_string()),
        error => refuse::internal(&error),
    }
}

//! The contract of routing: queues, tasks, and who takes them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use masar_domain::Importance;
use masar_proto::common::v1::{BiText, Importance as ImportanceCode, PageResponse};
use masar_proto::routing::v1 as api;
use masar_proto::routing::v1::routing_service_server::RoutingService;
use masar_proto::time;
use masar_runtime::{Caller, Clock, caller, refuse};
use masar_store::time::from_db;
use masar_store::{Batcher, Store};
use tokio_stream::wrappers::{BroadcastStream, IntervalStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::Span;

use crate::app::{Act, Core, Deed, Error, Order, Which};
use crate::store::list;
use crate::store::queues::{Counts, counts};
use crate::store::task::{self, Model};

/// Even when nothing is said, look: a task may have changed at another replica.
const LOOK: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// The role that may move a task however often it was moved.
const DIRECTOR: &str = "pr_director";

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) batcher: Batcher<Act>,
    pub(crate) core: Arc<Core>,
    pub(crate) clock: Clock,
    pub(crate) doors: CancellationToken,
}

impl Api {
    async fn order(&self, caller: &Caller, which: Which, deed: Deed) -> Result<Response<api::Task>, Status> {
        let order = Order {
            tenant: caller.tenant.0.clone(),
            which,
            actor: caller.identity.subject.clone(),
            at: self.clock.now(),
            deed,
            span: Span::current(),
        };
        Ok(Response::new(encode(&self.batcher.submit(order).await.map_err(refusal)?)))
    }

    async fn find(&self, caller: &Caller, key: &str) -> Result<Model, Status> {
        let unknown = || refuse::not_found("case", key);
        let case = key.parse().map_err(|_| unknown())?;
        let found = task::find(&self.store, &caller.tenant.0, &case).await.map_err(stored)?;
        found.ok_or_else(unknown)
    }

    async fn case(&self, caller: &Caller, key: &str) -> Result<Which, Status> {
        Ok(Which::Case(self.find(caller, key).await?.case_id))
    }

    async fn queues(&self, tenant: &str, one: Option<&str>) -> Result<Vec<api::Queue>, Status> {
        let counts = counts(&self.store, tenant, one).await.map_err(stored)?;
        Ok(counts.into_iter().map(|counts| self.queue(tenant, counts)).collect())
    }

    fn queue(&self, tenant: &str, counts: Counts) -> api::Queue {
        let entity = self.core.entity(tenant);
        let department =
            entity.iter().flat_map(|entity| &entity.departments).find(|own| own.code == counts.queue);
        let plain = BiText { ar: counts.queue.clone(), en: counts.queue.clone() };
        api::Queue {
            label: Some(department.and_then(|own| own.label.clone()).unwrap_or(plain)),
            department: department.map(|own| own.code.clone()).unwrap_or_default(),
            waiting: counts.waiting.unsigned_abs(),
            claimed: (counts.tasks - counts.waiting).unsigned_abs(),
            breached: counts.breached.unsigned_abs(),
            oldest_queued_at: counts.oldest.map(|at| time::to_proto(from_db(at))),
            next_due_at: counts.next_due.map(|at| time::to_proto(from_db(at))),
            code: counts.queue,
        }
    }
}

#[tonic::async_trait]
impl RoutingService for Api {
    async fn list_queues(
        &self,
        request: Request<api::ListQueuesRequest>,
    ) -> Result<Response<api::ListQueuesResponse>, Status> {
        let caller = caller(&request)?;
        let department = request.into_inner().department;
        let one = Some(department.as_str()).filter(|department| !department.is_empty());
        Ok(Response::new(api::ListQueuesResponse { queues: self.queues(&caller.tenant.0, one).await? }))
    }

    async fn list_tasks(
        &self,
        request: Request<api::ListTasksRequest>,
    ) -> Result<Response<api::ListTasksResponse>, Status> {
        let caller = caller(&request)?;
        let listed = list(&self.store, &caller.tenant.0, request.get_ref()).await;
        let (rows, next_token) = listed.map_err(stored)?;
        let tasks = rows.iter().map(encode).collect();
        Ok(Response::new(api::ListTasksResponse { tasks, page: Some(PageResponse { next_token }) }))
    }

    async fn claim_next(
        &self,
        request: Request<api::ClaimNextRequest>,
    ) -> Result<Response<api::Task>, Status> {
        let caller = caller(&request)?;
        self.order(&caller, Which::Next(request.into_inner().queue), Deed::Claim).await
    }

    async fn claim(&self, request: Request<api::ClaimRequest>) -> Result<Response<api::Task>, Status> {
        let caller = caller(&request)?;
        let which = self.case(&caller, &request.get_ref().case).await?;
        self.order(&caller, which, Deed::Claim).await
    }

    async fn release(&self, request: Request<api::ReleaseRequest>) -> Result<Response<api::Task>, Status> {
        let caller = caller(&request)?;
        let api::ReleaseRequest { case, reason } = request.into_inner();
        let which = self.case(&caller, &case).await?;
        self.order(&caller, which, Deed::Release { reason }).await
    }

    async fn assign(&self, request: Request<api::AssignRequest>) -> Result<Response<api::Task>, Status> {
        let caller = caller(&request)?;
        let api::AssignRequest { case, assignee } = request.into_inner();
        let entity = self.core.entity(&caller.tenant.0);
        if entity.is_some_and(|entity| entity.people.iter().all(|person| person.id != assignee))
            || assignee.is_empty()
        {
            let problem = format!("there is nobody `{assignee}` in {}", caller.tenant);
            return Err(refuse::invalid(vec![("assignee".into(), problem)]));
        }
        let which = self.case(&caller, &case).await?;
        self.order(&caller, which, Deed::Assign { person: assignee }).await
    }

    async fn reroute(&self, request: Request<api::RerouteRequest>) -> Result<Response<api::Task>, Status> {
        let caller = caller(&request)?;
        let api::RerouteRequest { case, queue, reason } = request.into_inner();
        if reason.trim().is_empty() {
            return Err(refuse::invalid(vec![("reason".into(), "say why it belongs elsewhere".into())]));
        }
        let director = caller.identity.roles.iter().any(|role| role.0 == DIRECTOR);
        let which = self.case(&caller, &case).await?;
        self.order(&caller, which, Deed::Reroute { queue, reason, director }).await
    }

    async fn explain(
        &self,
        request: Request<api::ExplainRequest>,
    ) -> Result<Response<api::ExplainResponse>, Status> {
        let caller = caller(&request)?;
        let task = self.find(&caller, &request.get_ref().case).await?;
        let routed = self.core.route(&task).map_err(refusal)?;
        let rules = routed.tried.into_iter().map(|tried| api::RuleAnswer {
            number: u32::try_from(tried.number).unwrap_or(u32::MAX),
            name: tried.name,
            condition: tried.condition,
            matched: tried.matched,
        });
        let rules = rules.collect();
        Ok(Response::new(api::ExplainResponse { queue: routed.queue, decided_by: routed.reason, rules }))
    }

    type WatchQueueStream = Pin<Box<dyn Stream<Item = Result<api::Queue, Status>> + Send>>;

    async fn watch_queue(
        &self,
        request: Request<api::WatchQueueRequest>,
    ) -> Result<Response<Self::WatchQueueStream>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let queue = request.into_inner().queue;
        let watched = queue.clone();
        let changes = BroadcastStream::new(self.core.changes.subscribe()).filter(move |changed| {
            // An empty code means any queue, and whoever fell behind looks again.
            let about = changed.as_ref().map_or(true, |changed| changed.is_empty() || *changed == watched);
            std::future::ready(about)
        });
        let api = self.clone();
        let elsewhere = IntervalStream::new(tokio::time::interval(LOOK));
        let looks = futures::stream::select(changes.map(drop), elsewhere.map(drop));
        let seen = looks.then(move |()| {
            let api = api.clone();
            let (tenant, queue) = (tenant.clone(), queue.clone());
            async move {
                let found = api.queues(&tenant, Some(&queue)).await?.pop();
                Ok(found.unwrap_or_else(|| api.queue(&tenant, Counts { queue, ..Counts::default() })))
            }
        });
        let mut last = None;
        let news = seen.filter(move |queue| {
            let new = queue.is_err() || queue.as_ref().ok() != last.as_ref();
            last = queue.as_ref().ok().cloned();
            std::future::ready(new)
        });
        Ok(Response::new(Box::pin(news.take_until(self.doors.clone().cancelled_owned()))))
    }
}

fn encode(task: &Model) -> api::Task {
    let at = |at| Some(time::to_proto(from_db(at)));
    api::Task {
        case_id: task.case_id.to_string(),
        reference: task.reference.clone(),
        case_type: task.case_type.clone(),
        queue: task.queue.clone(),
        assignee: task.assignee.clone(),
        department: task.department.clone(),
        state: task.state.clone(),
        importance: task
            .importance
            .parse::<Importance>()
            .map(ImportanceCode::from)
            .unwrap_or_default()
            .into(),
        service: task.service.clone(),
        subject: Some(BiText { ar: task.subject_ar.clone(), en: task.subject_en.clone() }),
        queued_at: at(task.queued_at),
        due_at: task.due_at.and_then(at),
        breached: task.breached,
        bounces: task.bounces.unsigned_abs(),
        reason: task.reason.clone(),
        version: task.version.unsigned_abs(),
        claimed_at: task.claimed_at.and_then(at),
    }
}

fn stored(error: masar_store::Error) -> Status {
    refusal(error.into())
}

fn refusal(error: Error) -> Status {
    match error {
        Error::NotFound(key) => refuse::not_found("open task of the case", &key),
        Error::Empty(queue) => refuse::not_found("waiting task in the queue", &queue),
        Error::Held(_) => refuse::refused("HELD", error.to_string()),
        Error::NotHeld => refuse::refused("NOT_HELD", error.to_string()),
        Error::Bounced(_) => refuse::refused("BOUNCE_LIMIT", error.to_string()),
        Error::Queue(_) => refuse::invalid(vec![("queue".into(), error.to_string())]),
        Error::Store(masar_store::Error::Overloaded) => refuse::overloaded(RETRY_AFTER),
        Error::Store(error @ (masar_store::Error::Stopped | masar_store::Error::Unavailable(_))) => {
            refuse::unavailable(error.to_string())
        }
        Error::Store(error @ masar_store::Error::PageToken) => {
            refuse::invalid(vec![("page.token".into(), error.to_string())])
        }
        error => refuse::internal(&error),
    }
}

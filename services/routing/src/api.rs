//! The contract of routing: queues, tasks, and who takes them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use masar_domain::{Importance, Reference};
use masar_proto::common::v1::{BiText, Importance as ImportanceCode, PageResponse};
use masar_proto::routing::v1 as api;
use masar_proto::routing::v1::routing_service_server::RoutingService;
use masar_proto::time;
use masar_runtime::{Caller, Clock, caller, refuse};
use masar_store::time::from_db;
use masar_store::{Batcher, Store, page};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::Span;
use uuid::Uuid;

use crate::app::{Act, Core, Deed, Error, Order, Which};
use crate::store::queues::{Counts, counts};
use crate::store::task::{Column, Entity, Model};

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
        let by = match (key.parse::<Uuid>(), key.parse::<Reference>()) {
            (Ok(id), _) => Column::CaseId.eq(id),
            (_, Ok(reference)) => Column::Reference.eq(reference.to_string()),
            _ => return Err(refuse::not_found("case", key)),
        };
        let found = Entity::find().filter(Column::Tenant.eq(caller.tenant.0.as_str())).filter(by);
        let found = found.one(self.store.reader()).await.map_err(|error| refusal(error.into()))?;
        found.ok_or_else(|| refuse::not_found("case", key))
    }

    async fn case(&self, caller: &Caller, key: &str) -> Result<Which, Status> {
        Ok(Which::Case(self.find(caller, key).await?.case_id))
    }

    async fn queues(&self, tenant: &str, filter: Condition) -> Result<Vec<api::Queue>, Status> {
        let own = filter.add(Column::Tenant.eq(tenant));
        let counts = counts(self.store.reader(), own).await.map_err(|error| refusal(error.into()))?;
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
        let mut filter = Condition::all();
        if !department.is_empty() {
            filter = filter.add(Column::Queue.eq(department));
        }
        Ok(Response::new(api::ListQueuesResponse { queues: self.queues(&caller.tenant.0, filter).await? }))
    }

    async fn list_tasks(
        &self,
        request: Request<api::ListTasksRequest>,
    ) -> Result<Response<api::ListTasksResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let wanted = request.page.unwrap_or_default();
        let size = page::size(wanted.size);
        let mut filter = Condition::all().add(Column::Tenant.eq(caller.tenant.0)).add(Column::Open.eq(true));
        for (column, value) in [(Column::Queue, &request.queue), (Column::Assignee, &request.assignee)] {
            if !value.is_empty() {
                filter = filter.add(column.eq(value.as_str()));
            }
        }
        if request.waiting_only {
            filter = filter.add(Column::Assignee.eq(""));
        }
        if let Some((urgency, id)) =
            page::decode::<(i64, Uuid)>(&wanted.token).map_err(|error| refusal(error.into()))?
        {
            let later = Condition::all().add(Column::Urgency.eq(urgency)).add(Column::CaseId.gt(id));
            filter = filter.add(Condition::any().add(Column::Urgency.gt(urgency)).add(later));
        }
        let query = Entity::find().filter(filter).order_by_asc(Column::Urgency).order_by_asc(Column::CaseId);
        let rows = query.limit(size + 1).all(self.store.reader()).await;
        let mut rows = rows.map_err(|error| refusal(error.into()))?;
        let next_token = page::cut(&mut rows, size, |row| (row.urgency, row.case_id));
        let next_token = next_token.map_err(|error| refusal(error.into()))?;
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
        let looks = futures::stream::once(async {}).chain(changes.map(drop));
        let seen = looks.then(move |()| {
            let counted = Condition::all().add(Column::Queue.eq(queue.as_str()));
            let api = api.clone();
            let (tenant, queue) = (tenant.clone(), queue.clone());
            async move {
                let found = api.queues(&tenant, counted).await?.pop();
                Ok(found.unwrap_or_else(|| api.queue(&tenant, Counts { queue, ..Counts::default() })))
            }
        });
        Ok(Response::new(Box::pin(seen.take_until(self.doors.clone().cancelled_owned()))))
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

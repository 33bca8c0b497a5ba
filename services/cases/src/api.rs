//! The contract of cases: decode, find or order, encode.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use masar_proto::cases::v1 as api;
use masar_proto::cases::v1::case_service_server::CaseService;
use masar_proto::cases::v1::transition_cases_response::Result as ItemResult;
use masar_proto::common::v1::PageResponse;
use masar_proto::json;
use masar_runtime::{Caller, caller, refuse};
use masar_workflow::{Actor, Case, Command, Refusal, Situation, available, tallies};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::Span;
use uuid::Uuid;

use crate::app::{App, Deed, Error, Order};
use crate::encode;
use crate::receipts::Receipts;
use crate::reveal::Reader;
use crate::store::{case, count, entry, link, list};

/// Items of one stream that may be on their way to the disk.
const IN_FLIGHT: usize = 512;
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How long a call waits for a case that intake has accepted to be opened.
const OPENING: Duration = Duration::from_secs(2);
/// A case that another process changed wakes nobody here: whoever waits for a version of it looks again this soon.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Whoever watches may do so all day, and each look reads the case: what another process did is seen this late.
const LOOK_NOW_AND_THEN: Duration = Duration::from_secs(5);

pub(crate) struct Api {
    pub(crate) app: Arc<App>,
    pub(crate) receipts: Receipts,
    pub(crate) doors: CancellationToken,
}

impl Api {
    /// A case that the caller may see, open or still with intake: any of the tenant's, or for a customer one that they
    /// submitted.
    async fn look<T: Sync>(&self, request: &Request<T>, key: &str) -> Result<Found, Status> {
        let caller = caller(request)?;
        let row = match self.app.find(&caller.tenant.0, key).await {
            Ok(row) => row,
            Err(Error::NotFound(_)) => {
                let received = self.receipts.find(request, key).await?;
                return received
                    .map(|case| Found::Received(Box::new(case)))
                    .ok_or_else(|| refuse::not_found("case", key));
            }
            Err(error) => return Err(refusal(error)),
        };
        let own = row.submitted_by == caller.identity.subject;
        if caller.identity.is_only_a_customer() && !own {
            return Err(refuse::not_found("case", key));
        }
        Ok(Found::Opened(Box::new(row)))
    }

    /// As `look`, for what needs a case that is open: one that was just received will be in a moment.
    async fn find<T: Sync>(&self, request: &Request<T>, key: &str) -> Result<case::Model, Status> {
        let opened = tokio::time::timeout(OPENING, self.at_least(1, request, key));
        opened.await.unwrap_or_else(|_| {
            let busy = format!("`{key}` is received, and others wait to be opened before it: try again");
            Err(refuse::unavailable(busy))
        })
    }

    /// A case, once it has reached a version; the deadline of the call ends the wait.
    async fn at_least<T: Sync>(
        &self,
        version: u64,
        request: &Request<T>,
        key: &str,
    ) -> Result<case::Model, Status> {
        let mut changes = self.app.changes.subscribe();
        loop {
            let id = match self.look(request, key).await? {
                Found::Opened(row) if row.version.unsigned_abs() >= version => return Ok(*row),
                Found::Opened(row) => row.id,
                Found::Received(case) => case.case_id.parse().map_err(|_| refuse::not_found("case", key))?,
            };
            if !may_have_changed(&mut changes, id, LOOK_AGAIN).await {
                return Err(refuse::unavailable("the service is stopping"));
            }
        }
    }

    async fn order<T: Sync>(
        &self,
        request: &Request<T>,
        key: &str,
        deed: Deed,
    ) -> Result<case::Model, Status> {
        let caller = caller(request)?;
        // An id needs no looking up, unless its case is not opened yet.
        if let Ok(id) = key.parse() {
            match self.app.batcher.submit(order(&self.app, &caller, id, deed.clone())).await {
                Err(Error::NotFound(_)) => {}
                done => return done.map_err(refusal),
            }
        }
        let found = self.find(request, key).await?;
        self.app.batcher.submit(order(&self.app, &caller, found.id, deed)).await.map_err(refusal)
    }

    /// How the quotas of a case stand; none where its package has none.
    fn quotas(&self, row: &case::Model, case: &Case) -> Result<Vec<api::QuotaTally>, Error> {
        let Some(package) =
            self.app.package(row).ok().filter(|package| !package.definition().quotas.is_empty())
        else {
            return Ok(Vec::new());
        };
        let tallies = tallies(package.definition(), case, &row.children()?);
        Ok(tallies.into_iter().map(encode::quota).collect())
    }

    fn encode(&self, row: &case::Model) -> api::Case {
        encode::case(row, self.app.package(row).ok().as_deref())
    }
}

#[tonic::async_trait]
impl CaseService for Api {
    async fn get_case(&self, request: Request<api::GetCaseRequest>) -> Result<Response<api::Case>, Status> {
        let api::GetCaseRequest { case: key, at_least_version } = request.get_ref();
        let row = match at_least_version {
            0 => match self.look(&request, key).await? {
                Found::Received(case) => return Ok(Response::new(*case)),
                Found::Opened(row) => *row,
            },
            version => self.at_least(*version, &request, key).await?,
        };
        let links = link::of(&self.app.store, row.id).await.map_err(stored)?;
        let links = encode::links(&row, links).map_err(|error| refusal(error.into()))?;
        let caller = caller(&request)?;
        let concealed = Reader::new(&self.app, &caller).links(&row).await.map_err(refusal)?;
        let whole = self.app.whole(row.id).await.map_err(refusal)?;
        let (links, forms) = (links.into_iter().chain(concealed).collect(), Some(encode::forms(&whole)));
        let quotas = self.quotas(&row, &whole).map_err(refusal)?;
        let inward = whole.inward;
        Ok(Response::new(api::Case { links, forms, quotas, inward, ..self.encode(&row) }))
    }

    async fn count_cases(
        &self,
        request: Request<api::CountCasesRequest>,
    ) -> Result<Response<api::CountCasesResponse>, Status> {
        let caller = caller(&request)?;
        let counted = count(&self.app.store, &caller.tenant.0, request.get_ref()).await.map_err(stored)?;
        let counts = counted.into_iter().map(encode::count).collect();
        Ok(Response::new(api::CountCasesResponse { counts }))
    }

    async fn list_cases(
        &self,
        request: Request<api::ListCasesRequest>,
    ) -> Result<Response<api::ListCasesResponse>, Status> {
        let caller = caller(&request)?;
        let listed = list(&self.app.store, &caller.tenant.0, request.get_ref()).await;
        let (rows, next_token) = listed.map_err(stored)?;
        let cases = rows.iter().map(|row| self.encode(row)).collect();
        Ok(Response::new(api::ListCasesResponse { cases, page: Some(PageResponse { next_token }) }))
    }

    async fn transition(
        &self,
        request: Request<api::TransitionRequest>,
    ) -> Result<Response<api::TransitionResponse>, Status> {
        let asked = request.get_ref().clone();
        let case = asked.case.clone();
        let row = self.order(&request, &case, Deed::Move(command(asked))).await?;
        Ok(Response::new(api::TransitionResponse { case: Some(self.encode(&row)) }))
    }

    type TransitionCasesStream =
        Pin<Box<dyn Stream<Item = Result<api::TransitionCasesResponse, Status>> + Send>>;

    async fn transition_cases(
        &self,
        request: Request<Streaming<api::TransitionCasesRequest>>,
    ) -> Result<Response<Self::TransitionCasesStream>, Status> {
        let caller = caller(&request)?;
        let app = Arc::clone(&self.app);
        let results = request.into_inner().map(move |item| move_one(Arc::clone(&app), caller.clone(), item));
        Ok(Response::new(Box::pin(results.buffered(IN_FLIGHT))))
    }

    async fn available_transitions(
        &self,
        request: Request<api::AvailableTransitionsRequest>,
    ) -> Result<Response<api::AvailableTransitionsResponse>, Status> {
        let caller = caller(&request)?;
        let row = self.find(&request, &request.get_ref().case).await?;
        let package = self.app.package(&row).map_err(refusal)?;
        let case = self.app.whole(row.id).await.map_err(refusal)?;
        let windows = row.windows().map_err(|error| refusal(error.into()))?;
        let children = row.children().map_err(|error| refusal(error.into()))?;
        let situation = Situation { at: self.app.clock.now(), windows: &windows, children: &children };
        let transitions = available(&package, &case, &actor(&caller), situation).into_iter().map(|line| {
            api::AvailableTransition {
                action: line.action,
                label: Some(line.label.into()),
                form_schema: line
                    .form
                    .as_deref()
                    .and_then(|form| package.form_schema(form))
                    .unwrap_or_default()
                    .to_owned(),
                form: line.form.unwrap_or_default(),
                reason_required: line.reason,
                allowed: line.refusal.is_none(),
                refusal_code: line.refusal.as_ref().map(Refusal::code).unwrap_or_default().to_owned(),
                refusal: line.refusal.map(|refusal| refusal.to_string()).unwrap_or_default(),
            }
        });
        let transitions = transitions.collect();
        Ok(Response::new(api::AvailableTransitionsResponse { version: case.version, transitions }))
    }

    async fn comment(
        &self,
        request: Request<api::CommentRequest>,
    ) -> Result<Response<api::CommentResponse>, Status> {
        let api::CommentRequest { case, text, audience } = request.get_ref().clone();
        let audience = if audience.is_empty() { "internal".to_owned() } else { audience };
        if text.trim().is_empty() || !["internal", "customer"].contains(&audience.as_str()) {
            return Err(refuse::invalid(vec![(
                "text".into(),
                "say something, for the audience internal or customer".into(),
            )]));
        }
        let row = self.order(&request, &case, Deed::Comment { text, audience }).await?;
        let comment_id = format!("{}/{}", row.id, row.entries);
        Ok(Response::new(api::CommentResponse { comment_id, version: row.version.unsigned_abs() }))
    }

    async fn link(&self, request: Request<api::LinkRequest>) -> Result<Response<api::LinkResponse>, Status> {
        let api::LinkRequest { case, other_case, link } = request.get_ref().clone();
        if link.trim().is_empty() {
            return Err(refuse::invalid(vec![(
                "link".into(),
                "say how they relate, such as duplicate_of".into(),
            )]));
        }
        let other = self.find(&request, &other_case).await?;
        let deed = Deed::Link { other: other.id, other_reference: other.reference, link };
        let row = self.order(&request, &case, deed).await?;
        Ok(Response::new(api::LinkResponse { version: row.version.unsigned_abs() }))
    }

    async fn list_case_events(
        &self,
        request: Request<api::ListCaseEventsRequest>,
    ) -> Result<Response<api::ListCaseEventsResponse>, Status> {
        let row = self.find(&request, &request.get_ref().case).await?;
        let caller = caller(&request)?;
        let wanted = request.into_inner().page.unwrap_or_default();
        let listed = entry::history(&self.app.store, row.id, &wanted).await;
        let (rows, next_token) = listed.map_err(stored)?;
        let events = Reader::new(&self.app, &caller).entries(&row, rows).await.map_err(refusal)?;
        Ok(Response::new(api::ListCaseEventsResponse { events, page: Some(PageResponse { next_token }) }))
    }

    type WatchCaseStream = Pin<Box<dyn Stream<Item = Result<api::Case, Status>> + Send>>;

    async fn watch_case(
        &self,
        request: Request<api::WatchCaseRequest>,
    ) -> Result<Response<Self::WatchCaseStream>, Status> {
        let caller = caller(&request)?;
        // Subscribed before the first read, so that no change falls between.
        let changes = self.app.changes.subscribe();
        let first = self.find(&request, &request.get_ref().case).await?;
        let app = Arc::clone(&self.app);
        let (tenant, id) = (caller.tenant.0, first.id);
        // What other services say of a case changes its row and adds no entry to its history: so rows are compared.
        let later =
            futures::stream::unfold((app, changes, first.clone()), move |(app, mut changes, seen)| {
                let tenant = tenant.clone();
                async move {
                    loop {
                        if !may_have_changed(&mut changes, id, LOOK_NOW_AND_THEN).await {
                            return None;
                        }
                        match app.find(&tenant, &id.to_string()).await {
                            Ok(row) if row == seen => continue,
                            Ok(row) => return Some((Ok(row.clone()), (app, changes, row))),
                            Err(error) => return Some((Err(refusal(error)), (app, changes, seen))),
                        }
                    }
                }
            });
        let package = self.app.package(&first).ok();
        let all = futures::stream::once(async { Ok(first) }).chain(later);
        let cases = all.map(move |row| row.map(|row| encode::case(&row, package.as_deref())));
        Ok(Response::new(Box::pin(cases.take_until(self.doors.clone().cancelled_owned()))))
    }
}

/// The result of one item of many. Only our own failures end the stream.
async fn move_one(
    app: Arc<App>,
    caller: Caller,
    item: Result<api::TransitionCasesRequest, Status>,
) -> Result<api::TransitionCasesResponse, Status> {
    let api::TransitionCasesRequest { item, transition } = item?;
    let asked = transition.unwrap_or_default();
    let case = asked.case.clone();
    let moved = async {
        let id = match case.parse() {
            Ok(id) => id,
            Err(_) => app.find(&caller.tenant.0, &case).await?.id,
        };
        app.batcher.submit_patiently(order(&app, &caller, id, Deed::Move(command(asked)))).await
    };
    let result = match moved.await {
        Ok(row) => ItemResult::Moved(api::CaseMoved {
            case_id: row.id.to_string(),
            version: row.version.unsigned_abs(),
            state: row.state,
        }),
        Err(error) => {
            let status = refusal(error);
            ItemResult::Rejected(refuse::rejection(&status).ok_or(status)?)
        }
    };
    Ok(api::TransitionCasesResponse { item, result: Some(result) })
}

pub(crate) fn order(app: &App, caller: &Caller, case: Uuid, deed: Deed) -> Order {
    let identity = &caller.identity;
    Order {
        tenant: caller.tenant.0.clone(),
        case,
        submitter: identity.is_only_a_customer().then(|| identity.subject.clone()),
        actor: actor(caller),
        at: app.clock.now(),
        deed,
        span: Span::current(),
    }
}

fn command(asked: api::TransitionRequest) -> Command {
    Command {
        action: asked.action,
        form: asked.form.map(json::from_struct),
        reason: Some(asked.reason).filter(|reason| !reason.is_empty()),
        expected_version: Some(asked.expected_version).filter(|version| *version > 0),
    }
}

/// A case as far as it has come.
enum Found {
    Opened(Box<case::Model>),
    Received(Box<api::Case>),
}

pub(crate) fn actor(caller: &Caller) -> Actor {
    let identity = &caller.identity;
    Actor {
        id: identity.subject.clone(),
        roles: identity.roles.clone(),
        department: identity.department.clone(),
    }
}

/// Waits until a case may have changed, here or within that time elsewhere: whatever happens to others wakes nobody.
/// False when the service stops.
async fn may_have_changed(changes: &mut Receiver<Uuid>, case: Uuid, elsewhere: Duration) -> bool {
    let changed = async {
        loop {
            match changes.recv().await {
                Ok(changed) if changed != case => {}
                Err(RecvError::Closed) => return false,
                // Whoever fell behind reads the case as it is now.
                Ok(_) | Err(RecvError::Lagged(_)) => return true,
            }
        }
    };
    tokio::time::timeout(elsewhere, changed).await.unwrap_or(true)
}

fn stored(error: masar_store::Error) -> Status {
    refusal(error.into())
}

fn refusal(error: Error) -> Status {
    match error {
        Error::NotFound(key) => refuse::not_found("case", &key),
        Error::Refused(Refusal::Form(violations)) => refuse::invalid(
            violations.into_iter().map(|violation| (violation.field, violation.message)).collect(),
        ),
        Error::Refused(refusal @ Refusal::Version { .. }) => refuse::aborted("VERSION", refusal.to_string()),
        Error::Refused(refusal @ (Refusal::Role { .. } | Refusal::Department { .. })) => {
            refuse::denied(refusal.code(), refusal.to_string())
        }
        Error::Refused(refusal) => refuse::refused(refusal.code(), refusal.to_string()),
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

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::Sender;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn only_the_case_itself_the_time_and_the_end_wake_a_watch() {
        let (soon, never) = (Duration::from_millis(20), Duration::from_secs(3_600));
        let (case, other) = (Uuid::now_v7(), Uuid::now_v7());
        let changes = Sender::new(2);
        let mut ear = changes.subscribe();

        changes.send(other).unwrap();
        assert!(timeout(soon, may_have_changed(&mut ear, case, never)).await.is_err(), "another case");
        changes.send(case).unwrap();
        assert!(may_have_changed(&mut ear, case, never).await);
        assert!(may_have_changed(&mut ear, case, soon).await, "another process may have changed it");
        (0..3).for_each(|_| drop(changes.send(other)));
        assert!(may_have_changed(&mut ear, case, never).await, "it fell behind");
        drop(changes);
        while may_have_changed(&mut ear, case, never).await {}
    }
}

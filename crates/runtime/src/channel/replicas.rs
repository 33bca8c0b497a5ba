//! The replicas of one service: calls go to them in turn and past those that cannot be reached, and are made again where
//! that is safe.
//!
//! The balanced channel of tonic is not used: with it, about every second call goes to a replica that is down, and fails.

use std::collections::BTreeMap;
use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use futures::future::BoxFuture;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use masar_proto::intake::v1::SubmitCaseRequest;
use prost::Message;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, ServiceExt};

use super::{Unanswered, unanswered};
use crate::telemetry;

/// How long a replica may take to let us in.
const CONNECT: Duration = Duration::from_secs(5);
/// One that says nothing for so long is asked whether it is still there, so that no stream waits for ever.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// One that could not be reached is passed over for so long, while there are others.
const REST: Duration = Duration::from_secs(1);
/// Pauses before a call is made again, once every replica was asked.
const PAUSES: [u64; 6] = [25, 50, 100, 250, 500, 1_000];
/// How the names of methods begin that change nothing.
const READS: [&str; 5] = ["Get", "List", "Explain", "Preview", "Available"];
const SUBMIT: &str = "/masar.intake.v1.IntakeService/SubmitCase";
/// Bytes before the message of a call.
const PREFIX: usize = 5;
/// `grpc-status` of what may be well a moment later.
const UNAVAILABLE: &str = "14";

/// The methods that take one message, and whether they give one.
static ASKED_ONCE: LazyLock<BTreeMap<String, bool>> =
    LazyLock::new(|| masar_proto::access::asked_once().unwrap_or_default());

/// The replicas of a service. Clones share their connections.
#[derive(Clone)]
pub struct Replicas(Arc<Turn>);

struct Turn {
    replicas: Vec<Replica>,
    next: AtomicUsize,
}

struct Replica {
    channel: Channel,
    /// When it could not be reached.
    missed: Mutex<Option<Instant>>,
}

/// Why a call has no answer.
enum Failure {
    /// The replica has not seen it.
    Unreached(Unanswered),
    /// It may have been done.
    Broken(Unanswered),
    /// The service cannot do it now.
    Unavailable(Box<Response<Body>>),
}

impl Replicas {
    /// Replicas at these addresses. Connections are made when they are first needed.
    ///
    /// # Errors
    /// When one of them is no address.
    pub fn new(addresses: &[String]) -> Result<Self, tonic::transport::Error> {
        let channels = addresses.iter().map(|address| Ok(endpoint(address)?.connect_lazy()));
        Ok(Self::over(channels.collect::<Result<_, tonic::transport::Error>>()?))
    }

    /// The one at an address, which has let us in.
    ///
    /// # Errors
    /// When it is no address, or nobody is there.
    pub async fn reach(address: &str) -> Result<Self, tonic::transport::Error> {
        Ok(Self::over(vec![endpoint(address)?.connect().await?]))
    }

    fn over(channels: Vec<Channel>) -> Self {
        let replicas = channels.into_iter().map(|channel| Replica { channel, missed: Mutex::default() });
        // Many clients make a call and are gone: they do not all begin with the same replica.
        let first = RandomState::new().build_hasher().finish() & 0xffff;
        let next = AtomicUsize::new(usize::try_from(first).unwrap_or_default());
        Self(Arc::new(Turn { replicas: replicas.collect(), next }))
    }

    async fn ask(self, request: Request<tonic::body::Body>) -> Result<Response<Body>, Unanswered> {
        let (mut head, body) = request.into_parts();
        telemetry::pass_on(&mut head.headers);
        if !ASKED_ONCE.contains_key(head.uri.path()) {
            return self.0.one_try(Request::from_parts(head, body), false).await.or_else(Failure::answer);
        }
        let body = body.collect().await.map_err(unanswered)?.to_bytes();
        let again = is_safe(head.uri.path(), &body);
        let others = self.0.replicas.len().saturating_sub(1);
        let pauses = PAUSES.into_iter().map(Duration::from_millis);
        let mut pauses = std::iter::repeat_n(Duration::ZERO, others).chain(pauses);
        loop {
            let failure = match self.0.one_try(copy(&head, &body), again).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            match pauses.next() {
                Some(pause) if again || matches!(failure, Failure::Unreached(_)) => {
                    tokio::time::sleep(pause).await;
                }
                _ => return failure.answer(),
            }
        }
    }
}

impl Turn {
    /// Asks the replica whose turn it is. `whole`: the answer is there only when all of it is.
    async fn one_try(
        &self,
        request: Request<tonic::body::Body>,
        whole: bool,
    ) -> Result<Response<Body>, Failure> {
        let replica = self.replica()?;
        let response = replica.channel.clone().oneshot(request).await;
        let response = response.map_err(|error| {
            let unreached = is_unreached(&error);
            *lock(&replica.missed) = unreached.then(Instant::now);
            if unreached { Failure::Unreached(unanswered(error)) } else { Failure::Broken(unanswered(error)) }
        })?;
        let unavailable = response.headers().get("grpc-status").is_some_and(|status| status == UNAVAILABLE);
        let response = response.map(Body::new);
        if unavailable {
            return Err(Failure::Unavailable(Box::new(response)));
        }
        if !whole {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| Failure::Broken(unanswered(error)))?;
        Ok(Response::from_parts(head, Body::new(body)))
    }

    /// The next in turn that was reached lately, or else the next.
    fn replica(&self) -> Result<&Replica, Failure> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let first = first.checked_rem(self.replicas.len());
        let first = first.ok_or_else(|| Failure::Broken(unanswered("no address is named")))?;
        let (before, after) = self.replicas.split_at(first);
        let well = |replica: &&Replica| lock(&replica.missed).is_none_or(|missed| missed.elapsed() > REST);
        Ok(after.iter().chain(before).find(well).unwrap_or(&self.replicas[first]))
    }
}

impl Failure {
    fn answer(self) -> Result<Response<Body>, Unanswered> {
        match self {
            Self::Unreached(error) | Self::Broken(error) => Err(error),
            Self::Unavailable(response) => Ok(*response),
        }
    }
}

impl Service<Request<tonic::body::Body>> for Replicas {
    type Response = Response<Body>;
    type Error = Unanswered;
    type Future = BoxFuture<'static, Result<Response<Body>, Unanswered>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unanswered>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}

fn endpoint(address: &str) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(address.to_owned())?.tcp_nodelay(true);
    Ok(endpoint.connect_timeout(CONNECT).http2_keep_alive_interval(KEEP_ALIVE))
}

fn copy(head: &Parts, body: &Bytes) -> Request<tonic::body::Body> {
    Request::from_parts(head.clone(), tonic::body::Body::new(Full::new(body.clone())))
}

/// True when doing it twice is doing it once: it reads, or it submits under a key of the sender's.
fn is_safe(path: &str, body: &Bytes) -> bool {
    if path == SUBMIT {
        let submitted = body.get(PREFIX..).and_then(|message| SubmitCaseRequest::decode(message).ok());
        return submitted
            .is_some_and(|case| !case.idempotency_key.is_empty() || !case.external_ref.is_empty());
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    ASKED_ONCE.get(path) == Some(&true) && READS.iter().any(|read| name.starts_with(read))
}

fn is_unreached(error: &(dyn Error + 'static)) -> bool {
    error.is::<tonic::ConnectError>() || error.source().is_some_and(is_unreached)
}

fn lock(missed: &Mutex<Option<Instant>>) -> std::sync::MutexGuard<'_, Option<Instant>> {
    missed.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(case: &SubmitCaseRequest) -> Bytes {
        [vec![0; PREFIX], case.encode_to_vec()].concat().into()
    }

    #[test]
    fn what_reads_and_what_has_a_key_may_be_done_again() {
        let safe = |path| is_safe(path, &Bytes::new());
        for path in [
            "/masar.cases.v1.CaseService/GetCase",
            "/masar.cases.v1.CaseService/AvailableTransitions",
            "/masar.routing.v1.RoutingService/Explain",
            "/masar.sla.v1.SlaService/PreviewDue",
        ] {
            assert!(safe(path), "{path}");
        }
        for path in [
            "/masar.cases.v1.CaseService/Transition",
            "/masar.routing.v1.RoutingService/ClaimNext",
            "/masar.cases.v1.CaseService/WatchCase",
            "/masar.intake.v1.IntakeService/SubmitCases",
            "/masar.cases.v1.CaseService/GetRichQuick",
        ] {
            assert!(!safe(path), "{path}");
        }
        let case = SubmitCaseRequest::default();
        assert!(!is_safe(SUBMIT, &framed(&case)));
        assert!(is_safe(SUBMIT, &framed(&SubmitCaseRequest { idempotency_key: "k".into(), ..case.clone() })));
        assert!(is_safe(SUBMIT, &framed(&SubmitCaseRequest { external_ref: "r".into(), ..case })));
    }
}

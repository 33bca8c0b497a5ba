//! The one way in for clients: each call goes to the service whose contract it belongs to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::Status;
use tower::Service;

use super::replicas::Replicas;
use super::{Unanswered, service_of};
use crate::config::Peers;

/// Every service that can be asked. Clones share the connections.
#[derive(Clone)]
pub struct Network {
    services: Arc<BTreeMap<String, Replicas>>,
    /// Answers what belongs to no service that is named, such as health and reflection.
    rest: Option<Replicas>,
}

impl Network {
    /// One process that answers everything, and has let us in.
    ///
    /// # Errors
    /// When it is no address, or nobody is there.
    pub async fn reach(address: &str) -> Result<Self, tonic::transport::Error> {
        Ok(Self { services: Arc::default(), rest: Some(Replicas::reach(address).await?) })
    }

    /// The services of a set of processes. What every process answers is asked of the first of them.
    ///
    /// # Errors
    /// When an address is none.
    pub fn of(peers: &Peers) -> Result<Self, tonic::transport::Error> {
        let services =
            peers.iter().map(|(service, addresses)| Ok((service.to_owned(), Replicas::new(addresses)?)));
        let services: BTreeMap<_, _> = services.collect::<Result<_, tonic::transport::Error>>()?;
        Ok(Self { rest: services.values().next().cloned(), services: Arc::new(services) })
    }

    /// The network as it looks when only one service is there: what every process answers is asked of its replicas.
    #[must_use]
    pub fn at(&self, service: &str) -> Self {
        let rest = self.services.get(service).or(self.rest.as_ref()).cloned();
        Self { services: Arc::default(), rest }
    }
}

impl Service<Request<tonic::body::Body>> for Network {
    type Response = Response<Body>;
    type Error = Unanswered;
    type Future = BoxFuture<'static, Result<Response<Body>, Unanswered>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unanswered>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let service = service_of(request.uri().path()).unwrap_or_default();
        let named = self.services.get(service);
        // Of a set, the rest answers only what belongs to no service.
        let rest = self.rest.as_ref().filter(|_| self.services.is_empty() || service.is_empty());
        match named.or(rest) {
            Some(replicas) => replicas.clone().call(request),
            None => {
                let problem = format!("nobody is named who serves {service}: give `peers.{service}`");
                Box::pin(std::future::ready(Ok(Status::unavailable(problem).into_http())))
            }
        }
    }
}

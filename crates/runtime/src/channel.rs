//! How one service asks another: through the same generated clients, in process or over the network.

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use tonic::service::RoutesBuilder;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::{BoxError, Caller, Module};

/// What a generated client stands on. Clones share it.
pub type Channel = BoxCloneSyncService<Request<tonic::body::Body>, Response<Body>, Unanswered>;

/// Why a call did not come through.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Unanswered(#[from] BoxError);

/// What says who calls, and passes from a call to those that it causes.
const CREDENTIALS: [&str; 2] = ["authorization", "masar-tenant"];

/// Another service, which is asked on behalf of whoever asks us.
#[derive(Clone)]
pub enum Peer {
    /// In this process.
    Here(Router),
    /// In another.
    There(tonic::transport::Channel),
}

impl Peer {
    /// A service of this process.
    #[must_use]
    pub fn here(module: &Module) -> Self {
        let mut routes = RoutesBuilder::default();
        (module.routes)(&mut routes);
        Self::Here(routes.routes().into_axum_router())
    }

    /// A service of another process. The connection is made when it is first needed.
    ///
    /// # Errors
    /// When the address is none.
    pub fn there(address: String) -> Result<Self, tonic::transport::Error> {
        Ok(Self::There(tonic::transport::Endpoint::from_shared(address)?.tcp_nodelay(true).connect_lazy()))
    }

    /// A channel for a call that another call causes: it is made by the same caller. In process the caller is known
    /// already; another process sees the credentials again.
    #[must_use]
    pub fn asked_by<T>(&self, cause: &tonic::Request<T>) -> Channel {
        match self {
            Self::Here(routes) => {
                let (routes, caller) = (routes.clone(), cause.extensions().get::<Caller>().cloned());
                BoxCloneSyncService::new(tower::service_fn(move |mut request: Request<tonic::body::Body>| {
                    let mut routes = routes.clone();
                    request.extensions_mut().extend(caller.clone().map(extension).unwrap_or_default());
                    async move { routes.call(request).await.map_err(unanswered) }
                }))
            }
            Self::There(channel) => {
                let headers = cause.metadata().clone().into_headers();
                let credentials = CREDENTIALS.map(|name| (name, headers.get(name).cloned()));
                let channel = channel.clone().map_request(move |mut request: Request<tonic::body::Body>| {
                    for (name, value) in credentials.clone() {
                        request
                            .headers_mut()
                            .extend(value.map(|value| (http::HeaderName::from_static(name), value)));
                    }
                    request
                });
                BoxCloneSyncService::new(
                    channel.map_response(|response| response.map(Body::new)).map_err(unanswered),
                )
            }
        }
    }
}

fn unanswered(error: impl Into<BoxError>) -> Unanswered {
    Unanswered(error.into())
}

fn extension(caller: Caller) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    extensions.insert(caller);
    extensions
}

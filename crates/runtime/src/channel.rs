//! How services are asked, by each other and by people: through the same generated clients, in process or over the network.

mod network;
mod replicas;

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use tonic::service::RoutesBuilder;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

pub use self::network::Network;
pub use self::replicas::Replicas;
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
    /// In others.
    There(Replicas),
}

impl Peer {
    /// A service of this process.
    #[must_use]
    pub fn here(module: &Module) -> Self {
        let mut routes = RoutesBuilder::default();
        (module.routes)(&mut routes);
        Self::Here(routes.routes().into_axum_router())
    }

    /// A service of other processes: the addresses of its replicas.
    ///
    /// # Errors
    /// When one of them is no address.
    pub fn there(addresses: &[String]) -> Result<Self, tonic::transport::Error> {
        Ok(Self::There(Replicas::new(addresses)?))
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
            Self::There(replicas) => {
                let headers = cause.metadata().clone().into_headers();
                let credentials = CREDENTIALS.map(|name| (name, headers.get(name).cloned()));
                BoxCloneSyncService::new(replicas.clone().map_request(move |mut request: Request<_>| {
                    for (name, value) in credentials.clone() {
                        request
                            .headers_mut()
                            .extend(value.map(|value| (http::HeaderName::from_static(name), value)));
                    }
                    request
                }))
            }
        }
    }
}

/// What every process answers besides its services: it belongs to none of them.
const COMMON: &str = "operations";

/// The services that can be asked, with the full names of their contracts, such as `masar.cases.v1.CaseService`.
#[must_use]
pub fn contracts() -> BTreeMap<String, String> {
    let paths = masar_proto::access::paths().unwrap_or_default();
    let of_path = |path: &String| Some((service_of(path)?.to_owned(), path.split('/').nth(1)?.to_owned()));
    paths.iter().filter_map(of_path).collect()
}

/// The service whose contract a path belongs to.
fn service_of(path: &str) -> Option<&str> {
    let service = path.strip_prefix("/masar.")?.split('.').next()?;
    Some(service).filter(|service| *service != COMMON)
}

fn unanswered(error: impl Into<BoxError>) -> Unanswered {
    Unanswered(error.into())
}

fn extension(caller: Caller) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    extensions.insert(caller);
    extensions
}

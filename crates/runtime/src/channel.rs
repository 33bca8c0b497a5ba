//! How one service calls another: through the same generated clients, in process or over the network.

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::{BoxError, Caller};

/// What a generated client stands on. Clones share it.
pub type Channel = BoxCloneSyncService<Request<tonic::body::Body>, Response<Body>, BoxError>;

/// Calls the services of this process. The credentials of the original call are not needed again: `caller` vouches.
#[must_use]
pub fn local(routes: Router, caller: Caller) -> Channel {
    let service = tower::service_fn(move |mut request: Request<tonic::body::Body>| {
        let mut routes = routes.clone();
        request.extensions_mut().insert(caller.clone());
        async move { routes.call(request).await.map_err(BoxError::from) }
    });
    BoxCloneSyncService::new(service)
}

/// Calls the services of another process. The connection is made when it is first needed.
///
/// # Errors
/// When the address is none.
pub fn remote(address: String) -> Result<Channel, tonic::transport::Error> {
    let channel = tonic::transport::Endpoint::from_shared(address)?.tcp_nodelay(true).connect_lazy();
    Ok(BoxCloneSyncService::new(
        channel.map_response(|response| response.map(Body::new)).map_err(BoxError::from),
    ))
}

//! The door of every service: no call comes in without credentials, a tenant and a role that its method asks for.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use masar_proto::access::{self, AccessRule};
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::{Authenticator, Caller, Error, tenant};
use crate::refuse;

/// What anybody may ask: whether we are well, and what our contracts are.
const OPEN: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection."];

/// Which roles each method asks for.
pub(super) struct Rules(BTreeMap<String, AccessRule>);

impl Rules {
    pub(super) fn read() -> Result<Self, Error> {
        Ok(Self(access::rules()?))
    }
}

impl Authenticator {
    /// Decides about a call of a method.
    async fn admit(&self, path: &str, metadata: &MetadataMap) -> Result<Caller, Status> {
        let identity = self.authenticate(metadata).await?;
        // Secure by default: what has no rule is open to nobody.
        let rule = self.rules.0.get(path);
        let rule = rule.ok_or_else(|| Status::unimplemented(format!("there is no method {path} here")))?;
        if !rule.roles.is_empty()
            && !rule.roles.iter().any(|role| identity.roles.iter().any(|held| held.0 == *role))
        {
            return Err(refuse::denied(
                "ROLE",
                format!("one of these roles is needed: {}", rule.roles.join(", ")),
            ));
        }
        if identity.is_only_a_customer() && !rule.customers {
            return Err(refuse::denied("ROLE", "this is for the people of the entity"));
        }
        let tenant = tenant(&identity, metadata)?;
        Ok(Caller { identity, tenant })
    }
}

/// Lets a call in, with its caller, or answers for the service.
pub(crate) async fn guard(
    State(door): State<Arc<Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if OPEN.iter().any(|open| path.starts_with(open)) {
        return next.run(request).await;
    }
    let metadata = MetadataMap::from_headers(request.headers().clone());
    match door.admit(path, &metadata).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(status) => status.into_http(),
    }
}

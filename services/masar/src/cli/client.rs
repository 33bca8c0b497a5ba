//! The way to a server: its address, and who asks.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use masar_runtime::auth::mint;
use serde_json::json;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::{Access, Answer};
use crate::credentials::Credentials;
use crate::demo;

/// How long a token that the command line issues for the demo is good for.
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3_600);

/// A server that says nothing for so long is asked whether it is still there, so that no stream waits for ever.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A connection that says who asks.
pub(crate) type Asking = InterceptedService<Channel, Who>;

/// Adds the credentials to every call.
#[derive(Clone)]
pub(crate) struct Who {
    authorization: MetadataValue<Ascii>,
    tenant: Option<MetadataValue<Ascii>>,
}

impl tonic::service::Interceptor for Who {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.authorization.clone());
        if let Some(tenant) = &self.tenant {
            request.metadata_mut().insert("masar-tenant", tenant.clone());
        }
        Ok(request)
    }
}

/// A connection, and who asks over it; the entity may differ from call to call.
pub(crate) struct Way {
    channel: Channel,
    authorization: MetadataValue<Ascii>,
}

impl Way {
    /// Connects as the person or system that the arguments name; without any, as the demo's call centre.
    pub(super) async fn open(access: &Access) -> Result<Self> {
        let authorization = match (&access.token, &access.api_key, &access.person) {
            (Some(token), ..) => format!("Bearer {token}"),
            (_, Some(key), _) => format!("ApiKey {key}"),
            (_, _, Some(person)) => format!("Bearer {}", demo_token(access, person)?),
            (None, None, None) => format!("ApiKey {}", Credentials::read(&access.data_folder())?.api_key),
        };
        Self::to(&access.server, &authorization).await
    }

    /// Connects to a server with what the header `authorization` shall say.
    pub(crate) async fn to(server: &str, authorization: &str) -> Result<Self> {
        let authorization =
            authorization.parse().context("the credentials have characters that no header takes")?;
        let endpoint = Endpoint::from_shared(server.to_owned())?
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(KEEP_ALIVE);
        let channel = endpoint.connect().await;
        let channel =
            channel.with_context(|| format!("nobody answers at {server}: is `masar up` running?"))?;
        Ok(Self { channel, authorization })
    }

    /// Calls for an entity; without one, for the only one that the caller acts for.
    pub(crate) fn asking(&self, tenant: Option<&str>) -> Result<Asking> {
        let tenant = tenant.map(|tenant| tenant.parse().with_context(|| format!("`{tenant}` is no tenant")));
        let who = Who { authorization: self.authorization.clone(), tenant: tenant.transpose()? };
        Ok(InterceptedService::new(self.channel.clone(), who))
    }
}

/// Connects, for the entity that the arguments name.
pub(crate) async fn connect(access: &Access) -> Result<Asking> {
    Way::open(access).await?.asking(access.tenant.as_deref())
}

/// What the server refused, in a sentence.
pub(crate) fn refused(status: &Status) -> anyhow::Error {
    match masar_runtime::refuse::reason(status) {
        Some(reason) => anyhow!("{} ({reason})", status.message()),
        None => anyhow!("{}: {}", status.code(), status.message()),
    }
}

fn demo_token(access: &Access, person: &str) -> Result<String> {
    let credentials = Credentials::read(&access.data_folder())?;
    Ok(mint(&credentials.jwt(), &demo::person(person)?, TOKEN_LIFE)?)
}

/// A token for a person of the demo.
pub(crate) fn token(access: &Access) -> Result<Answer> {
    let Some(person) = &access.person else { bail!("name the person: --as lab-permits-1") };
    let token = demo_token(access, person)?;
    Ok(Answer { table: format!("{token}\n"), json: json!({"token": token}) })
}

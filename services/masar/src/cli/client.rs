//! The way to the services: where they are, and who asks.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use masar_runtime::Network;
use masar_runtime::auth::mint;
use masar_runtime::config::Peers;
use serde_json::json;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

use super::{Access, Answer};
use crate::credentials::Credentials;
use crate::demo;

/// How long a token that the command line issues for the demo is good for.
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3_600);

/// Who is asked when nothing is said.
const SERVER: &str = "http://127.0.0.1:7420";

const UNSAYABLE: &str = "the credentials have characters that no header takes";

/// A connection that says who asks.
pub(crate) type Asking = InterceptedService<Network, Who>;

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

/// Those who can be asked, and who asks; the entity may differ from call to call.
pub(crate) struct Way {
    network: Network,
    /// Where each service is, when not all is at one address.
    pub(crate) peers: Peers,
    authorization: MetadataValue<Ascii>,
}

impl Way {
    /// Asks as the person or system that the arguments name; without any, as the demo's call centre. A lone server must
    /// answer now.
    pub(super) async fn open(access: &Access) -> Result<Self> {
        let peers = match &access.server {
            Some(_) => Peers::default(),
            None => access.settings()?.peers,
        };
        let network = if peers.is_empty() {
            reach(access.server.as_deref().unwrap_or(SERVER)).await?
        } else {
            Network::of(&peers)?
        };
        Ok(Self { network, peers, authorization: authorization(access)? })
    }

    /// Asks a server with what the header `authorization` shall say.
    pub(crate) async fn to(server: &str, authorization: &str) -> Result<Self> {
        let authorization = authorization.parse().context(UNSAYABLE)?;
        Ok(Self { network: reach(server).await?, peers: Peers::default(), authorization })
    }

    /// Asks one replica alone.
    pub(super) async fn replica(&self, address: &str) -> Result<Self> {
        let authorization = self.authorization.clone();
        Ok(Self { network: reach(address).await?, peers: Peers::default(), authorization })
    }

    /// What every process answers is asked of those that serve this.
    pub(crate) fn at(&self, service: &str) -> Self {
        let authorization = self.authorization.clone();
        Self { network: self.network.at(service), peers: Peers::default(), authorization }
    }

    /// Calls for an entity; without one, for the only one that the caller acts for.
    pub(crate) fn asking(&self, tenant: Option<&str>) -> Result<Asking> {
        let tenant = tenant.map(|tenant| tenant.parse().with_context(|| format!("`{tenant}` is no tenant")));
        let who = Who { authorization: self.authorization.clone(), tenant: tenant.transpose()? };
        Ok(InterceptedService::new(self.network.clone(), who))
    }
}

async fn reach(address: &str) -> Result<Network> {
    let reached = Network::reach(address).await;
    reached.with_context(|| format!("nobody answers at {address}: is `masar up` running?"))
}

/// Who asks, as the header of a call says it.
fn authorization(access: &Access) -> Result<MetadataValue<Ascii>> {
    let text = match (&access.token, &access.api_key, &access.person) {
        (Some(token), ..) => format!("Bearer {token}"),
        (_, Some(key), _) => format!("ApiKey {key}"),
        (_, _, Some(person)) => format!("Bearer {}", demo_token(access, person)?),
        (None, None, None) => format!("ApiKey {}", Credentials::read(&access.data_folder()?)?.api_key),
    };
    text.parse().context(UNSAYABLE)
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
    let credentials = Credentials::read(&access.data_folder()?)?;
    Ok(mint(&credentials.jwt(), &demo::person(person)?, TOKEN_LIFE)?)
}

/// A token for a person of the demo.
pub(crate) fn token(access: &Access) -> Result<Answer> {
    let Some(person) = &access.person else { bail!("name the person: --as lab-permits-1") };
    let token = demo_token(access, person)?;
    Ok(Answer { table: format!("{token}\n"), json: json!({"token": token}) })
}

//! A platform of a test's own, and the clients of its people.
#![allow(dead_code, reason = "every test file uses a part of it")]

pub(crate) mod many;
pub(crate) mod process;
pub(crate) mod set;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use masar::credentials::Credentials;
use masar::platform::Ground;
use masar::{demo, platform};
use masar_bus::Transport;
use masar_domain::{Identity, Role, TenantCode};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, GetCaseRequest, TransitionRequest};
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::json;
use masar_runtime::auth::mint;
use masar_runtime::config::Settings;
use masar_runtime::telemetry::Telemetry;
use masar_runtime::{Clock, Network, Running};
use serde_json::Value;
use tempfile::TempDir;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

/// A connection that says who asks.
pub(crate) type Asking = InterceptedService<Network, Who>;

#[derive(Clone)]
pub(crate) struct Who(String, Option<String>);

impl Who {
    fn token(credentials: &Credentials, identity: &Identity) -> Result<Self> {
        let token = mint(&credentials.jwt(), identity, TOKEN)?;
        Ok(Self(format!("Bearer {token}"), None))
    }
}

impl tonic::service::Interceptor for Who {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = self.0.parse().map_err(|_| Status::internal("no header"))?;
        request.metadata_mut().insert("authorization", value);
        if let Some(tenant) = &self.1 {
            request
                .metadata_mut()
                .insert("masar-tenant", tenant.parse().map_err(|_| Status::internal("no header"))?);
        }
        Ok(request)
    }
}

/// The platform in this process, on a database of its own.
pub(crate) struct Platform {
    pub(crate) running: Running,
    pub(crate) credentials: Credentials,
    folder: TempDir,
}

impl Platform {
    pub(crate) async fn start(database: String, clock: Clock) -> Result<Self> {
        Self::start_over(database, clock, |transport| transport).await
    }

    /// As `start`, over a bus of the test's own that stands before the one of the platform.
    pub(crate) async fn start_over(
        database: String,
        clock: Clock,
        bus: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
    ) -> Result<Self> {
        Self::begin(database, clock, Vec::new(), bus).await
    }

    /// As `start`, with packages of the test's own besides the shipped ones.
    pub(crate) async fn start_with(database: String, clock: Clock, workflows: Vec<PathBuf>) -> Result<Self> {
        Self::begin(database, clock, workflows, |transport| transport).await
    }

    async fn begin(
        database: String,
        clock: Clock,
        workflows: Vec<PathBuf>,
        bus: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let credentials = Credentials::of(folder.path())?;
        let settings = Settings {
            data_folder: folder.path().to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            database: Some(database),
            auth: credentials.settings(&demo::tenants()?),
            workflows,
            ..Settings::default()
        };
        let ground = Ground {
            registry_files: vec![demo::unpack(folder.path())?],
            telemetry: Arc::new(Telemetry::quiet().map_err(anyhow::Error::from_boxed)?),
            clock,
            transport: bus(platform::transport(&settings).await?),
            settings,
        };
        let running = Box::pin(platform::start(ground)).await?;
        Ok(Self { running, credentials, folder })
    }

    /// Its data folder, where its credentials are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn channel(&self) -> Result<Channel> {
        Ok(Endpoint::from_shared(format!("http://{}", self.running.address))?.connect().await?)
    }

    /// A person of the demo.
    pub(crate) async fn person(&self, id: &str) -> Result<Asking> {
        connect(self.running.address, &self.credentials, id).await
    }

    /// A customer of an entity.
    pub(crate) async fn customer(&self, tenant: &str, subject: &str) -> Result<Asking> {
        let identity = Identity {
            subject: subject.to_owned(),
            tenants: [TenantCode(tenant.to_owned())].into(),
            roles: [Role("customer".to_owned())].into(),
            department: None,
        };
        let network = Network::reach(&format!("http://{}", self.running.address)).await?;
        Ok(InterceptedService::new(network, Who::token(&self.credentials, &identity)?))
    }

    /// The call centre, for an entity.
    pub(crate) async fn call_centre(&self, tenant: &str) -> Result<Asking> {
        connect(self.running.address, &self.credentials, &format!("system:{tenant}")).await
    }
}

/// A connection to a process; `who` is a person of the demo, or `system:TENANT` for the call centre.
pub(crate) async fn connect(address: SocketAddr, credentials: &Credentials, who: &str) -> Result<Asking> {
    asking(Network::reach(&format!("http://{address}")).await?, credentials, who)
}

/// Asks those in a network; `who` as above.
pub(crate) fn asking(network: Network, credentials: &Credentials, who: &str) -> Result<Asking> {
    let who = match who.strip_prefix("system:") {
        Some(tenant) => Who(format!("ApiKey {}", credentials.api_key), Some(tenant.to_owned())),
        None => Who::token(credentials, &demo::person(who)?)?,
    };
    Ok(InterceptedService::new(network, who))
}

/// A complaint of an external system.
pub(crate) fn complaint(external_ref: &str, form: &Value) -> SubmitCaseRequest {
    SubmitCaseRequest {
        case_type: "complaint".to_owned(),
        source_system: "crm".to_owned(),
        external_ref: external_ref.to_owned(),
        form: Some(json::to_struct(form)),
        ..SubmitCaseRequest::default()
    }
}

/// A case that was accepted: from the first moment it is known, and no call says otherwise.
pub(crate) async fn case(client: &CaseServiceClient<Asking>, key: &str) -> Result<Option<Case>> {
    let request = GetCaseRequest { case: key.to_owned(), at_least_version: 0 };
    Ok(Some(client.clone().get_case(request).await?.into_inner()))
}

/// Writes a package that uses the form of an inquiry's question, and says where it is.
pub(crate) fn with_question(package: &Path, workflow: &str) -> Result<PathBuf> {
    const QUESTION: &str = include_str!("../../workflows/inquiry/forms/question.json");
    std::fs::create_dir_all(package.join("forms"))?;
    std::fs::write(package.join("workflow.yaml"), workflow)?;
    std::fs::write(package.join("forms/question.json"), QUESTION)?;
    Ok(package.to_owned())
}

/// Submits complaints to the traffic department, and waits until each has come to its queue; their references.
pub(crate) async fn queued(platform: &Platform, form: &Value, keys: &[&str]) -> Result<Vec<String>> {
    let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
    let triage = CaseServiceClient::new(platform.person("trf-triage-1").await?);
    let mut references = Vec::new();
    for key in keys {
        references.push(intake.submit_case(complaint(key, form)).await?.into_inner().reference);
    }
    for reference in &references {
        eventually("a queue", async || {
            Ok(case(&triage, reference).await?.filter(|case| !case.queue.is_empty()))
        })
        .await?;
    }
    Ok(references)
}

/// Does an action on a case.
pub(crate) async fn act(
    client: &CaseServiceClient<Asking>,
    key: &str,
    action: &str,
    form: Option<Value>,
) -> Result<Case, tonic::Status> {
    let request = TransitionRequest {
        case: key.to_owned(),
        action: action.to_owned(),
        form: form.as_ref().map(json::to_struct),
        reason: "because".to_owned(),
        expected_version: 0,
    };
    Ok(client.clone().transition(request).await?.into_inner().case.unwrap_or_default())
}

/// Reads a stream until it shows what the test waits for.
pub(crate) async fn shown<T>(
    what: &str,
    stream: &mut Streaming<T>,
    wanted: impl Fn(&T) -> bool,
) -> Result<T> {
    let until_there = async {
        while let Some(message) = stream.message().await? {
            if wanted(&message) {
                return Ok(message);
            }
        }
        bail!("the stream ended before it showed: {what}")
    };
    tokio::time::timeout(MOST, until_there).await.with_context(|| format!("never shown: {what}"))?
}

/// Tokens outlive every test, also one that moves the time on.
const TOKEN: Duration = Duration::from_secs(365 * 24 * 3_600);
/// How long a test waits at most for what must happen.
const MOST: Duration = Duration::from_secs(60);
/// How often is asked whether something has happened: not so often that the asking holds it up.
const PACE: Duration = Duration::from_millis(10);

/// Asks again until the answer is there: the services speak through the bus, which takes its moment. A service that
/// has not heard of a case yet says that it does not know it.
pub(crate) async fn eventually<T, F>(what: &str, ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let until_there = async {
        let mut pace = tokio::time::interval(PACE);
        loop {
            pace.tick().await;
            match ask().await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(error) if unheard_of(&error) => {}
                Err(error) => return Err(error),
            }
        }
    };
    tokio::time::timeout(MOST, until_there).await.with_context(|| format!("never: {what}"))?
}

fn unheard_of(error: &anyhow::Error) -> bool {
    error.downcast_ref::<tonic::Status>().is_some_and(|status| status.code() == tonic::Code::NotFound)
}

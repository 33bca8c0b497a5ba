//! The host: binds one port for gRPC, health and metrics, runs the workers, and goes down without losing anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use futures::future::BoxFuture;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::RoutesBuilder;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::auth::{Authenticator, guard};
use crate::config::Settings;
use crate::telemetry::{Telemetry, count, trace};
use crate::{BoxError, auth};

/// How long each stage may take to end after calls were cut off.
const CUT_OFF: Duration = Duration::from_secs(1);

/// When a worker is stopped: after the doors have closed, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Writes what calls brought; ends by itself when the last call has ended.
    Writer,
    /// Takes in events and fires timers.
    Consumer,
    /// Sends events out.
    Relay,
}

/// Work beside the calls.
pub struct Worker {
    /// For the log.
    pub name: String,
    /// When it is stopped.
    pub stage: Stage,
    /// The work; it ends soon after the token is cancelled.
    pub run: Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, Result<(), BoxError>> + Send>,
}

impl Worker {
    /// A worker.
    pub fn new<F>(
        name: impl Into<String>,
        stage: Stage,
        run: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        Self { name: name.into(), stage, run: Box::new(|stop| Box::pin(run(stop))) }
    }
}

/// A service as the host runs it.
pub struct Module {
    /// Full gRPC names of its contracts, such as `masar.cases.v1.CaseService`.
    pub names: &'static [&'static str],
    /// Adds the service to routes: those of the port, and those of its neighbours in this process.
    pub routes: Arc<dyn Fn(&mut RoutesBuilder) + Send + Sync>,
    /// Its work beside the calls.
    pub workers: Vec<Worker>,
}

/// Why a process did not start or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken, or may not be used.
    #[error(
        "cannot listen on {address}: {source}; is another Masar running? choose another address with `listen`"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Callers cannot be recognised.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// The contracts are damaged.
    #[error(transparent)]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A worker failed for good.
    #[error("the worker `{name}` failed: {problem}")]
    Worker {
        /// Which.
        name: String,
        /// Why.
        problem: String,
    },
}

/// Runs services in one process.
pub struct Host {
    settings: Settings,
    telemetry: Arc<Telemetry>,
    modules: Vec<Module>,
    doors: CancellationToken,
}

/// A process that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    doors: CancellationToken,
    ready: Arc<AtomicBool>,
    health: HealthReporter,
    /// The services whose health is told; the empty name stands for the process.
    services: Vec<&'static str>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    stages: Vec<(CancellationToken, JoinSet<Result<(), Error>>)>,
    failed: CancellationToken,
    drain: Duration,
}

impl Host {
    /// A host of services. `doors` is cancelled when the process goes down, so that endless streams end.
    #[must_use]
    pub fn new(
        settings: Settings,
        telemetry: Arc<Telemetry>,
        modules: Vec<Module>,
        doors: CancellationToken,
    ) -> Self {
        Self { settings, telemetry, modules, doors }
    }

    /// Binds the port and starts everything.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn start(self) -> Result<Running, Error> {
        let door = Arc::new(Authenticator::new(&self.settings.auth)?);
        let address = self.settings.listen;
        let listen = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (mut routes, ready, failed) =
            (RoutesBuilder::default(), Arc::new(AtomicBool::new(true)), CancellationToken::new());
        let (health, health_service) = tonic_health::server::health_reporter();
        let mut services = vec![""];
        let mut stages = [Stage::Writer, Stage::Consumer, Stage::Relay]
            .map(|stage| (stage, CancellationToken::new(), JoinSet::new()));
        for module in self.modules {
            (module.routes)(&mut routes);
            for name in module.names {
                health.set_service_status(*name, ServingStatus::Serving).await;
                services.push(name);
            }
            for worker in module.workers {
                if let Some((_, stop, tasks)) = stages.iter_mut().find(|(stage, ..)| *stage == worker.stage) {
                    tasks.spawn(watch(worker, stop.clone(), failed.clone()));
                }
            }
        }
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(masar_proto::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        routes.add_service(health_service).add_service(reflection);
        let calls = routes
            .routes()
            .into_axum_router()
            .layer(from_fn_with_state(Duration::from_secs(self.settings.limits.call_seconds), deadline))
            .layer(from_fn(trace))
            .layer(from_fn_with_state(door, guard))
            .layer(from_fn(count));
        let router = operations(self.telemetry, Arc::clone(&ready)).fallback_service(calls);
        let doors = self.doors;
        let server = tokio::spawn(serve(listener, router, doors.clone()));
        Ok(Running {
            address,
            doors,
            ready,
            health,
            services,
            server,
            stages: stages.into_iter().map(|(_, stop, tasks)| (stop, tasks)).collect(),
            failed,
            drain: Duration::from_secs(self.settings.limits.drain_seconds),
        })
    }
}

impl Running {
    /// Waits until somebody asks the process to stop, or a worker fails, and goes down.
    ///
    /// # Errors
    /// Why a worker failed.
    pub async fn until_asked(self) -> Result<(), Error> {
        tokio::select! {
            () = asked() => tracing::info!("asked to stop: calls in flight are finished first"),
            () = self.failed.cancelled() => tracing::error!("a worker failed: going down, nothing accepted is lost"),
        }
        self.stop().await
    }

    /// Closes the doors, lets calls in flight end, then stops the stages in their order.
    ///
    /// # Errors
    /// Why a worker failed.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.ready.store(false, Ordering::SeqCst);
        for service in self.services {
            self.health.set_service_status(service, ServingStatus::NotServing).await;
        }
        self.doors.cancel();
        if tokio::time::timeout(self.drain, &mut self.server).await.is_err() {
            tracing::warn!(seconds = self.drain.as_secs(), "calls that did not end in time are cut off");
            self.server.abort();
            // Their connections still hold the writers, which have nothing left to write.
            self.drain = CUT_OFF;
        }
        let mut failure = Ok(());
        for (stop, mut tasks) in self.stages {
            stop.cancel();
            while let Ok(Some(ended)) = tokio::time::timeout(self.drain, tasks.join_next()).await {
                let ended = ended.unwrap_or_else(|panic| {
                    Err(Error::Worker { name: "unknown".to_owned(), problem: panic.to_string() })
                });
                failure = failure.and(ended);
            }
        }
        failure
    }
}

async fn watch(worker: Worker, stop: CancellationToken, failed: CancellationToken) -> Result<(), Error> {
    // A panic ends the task before the guard is disarmed.
    let guard = failed.drop_guard();
    match (worker.run)(stop).await {
        Ok(()) => {
            guard.disarm();
            Ok(())
        }
        Err(error) => {
            tracing::error!(worker = worker.name, %error, "a worker failed");
            Err(Error::Worker { name: worker.name, problem: error.to_string() })
        }
    }
}

async fn serve(listener: TcpListener, router: Router, doors: CancellationToken) -> std::io::Result<()> {
    use axum::serve::ListenerExt;
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection stays slow");
        }
    });
    axum::serve(listener, router).with_graceful_shutdown(async move { doors.cancelled().await }).await
}

fn operations(telemetry: Arc<Telemetry>, ready: Arc<AtomicBool>) -> Router {
    let readiness = move || {
        let status =
            if ready.load(Ordering::SeqCst) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        async move { status }
    };
    Router::new()
        .route("/livez", get(async || StatusCode::OK))
        .route("/readyz", get(readiness))
        .route("/metrics", get(async move || telemetry.metrics()))
}

/// Gives up a call at the deadline that its caller named, and at ours at the latest. A stream has begun to answer by then and lives on.
async fn deadline(State(longest): State<Duration>, request: Request, next: Next) -> Response {
    let named = request.headers().get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(timeout);
    match tokio::time::timeout(named.map_or(longest, |named| named.min(longest)), next.run(request)).await {
        Ok(response) => response,
        Err(_) => Status::deadline_exceeded("the deadline of the call has passed").into_http(),
    }
}

/// Reads `grpc-timeout`: at most eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = number.parse::<u32>().ok()?;
    let unit = match unit {
        "H" => Duration::from_secs(3_600),
        "M" => Duration::from_secs(60),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    Some(unit * number)
}

async fn asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

//! `masar up`: the whole platform in this process.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_runtime::telemetry::Telemetry;
use masar_runtime::{Clock, Running};
use serde_json::json;

use super::client::{connect, refused};
use super::{Access, Answer};
use crate::credentials::Credentials;
use crate::platform::{Ground, SERVICES};
use crate::{demo, platform};

/// How the platform is run.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Address to listen at.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// `postgres://...`: the databases are there, one schema for each service.
    #[arg(long, env = "MASAR_DATABASE", hide_env_values = true)]
    postgres: Option<String>,
    /// `amqp://...`: events go through RabbitMQ.
    #[arg(long, env = "MASAR_AMQP", hide_env_values = true)]
    amqp: Option<String>,
    /// Leave the demo's sample cases out.
    #[arg(long)]
    no_cases: bool,
    /// Only these services, each by itself: what they tell the others waits. For measuring.
    #[arg(long, hide = true, value_delimiter = ',', default_values = SERVICES, value_parser = PossibleValuesParser::new(SERVICES))]
    only: Vec<String>,
}

/// Runs until somebody asks it to stop.
pub(crate) async fn run(arguments: Arguments, access: &Access) -> Result<Answer> {
    let began = Instant::now();
    let mut settings = access.settings()?;
    let data_folder = settings.data_folder.clone();
    settings.listen = arguments.listen.unwrap_or(settings.listen);
    settings.database = arguments.postgres.or(settings.database);
    settings.amqp = arguments.amqp.or(settings.amqp);
    let own_callers = settings.auth.jwt.is_some() || !settings.auth.api_keys.is_empty();
    let registry = match settings.registry.as_slice() {
        [] => vec![demo::unpack(&settings.data_folder)?],
        files => files.to_vec(),
    };
    if !own_callers {
        settings.auth = Credentials::of(&settings.data_folder)?.settings(&demo::tenants()?);
    }
    let telemetry = Telemetry::start(&settings.telemetry).map_err(anyhow::Error::from_boxed)?;
    let ground = Ground {
        transport: platform::transport(&settings).await?,
        settings,
        registry_files: registry,
        telemetry: Arc::new(telemetry),
        clock: Clock::wall(),
    };
    let running =
        Box::pin(platform::serve(ground, &arguments.only.iter().map(String::as_str).collect())).await?;
    let access = Access {
        server: Some(format!("http://{}", running.address)),
        data_folder: Some(data_folder),
        ..access.clone()
    };
    let cases = if arguments.no_cases || own_callers { 0 } else { submit_cases(&access).await? };
    // Nobody reads it where standard error is closed, and then nothing is lost.
    let _ = io::stderr().write_all(welcome(&running, &access.data_folder()?, cases, began).as_bytes());
    running.until_asked().await?;
    Ok(Answer { table: "stopped; everything accepted is kept\n".to_owned(), json: json!({"stopped": true}) })
}

/// Submits the demo's cases as its call centre does. Those that were there already change nothing.
async fn submit_cases(access: &Access) -> Result<usize> {
    let cases = demo::cases(Clock::wall().now())?;
    let count = cases.len();
    for (tenant, case) in cases {
        let access =
            Access { tenant: Some(tenant), person: None, token: None, api_key: None, ..access.clone() };
        let mut client = IntakeServiceClient::new(connect(&access).await?);
        client.submit_case(case).await.map_err(|status| refused(&status))?;
    }
    Ok(count)
}

fn welcome(running: &Running, data: &Path, cases: usize, began: Instant) -> String {
    let seconds = began.elapsed().as_secs_f64();
    let data = data.display();
    format!(
        "
Masar is ready after {seconds:.1} s at http://{address} (gRPC with reflection, /livez, /readyz, /metrics)
  data         {data}   (credentials in {data}/credentials.json)
  demo         invented entities and {cases} complaints; people such as lab-permits-1, lab-triage-1

A first case, in another terminal (where the data folder is elsewhere, add --data):
  masar submit --tenant DEMO-LAB --service LAB-S01 --subject \"Renewal takes too long\" --description \"Three weeks\"
Then look:
  masar case list --as lab-triage-1        what there is
  masar queue list --as lab-triage-1       who should act on it
  masar clock list --as lab-ops          how long it may take
Stop with Ctrl-C.

",
        address = running.address,
    )
}

//! `masar serve`: some of the services in this process; the others run in other processes, on the same bus.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use masar_runtime::Clock;
use masar_runtime::telemetry::Telemetry;
use serde_json::json;

use super::{Access, Answer};
use crate::platform::{self, Ground, SERVICES};

/// What is served.
#[derive(Args)]
pub(crate) struct Arguments {
    /// registry, intake, cases, routing, sla, escalation, notify.
    #[arg(required = true, value_parser = clap::builder::PossibleValuesParser::new(SERVICES))]
    services: Vec<String>,
    /// Address to listen at.
    #[arg(long)]
    listen: Option<SocketAddr>,
}

/// Runs until somebody asks it to stop.
pub(crate) async fn run(arguments: Arguments, access: &Access) -> Result<Answer> {
    let mut settings = access.settings()?;
    settings.listen = arguments.listen.unwrap_or(settings.listen);
    let mut problems = settings.problems();
    for (key, value) in [("database", &settings.database), ("amqp", &settings.amqp)] {
        if value.is_none() {
            problems.push(format!("{key}: services in several processes need one that all of them reach"));
        }
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("; "));
    }
    let services: BTreeSet<&str> = arguments.services.iter().map(String::as_str).collect();
    let telemetry = Telemetry::start(&settings.telemetry).map_err(anyhow::Error::from_boxed)?;
    let ground = Ground {
        transport: platform::transport(&settings).await?,
        registry_files: settings.registry.clone(),
        settings,
        telemetry: Arc::new(telemetry),
        clock: Clock::wall(),
    };
    let running = Box::pin(platform::serve(ground, &services)).await?;
    let names = services.into_iter().collect::<Vec<_>>().join(", ");
    // Nobody reads it where standard error is closed, and then nothing is lost.
    let _ = writeln!(io::stderr(), "Masar serves {names} at http://{}", running.address);
    running.until_asked().await?;
    Ok(Answer { table: "stopped; everything accepted is kept\n".to_owned(), json: json!({"stopped": true}) })
}

//! The host: what is refused at the door is counted, and whoever asks for our health hears that we go down.

use std::sync::Arc;

use anyhow::Result;
use masar_runtime::config::Settings;
use masar_runtime::telemetry::Telemetry;
use masar_runtime::{Host, Module, Running};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const SERVICE: &str = "masar.cases.v1.CaseService";

async fn host() -> Result<Running> {
    let settings = Settings { listen: "127.0.0.1:0".parse()?, ..Settings::default() };
    let telemetry = Arc::new(Telemetry::quiet().map_err(anyhow::Error::from_boxed)?);
    let module = Module { names: &[SERVICE], routes: Arc::new(|_| {}), workers: Vec::new() };
    Ok(Host::new(settings, telemetry, vec![module], CancellationToken::new()).start().await?)
}

#[tokio::test]
async fn what_is_refused_is_counted_under_names_that_are_ours() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let running = host().await?;
    let (url, client) = (format!("http://{}", running.address), reqwest::Client::new());
    for path in
        ["masar.cases.v1.CaseService/GetCase", "no.such.Service/Call", "grpc.reflection.v1.Other/Call"]
    {
        client.post(format!("{url}/{path}")).header("content-type", "application/grpc").send().await?;
    }
    let metrics = client.get(format!("{url}/metrics")).send().await?.text().await?;
    let counted = |code: u8, method: &str| {
        let labels = [format!("code=\"{code}\""), format!("method=\"{method}\"")];
        let count = |line: &str| labels.iter().all(|label| line.contains(label.as_str()));
        metrics.lines().any(|line| line.starts_with("masar_grpc_requests") && count(line))
    };
    assert!(counted(16, "/masar.cases.v1.CaseService/GetCase"), "{metrics}");
    assert!(counted(16, "unknown") && counted(12, "unknown"), "{metrics}");
    assert!(!metrics.contains("no.such") && !metrics.contains("v1.Other"), "{metrics}");
    drop(client);
    Ok(running.stop().await?)
}

#[tokio::test]
async fn who_watches_hears_that_we_go_down() -> Result<()> {
    let running = host().await?;
    let channel = Channel::from_shared(format!("http://{}", running.address))?.connect().await?;
    let mut watches = Vec::new();
    for service in ["", SERVICE] {
        let request = HealthCheckRequest { service: service.to_owned() };
        watches.push(HealthClient::new(channel.clone()).watch(request).await?.into_inner());
    }
    drop(channel);
    for watch in &mut watches {
        assert_eq!(watch.message().await?.map(|health| health.status()), Some(ServingStatus::Serving));
    }
    let stopped = tokio::spawn(running.stop());
    for watch in &mut watches {
        assert_eq!(watch.message().await?.map(|health| health.status()), Some(ServingStatus::NotServing));
    }
    drop(watches);
    Ok(stopped.await??)
}

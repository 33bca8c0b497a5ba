//! One case can be followed: the call that brought it and what every service did with it are one trace.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::kinds;
use masar_proto::sla::v1::GetCaseClocksRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use support::process::{Process, free_address};
use support::{case, complaint, eventually};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Takes traces in, as an OTLP collector does.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|found| found.scope_spans);
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans.extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// What the spans of a name in the trace say under a key.
    fn say(&self, name: &str, key: &str) -> BTreeSet<String> {
        let spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = spans.iter().filter(|span| span.name == name && hex(&span.trace_id) == TRACE);
        let said = ours.flat_map(|span| &span.attributes).filter(|said| said.key == key);
        let text = said.filter_map(|said| match said.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some(text.clone()),
            _ => None,
        });
        text.collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_followed_through_the_call_and_the_bus() -> Result<()> {
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let serving = tonic::transport::Server::builder().add_service(TraceServiceServer::new(collector.clone()));
    let serving = tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));

    let (folder, address) = (tempfile::tempdir()?, free_address()?);
    let file = folder.path().join("masar.toml");
    fs::write(&file, format!("[telemetry]\notlp_endpoint = \"{endpoint}\"\n"))?;
    let mut process =
        Process::up(address, folder.path(), &["--config", file.to_str().context("a path in UTF-8")?])?;
    let mut intake = IntakeServiceClient::new(process.asking(folder.path(), "system:DEMO-TRF").await?);
    let form = json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late"});
    let mut request = Request::new(complaint("T-1", &form));
    request.metadata_mut().insert("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01").parse()?);
    let key = intake.submit_case(request).await?.into_inner().reference;
    let cases = CaseServiceClient::new(process.asking(folder.path(), "trf-triage-1").await?);
    eventually("a queue and a due time", async || {
        Ok(case(&cases, &key).await?.filter(|case| !case.queue.is_empty() && case.due_at.is_some()))
    })
    .await?;
    // The customer left no address: sla hears so from notify, and the acknowledgement is over.
    let sla = SlaServiceClient::new(process.asking(folder.path(), "trf-ops").await?);
    eventually("the clock of the acknowledgement stops", async || {
        let request = GetCaseClocksRequest { case: key.clone() };
        let clocks = sla.clone().get_case_clocks(request).await?.into_inner().clocks;
        let states = clocks.into_iter().filter_map(|clock| clock.state);
        let mut stopped = states.filter(|state| state.clock == "ack" && state.phase == "stopped");
        Ok(stopped.next())
    })
    .await?;
    // Whoever stops sends the last traces first.
    assert_eq!(process.terminate().await?, Some(0));
    serving.abort();

    assert_eq!(
        collector.say("call", "method"),
        ["/masar.intake.v1.IntakeService/SubmitCase".to_owned()].into()
    );
    let services = ["cases", "escalation", "notify", "routing", "sla"].map(str::to_owned).into();
    assert_eq!(collector.say("handle", "service"), services);
    assert!(collector.say("handle", "kind").contains(kinds::MESSAGE_TOLD));
    Ok(())
}

//! No call without credentials, and nobody sees or moves what is another entity's: shown for every method of the
//! contracts, so that a new one cannot be forgotten.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar::demo;
use masar_bus::{Event, Outbox};
use masar_proto::access::{paths, pool, rules};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::transition_cases_response::Result as Moved;
use masar_proto::cases::v1::{GetCaseRequest, TransitionCasesResponse};
use masar_proto::escalation::v1::ListEscalationsRequest;
use masar_proto::escalation::v1::escalation_service_client::EscalationServiceClient;
use masar_proto::events::v1::CaseSubmitted;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::notify::v1::PutWebhookRequest;
use masar_proto::notify::v1::notify_service_client::NotifyServiceClient;
use masar_proto::routing::v1::WatchQueueRequest;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::sla::v1::WatchAtRiskRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::{json as proto_json, kinds, time};
use masar_runtime::Clock;
use masar_runtime::clock::Hand;
use masar_store::{DatabaseUrl, Store};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value};
use serde_json::json;
use support::{Asking, Platform, case, complaint, eventually, shown};
use tempfile::TempDir;
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::{Body, Bytes, StdError};
use tonic::{Code, Request, Status};
use uuid::Uuid;

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";
/// When the working day within which a complaint is assessed is over.
const TUESDAY: &str = "2026-11-17T08:00:00+03:00";
/// The key of the case in the system that it came from.
const EXTERNAL: &str = "D-1";
/// How long somebody waits for a stream to show something.
const PATIENCE: Duration = Duration::from_millis(300);

/// Calls a method with a message in its encoded form and returns how it ended. Of a stream, the first answer counts.
async fn call<T>(service: T, path: &str, message: Vec<u8>) -> Result<Vec<u8>, Status>
where
    T: GrpcService<tonic::body::Body>,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<StdError> + Send,
{
    let mut grpc = Grpc::new(service);
    grpc.ready().await.map_err(|error| Status::unknown(error.into().to_string()))?;
    let path = path.parse().map_err(|_| Status::internal("no path"))?;
    let codec = raw::Raw;
    let mut answers =
        grpc.streaming(Request::new(tokio_stream::iter([message])), path, codec).await?.into_inner();
    Ok(answers.message().await?.unwrap_or_default())
}

mod raw {
    //! Messages as bytes.
    use prost::bytes::{Buf, BufMut};
    use tonic::Status;
    use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

    #[derive(Default)]
    pub(super) struct Raw;

    impl Codec for Raw {
        type Encode = Vec<u8>;
        type Decode = Vec<u8>;
        type Encoder = Self;
        type Decoder = Self;

        fn encoder(&mut self) -> Self {
            Self
        }

        fn decoder(&mut self) -> Self {
            Self
        }
    }

    impl Encoder for Raw {
        type Item = Vec<u8>;
        type Error = Status;

        fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
            buffer.put_slice(&item);
            Ok(())
        }
    }

    impl Decoder for Raw {
        type Item = Vec<u8>;
        type Error = Status;

        fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
            let bytes = buffer.copy_to_bytes(buffer.remaining());
            Ok(Some(bytes.to_vec()))
        }
    }
}

async fn platform() -> Result<(Platform, Hand, TempDir)> {
    let folder = tempfile::tempdir()?;
    let (clock, hand) = Clock::manual(SUNDAY.parse()?);
    Ok((Platform::start(database(folder.path()), clock).await?, hand, folder))
}

fn database(folder: &Path) -> String {
    format!("sqlite:{}", folder.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_every_method_refuses() -> Result<()> {
    let (platform, _hand, _folder) = platform().await?;
    let channel = platform.channel().await?;
    for path in paths()? {
        let status = call(channel.clone(), &path, Vec::new()).await.expect_err(&path);
        assert_eq!(status.code(), Code::Unauthenticated, "{path}");
    }
    Ok(platform.running.stop().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_asks_for_a_role_refuses_all_others() -> Result<()> {
    let (platform, _hand, _folder) = platform().await?;
    // An auditor reads: any method that names roles and not this one must refuse.
    let auditor = platform.person("mun-auditor").await?;
    for (path, rule) in rules()?.into_iter().filter(|(_, rule)| !rule.roles.is_empty()) {
        if rule.roles.iter().any(|role| role == "auditor") {
            continue;
        }
        let status = call(auditor.clone(), &path, Vec::new()).await.expect_err(&path);
        assert_eq!(status.code(), Code::PermissionDenied, "{path}");
    }
    Ok(platform.running.stop().await?)
}

/// Everything of an entity that others could ask for, by its keys: a case with its clocks, a level that its ladder
/// climbed, a webhook, and an event that is parked.
struct Foreign {
    case: String,
    reference: String,
    escalation: String,
    webhook: String,
    parked: String,
}

/// What shows some of it to its own people.
const SHOWING: [&str; 13] = [
    "/masar.cases.v1.CaseService/GetCase",
    "/masar.cases.v1.CaseService/ListCases",
    "/masar.cases.v1.CaseService/WatchCase",
    "/masar.escalation.v1.EscalationService/ListEscalations",
    "/masar.escalation.v1.EscalationService/Preview",
    "/masar.intake.v1.IntakeService/GetSubmission",
    "/masar.notify.v1.NotifyService/ListDeliveries",
    "/masar.notify.v1.NotifyService/ListWebhooks",
    "/masar.operations.v1.OperationsService/GetParked",
    "/masar.operations.v1.OperationsService/ListParked",
    "/masar.routing.v1.RoutingService/ListTasks",
    "/masar.sla.v1.SlaService/GetCaseClocks",
    "/masar.sla.v1.SlaService/ListClocks",
];

impl Foreign {
    /// Brings it about.
    async fn new(platform: &Platform, hand: &Hand, folder: &Path) -> Result<Self> {
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let accepted = intake.submit_case(complaint(EXTERNAL, &form())).await?.into_inner();
        let cases = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        eventually("it has a desk and a due time", async || {
            let seen = case(&cases, &accepted.reference).await?;
            Ok(seen.filter(|case| !case.queue.is_empty() && case.due_at.is_some()))
        })
        .await?;
        let now: Timestamp = TUESDAY.parse()?;
        hand.advance_to(now);
        let escalations = EscalationServiceClient::new(platform.person("trf-ops").await?);
        let climbed = eventually("its ladder climbs", async || {
            let listed = escalations.clone().list_escalations(ListEscalationsRequest::default()).await?;
            Ok(listed.into_inner().escalations.pop())
        })
        .await?;
        let mut notify = NotifyServiceClient::new(platform.person("trf-admin").await?);
        let events = vec![kinds::ESCALATION_ACKNOWLEDGED.to_owned()];
        let webhook = PutWebhookRequest { url: "https://partner.example/".to_owned(), events };
        let webhook = notify.put_webhook(webhook).await?.into_inner();
        // A case of a package that nobody has installed.
        let unknown = CaseSubmitted { package: "riddle".to_owned(), ..CaseSubmitted::default() };
        let unknown = Event::new(kinds::CASE_SUBMITTED, "DEMO-TRF", &Uuid::now_v7(), now, &unknown);
        let parked = unknown.id.to_string();
        let store = Store::connect(&database(folder).parse::<DatabaseUrl>()?, masar_intake::NAME).await?;
        let tx = store.begin().await?;
        Outbox::new(masar_intake::NAME).put(&tx, vec![unknown]).await?;
        tx.commit().await?;
        Ok(Self {
            case: accepted.case_id,
            reference: accepted.reference,
            escalation: climbed.escalation_id,
            webhook: webhook.webhook_id,
            parked,
        })
    }

    /// What somebody writes into a field to get at it; the rest makes the call one that could succeed.
    fn key<'a>(&'a self, field: &str, case: &'a str) -> Option<&'a str> {
        Some(match field {
            "case" | "other_case" => case,
            "case_id" => &self.case,
            "reference" => &self.reference,
            "escalation_id" => &self.escalation,
            "webhook_id" => &self.webhook,
            "event_id" => &self.parked,
            "consumer" => masar_cases::NAME,
            "source_system" => "crm",
            "external_ref" => EXTERNAL,
            "case_type" => "complaint",
            "queue" => "triage",
            // A person of the case's own entity would be refused before anybody looks for the case.
            "assignee" => "mun-triage-1",
            "action" => "start_triage",
            "link" => "caused_by",
            "reason" => "because",
            "text" => "Late",
            _ => return None,
        })
    }

    /// Fills a field in, and those within it. False when there is nothing to ask for in it.
    fn fill(&self, message: &mut DynamicMessage, field: &FieldDescriptor, case: &str) -> Result<bool> {
        let value = match field.kind() {
            _ if field.is_list() || field.is_map() => None,
            Kind::String => self.key(field.name(), case).map(|key| Value::String(key.to_owned())),
            Kind::Message(kind) if kind.full_name() == "google.protobuf.Struct" => {
                let mut inner = DynamicMessage::new(kind);
                inner.transcode_from(&proto_json::to_struct(&form()))?;
                Some(Value::Message(inner))
            }
            Kind::Message(kind) => {
                let mut inner = DynamicMessage::new(kind.clone());
                let mut filled = false;
                for field in kind.fields() {
                    filled |= self.fill(&mut inner, &field, case)?;
                }
                filled.then_some(Value::Message(inner))
            }
            _ => None,
        };
        let filled = value.is_some();
        if let Some(value) = value {
            message.set_field(field, value);
        }
        Ok(filled)
    }

    /// All that can be asked with a message: nothing in particular, the case by its id and by its reference, and, where
    /// one of several keys is to be given, each of them.
    fn questions(&self, kind: &MessageDescriptor) -> Result<Vec<DynamicMessage>> {
        let mut questions = vec![DynamicMessage::new(kind.clone())];
        for case in [&self.case, &self.reference] {
            let mut whole = DynamicMessage::new(kind.clone());
            for field in kind.fields() {
                self.fill(&mut whole, &field, case)?;
            }
            for field in kind.oneofs().flat_map(|keys| keys.fields().collect::<Vec<_>>()) {
                let mut question = whole.clone();
                self.fill(&mut question, &field, case)?;
                questions.push(question);
            }
            questions.push(whole);
        }
        Ok(questions)
    }

    /// True when an answer names any of it.
    fn is_in(&self, answer: &[u8]) -> bool {
        let shown = String::from_utf8_lossy(answer);
        [&self.case, &self.reference, &self.escalation, &self.webhook, &self.parked]
            .into_iter()
            .any(|key| shown.contains(key))
    }

    /// Its own people are shown it, so that the questions are good ones; and it is still there.
    async fn is_shown_to(&self, owner: &Asking) -> Result<()> {
        let methods = methods()?;
        for showing in SHOWING {
            let (path, method) = methods.iter().find(|(path, _)| path == showing).context(showing)?;
            eventually(path, async || {
                for question in self.questions(&method.input())? {
                    let answer = ask(owner, path, method, &question).await;
                    if answer.is_ok_and(|answer| self.is_in(&answer)) {
                        return Ok(Some(()));
                    }
                }
                Ok(None)
            })
            .await?;
        }
        Ok(())
    }
}

fn form() -> serde_json::Value {
    json!({"channel": "email", "language": "en", "subject": "Late", "description": "Late"})
}

/// All methods of all contracts, by path.
fn methods() -> Result<Vec<(String, MethodDescriptor)>> {
    let of_service = |service: prost_reflect::ServiceDescriptor| {
        let name = service.full_name().to_owned();
        service.methods().map(|method| (format!("/{name}/{}", method.name()), method)).collect::<Vec<_>>()
    };
    Ok(pool()?.services().flat_map(of_service).collect())
}

/// Asks; a stream that shows nothing for a while shows nothing.
async fn ask(
    who: &Asking,
    path: &str,
    method: &MethodDescriptor,
    question: &DynamicMessage,
) -> Result<Vec<u8>, Status> {
    let answer = call(who.clone(), path, question.encode_to_vec());
    if !method.is_server_streaming() {
        return answer.await;
    }
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| Ok(Vec::new()))?;
    // One item among many is refused by an answer.
    let rejected = TransitionCasesResponse::decode(answer.as_slice()).ok().and_then(|answer| answer.result);
    match rejected.filter(|_| path == "/masar.cases.v1.CaseService/TransitionCases") {
        Some(Moved::Rejected(rejected)) if rejected.code == "NOT_FOUND" => {
            Err(Status::not_found(rejected.message))
        }
        _ => Ok(answer),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_or_moves_what_is_another_entitys() -> Result<()> {
    let (platform, hand, folder) = platform().await?;
    let foreign = Foreign::new(&platform, &hand, folder.path()).await?;
    let owner = platform.person("trf-admin").await?;
    foreign.is_shown_to(&owner).await?;
    let cases = CaseServiceClient::new(owner.clone());
    let before = case(&cases, &foreign.case).await?;

    let (rules, mut tried) = (rules()?, BTreeSet::new());
    // The mightiest of another entity: an administrator, and a triage officer who may claim and reroute.
    for name in ["mun-admin", "mun-triage-1"] {
        let (stranger, roles) = (platform.person(name).await?, demo::person(name)?.roles);
        for (path, method) in methods()? {
            let needed = &rules[&path].roles;
            if !needed.is_empty() && !roles.iter().any(|role| needed.contains(&role.0)) {
                continue;
            }
            for question in foreign.questions(&method.input())? {
                match ask(&stranger, &path, &method, &question).await {
                    Ok(answer) => {
                        let answered = String::from_utf8_lossy(&answer);
                        assert!(!foreign.is_in(&answer), "{name} {path} {question}: {answered}");
                    }
                    // Any other refusal would say that there is something to be refused.
                    Err(status) => assert!(
                        [Code::NotFound, Code::InvalidArgument].contains(&status.code()),
                        "{name} {path} {question}: {status:?}"
                    ),
                }
            }
            tried.insert(path);
        }
    }
    assert_eq!(tried, paths()?.into_iter().collect::<BTreeSet<_>>());
    foreign.is_shown_to(&owner).await?;
    assert_eq!(case(&cases, &foreign.case).await?, before);
    let open = ListEscalationsRequest { open_only: true, ..ListEscalationsRequest::default() };
    let open = EscalationServiceClient::new(owner).list_escalations(open).await?.into_inner().escalations;
    assert!(open.iter().any(|level| level.escalation_id == foreign.escalation));
    Ok(platform.running.stop().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_by_naming_another_entity() -> Result<()> {
    let (platform, _hand, _folder) = platform().await?;
    let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
    let case = intake.submit_case(complaint(EXTERNAL, &form())).await?.into_inner().case_id;
    let mut liar = Request::new(GetCaseRequest { case, at_least_version: 0 });
    liar.metadata_mut().insert("masar-tenant", "DEMO-TRF".parse()?);
    let mut stranger = CaseServiceClient::new(platform.person("mun-admin").await?);
    assert_eq!(stranger.get_case(liar).await.unwrap_err().code(), Code::PermissionDenied);
    Ok(platform.running.stop().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_hears_of_their_own_entity_alone() -> Result<()> {
    let (platform, hand, _folder) = platform().await?;
    let mut sla = SlaServiceClient::new(platform.person("mun-ops").await?);
    let mut clocks = sla.watch_at_risk(WatchAtRiskRequest::default()).await?.into_inner();
    let mut routing = RoutingServiceClient::new(platform.person("mun-triage-1").await?);
    let triage = WatchQueueRequest { queue: "triage".to_owned() };
    let mut desk = routing.watch_queue(triage).await?.into_inner();

    // First a case of another entity goes all its way, a minute later one of theirs.
    let later: Timestamp = "2026-11-15T08:43:00+03:00".parse()?;
    let mut own = String::new();
    for (tenant, officer) in [("DEMO-TRF", "trf-triage-1"), ("DEMO-MUN", "mun-triage-1")] {
        let mut intake = IntakeServiceClient::new(platform.call_centre(tenant).await?);
        own = intake.submit_case(complaint(EXTERNAL, &form())).await?.into_inner().reference;
        let cases = CaseServiceClient::new(platform.person(officer).await?);
        eventually("it has a desk and a due time", async || {
            Ok(case(&cases, &own).await?.filter(|case| !case.queue.is_empty() && case.due_at.is_some()))
        })
        .await?;
        hand.advance_to(later);
    }

    let first = shown("a clock", &mut clocks, |_| true).await?.clock.unwrap_or_default();
    assert_eq!(first.reference, own);
    let seen = shown("somebody waits", &mut desk, |desk| desk.waiting > 0).await?;
    assert_eq!((seen.waiting, time::from_proto(seen.oldest_queued_at.as_ref())), (1, Some(later)));
    Ok(platform.running.stop().await?)
}

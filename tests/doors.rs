//! No call without credentials, and nobody sees or moves what is another entity's: shown for every method of the
//! contracts, so that a new one cannot be forgotten.

mod support;

use anyhow::Result;
use jiff::Timestamp;
use masar_proto::access::{paths, pool, rules};
use masar_proto::cases::v1::GetCaseRequest;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_runtime::Clock;
use prost::Message;
use prost_reflect::{DynamicMessage, Value};
use serde_json::json;
use support::{Platform, complaint, eventually};
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::{Body, Bytes, StdError};
use tonic::{Code, Request, Status};

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

async fn platform() -> Result<(Platform, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let (clock, _) = Clock::manual("2026-11-15T08:42:00+03:00".parse::<Timestamp>()?);
    Ok((Platform::start(format!("sqlite:{}", folder.path().display()), clock).await?, folder))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_every_method_refuses() -> Result<()> {
    let (platform, _folder) = platform().await?;
    let channel = platform.channel().await?;
    for path in paths()? {
        let status = call(channel.clone(), &path, Vec::new()).await.expect_err(&path);
        assert_eq!(status.code(), Code::Unauthenticated, "{path}");
    }
    Ok(platform.running.stop().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_asks_for_a_role_refuses_all_others() -> Result<()> {
    let (platform, _folder) = platform().await?;
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

/// A call of a stranger is refused; a list, which may be asked for any case, shows nothing of this one.
fn shows_nothing(path: &str, answer: Result<Vec<u8>, Status>, keys: [&str; 2]) {
    let closed = [Code::NotFound, Code::PermissionDenied, Code::InvalidArgument, Code::Unimplemented];
    match answer {
        Ok(answer) => {
            let shown = String::from_utf8_lossy(&answer);
            assert!(!keys.iter().any(|key| shown.contains(key)), "{path}: {shown}");
        }
        Err(status) => assert!(closed.contains(&status.code()), "{path}: {status:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_or_moves_a_case_of_another_entity() -> Result<()> {
    let (platform, _folder) = platform().await?;
    let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
    let form = json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late"});
    let accepted = intake.submit_case(complaint("D-1", &form)).await?.into_inner();
    let own = CaseServiceClient::new(platform.person("trf-triage-1").await?);
    let read = || GetCaseRequest { case: accepted.case_id.clone(), at_least_version: 0 };
    eventually("it has a desk and a due time", async || {
        Ok(own
            .clone()
            .get_case(read())
            .await
            .ok()
            .filter(|case| !case.get_ref().queue.is_empty() && case.get_ref().due_at.is_some()))
    })
    .await?;
    let before = own.clone().get_case(read()).await?.into_inner();

    let pool = pool()?;
    let mut tried = 0;
    // The mightiest of another entity: an administrator, and a triage officer who may claim and reroute.
    for stranger in ["mun-admin", "mun-triage-1"] {
        let stranger = platform.person(stranger).await?;
        for path in paths()? {
            let (service, name) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
            let method = pool
                .get_service_by_name(service)
                .and_then(|service| service.methods().find(|method| method.name() == name));
            let Some(method) = method else { continue };
            let mut request = DynamicMessage::new(method.input());
            let names_a_case = ["case", "case_id"].into_iter().any(|field| {
                let known = method
                    .input()
                    .get_field_by_name(field)
                    .is_some_and(|field| field.kind().as_message().is_none());
                if known {
                    request.set_field_by_name(field, Value::String(accepted.case_id.clone()));
                }
                known
            });
            if !names_a_case {
                continue;
            }
            for (field, value) in [
                ("action", "start_triage"),
                ("text", "hello"),
                ("link", "caused_by"),
                ("reason", "because"),
                ("queue", "triage"),
            ] {
                if method.input().get_field_by_name(field).is_some() {
                    request.set_field_by_name(field, Value::String(value.to_owned()));
                }
            }
            if method.input().get_field_by_name("other_case").is_some() {
                request.set_field_by_name("other_case", Value::String(accepted.case_id.clone()));
            }
            let answer = call(stranger.clone(), &path, request.encode_to_vec()).await;
            shows_nothing(&path, answer, [&accepted.case_id, &accepted.reference]);
            tried += 1;
        }
    }
    assert!(tried >= 24, "only {tried} methods name a case");
    let after = own.clone().get_case(read()).await?.into_inner();
    assert_eq!(after, before);
    // Nor by naming the other entity.
    let mut liar = Request::new(read());
    liar.metadata_mut().insert("masar-tenant", "DEMO-TRF".parse()?);
    let mut stranger = CaseServiceClient::new(platform.person("mun-admin").await?);
    assert_eq!(stranger.get_case(liar).await.unwrap_err().code(), Code::PermissionDenied);
    Ok(platform.running.stop().await?)
}

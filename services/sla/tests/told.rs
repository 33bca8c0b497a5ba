//! Clocks that wait for a message stop when it was told, whichever of the two is heard of first.

use std::sync::Arc;

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar_bus::{Event, LocalTransport, Message, Transport, partition_of};
use masar_domain::{Identity, TenantCode};
use masar_proto::events::v1::clock_effect::Operation;
use masar_proto::events::v1::{CaseChanged, CaseSnapshot, ClockEffect, Effect, MessageTold, effect};
use masar_proto::sla::v1::GetCaseClocksRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::{kinds, time};
use masar_runtime::{BoxError, Caller, Clock, Peer};
use masar_sla::{Deps, NAME, SOURCES, build};
use masar_store::{DatabaseUrl, Store};
use masar_testkit::on_each_database;
use masar_workflow::Catalog;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use uuid::Uuid;

const TENANT: &str = "DEMO-MUN";

/// The service, and a case whose clock `ack` waits for the message `acknowledgement`.
struct Bench {
    transport: Arc<LocalTransport>,
    peer: Peer,
    case: String,
    _workers: JoinSet<Result<(), BoxError>>,
}

impl Bench {
    async fn start(url: String) -> Result<Self> {
        let store = Store::connect(&url.parse::<DatabaseUrl>()?, NAME).await?;
        let transport = Arc::new(LocalTransport::new(&[(NAME, SOURCES)]));
        let (clock, _) = Clock::manual(at("07:00"));
        let catalog = Arc::new(Catalog::shipped()?);
        let stop = CancellationToken::new();
        let deps = Deps { store, transport: transport.clone(), clock, catalog, doors: stop.clone() };
        let (module, _) = build(deps).await.map_err(anyhow::Error::from_boxed)?;
        let peer = Peer::here(&module);
        let mut workers = JoinSet::new();
        for worker in module.workers {
            workers.spawn((worker.run)(stop.clone()));
        }
        Ok(Self { transport, peer, case: Uuid::now_v7().to_string(), _workers: workers })
    }

    /// Returns when the service has committed.
    async fn publish(&self, source: &str, kind: &str, message: &impl prost::Message) -> Result<()> {
        let event = Event::new(kind, TENANT, &self.case, at("07:00"), message);
        let partition = partition_of(&event.subject);
        let message =
            Message { id: Uuid::now_v7(), source: source.to_owned(), partition, events: vec![event] };
        Ok(self.transport.publish(message).await?)
    }

    /// The case starts a run of the clock.
    async fn starts(&self, when: &str) -> Result<()> {
        let mut clock = ClockEffect {
            clock: "ack".to_owned(),
            target: "15 minutes".to_owned(),
            marks: vec!["breach".to_owned()],
            policy: "complaint@1.0.0/ack".to_owned(),
            kind: "sla".to_owned(),
            messages: vec!["acknowledgement".to_owned()],
            ..ClockEffect::default()
        };
        clock.set_operation(Operation::Start);
        let case =
            CaseSnapshot { case_id: self.case.clone(), tenant: TENANT.to_owned(), ..CaseSnapshot::default() };
        let changed = CaseChanged {
            case: Some(case),
            at: Some(time::to_proto(at(when))),
            effects: vec![Effect { effect: Some(effect::Effect::Clock(clock)) }],
            ..CaseChanged::default()
        };
        self.publish("cases", kinds::CASE_CHANGED, &changed).await
    }

    /// A message that the case asked for was delivered, or had nobody to reach.
    async fn told(&self, template: &str, (asked, told): (&str, &str), obstacle: &str) -> Result<()> {
        let told = MessageTold {
            case_id: self.case.clone(),
            tenant: TENANT.to_owned(),
            template: template.to_owned(),
            channel: "email".to_owned(),
            at: Some(time::to_proto(at(told))),
            asked_at: Some(time::to_proto(at(asked))),
            obstacle: obstacle.to_owned(),
        };
        self.publish("notify", kinds::MESSAGE_TOLD, &told).await
    }

    /// The last line of the ledger of each run, oldest run first.
    async fn runs(&self) -> Result<Vec<(Timestamp, String)>> {
        let tenant = TenantCode(TENANT.to_owned());
        let identity = Identity {
            subject: "ops".to_owned(),
            tenants: [tenant.clone()].into(),
            roles: [].into(),
            department: None,
        };
        let mut cause = Request::new(());
        cause.extensions_mut().insert(Caller { identity, tenant });
        let mut client = SlaServiceClient::new(self.peer.asked_by(&cause));
        let clocks =
            client.get_case_clocks(GetCaseClocksRequest { case: self.case.clone() }).await?.into_inner();
        let last = |clock: masar_proto::sla::v1::Clock| {
            let line = clock.ledger.last().context("a clock without a ledger")?;
            Ok((time::from_proto(line.at.as_ref()).context("a line without a time")?, line.text.clone()))
        };
        clocks.clocks.into_iter().map(last).collect()
    }
}

fn at(time: &str) -> Timestamp {
    format!("2026-11-15T{time}:00Z").parse().unwrap_or_default()
}

const DELIVERED: &str = "stopped: `acknowledgement` was delivered by email";

#[tokio::test]
async fn a_clock_stops_when_its_message_was_delivered() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        bench.starts("07:00").await?;
        // Another message, and one that was asked for before.
        bench.told("answer", ("07:00", "07:01"), "").await?;
        bench.told("acknowledgement", ("06:59", "07:01"), "").await?;
        let runs = bench.runs().await?;
        assert!(
            matches!(runs.as_slice(), [(_, line)] if line.starts_with("started: 15 minutes")),
            "{runs:?}"
        );
        bench.told("acknowledgement", ("07:00", "07:02"), "").await?;
        assert_eq!(bench.runs().await?, [(at("07:02"), DELIVERED.to_owned())]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_message_that_was_faster_than_its_case_stops_the_clock_at_its_start() -> Result<()> {
    on_each_database(async |url| {
        let bench = Bench::start(url).await?;
        bench.told("acknowledgement", ("07:00", "07:00"), "the customer left no address").await?;
        bench.starts("07:00").await?;
        let nobody = "stopped: `acknowledgement` has nobody to reach: the customer left no address";
        assert_eq!(bench.runs().await?, [(at("07:00"), nobody.to_owned())]);
        // Every run waits for a message of its own: one that is faster again, and one that is of the past.
        bench.told("acknowledgement", ("08:00", "08:01"), "").await?;
        bench.starts("08:00").await?;
        assert_eq!(bench.runs().await?[1..], [(at("08:01"), DELIVERED.to_owned())]);
        bench.told("acknowledgement", ("08:30", "08:31"), "").await?;
        bench.starts("09:00").await?;
        let runs = bench.runs().await?;
        assert!(matches!(&runs[2..], [(_, line)] if line.starts_with("started: 15 minutes")), "{runs:?}");
        Ok(())
    })
    .await
}

//! The service on a database of its own, with somebody who speaks for the others.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar_bus::{Event, LocalTransport, Message, Transport, partition_of};
use masar_domain::{Identity, Role, TenantCode};
use masar_proto::common::v1::Importance;
use masar_proto::events::v1::clock_effect::Operation;
use masar_proto::events::v1::{
    Agreement, AgreementEffect, Calendar, CaseChanged, CaseSnapshot, ChildChanged, ClockEffect, Effect,
    MessageTold, RegistryChanged, TaskChanged, effect,
};
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{
    Clock as SlaClock, GetCaseClocksRequest, GetCaseClocksResponse, WatchAtRiskRequest,
};
use masar_proto::{kinds, time};
use masar_runtime::clock::Hand;
use masar_runtime::{BoxError, Caller, Channel, Clock, Peer};
use masar_sla::{Deps, NAME, SOURCES, build};
use masar_store::{DatabaseUrl, Store};
use masar_workflow::Catalog;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use uuid::Uuid;

pub(crate) const TENANT: &str = "DEMO-MUN";
/// The department that has the case.
pub(crate) const DEPARTMENT: &str = "MUN-ROADS";

/// The service, running, and the case that it hears of.
pub(crate) struct Bench {
    transport: Arc<LocalTransport>,
    peer: Peer,
    /// Its database, as it sees it itself.
    pub(crate) store: Store,
    /// Moves the time.
    pub(crate) hand: Hand,
    pub(crate) case: String,
    _workers: JoinSet<Result<(), BoxError>>,
}

impl Bench {
    /// At seven o'clock.
    pub(crate) async fn start(url: String) -> Result<Self> {
        let store = Store::connect(&url.parse::<DatabaseUrl>()?, NAME).await?;
        let transport = Arc::new(LocalTransport::new(&[(NAME, SOURCES)]));
        let (clock, hand) = Clock::manual(at("07:00"));
        let catalog = Arc::new(Catalog::shipped()?);
        let stop = CancellationToken::new();
        let deps =
            Deps { store: store.clone(), transport: transport.clone(), clock, catalog, doors: stop.clone() };
        let (module, _) = build(deps).await.map_err(anyhow::Error::from_boxed)?;
        let peer = Peer::here(&module);
        let mut workers = JoinSet::new();
        for worker in module.workers {
            workers.spawn((worker.run)(stop.clone()));
        }
        Ok(Self { transport, peer, store, hand, case: new_case(), _workers: workers })
    }

    /// Returns when the service has committed.
    async fn publish(
        &self,
        source: &str,
        kind: &str,
        subject: &str,
        message: &impl prost::Message,
    ) -> Result<()> {
        let event = Event::new(kind, TENANT, &subject, at("07:00"), message);
        let partition = partition_of(&event.subject);
        let message =
            Message { id: Uuid::now_v7(), source: source.to_owned(), partition, events: vec![event] };
        Ok(self.transport.publish(message).await?)
    }

    /// The entity promises something else than the packages do.
    pub(crate) async fn agrees(&self, agreement: Agreement) -> Result<()> {
        let changed = RegistryChanged {
            tenant: TENANT.to_owned(),
            version: 1,
            agreements: vec![agreement],
            ..RegistryChanged::default()
        };
        self.publish("registry", kinds::REGISTRY_CHANGED, TENANT, &changed).await
    }

    /// A case puts an agreement into force, or ends the one that it has.
    pub(crate) async fn puts(&self, case: &CaseSnapshot, said: AgreementEffect, when: &str) -> Result<()> {
        let changed = CaseChanged {
            case: Some(case.clone()),
            at: Some(time::to_proto(at(when))),
            effects: vec![Effect { effect: Some(effect::Effect::Agreement(said)) }],
            ..CaseChanged::default()
        };
        self.publish("cases", kinds::CASE_CHANGED, &case.case_id, &changed).await
    }

    /// The entity publishes a version of a calendar.
    pub(crate) async fn publishes(&self, calendar: Calendar) -> Result<()> {
        let changed = RegistryChanged {
            tenant: TENANT.to_owned(),
            version: 1,
            calendars: vec![calendar],
            ..RegistryChanged::default()
        };
        self.publish("registry", kinds::REGISTRY_CHANGED, TENANT, &changed).await
    }

    /// The case goes to another queue, by this version of its task.
    pub(crate) async fn handed_over(&self, version: u64, when: &str) -> Result<()> {
        let changed = TaskChanged {
            case_id: self.case.clone(),
            tenant: TENANT.to_owned(),
            queue: DEPARTMENT.to_owned(),
            department: DEPARTMENT.to_owned(),
            at: Some(time::to_proto(at(when))),
            open: true,
            version,
            ..TaskChanged::default()
        };
        self.publish("routing", kinds::TASK_REROUTED, &self.case, &changed).await
    }

    /// The case gets a child; its id.
    pub(crate) async fn has_child(&self) -> Result<String> {
        let child = new_case();
        let changed = ChildChanged {
            case_id: self.case.clone(),
            tenant: TENANT.to_owned(),
            child_case_id: child.clone(),
            version: 1,
            link: "asked_by".to_owned(),
            ..ChildChanged::default()
        };
        self.publish("cases", kinds::CASE_CHILD_CHANGED, &self.case, &changed).await?;
        Ok(child)
    }

    /// The case, of an importance, asks for something to happen to a clock.
    pub(crate) async fn asks(&self, clock: ClockEffect, importance: Importance, when: &str) -> Result<()> {
        let case = CaseSnapshot {
            case_id: self.case.clone(),
            tenant: TENANT.to_owned(),
            importance: importance.into(),
            department: DEPARTMENT.to_owned(),
            ..CaseSnapshot::default()
        };
        self.hears(&case, vec![clock], when).await
    }

    /// A case is as it says, and asks for something to happen to its clocks.
    pub(crate) async fn hears(
        &self,
        case: &CaseSnapshot,
        clocks: Vec<ClockEffect>,
        when: &str,
    ) -> Result<()> {
        let effect = |clock| Effect { effect: Some(effect::Effect::Clock(clock)) };
        let changed = CaseChanged {
            case: Some(case.clone()),
            at: Some(time::to_proto(at(when))),
            effects: clocks.into_iter().map(effect).collect(),
            ..CaseChanged::default()
        };
        self.publish("cases", kinds::CASE_CHANGED, &case.case_id, &changed).await
    }

    /// A message that the case asked for was delivered, or had nobody to reach.
    pub(crate) async fn told(
        &self,
        template: &str,
        (asked, told): (&str, &str),
        obstacle: &str,
    ) -> Result<()> {
        let told = MessageTold {
            case_id: self.case.clone(),
            tenant: TENANT.to_owned(),
            template: template.to_owned(),
            channel: "email".to_owned(),
            at: Some(time::to_proto(at(told))),
            asked_at: Some(time::to_proto(at(asked))),
            obstacle: obstacle.to_owned(),
        };
        self.publish("notify", kinds::MESSAGE_TOLD, &self.case, &told).await
    }

    /// The service, asked by somebody who watches the promises.
    pub(crate) fn client(&self) -> SlaServiceClient<Channel> {
        let tenant = TenantCode(TENANT.to_owned());
        let identity = Identity {
            subject: "ops".to_owned(),
            tenants: [tenant.clone()].into(),
            roles: [Role("ops_monitor".to_owned())].into(),
            department: None,
        };
        let mut cause = Request::new(());
        cause.extensions_mut().insert(Caller { identity, tenant });
        SlaServiceClient::new(self.peer.asked_by(&cause))
    }

    /// Everything that is known of the clocks of the case.
    pub(crate) async fn answer(&self) -> Result<GetCaseClocksResponse> {
        let request = GetCaseClocksRequest { case: self.case.clone() };
        Ok(self.client().get_case_clocks(request).await?.into_inner())
    }

    /// Every clock of the case, oldest run first.
    pub(crate) async fn clocks(&self) -> Result<Vec<SlaClock>> {
        Ok(self.answer().await?.clocks)
    }

    /// Waits until the newest clock of the case is due at this time and counts on this version of its calendar.
    pub(crate) async fn eventually_due(&self, due: Timestamp, version: u32) -> Result<()> {
        let mut watched = self.client().watch_at_risk(WatchAtRiskRequest::default()).await?.into_inner();
        loop {
            let state = self.clocks().await?.pop().and_then(|clock| clock.state).context("a clock")?;
            if (time::from_proto(state.due_at.as_ref()), state.calendar_version) == (Some(due), version) {
                return Ok(());
            }
            let next = tokio::time::timeout(Duration::from_secs(60), watched.message()).await;
            next.context("nothing more changes")??.context("the watch ended")?;
        }
    }

    /// The last line of the ledger of each run, oldest run first.
    pub(crate) async fn runs(&self) -> Result<Vec<(Timestamp, String)>> {
        let last = |clock: SlaClock| {
            let line = clock.ledger.last().context("a clock without a ledger")?;
            Ok((time::from_proto(line.at.as_ref()).context("a line without a time")?, line.text.clone()))
        };
        self.clocks().await?.into_iter().map(last).collect()
    }
}

/// A clock begins that takes a quarter of an hour.
pub(crate) fn start(clock: &str, kind: &str) -> ClockEffect {
    let mut effect = ClockEffect {
        clock: clock.to_owned(),
        target: "15 minutes".to_owned(),
        marks: vec!["breach".to_owned()],
        policy: format!("complaint@1.0.0/{clock}"),
        kind: kind.to_owned(),
        ..ClockEffect::default()
    };
    effect.set_operation(Operation::Start);
    effect
}

pub(crate) fn new_case() -> String {
    Uuid::now_v7().to_string()
}

/// A time of the day on which the tests play.
pub(crate) fn at(time: &str) -> Timestamp {
    format!("2026-11-15T{time}:00Z").parse().unwrap_or_default()
}

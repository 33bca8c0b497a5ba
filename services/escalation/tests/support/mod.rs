//! The service on a database of its own, with somebody who speaks for the others and one who listens.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar_bus::{Delivery, Desk, Event, LocalTransport, Message, Transport, every_partition, partition_of};
use masar_domain::{Identity, Role, TenantCode};
use masar_escalation::{Deps, NAME, SOURCES, build};
use masar_proto::common::v1::{Importance, StateCategory};
use masar_proto::escalation::v1::escalation_service_client::EscalationServiceClient;
use masar_proto::escalation::v1::{AcknowledgeRequest, Escalation, ListEscalationsRequest};
use masar_proto::events::v1::{
    CaseChanged, CaseSnapshot, ClockMarked, ClockState, EscalationRaised, Person, RegistryChanged,
};
use masar_proto::{kinds, time};
use masar_runtime::clock::Hand;
use masar_runtime::{BoxError, Caller, Channel, Clock, Module, Peer};
use masar_store::{DatabaseUrl, Store};
use masar_workflow::{Catalog, Package, Source};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use uuid::Uuid;

pub(crate) const TENANT: &str = "DEMO-MUN";
/// Who hears what the service tells.
const EAR: &str = "ear";

/// The service, running.
pub(crate) struct Bench {
    url: String,
    transport: Arc<LocalTransport>,
    clock: Clock,
    /// Moves the time.
    pub(crate) hand: Hand,
    module: Module,
    /// Where its parked events are seen to.
    pub(crate) desk: Desk,
    stop: CancellationToken,
    workers: JoinSet<Result<(), BoxError>>,
    deliveries: Receiver<Delivery>,
    heard: HashSet<Uuid>,
    events: VecDeque<Event>,
    /// What causes the events of the others, as a W3C trace context.
    pub(crate) traceparent: Option<String>,
}

impl Bench {
    pub(crate) async fn start(url: String) -> Result<Self> {
        let transport = Arc::new(LocalTransport::new(&[(NAME, SOURCES), (EAR, &[NAME])]));
        let (clock, hand) = Clock::manual(at("2026-11-15T07:00:00Z"));
        let (module, desk, stop, workers) = run(&url, Arc::clone(&transport), clock.clone()).await?;
        let deliveries = transport.subscribe(EAR, &[NAME], every_partition()).await?;
        let (heard, events) = (HashSet::new(), VecDeque::new());
        Ok(Self {
            url,
            transport,
            clock,
            hand,
            module,
            desk,
            stop,
            workers,
            deliveries,
            heard,
            events,
            traceparent: None,
        })
    }

    /// Ends the service and starts it again on the same database.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.stop.cancel();
        while let Some(ended) = self.workers.join_next().await {
            ended?.map_err(anyhow::Error::from_boxed)?;
        }
        (self.module, self.desk, self.stop, self.workers) =
            run(&self.url, Arc::clone(&self.transport), self.clock.clone()).await?;
        Ok(())
    }

    /// The database of the service, as it sees it itself.
    pub(crate) async fn store(&self) -> Result<Store> {
        Ok(Store::connect(&self.url.parse::<DatabaseUrl>()?, NAME).await?)
    }

    async fn publish(&self, source: &str, event: Event) -> Result<()> {
        let event = Event { traceparent: self.traceparent.clone(), ..event };
        let partition = partition_of(&event.subject);
        let message =
            Message { id: Uuid::now_v7(), source: source.to_owned(), partition, events: vec![event] };
        // Returns when the service has committed.
        Ok(self.transport.publish(message).await?)
    }

    /// The registry says who belongs to the entity.
    pub(crate) async fn people(&self, people: &[Person]) -> Result<()> {
        let changed = RegistryChanged {
            tenant: TENANT.to_owned(),
            version: 1,
            people: people.to_vec(),
            ..RegistryChanged::default()
        };
        let event = Event::new(kinds::REGISTRY_CHANGED, TENANT, &TENANT, self.clock.now(), &changed);
        self.publish("registry", event).await
    }

    /// The cases service says what has become of a case.
    pub(crate) async fn case(&self, case: &CaseSnapshot) -> Result<()> {
        let kind = if case.version == 1 { kinds::CASE_OPENED } else { kinds::CASE_CHANGED };
        let changed = CaseChanged { case: Some(case.clone()), ..CaseChanged::default() };
        self.publish("cases", Event::new(kind, &case.tenant, &case.case_id, self.clock.now(), &changed)).await
    }

    /// The response clock of a case reaches a mark, set for the importance of the case as given, in a run; every call is
    /// an event of its own.
    pub(crate) async fn mark(&self, case: &CaseSnapshot, run: u32, mark: &str) -> Result<()> {
        self.mark_of("response", case, run, mark).await
    }

    /// The same of any clock.
    pub(crate) async fn mark_of(&self, clock: &str, case: &CaseSnapshot, run: u32, mark: &str) -> Result<()> {
        let kind = match mark {
            "breach" => kinds::CLOCK_BREACHED,
            share if share.ends_with('%') => kinds::CLOCK_WARNED,
            _ => kinds::CLOCK_OVERDUE,
        };
        let clock = ClockState {
            case_id: case.case_id.clone(),
            tenant: case.tenant.clone(),
            clock: clock.to_owned(),
            run,
            due_at: Some(time::to_proto(due())),
            ..ClockState::default()
        };
        let marked = ClockMarked {
            clock: Some(clock),
            mark: mark.to_owned(),
            importance: case.importance,
            ..ClockMarked::default()
        };
        self.publish("sla", Event::new(kind, &case.tenant, &case.case_id, self.clock.now(), &marked)).await
    }

    /// What the service tells next.
    pub(crate) async fn told(&mut self) -> Result<(String, EscalationRaised)> {
        let event = self.event().await?;
        let message: EscalationRaised = event.decode()?;
        assert_eq!((&event.subject, &event.tenant), (&message.case_id, &message.tenant));
        Ok((event.kind, message))
    }

    /// The next event of the service, each once.
    pub(crate) async fn event(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                if self.heard.insert(event.id) {
                    return Ok(event);
                }
                continue;
            }
            let delivery = tokio::time::timeout(Duration::from_secs(60), self.deliveries.recv()).await;
            let delivery = delivery.context("nothing more is told")?.context("the relay is gone")?;
            self.events.extend(delivery.message.events.iter().cloned());
            // A relay that stops meanwhile says it again.
            let _ = delivery.done.send(());
        }
    }

    /// The service, asked by somebody of a tenant.
    pub(crate) fn asked_by(&self, who: &str, role: &str, tenant: &str) -> EscalationServiceClient<Channel> {
        let tenant = TenantCode(tenant.to_owned());
        let identity = Identity {
            subject: who.to_owned(),
            tenants: [tenant.clone()].into(),
            roles: [Role(role.to_owned())].into(),
            department: None,
        };
        let mut cause = Request::new(());
        cause.extensions_mut().insert(Caller { identity, tenant });
        EscalationServiceClient::new(Peer::here(&self.module).asked_by(&cause))
    }

    /// What a list shows, newest first.
    pub(crate) async fn list(&self, wanted: ListEscalationsRequest) -> Result<Vec<Escalation>> {
        let mut client = self.asked_by("ops", "ops_monitor", TENANT);
        Ok(client.list_escalations(wanted).await?.into_inner().escalations)
    }

    /// All levels that have fired, oldest first.
    pub(crate) async fn levels(&self) -> Result<Vec<String>> {
        let listed = self.list(ListEscalationsRequest::default()).await?;
        Ok(listed.into_iter().rev().map(|escalation| escalation.level).collect())
    }

    pub(crate) async fn acknowledge(
        &self,
        (who, role): (&str, &str),
        escalation: &Escalation,
        reason: &str,
    ) -> Result<Escalation, Status> {
        let request =
            AcknowledgeRequest { escalation_id: escalation.escalation_id.clone(), reason: reason.to_owned() };
        Ok(self.asked_by(who, role, TENANT).acknowledge(request).await?.into_inner())
    }
}

type Built = (Module, Desk, CancellationToken, JoinSet<Result<(), BoxError>>);

async fn run(url: &str, transport: Arc<LocalTransport>, clock: Clock) -> Result<Built> {
    let store = Store::connect(&url.parse::<DatabaseUrl>()?, NAME).await?;
    // Nobody is there who could be asked: only a preview does.
    let sla = Peer::there(&["http://127.0.0.1:9".to_owned()])?;
    let deps = Deps { store, transport, clock, catalog: catalog()?, sla };
    let (mut module, desk) = build(deps).await.map_err(anyhow::Error::from_boxed)?;
    let (stop, mut workers) = (CancellationToken::new(), JoinSet::new());
    for worker in std::mem::take(&mut module.workers) {
        workers.spawn((worker.run)(stop.clone()));
    }
    Ok((module, desk, stop, workers))
}

/// The shipped packages, and one whose level is told again and has the system act.
fn catalog() -> Result<Arc<Catalog>> {
    let mut catalog = Catalog::shipped()?;
    let forms = [("ask".to_owned(), r#"{"type": "object"}"#.to_owned())].into();
    catalog.add(Package::compile(&Source { workflow: AGAIN.to_owned(), forms, ..Source::default() })?)?;
    Ok(Arc::new(catalog))
}

/// A package of which a level is told again until somebody takes notice.
const AGAIN: &str = r#"package: again
version: 1.0.0
case_type: again
label: {ar: "مكررة", en: "Again"}
opening_form: ask
states:
  fresh: {category: open, initial: true, label: {ar: "جديدة", en: "New"}}
  done: {category: closed, label: {ar: "منتهية", en: "Done"}}
transitions:
  - {action: finish, from: [fresh], to: done, roles: [system, case_handler], label: {ar: "إنهاء", en: "Finish"}}
clocks:
  answer: {kind: sla, target: {all: 1 business_day}, start: {actions: [open]}, stop: {states: [done]}, label: {ar: "رد", en: "Answer"}}
ladders:
  answer:
    safety_net: tenant_admin
    levels:
      - {level: L1, at: {all: breach}, to: [department_manager], again: {every: 1 business_day, times: 3}, do: ["act:finish"]}
      - {level: L2, at: {all: breach + 2 bd}, to: [department_director]}
routing: {otherwise: desk}
"#;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_default()
}

/// When the clocks of the tests are due.
pub(crate) fn due() -> Timestamp {
    at("2026-11-29T11:00:00Z")
}

pub(crate) fn person(id: &str, department: &str, role: &str) -> Person {
    Person {
        id: id.to_owned(),
        department: department.to_owned(),
        roles: vec![role.to_owned()],
        ..Person::default()
    }
}

pub(crate) fn absent(person: Person) -> Person {
    Person { absent: true, ..person }
}

/// An entity in which every role of the ladder is held.
pub(crate) fn everybody() -> Vec<Person> {
    vec![
        person("roads-1", "ROADS", "case_handler"),
        person("roads-manager", "ROADS", "department_manager"),
        person("parks-manager", "PARKS", "department_manager"),
        person("roads-director", "ROADS", "department_director"),
        person("quality", "PQI", "pqi_director"),
        person("head", "", "head_of_entity"),
        person("officer", "", "oversight_officer"),
        person("admin", "", "tenant_admin"),
    ]
}

/// The same, without those who hold some roles.
pub(crate) fn without(roles: &[&str]) -> Vec<Person> {
    let held = |person: &Person| person.roles.iter().any(|role| roles.contains(&role.as_str()));
    everybody().into_iter().filter(|person| !held(person)).collect()
}

/// A complaint of medium importance that `roads-1` handles.
pub(crate) fn complaint() -> CaseSnapshot {
    CaseSnapshot {
        case_id: Uuid::now_v7().to_string(),
        reference: masar_domain::Reference::new("MUN", 2026, 123).map(String::from).unwrap_or_default(),
        tenant: TENANT.to_owned(),
        case_type: "complaint".to_owned(),
        package: "complaint".to_owned(),
        package_version: "1.0.0".to_owned(),
        version: 1,
        state: "in_progress".to_owned(),
        category: StateCategory::Open.into(),
        importance: Importance::Medium.into(),
        department: "ROADS".to_owned(),
        handler: "roads-1".to_owned(),
        ..CaseSnapshot::default()
    }
}

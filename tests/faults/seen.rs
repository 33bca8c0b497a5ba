//! Everything that an entity can be shown of its cases, read through the public contracts alone.

use std::collections::BTreeMap;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, CaseEvent, GetCaseRequest, ListCaseEventsRequest, ListCasesRequest};
use masar_proto::escalation::v1::escalation_service_client::EscalationServiceClient;
use masar_proto::escalation::v1::{Escalation, ListEscalationsRequest};
use masar_proto::operations::v1::operations_service_client::OperationsServiceClient;
use masar_proto::operations::v1::{ListOutboxesRequest, ListParkedRequest, OutboxState, ParkedEvent};
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::routing::v1::{ListTasksRequest, Task};
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{Clock, GetCaseClocksRequest, ListCalendarsRequest};
use masar_worktime::{Calendar, CalendarSpec};
use tonic::Code;

use crate::support::Asking;
use crate::support::many::all;

/// Calls at once while everything is read.
const AT_ONCE: usize = 16;

/// Those who read it: together they may see all.
#[derive(Clone)]
pub(crate) struct Readers {
    /// Sees every case.
    pub(crate) triage: Asking,
    /// Sees tasks, clocks and ladders.
    pub(crate) operations: Asking,
    /// Looks at the bus of each service.
    pub(crate) admin: Vec<Asking>,
}

/// What they were shown.
#[derive(Clone)]
pub(crate) struct Seen {
    /// The time of the services.
    pub(crate) now: Timestamp,
    /// Whole, with their forms.
    pub(crate) cases: Vec<Case>,
    /// By case id, as `clocks`.
    pub(crate) events: BTreeMap<String, Vec<CaseEvent>>,
    pub(crate) clocks: BTreeMap<String, Vec<Clock>>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) without_owner: Vec<Case>,
    pub(crate) escalations: Vec<Escalation>,
    pub(crate) outboxes: Vec<OutboxState>,
    pub(crate) parked: Vec<ParkedEvent>,
    pub(crate) calendars: Vec<Calendar>,
}

impl Readers {
    /// Reads everything. `now` is the time of the services.
    pub(crate) async fn read(&self, now: Timestamp) -> Result<Seen> {
        let listed = self.cases(false).await?;
        let whole = stream::iter(&listed).map(|case| self.whole(&case.case_id));
        let whole: Vec<_> = whole.buffer_unordered(AT_ONCE).try_collect().await?;
        let (mut cases, mut events, mut clocks) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for (case, its_events, its_clocks) in whole {
            events.insert(case.case_id.clone(), its_events);
            clocks.insert(case.case_id.clone(), its_clocks);
            cases.push(case);
        }
        let (outboxes, parked) = self.bus().await?;
        Ok(Seen {
            now,
            cases,
            events,
            clocks,
            tasks: self.tasks().await?,
            without_owner: self.cases(true).await?,
            escalations: self.escalations().await?,
            outboxes,
            parked,
            calendars: self.calendars().await?,
        })
    }

    async fn cases(&self, without_owner: bool) -> Result<Vec<Case>> {
        let client = CaseServiceClient::new(self.triage.clone());
        all(async |page| {
            let request = ListCasesRequest { page, without_owner, ..Default::default() };
            let found = client.clone().list_cases(request).await?.into_inner();
            Ok((found.cases, found.page.unwrap_or_default().next_token))
        })
        .await
    }

    /// A case with its history and its clocks.
    async fn whole(&self, case: &str) -> Result<(Case, Vec<CaseEvent>, Vec<Clock>)> {
        let client = CaseServiceClient::new(self.triage.clone());
        let request = GetCaseRequest { case: case.to_owned(), at_least_version: 0 };
        let shown = client.clone().get_case(request).await?.into_inner();
        let events = all(async |page| {
            let request = ListCaseEventsRequest { case: case.to_owned(), page };
            let found = client.clone().list_case_events(request).await?.into_inner();
            Ok((found.events, found.page.unwrap_or_default().next_token))
        })
        .await?;
        let request = GetCaseClocksRequest { case: case.to_owned() };
        let clocks = match SlaServiceClient::new(self.operations.clone()).get_case_clocks(request).await {
            Err(status) if status.code() == Code::NotFound => Vec::new(),
            answer => answer?.into_inner().clocks,
        };
        Ok((shown, events, clocks))
    }

    async fn tasks(&self) -> Result<Vec<Task>> {
        let client = RoutingServiceClient::new(self.operations.clone());
        all(async |page| {
            let request = ListTasksRequest { page, ..Default::default() };
            let found = client.clone().list_tasks(request).await?.into_inner();
            Ok((found.tasks, found.page.unwrap_or_default().next_token))
        })
        .await
    }

    async fn escalations(&self) -> Result<Vec<Escalation>> {
        let client = EscalationServiceClient::new(self.operations.clone());
        all(async |page| {
            let request = ListEscalationsRequest { page, ..Default::default() };
            let found = client.clone().list_escalations(request).await?.into_inner();
            Ok((found.escalations, found.page.unwrap_or_default().next_token))
        })
        .await
    }

    /// What waits in the outboxes, and what is parked.
    pub(crate) async fn bus(&self) -> Result<(Vec<OutboxState>, Vec<ParkedEvent>)> {
        let (mut outboxes, mut parked) = (Vec::new(), Vec::new());
        for admin in &self.admin {
            let client = OperationsServiceClient::new(admin.clone());
            outboxes
                .extend(client.clone().list_outboxes(ListOutboxesRequest {}).await?.into_inner().outboxes);
            let listed = all(async |page| {
                let request = ListParkedRequest { page, ..Default::default() };
                let found = client.clone().list_parked(request).await?.into_inner();
                Ok((found.events, found.page.unwrap_or_default().next_token))
            });
            parked.extend(listed.await?);
        }
        Ok((outboxes, parked))
    }

    async fn calendars(&self) -> Result<Vec<Calendar>> {
        let mut client = SlaServiceClient::new(self.operations.clone());
        let listed = client.list_calendars(ListCalendarsRequest {}).await?.into_inner().calendars;
        let compiled = listed.iter().map(|calendar| {
            let spec: CalendarSpec = serde_saphyr::from_str(&calendar.yaml)?;
            Ok(Calendar::compile(&spec)?)
        });
        compiled.collect()
    }
}

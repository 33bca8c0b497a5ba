//! The contract of sla: clocks with their ledgers, due times, calendars and policies.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use masar_clock::{Entry, Event as ClockEvent};
use masar_domain::Importance;
use masar_packages::Packages;
use masar_proto::common::v1::{Importance as ImportanceCode, PageResponse};
use masar_proto::events::v1::Calendar as CalendarText;
use masar_proto::sla::v1 as api;
use masar_proto::sla::v1::sla_service_server::SlaService;
use masar_proto::time;
use masar_runtime::{caller, refuse};
use masar_store::Store;
use masar_store::time::from_db;
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::app::{Agreement, Error, Keeper, Promises, state};
use crate::calendars::SHIPPED;
use crate::store::clock::{self, Model};
use crate::store::{case, child, evidence, list};
use crate::summary::{Summaries, Wanted};
use whole::Whole;

mod impact;
mod pause;
mod whole;

pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) promises: Arc<Promises>,
    pub(crate) packages: Arc<Packages>,
    pub(crate) doors: CancellationToken,
}

#[tonic::async_trait]
impl SlaService for Api {
    async fn list_clocks(
        &self,
        request: Request<api::ListClocksRequest>,
    ) -> Result<Response<api::ListClocksResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let listed = list(&self.store, &tenant, request.get_ref()).await;
        let (rows, next_token) = listed.map_err(stored)?;
        let clocks = rows.iter().map(encode).collect::<Result<_, _>>()?;
        Ok(Response::new(api::ListClocksResponse { clocks, page: Some(PageResponse { next_token }) }))
    }

    async fn get_case_clocks(
        &self,
        request: Request<api::GetCaseClocksRequest>,
    ) -> Result<Response<api::GetCaseClocksResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let key = request.into_inner().case;
        let rows = clock::of_case(&self.store, &tenant, &key).await.map_err(stored)?;
        if rows.is_empty() {
            return Err(refuse::not_found("case with clocks", &key));
        }
        let children = child::of_case(&self.store, rows[0].case_id).await.map_err(stored)?;
        let rows_of_children = clock::of_cases(&self.store, children).await.map_err(stored)?;
        let (mut of_children, mut provider) = (Vec::new(), Vec::new());
        let now = self.keeper.clock.now();
        for row in &rows_of_children {
            // A child may be in another entity, whose calendars and packages its clocks stand on.
            let (calendars, catalog) = (self.promises.calendars(&row.tenant), self.packages.of(&row.tenant));
            let whole = Whole { calendars: &calendars, promises: &self.promises, catalog: &catalog, now };
            provider.extend(whole.provider(row)?);
            of_children.push(whole.clock(row, &[])?);
        }
        let (calendars, catalog) = (self.promises.calendars(&tenant), self.packages.of(&tenant));
        let whole = Whole { calendars: &calendars, promises: &self.promises, catalog: &catalog, now };
        let clocks = rows.iter().map(|row| whole.clock(row, &provider)).collect::<Result<_, _>>()?;
        let resolutions = whole.resolutions(&rows)?;
        let seen = evidence::of_case(&self.store, rows[0].case_id).await.map_err(stored)?;
        let evidence = seen.iter().map(whole::evidence).collect();
        Ok(Response::new(api::GetCaseClocksResponse { clocks, of_children, resolutions, evidence }))
    }

    async fn enter_pause(
        &self,
        request: Request<api::EnterPauseRequest>,
    ) -> Result<Response<api::EnterPauseResponse>, Status> {
        let caller = caller(&request)?;
        let (clock, was_due_at) = self.pause(&caller, &request.into_inner()).await?;
        Ok(Response::new(api::EnterPauseResponse { clock: Some(clock), was_due_at: Some(was_due_at) }))
    }

    async fn preview_due(
        &self,
        request: Request<api::PreviewDueRequest>,
    ) -> Result<Response<api::PreviewDueResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let request = request.into_inner();
        let wrong = |field: &str, problem: String| refuse::invalid(vec![(field.to_owned(), problem)]);
        let name = Some(request.calendar).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| self.promises.default_calendar(&tenant));
        let calendars = self.promises.calendars(&tenant);
        let calendar = calendars.newest(&name);
        let calendar = calendar.ok_or_else(|| wrong("calendar", format!("there is no calendar `{name}`")))?;
        let target: masar_worktime::Target = request
            .target
            .parse()
            .map_err(|error: masar_worktime::Error| wrong("target", error.to_string()))?;
        let from = time::from_proto(request.from.as_ref()).unwrap_or_else(|| self.keeper.clock.now());
        let due = calendar.due(from, target).and_then(|due| Ok((due, calendar.received_day(from)?.date)));
        let (due_at, day0) = due.map_err(|error| wrong("from", error.to_string()))?;
        Ok(Response::new(api::PreviewDueResponse {
            due_at: Some(time::to_proto(due_at)),
            calendar: name,
            calendar_version: calendar.version(),
            day0: day0.to_string(),
            tentative: calendar.is_tentative_between(from, due_at),
        }))
    }

    type WatchAtRiskStream = Pin<Box<dyn Stream<Item = Result<api::AtRisk, Status>> + Send>>;

    async fn watch_at_risk(
        &self,
        request: Request<api::WatchAtRiskRequest>,
    ) -> Result<Response<Self::WatchAtRiskStream>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let queue = request.into_inner().queue;
        let clock = self.keeper.clock.clone();
        let [here, elsewhere] = [&self.keeper.changes, &self.keeper.elsewhere]
            .map(|changes| BroadcastStream::new(changes.subscribe()));
        let changes = futures::stream::select(here, elsewhere).filter_map(move |change| {
            // Whoever fell behind goes on with what comes next.
            let seen = change
                .ok()
                .filter(|(row, _)| row.tenant == tenant && (queue.is_empty() || row.queue == queue));
            let at = clock.now();
            std::future::ready(seen.map(|(row, mark)| at_risk(&row, mark, at)))
        });
        Ok(Response::new(Box::pin(changes.take_until(self.doors.clone().cancelled_owned()))))
    }

    async fn list_evidence_counts(
        &self,
        request: Request<api::ListEvidenceCountsRequest>,
    ) -> Result<Response<api::ListEvidenceCountsResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let within = request.into_inner().within.unwrap_or_default();
        let counted = evidence::count(&self.store, &tenant, within).await.map_err(stored)?;
        let counts = counted.into_iter().map(|(department, pattern, times)| api::EvidenceCount {
            department,
            pattern,
            times: times.unsigned_abs(),
        });
        Ok(Response::new(api::ListEvidenceCountsResponse { counts: counts.collect() }))
    }

    type PreviewCalendarStream = impact::Impacts;

    async fn preview_calendar(
        &self,
        request: Request<api::PreviewCalendarRequest>,
    ) -> Result<Response<Self::PreviewCalendarStream>, Status> {
        let tenant = caller(&request)?.tenant.0;
        Ok(Response::new(self.impact(tenant, &request.get_ref().yaml)?))
    }

    async fn get_summary(
        &self,
        request: Request<api::GetSummaryRequest>,
    ) -> Result<Response<api::Summary>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let wanted = Wanted::read(tenant, request.into_inner())?;
        Ok(Response::new(self.summaries().get(&wanted).await.map_err(stored)?))
    }

    type WatchSummaryStream = Pin<Box<dyn Stream<Item = Result<api::Summary, Status>> + Send>>;

    async fn watch_summary(
        &self,
        request: Request<api::GetSummaryRequest>,
    ) -> Result<Response<Self::WatchSummaryStream>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let wanted = Wanted::read(tenant, request.into_inner())?;
        let watched = self.summaries().watch(wanted);
        Ok(Response::new(Box::pin(watched.take_until(self.doors.clone().cancelled_owned()))))
    }

    async fn list_cases_without_clock(
        &self,
        request: Request<api::ListCasesWithoutClockRequest>,
    ) -> Result<Response<api::ListCasesWithoutClockResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let page = request.into_inner().page.unwrap_or_default();
        let listed = case::without_clock(&self.store, &tenant, page.size, &page.token).await;
        let (rows, next_token) = listed.map_err(stored)?;
        let cases = rows.into_iter().map(|row| api::CaseWithoutClock {
            case_id: row.id.to_string(),
            reference: row.reference,
            case_type: row.case_type,
            stage: row.stage,
            department: row.department,
            since: row.without_clock_since.map(|since| time::to_proto(from_db(since))),
            promised: row.promised,
        });
        Ok(Response::new(api::ListCasesWithoutClockResponse {
            cases: cases.collect(),
            page: Some(PageResponse { next_token }),
        }))
    }

    async fn list_calendars(
        &self,
        request: Request<api::ListCalendarsRequest>,
    ) -> Result<Response<api::ListCalendarsResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let calendars = self.promises.calendars(&tenant);
        let shipped = SHIPPED.iter().filter_map(|(name, yaml)| {
            let version = calendars.newest(name)?.version();
            Some(CalendarText {
                name: (*name).to_owned(),
                version,
                yaml: (*yaml).to_owned(),
                ..CalendarText::default()
            })
        });
        let own = self.promises.entity(&tenant).map(|entity| entity.calendars.clone()).unwrap_or_default();
        let calendars = shipped.chain(own).collect();
        let default_calendar = self.promises.default_calendar(&tenant);
        Ok(Response::new(api::ListCalendarsResponse { calendars, default_calendar }))
    }

    async fn list_policies(
        &self,
        request: Request<api::ListPoliciesRequest>,
    ) -> Result<Response<api::ListPoliciesResponse>, Status> {
        let tenant = caller(&request)?.tenant.0;
        let wanted = request.into_inner().case_type;
        let catalog = self.packages.of(&tenant);
        let packages = catalog.packages().map(|package| package.definition());
        let packages = packages.filter(|package| wanted.is_empty() || package.case_type == wanted);
        let mut policies: Vec<_> = packages
            .flat_map(|package| {
                package.clocks.iter().map(move |(code, clock)| policy(&package.case_type, code, clock))
            })
            .collect();
        let agreements =
            self.promises.entity(&tenant).map(|entity| entity.agreements.clone()).unwrap_or_default();
        policies.extend(agreements.into_iter().map(|agreement| api::Policy {
            case_type: String::new(),
            clock: agreement.clock,
            kind: "sla".to_owned(),
            targets: agreement.targets,
            source: agreement.id,
            service: agreement.service,
            ..api::Policy::default()
        }));
        policies.extend(self.promises.in_force(&tenant).iter().flat_map(between_parties));
        Ok(Response::new(api::ListPoliciesResponse { policies }))
    }
}

impl Api {
    fn summaries(&self) -> Summaries {
        Summaries { store: self.store.clone(), keeper: Arc::clone(&self.keeper) }
    }
}

fn entries(row: &Model) -> Result<Vec<Entry>, Status> {
    serde_json::from_value(row.ledger.clone()).map_err(|error| refuse::internal(&error))
}

fn encode(row: &Model) -> Result<api::Clock, Status> {
    let entries = entries(row)?;
    let fired = entries.iter().filter_map(|entry| match entry.event {
        ClockEvent::MarkFired { mark } => Some(mark.to_string()),
        _ => None,
    });
    let importance = row.importance.parse::<Importance>().map(ImportanceCode::from).unwrap_or_default();
    Ok(api::Clock {
        state: Some(state(row).map_err(|error| refuse::internal(&error))?),
        reference: row.reference.clone(),
        importance: importance.into(),
        queue: row.queue.clone(),
        policy: row.policy.clone(),
        fired: fired.collect(),
        next_mark: row.next_mark.clone().unwrap_or_default(),
        next_mark_at: row.next_at.map(|at| time::to_proto(from_db(at))),
        ..api::Clock::default()
    })
}

fn at_risk(row: &Model, mark: Option<String>, at: jiff::Timestamp) -> Result<api::AtRisk, Status> {
    let what = match mark.as_deref() {
        None => "changed",
        // When the time for something is over, nothing is broken.
        Some(mark) if mark.starts_with("breach") && row.is_window() => "changed",
        Some(mark) if mark.starts_with("breach") => "breached",
        Some(_) => "warned",
    };
    Ok(api::AtRisk {
        clock: Some(encode(row)?),
        what: what.to_owned(),
        mark: mark.unwrap_or_default(),
        at: Some(time::to_proto(at)),
    })
}

fn policy(case_type: &str, code: &str, clock: &masar_workflow::ClockRule) -> api::Policy {
    let kind = serde_json::to_value(clock.kind).ok();
    api::Policy {
        case_type: case_type.to_owned(),
        clock: code.to_owned(),
        kind: kind.and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default(),
        targets: clock
            .target
            .iter()
            .map(|(importance, target)| (importance.clone(), target.to_string()))
            .collect(),
        source: "package".to_owned(),
        table: clock
            .target_from
            .as_deref()
            .map(|table| table.trim_start_matches("table "))
            .unwrap_or_default()
            .to_owned(),
        ..api::Policy::default()
    }
}

/// What an agreement of two parties promises, clock by clock.
fn between_parties(agreement: &Agreement) -> impl Iterator<Item = api::Policy> {
    let terms = &agreement.terms;
    terms.targets.iter().map(|(clock, targets)| api::Policy {
        clock: clock.clone(),
        kind: terms.kind.clone(),
        targets: targets.clone().into_iter().collect(),
        source: agreement.reference.clone(),
        provider: terms.provider.clone(),
        consumer: terms.consumer.clone(),
        subjects: terms.subjects.iter().cloned().collect(),
        ..api::Policy::default()
    })
}

fn stored(error: masar_store::Error) -> Status {
    match error {
        error @ masar_store::Error::PageToken => {
            refuse::invalid(vec![("page.token".into(), error.to_string())])
        }
        error => refuse::internal(&Error::Store(error)),
    }
}

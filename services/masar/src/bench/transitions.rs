//! Transitions: roles, departments, guards, forms and versions are checked, and each is durable when it is answered.
//!
//! First by calls of their own; then in bulk, by streams.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use masar_proto::cases::v1::TransitionRequest;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::json;
use prost_types::Struct;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::desk::Desk;
use super::house::{Ground, House};
use super::limit::CALLERS;
use super::load::{Caller, Measured, Span};
use super::sample::Complaints;
use super::{Pace, Report, bulk, stream};
use crate::cli::{Asking, refused};

const DEPARTMENT: &str = "LAB-DISPUTES";
const HANDLER: &str = "lab-disputes-1";
const MANAGER: &str = "lab-disputes-manager";
/// Streams of transitions in bulk.
const STREAMS: usize = 2;

/// Measures cases by itself, with intake, whom it asks for cases that it does not know, on what the whole platform has opened and queued before.
pub(super) async fn run(ground: &Ground, pace: Pace, report: &mut Report) -> Result<()> {
    let pool = Pool::default();
    Report::say("preparing cases");
    let house = House::start(ground, &[]).await?;
    // So many that none gets a longer history than a case has.
    prepare(&house, &officers(&house, &pool).await?, if pace.quick { 320 } else { 6_400 }).await?;
    house.stop().await?;
    let house = House::start(ground, &[masar_intake::NAME, masar_cases::NAME]).await?;
    pace.climb(officers(&house, &pool).await?, report).await?;
    let (handlers, manager) = (house.people(HANDLER).await?, house.person(MANAGER).await?);
    let measured = bulk(&handlers[..STREAMS], &manager, &pool, &steps(), pace.span()).await?;
    report.step("in bulk", &measured)?;
    report.rate("bulk_", &measured);
    house.stop().await
}

/// Those who act on the cases of a pool.
async fn officers(house: &House, pool: &Pool) -> Result<Vec<Officer>> {
    let (handlers, managers) = (house.people(HANDLER).await?, house.people(MANAGER).await?);
    let steps: Arc<[Step]> = steps().into();
    let ways = handlers.iter().zip(&managers).cycle().take(CALLERS);
    let officers = ways.map(|(handler, manager)| Officer {
        handler: CaseServiceClient::new(handler.clone()),
        manager: CaseServiceClient::new(manager.clone()),
        steps: Arc::clone(&steps),
        pool: pool.clone(),
    });
    Ok(officers.collect())
}

/// Contacts, over and over, with the cases that the calls have left; drafts are returned first.
async fn bulk(
    handlers: &[Asking],
    manager: &Asking,
    pool: &Pool,
    steps: &[Step],
    span: Span,
) -> Result<Measured> {
    let mut manager = CaseServiceClient::new(manager.clone());
    let mut shares: Vec<_> = handlers.iter().map(|handler| (handler.clone(), Vec::new())).collect();
    for stream in (0..shares.len()).cycle() {
        let Some(Turn { case, mut version, step }) = pool.take() else { break };
        if steps[step].by_manager {
            version = transition(&mut manager, steps[step].of(case.clone(), version)).await?;
        }
        shares[stream].1.push(steps[0].of(case, version));
    }
    bulk::drive(shares, span).await
}

/// Submits cases and has them accepted by their handler.
async fn prepare(house: &House, officers: &[Officer], count: usize) -> Result<()> {
    let complaints = Complaints::to(DEPARTMENT);
    let cases = (0..count).map(|_| complaints.next());
    let cases = stream::submit(house.call_centre().await?, cases).await?;
    Desk::open(house).await?.until(DEPARTMENT, |queue| queue.waiting >= count as u64).await?;
    let mut accepting = JoinSet::new();
    for (cases, officer) in cases.chunks(count / officers.len()).zip(officers) {
        let (cases, mut officer) = (cases.to_vec(), officer.clone());
        accepting.spawn(async move {
            for case in cases {
                let accept =
                    TransitionRequest { case, action: "accept".to_owned(), ..TransitionRequest::default() };
                let version = transition(&mut officer.handler, accept.clone()).await?;
                officer.pool.put(Turn { case: accept.case, version, step: 0 });
            }
            anyhow::Ok(())
        });
    }
    while let Some(accepted) = accepting.join_next().await {
        accepted??;
    }
    Ok(())
}

/// What is done to a case, over and over: contact, a draft that somebody returns, contact.
struct Step {
    action: &'static str,
    by_manager: bool,
    form: Option<Struct>,
}

impl Step {
    /// The step of a case.
    fn of(&self, case: String, version: u64) -> TransitionRequest {
        TransitionRequest {
            case,
            action: self.action.to_owned(),
            expected_version: version,
            form: self.form.clone(),
            reason: "The answer does not say what happens next".to_owned(),
        }
    }
}

fn steps() -> [Step; 3] {
    let form = |form: Value| Some(json::to_struct(&form));
    let note =
        json!({"note": "Called the customer, who told us since when the request has been under review."});
    let draft = json!({
        "investigation": {
            "facts": "The request was complete on the day it came.", "findings": "The file lay for eleven days.",
            "what_should_have_happened": "It is decided within five working days.", "outcome": "upheld",
        },
        "answer": {
            "text": {"ar": "تم الإنجاز، ونعتذر عن التأخير", "en": "It is done, and we are sorry for the delay."},
            "points_answered": [{"point": "How long it took", "answered": true}],
            "channel": "email", "review_right_text": true,
        },
    });
    [
        Step { action: "first_contact", by_manager: false, form: form(note) },
        Step { action: "draft_answer", by_manager: false, form: form(draft) },
        Step { action: "return", by_manager: true, form: None },
    ]
}

/// A case, and what is done to it next.
struct Turn {
    case: String,
    version: u64,
    step: usize,
}

/// Cases that nobody acts on now.
#[derive(Clone, Default)]
struct Pool(Arc<Mutex<VecDeque<Turn>>>);

impl Pool {
    fn take(&self) -> Option<Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn put(&self, turn: Turn) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(turn);
    }
}

/// Takes the case that waited longest and does what comes next.
#[derive(Clone)]
struct Officer {
    handler: CaseServiceClient<Asking>,
    manager: CaseServiceClient<Asking>,
    steps: Arc<[Step]>,
    pool: Pool,
}

impl Caller for Officer {
    async fn call(&mut self) -> Result<()> {
        let Turn { case, version, step } = self.pool.take().context("every case is being acted on")?;
        let by = if self.steps[step].by_manager { &mut self.manager } else { &mut self.handler };
        let version = transition(by, self.steps[step].of(case.clone(), version)).await?;
        self.pool.put(Turn { case, version, step: (step + 1) % self.steps.len() });
        Ok(())
    }
}

/// Does a transition and returns the version that the case has after it.
async fn transition(client: &mut CaseServiceClient<Asking>, request: TransitionRequest) -> Result<u64> {
    let moved = client.transition(request).await.map_err(|status| refused(&status))?;
    Ok(moved.into_inner().case.unwrap_or_default().version)
}

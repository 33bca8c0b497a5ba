//! The load: callers who submit complaints and move them, ask again when they hear nothing, and remember all that they
//! were told.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, CaseEvent, GetCaseRequest, ListCaseEventsRequest, TransitionRequest};
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::intake::v1::submit_cases_response::Result as Outcome;
use masar_proto::intake::v1::{SubmitCaseRequest, SubmitCasesRequest};
use masar_proto::json;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::check::{Step, Told};
use crate::dice::Dice;
use crate::support::{Asking, complaint};

/// Callers at once: so many that every replica is asked, and so few that the machine has time for faults.
const CALLERS: usize = 5;
/// Submissions of one stream.
const STREAMED: usize = 5;
/// How long a call may take before it is made again.
const ATTEMPT: Duration = Duration::from_secs(8);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the platform may take at most until it does what it is asked for.
const PATIENCE: Duration = Duration::from_secs(180);

/// What becomes of a case.
const WALKS: [&[&str]; 8] = [
    &[],
    &["start_triage"],
    &["withdraw"],
    &["start_triage", "route"],
    &["start_triage", "route", "accept", "first_contact", "progress_update"],
    &["start_triage", "route", "accept", "ask_customer", "customer_replies"],
    &["start_triage", "route", "bounce", "route", "accept", "ask_customer"],
    &[
        "start_triage",
        "route",
        "accept",
        "draft_answer",
        "approve",
        "reopen",
        "draft_answer",
        "approve",
        "accept_answer",
    ],
];

/// Those who call.
#[derive(Clone)]
pub(crate) struct Callers {
    pub(crate) centre: Asking,
    pub(crate) triage: Asking,
    pub(crate) handler: Asking,
    pub(crate) manager: Asking,
    pub(crate) intake: Asking,
}

impl Callers {
    /// Who does an action.
    fn doing(&self, action: &str) -> CaseServiceClient<Asking> {
        CaseServiceClient::new(match action {
            "start_triage" | "route" => self.triage.clone(),
            "withdraw" | "customer_replies" | "reopen" | "accept_answer" => self.intake.clone(),
            "approve" => self.manager.clone(),
            _ => self.handler.clone(),
        })
    }
}

#[derive(Default)]
pub(crate) struct Load {
    told: Mutex<Told>,
    /// When something was acknowledged.
    acknowledged: Mutex<Vec<Instant>>,
}

/// A case on its walk.
struct Walker {
    reference: String,
    importance: &'static str,
    version: u64,
}

impl Load {
    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls were acknowledged since, and the longest time without one.
    pub(crate) fn since(&self, began: Instant) -> (usize, Duration) {
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let first = acknowledged.partition_point(|at| *at < began);
        let (mut longest, mut last) = (Duration::ZERO, began);
        for at in acknowledged[first..].iter().copied().chain([Instant::now()]) {
            longest = longest.max(at.duration_since(last));
            last = at;
        }
        (acknowledged.len() - first, longest)
    }

    fn acknowledge(&self, note: impl FnOnce(&mut Told)) {
        note(&mut self.told());
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    }

    /// Calls until it is told to stop; what was begun is brought to its end.
    pub(crate) async fn run(&self, callers: &Callers, seed: u64, stop: &CancellationToken) -> Result<()> {
        let calling = (0..CALLERS).map(|number| self.call(callers, seed, number, stop));
        stream::iter(calling).buffer_unordered(CALLERS).try_collect().await
    }

    async fn call(
        &self,
        callers: &Callers,
        seed: u64,
        caller: usize,
        stop: &CancellationToken,
    ) -> Result<()> {
        let mut dice = Dice::of(seed.wrapping_add(caller as u64 + 1));
        for round in 0.. {
            if stop.is_cancelled() {
                break;
            }
            let importance = dice.one_of(&["low", "medium", "high"]);
            let count = dice.one_of(&[1, 1, 1, STREAMED]);
            let requests: Vec<_> =
                (0..count).map(|item| submission(&format!("{caller}-{round}-{item}"), importance)).collect();
            if count > 1 {
                self.submit_all(&callers.centre, &requests).await;
            }
            for request in requests {
                // What the stream has not told is asked for once more, and some of what it has told too.
                let reference = self.submit(&callers.centre, request).await?;
                let walker = Walker { reference, importance, version: 1 };
                self.walk(callers, walker, dice.one_of(&WALKS)).await?;
            }
        }
        Ok(())
    }

    /// Submits in a stream. What was not told when it breaks off is nobody's loss: it is asked for again.
    async fn submit_all(&self, centre: &Asking, requests: &[SubmitCaseRequest]) {
        let items = (0..).zip(requests.to_vec());
        let items: Vec<_> = items.map(|(item, case)| SubmitCasesRequest { item, case: Some(case) }).collect();
        let streamed = async {
            let mut answers = IntakeServiceClient::new(centre.clone())
                .submit_cases(stream::iter(items))
                .await?
                .into_inner();
            while let Some(answer) = answers.message().await? {
                let request = usize::try_from(answer.item).ok().and_then(|item| requests.get(item));
                if let (Some(request), Some(Outcome::Accepted(accepted))) = (request, answer.result) {
                    self.accepted(&request.external_ref, accepted.reference);
                }
            }
            Ok::<_, Status>(())
        };
        // An error says only that the rest is not told.
        let _ = tokio::time::timeout(ATTEMPT, streamed).await;
    }

    async fn submit(&self, centre: &Asking, request: SubmitCaseRequest) -> Result<String> {
        let key = request.external_ref.clone();
        let answer = self.insisting("a submission", async || {
            let mut client = IntakeServiceClient::new(centre.clone());
            client.submit_case(request.clone()).await.map(tonic::Response::into_inner)
        });
        let reference = answer.await?.with_context(|| format!("{key} is refused"))?.reference;
        self.accepted(&key, reference.clone());
        Ok(reference)
    }

    fn accepted(&self, key: &str, reference: String) {
        self.acknowledge(|told| {
            let first = told.submissions.entry(key.to_owned()).or_insert_with(|| reference.clone());
            if *first != reference {
                let contradiction = format!("{key} was told {first}, and then {reference}");
                told.contradictions.push(contradiction);
            }
        });
    }

    async fn walk(&self, callers: &Callers, mut walker: Walker, actions: &[&str]) -> Result<()> {
        self.case(callers, &walker.reference, 1).await?;
        for action in actions {
            if !self.step(callers, &mut walker, action).await? {
                break;
            }
        }
        Ok(())
    }

    /// Takes one step. False when the case has gone another way meanwhile.
    async fn step(&self, callers: &Callers, walker: &mut Walker, action: &str) -> Result<bool> {
        let request = TransitionRequest {
            case: walker.reference.clone(),
            action: action.to_owned(),
            form: form_of(action, walker.importance).as_ref().map(json::to_struct),
            reason: "because".to_owned(),
            expected_version: walker.version,
        };
        let version = walker.version + 1;
        let began = Instant::now();
        let mut pace = tokio::time::interval(PAUSE);
        loop {
            pace.tick().await;
            let mut client = callers.doing(action);
            let answer = tokio::time::timeout(ATTEMPT, client.transition(request.clone())).await;
            if let Ok(Ok(_)) = answer {
                let (reference, action) = (walker.reference.clone(), action.to_owned());
                self.acknowledge(|told| told.steps.push(Step { reference, version, action }));
                walker.version = version;
                return Ok(true);
            }
            // Whether it was done, the case says.
            let case = self.case(callers, &walker.reference, 0).await?;
            if case.version >= version {
                walker.version = version;
                return Ok(self.event(callers, &walker.reference, version).await?.action == action);
            }
            if let Ok(Err(status)) = answer
                && is_final(&status)
            {
                let contradiction = format!("{}: {action} is refused: {status}", walker.reference);
                self.told().contradictions.push(contradiction);
                return Ok(false);
            }
            ensure!(began.elapsed() < PATIENCE, "{}: {action} was never done", walker.reference);
        }
    }

    async fn case(&self, callers: &Callers, reference: &str, at_least_version: u64) -> Result<Case> {
        let read = self.insisting("a case", async || {
            let request = GetCaseRequest { case: reference.to_owned(), at_least_version };
            let mut client = CaseServiceClient::new(callers.triage.clone());
            client.get_case(request).await.map(tonic::Response::into_inner)
        });
        read.await?.with_context(|| format!("{reference} cannot be read"))
    }

    /// The event that brought a case to a version.
    async fn event(&self, callers: &Callers, reference: &str, version: u64) -> Result<CaseEvent> {
        let read = self.insisting("a history", async || {
            let request = ListCaseEventsRequest { case: reference.to_owned(), page: None };
            let mut client = CaseServiceClient::new(callers.triage.clone());
            client.list_case_events(request).await.map(tonic::Response::into_inner)
        });
        let mut events =
            read.await?.with_context(|| format!("{reference} cannot be read"))?.events.into_iter();
        events.find(|event| event.version == version).with_context(|| format!("{reference} has no {version}"))
    }

    /// Makes a call that may be made twice until it is answered, or refused for good.
    async fn insisting<T>(
        &self,
        what: &str,
        ask: impl AsyncFn() -> Result<T, Status>,
    ) -> Result<Result<T, Status>> {
        let began = Instant::now();
        let mut pace = tokio::time::interval(PAUSE);
        loop {
            pace.tick().await;
            let trouble = match tokio::time::timeout(ATTEMPT, ask()).await {
                Ok(Err(status)) if !is_final(&status) => status.to_string(),
                Ok(answer) => return Ok(answer),
                Err(_) => "nobody answers".to_owned(),
            };
            if began.elapsed() > PATIENCE {
                bail!("{what} was not answered in time: {trouble}");
            }
        }
    }
}

/// True when asking again would change nothing.
fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Unauthenticated
            | Code::Unimplemented
    )
}

fn submission(key: &str, importance: &str) -> SubmitCaseRequest {
    // What is a risk has four hours of elapsed time, and so warns and breaks on every day of the week.
    // No service is named: then none is a matter that comes again, and each has the events that it is walked to.
    let form = json!({"channel": "email", "language": "en", "subject": "Late", "description": "Late",
        "importance_provisional": importance, "safety_risk": importance == "high"});
    complaint(key, &form)
}

fn form_of(action: &str, importance: &str) -> Option<Value> {
    let text = json!({"ar": "نص", "en": "text"});
    let answer = json!({"text": text, "points_answered": [{"point": "late", "answered": true}], "channel": "email",
        "review_right_text": true});
    Some(match action {
        "route" => {
            json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": importance,
            "department": "TRF-LICENCE"})
        }
        "first_contact" | "progress_update" => json!({"note": "called"}),
        "ask_customer" => json!({"text": text}),
        "customer_replies" => json!({"text": "yes"}),
        "draft_answer" => json!({"answer": answer, "investigation": {"facts": "late", "findings": "late",
            "what_should_have_happened": "in time", "outcome": "upheld"}}),
        "accept_answer" => json!({"satisfied": 5, "resolved": "yes"}),
        _ => return None,
    })
}

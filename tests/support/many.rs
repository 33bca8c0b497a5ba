//! Many cases at once: submitted and moved, and counted in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, GetCaseRequest, ListCaseEventsRequest, ListCasesRequest};
use masar_proto::common::v1::PageRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::routing::v1::{ListQueuesRequest, ListTasksRequest};
use masar_proto::sla::v1::ListClocksRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status};

use super::{Asking, act, complaint, eventually};

const AT_ONCE: usize = 64;
/// The state that a case is in after so many actions.
const STATES: [&str; 3] = ["received", "triage", "routed"];
/// The clocks that run from the opening on, and those that run once the case is routed.
const ASSESSED: [&str; 4] = ["first_response", "response", "triage", "whole_life"];
const ROUTED: [&str; 4] = ["acceptance", "first_response", "response", "whole_life"];

/// What is done to a case after it was submitted.
fn actions(number: usize) -> &'static [&'static str] {
    match number % 4 {
        0 => &["start_triage", "route"],
        2 => &["start_triage"],
        _ => &[],
    }
}

fn form_of(action: &str) -> Option<Value> {
    let routed = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "medium", "department": "TRF-LICENCE"});
    (action == "route").then_some(routed)
}

/// What callers have been told, over all lives of the processes.
pub(crate) struct Told {
    /// Submissions of the whole test.
    cases: usize,
    answers: Mutex<Answers>,
    /// Answers to submissions and transitions together.
    pub(crate) count: watch::Sender<usize>,
}

#[derive(Default)]
pub(crate) struct Answers {
    /// The reference of each submission that was accepted.
    pub(crate) references: BTreeMap<usize, String>,
    /// The submissions to which all was done.
    pub(crate) moved: BTreeSet<usize>,
    /// Submissions and reads that failed.
    pub(crate) failed: Vec<Status>,
}

impl Told {
    pub(crate) fn new(cases: usize) -> Self {
        Self { cases, answers: Mutex::default(), count: watch::Sender::new(0) }
    }

    pub(crate) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn one_more(&self) {
        self.count.send_modify(|count| *count += 1);
    }

    /// Submits what was not accepted yet, and some that was, and moves what is accepted; all at once.
    pub(crate) async fn work(&self, centre: Asking, triage: Asking) -> Result<()> {
        let (intake, cases) = (IntakeServiceClient::new(centre), CaseServiceClient::new(triage));
        let (accepted, waiting) = mpsc::unbounded_channel();
        let wanted: Vec<usize> = {
            let answers = self.answers();
            (0..self.cases)
                .filter(|number| number % 10 == 0 || !answers.references.contains_key(number))
                .collect()
        };
        for number in self.answers().references.keys() {
            accepted.send(*number)?;
        }
        let submit = async move {
            let submitted = stream::iter(wanted).for_each_concurrent(AT_ONCE, |number| {
                let (intake, accepted) = (intake.clone(), accepted.clone());
                async move {
                    // Refused or cut off: it is submitted again later. What was known before is moved already.
                    if self.submit(intake, number).await.is_ok_and(|new| new) {
                        // The moving side goes away only with this one.
                        let _ = accepted.send(number);
                    }
                }
            });
            submitted.await;
        };
        let moved = UnboundedReceiverStream::new(waiting).for_each_concurrent(AT_ONCE, |number| {
            let cases = cases.clone();
            // Whatever fails is seen in the end, when something is missing.
            async move { drop(self.advance(cases, number).await) }
        });
        tokio::join!(submit, moved);
        Ok(())
    }

    /// True when nobody had been told of its acceptance before.
    async fn submit(&self, mut intake: IntakeServiceClient<Asking>, number: usize) -> Result<bool, Status> {
        // No service is named: then none is a matter that comes again, and each has the events that it is walked to.
        let form = json!({"channel": "email", "language": "en", "subject": "Late", "description": "Late"});
        let answer = intake.submit_case(complaint(&format!("K-{number}"), &form)).await;
        let answer = self.unless_failed(answer)?.into_inner();
        let first = self.answers().references.insert(number, answer.reference.clone());
        if let Some(first) = &first {
            assert_eq!(*first, answer.reference, "an accepted case keeps its reference");
        }
        self.one_more();
        Ok(first.is_none())
    }

    fn unless_failed<T>(&self, answer: Result<T, Status>) -> Result<T, Status> {
        answer.inspect_err(|status| self.answers().failed.push(status.clone()))
    }

    async fn advance(&self, cases: CaseServiceClient<Asking>, number: usize) -> Result<(), Status> {
        if actions(number).is_empty() || self.answers().moved.contains(&number) {
            return Ok(());
        }
        let key = self.answers().references.get(&number).cloned().unwrap_or_default();
        let case = self.unless_failed(opened(&cases, &key).await)?;
        // What was done before the kill and not told is done.
        let done = usize::try_from(case.version).unwrap_or(usize::MAX).saturating_sub(1);
        for action in actions(number).iter().skip(done) {
            act(&cases, &key, action, form_of(action)).await?;
            self.one_more();
        }
        self.answers().moved.insert(number);
        Ok(())
    }
}

/// An accepted case once it is open, however far the opening lags behind.
async fn opened(cases: &CaseServiceClient<Asking>, key: &str) -> Result<Case, Status> {
    loop {
        let request = GetCaseRequest { case: key.to_owned(), at_least_version: 1 };
        match cases.clone().get_case(request).await {
            Err(status) if status.code() == Code::DeadlineExceeded => {}
            answer => return answer.map(tonic::Response::into_inner),
        }
    }
}

impl Told {
    /// Every case is there once, with its events once, at one desk, on its clocks. `triage` is the triage desk, and
    /// `operations` may see queues and clocks.
    pub(crate) async fn is_true(&self, triage: Asking, operations: Asking) -> Result<()> {
        let references: BTreeMap<String, usize> = self
            .answers()
            .references
            .iter()
            .map(|(number, reference)| (reference.clone(), *number))
            .collect();
        assert_eq!(references.len(), self.cases, "every submission is accepted under a reference of its own");
        assert_eq!(self.answers().moved.len(), self.cases / 2);
        let cases = CaseServiceClient::new(triage);
        let routing = RoutingServiceClient::new(operations.clone());
        // The last to follow; counting is cheap, and all lists below are long.
        eventually("every case is at a desk", async || {
            let queues = routing.clone().list_queues(ListQueuesRequest::default()).await?.into_inner().queues;
            let tasks: u64 = queues.iter().map(|queue| queue.waiting + queue.claimed).sum();
            Ok((tasks >= self.cases as u64).then_some(()))
        })
        .await?;
        let listed = every_case_is_there_once(&cases, &references).await?;
        every_event_is_there_once(&cases, &listed, &references).await?;
        every_open_case_is_at_one_desk(&routing, &cases, &listed).await?;
        every_clock_is_right(&SlaServiceClient::new(operations), &listed).await
    }
}

/// The cases are those that were accepted, each in the state that its actions lead to.
async fn every_case_is_there_once(
    cases: &CaseServiceClient<Asking>,
    references: &BTreeMap<String, usize>,
) -> Result<Vec<Case>> {
    let listed = all(async |page| {
        let request = ListCasesRequest { page, ..Default::default() };
        let found = cases.clone().list_cases(request).await?.into_inner();
        Ok((found.cases, found.page.unwrap_or_default().next_token))
    })
    .await?;
    assert_eq!(listed.len(), references.len());
    let mut seen = BTreeSet::new();
    for case in &listed {
        let number = *references.get(&case.reference).context("a case that nobody submitted")?;
        assert!(seen.insert(number), "{} is there twice", case.reference);
        let done = actions(number).len();
        assert_eq!(
            (case.version, case.state.as_str()),
            (done as u64 + 1, STATES[done]),
            "{}",
            case.reference
        );
    }
    Ok(listed)
}

/// The history of each case is whole: its opening and its actions, without a gap and nothing twice.
async fn every_event_is_there_once(
    cases: &CaseServiceClient<Asking>,
    listed: &[Case],
    references: &BTreeMap<String, usize>,
) -> Result<()> {
    let histories = stream::iter(listed).map(|case| async move {
        let request = ListCaseEventsRequest { case: case.case_id.clone(), page: None };
        let events = cases.clone().list_case_events(request).await?.into_inner().events;
        anyhow::Ok((case, events))
    });
    let check = async |(case, events): (&Case, Vec<_>)| {
        let told: Vec<_> = events
            .iter()
            .map(|event: &masar_proto::cases::v1::CaseEvent| (event.version, event.action.as_str()))
            .collect();
        let number = *references.get(&case.reference).context("a case that nobody submitted")?;
        let expected: Vec<_> =
            (1..).zip(std::iter::once("open").chain(actions(number).iter().copied())).collect();
        assert_eq!(told, expected, "{}", case.reference);
        Ok(())
    };
    histories.buffer_unordered(AT_ONCE).try_for_each(check).await
}

/// No task without its case, no open case without a task, and never two.
async fn every_open_case_is_at_one_desk(
    routing: &RoutingServiceClient<Asking>,
    cases: &CaseServiceClient<Asking>,
    listed: &[Case],
) -> Result<()> {
    let tasks = all(async |page| {
        let request = ListTasksRequest { page, ..Default::default() };
        let found = routing.clone().list_tasks(request).await?.into_inner();
        Ok((found.tasks, found.page.unwrap_or_default().next_token))
    })
    .await?;
    let mut at_desk: Vec<_> = tasks.iter().map(|task| task.case_id.as_str()).collect();
    let mut open: Vec<_> = listed.iter().map(|case| case.case_id.as_str()).collect();
    at_desk.sort_unstable();
    open.sort_unstable();
    assert!(at_desk == open, "{} tasks for {} open cases, or not the same", at_desk.len(), open.len());
    eventually("cases know their desk", async || {
        let request = ListCasesRequest { without_owner: true, ..Default::default() };
        Ok(cases.clone().list_cases(request).await?.into_inner().cases.is_empty().then_some(()))
    })
    .await
}

/// The clocks of its state run for each case, each in its first run, and those of the states before have stopped.
async fn every_clock_is_right(sla: &SlaServiceClient<Asking>, listed: &[Case]) -> Result<()> {
    let routed = listed.iter().filter(|case| case.state == "routed").count();
    let running = clocks(sla, "", "", listed.len() * ASSESSED.len()).await?;
    let stopped = clocks(sla, "stopped", "triage", routed).await?;
    for case in listed {
        let expected = if case.state == "routed" { ROUTED } else { ASSESSED };
        let expected = expected.map(|clock| (clock.to_owned(), 1, "running".to_owned()));
        assert_eq!(running.get(&case.case_id).map(Vec::as_slice), Some(&expected[..]), "{}", case.reference);
        let ended = stopped.get(&case.case_id).map_or(0, Vec::len);
        assert_eq!(ended, usize::from(case.state == "routed"), "{}", case.reference);
    }
    assert_eq!((running.len(), stopped.len()), (listed.len(), routed), "there are clocks of no case");
    Ok(())
}

/// Name, run and phase of each clock of a list, by case, once there are as many as there should be.
async fn clocks(
    sla: &SlaServiceClient<Asking>,
    phase: &str,
    clock: &str,
    count: usize,
) -> Result<BTreeMap<String, Vec<(String, u32, String)>>> {
    let request = |page| ListClocksRequest {
        page,
        phase: phase.to_owned(),
        clock: clock.to_owned(),
        ..Default::default()
    };
    let listed = eventually("the clocks follow the cases", async || {
        let listed = all(async |page| {
            let found = sla.clone().list_clocks(request(page)).await?.into_inner();
            Ok((found.clocks, found.page.unwrap_or_default().next_token))
        })
        .await?;
        Ok((listed.len() >= count).then_some(listed))
    })
    .await?;
    let mut clocks: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for state in listed.into_iter().filter_map(|clock| clock.state) {
        clocks.entry(state.case_id).or_default().push((state.clock, state.run, state.phase));
    }
    clocks.values_mut().for_each(|clocks| clocks.sort());
    Ok(clocks)
}

/// All pages of a list.
pub(crate) async fn all<T>(
    list: impl AsyncFn(Option<PageRequest>) -> Result<(Vec<T>, String)>,
) -> Result<Vec<T>> {
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let (page, next) = list(Some(PageRequest { size: 500, token })).await?;
        found.extend(page);
        if next.is_empty() {
            return Ok(found);
        }
        token = next;
    }
}

//! More comes in than can be opened: who floods is refused and held back, who does not is admitted, and nothing is lost.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use masar_bus::{Delivery, Error, Message, Transport};
use masar_proto::cases::v1::ListCasesRequest;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::common::v1::PageRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::intake::v1::submit_cases_response::Result as ItemResult;
use masar_proto::intake::v1::{SubmitCaseRequest, SubmitCaseResponse, SubmitCasesRequest};
use masar_proto::time;
use masar_runtime::{Clock, refuse};
use masar_testkit::on_each_database;
use serde_json::json;
use support::{Asking, Platform, complaint, eventually};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_stream::wrappers::IntervalStream;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const FLOOD: &str = "DEMO-TRF";
const LIGHT: &str = "DEMO-LAB";
/// Cases that the broker takes in a second, those of the flood in a second, and of the other entity.
const SUSTAINED: u32 = 20;
const BURST: u32 = 10 * SUSTAINED;
const QUIET: u32 = 4;
/// What an entity may bring at once when cases begin to be shared out, and in a second: what is opened and as much again while the
/// others wait for less than they may, and five.
const AT_ONCE: f64 = 50.0;
const SHARED: f64 = 2.0 * SUSTAINED as f64 + 5.0;
/// Submissions of the flood, the items of its import, and the submissions of the other entity.
const CALLS: usize = 1_600;
const ITEMS: u64 = 400;
const OTHERS: usize = 20;
/// How long an answer and an opening may take, and how soon the flood is welcome again: on a busy machine, without optimiser.
const ANSWERED: Duration = Duration::from_secs(5);
const OPENED: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);
const RECOVERED: Duration = Duration::from_secs(10);

/// A broker that slows its publishers down, as one does whose disk is full or whose consumers are slow: it confirms only so
/// many events of intake in a second, until it is released.
struct SlowBroker {
    bus: Arc<dyn Transport>,
    confirmations: Semaphore,
    released: AtomicBool,
}

impl SlowBroker {
    fn new(bus: Arc<dyn Transport>) -> Arc<Self> {
        let broker =
            Arc::new(Self { bus, confirmations: Semaphore::new(0), released: AtomicBool::new(false) });
        let slow = Arc::downgrade(&broker);
        tokio::spawn(every(SUSTAINED).for_each(move |()| {
            let broker = slow.upgrade();
            async move { broker.into_iter().for_each(|broker| broker.confirmations.add_permits(1)) }
        }));
        broker
    }

    fn release(&self) {
        self.released.store(true, Ordering::SeqCst);
        self.confirmations.add_permits(1_000);
    }
}

#[async_trait]
impl Transport for SlowBroker {
    async fn publish(&self, message: Message) -> Result<(), Error> {
        if message.source != masar_intake::NAME {
            return self.bus.publish(message).await;
        }
        let Message { source, partition, mut events, .. } = message;
        while !events.is_empty() {
            if let Ok(confirmation) = self.confirmations.acquire().await {
                confirmation.forget();
            }
            let some = if self.released.load(Ordering::SeqCst) { events.len() } else { 1 };
            let (id, some) = (uuid::Uuid::now_v7(), events.drain(..some).collect());
            self.bus.publish(Message { id, source: source.clone(), partition, events: some }).await?;
        }
        Ok(())
    }

    async fn subscribe(
        &self,
        consumer: &str,
        sources: &[&str],
        share: watch::Receiver<BTreeSet<u16>>,
    ) -> Result<mpsc::Receiver<Delivery>, Error> {
        self.bus.subscribe(consumer, sources, share).await
    }
}

/// So many times in a second.
fn every(rate: u32) -> impl futures::Stream<Item = ()> + Send + Unpin {
    IntervalStream::new(tokio::time::interval(Duration::from_secs(1) / rate)).map(drop)
}

fn submission(tenant: &str, key: &str) -> SubmitCaseRequest {
    let service = format!("{}-S01", &tenant[5..]);
    let form = json!({"channel": "email", "language": "en", "service": service, "subject": "Late", "description": "Late"});
    complaint(key, &form)
}

async fn submit(
    client: &IntakeServiceClient<Asking>,
    tenant: &str,
    key: String,
) -> Result<SubmitCaseResponse, Status> {
    Ok(client.clone().submit_case(submission(tenant, &key)).await?.into_inner())
}

/// Ten times what is sustained. The first refusal is told at once; then what was accepted, and what was not.
async fn flood(
    client: IntakeServiceClient<Asking>,
    refused: oneshot::Sender<()>,
) -> (Vec<SubmitCaseResponse>, Vec<Status>) {
    let (mut refused, mut accepted, mut refusals) = (Some(refused), Vec::new(), Vec::new());
    let calls = every(BURST).zip(stream::iter(0..CALLS));
    let calls = calls.map(|((), number)| submit(&client, FLOOD, format!("F-{number}")));
    let mut answers = calls.buffer_unordered(CALLS);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(answer) => accepted.push(answer),
            Err(refusal) => {
                // Whoever waits for it may have gone, and then the test has failed.
                let _ = refused.take().map(|refused| refused.send(()));
                refusals.push(refusal);
            }
        }
    }
    (accepted, refusals)
}

/// An import of the flooding entity; each answer is counted as it comes.
async fn import(
    mut client: IntakeServiceClient<Asking>,
    answered: watch::Sender<u64>,
) -> Result<Vec<SubmitCaseResponse>> {
    let case = |item| Some(submission(FLOOD, &format!("I-{item}")));
    let items = stream::iter((0..ITEMS).map(move |item| SubmitCasesRequest { item, case: case(item) }));
    let mut answers = client.submit_cases(items).await?.into_inner();
    let mut accepted = Vec::new();
    while let Some(answer) = answers.message().await? {
        let Some(ItemResult::Accepted(answer)) = answer.result else { anyhow::bail!("not accepted") };
        accepted.push(answer);
        answered.send_modify(|count| *count += 1);
    }
    Ok(accepted)
}

/// The other entity goes on as if nothing was.
async fn go_on(client: &IntakeServiceClient<Asking>) -> Result<Vec<SubmitCaseResponse>> {
    let calls = every(QUIET).zip(stream::iter(0..OTHERS));
    let calls = calls.then(|((), number)| async move {
        let answer = tokio::time::timeout(ANSWERED, submit(client, LIGHT, format!("L-{number}"))).await;
        anyhow::Ok(answer.context("no answer in time")??)
    });
    calls.try_collect().await
}

/// All that was accepted is opened, and none of it waited for too long.
async fn all_opened(platform: &Platform, tenant: &str, accepted: &[SubmitCaseResponse]) -> Result<()> {
    let client = CaseServiceClient::new(platform.call_centre(tenant).await?);
    let opened = eventually("all that was accepted is opened", async || {
        let (mut cases, mut token) = (BTreeMap::new(), String::new());
        loop {
            let page = Some(PageRequest { size: 500, token });
            let request = ListCasesRequest { page, ..Default::default() };
            let found = client.clone().list_cases(request).await?.into_inner();
            cases.extend(found.cases.into_iter().map(|case| (case.reference, case.opened_at)));
            token = found.page.unwrap_or_default().next_token;
            if token.is_empty() {
                let all = accepted.iter().all(|answer| cases.contains_key(&answer.reference));
                return Ok(all.then_some(cases));
            }
        }
    });
    let opened = opened.await?;
    for answer in accepted {
        let opened = opened.get(&answer.reference).and_then(|at| time::from_proto(at.as_ref()));
        let (opened, accepted) = (opened.context("no time")?, time::from_proto(answer.accepted_at.as_ref()));
        let waited = opened.duration_since(accepted.context("no time")?);
        assert!(waited < OPENED, "{} waited for {waited}", answer.reference);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_waits_and_nobody_else_does() -> Result<()> {
    on_each_database(async |url| {
        let mut slow = None;
        let over = |bus| {
            let broker = SlowBroker::new(bus);
            slow = Some(Arc::clone(&broker));
            broker as Arc<dyn Transport>
        };
        let platform = Platform::start_over(url, Clock::wall(), over).await?;
        let broker = slow.context("no broker")?;
        let flooding = IntakeServiceClient::new(platform.call_centre(FLOOD).await?);
        let quiet = IntakeServiceClient::new(platform.call_centre(LIGHT).await?);

        let (refused, first_refusal) = oneshot::channel();
        let flood = tokio::spawn(flood(flooding.clone(), refused));
        first_refusal.await.context("nothing was refused")?;
        let (began, (answered, count)) = (Instant::now(), watch::channel(0));
        let import =
            tokio::spawn(import(IntakeServiceClient::new(platform.call_centre(FLOOD).await?), answered));
        let light = go_on(&quiet).await?;
        assert_eq!(light.len(), OTHERS);
        let (came, most) = (*count.borrow(), AT_ONCE + SHARED * began.elapsed().as_secs_f64());
        assert!(came as f64 <= most, "the import was not held back: {came} came, and {most} at most may");
        let (mut accepted, refusals) = flood.await?;
        assert_eq!(accepted.len() + refusals.len(), CALLS);
        for refusal in refusals {
            assert_eq!(
                (refusal.code(), refuse::reason(&refusal).as_deref()),
                (Code::ResourceExhausted, Some("OVERLOADED"))
            );
            let hint = refusal.get_details_retry_info().and_then(|info| info.retry_delay);
            assert!(hint >= Some(Duration::from_millis(250)), "{hint:?}");
        }

        broker.release();
        let released = Instant::now();
        let again = eventually("the flood is welcome again", async || {
            Ok(submit(&flooding, FLOOD, "A-1".to_owned()).await.ok())
        });
        accepted.push(again.await?);
        assert!(released.elapsed() < RECOVERED, "{:?}", released.elapsed());
        accepted.extend(import.await??);
        assert_eq!(*count.borrow(), ITEMS);
        all_opened(&platform, FLOOD, &accepted).await?;
        all_opened(&platform, LIGHT, &light).await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

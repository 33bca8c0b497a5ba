//! Transitions in bulk: streams whose window is full, as when a manager acts on a whole queue.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::transition_cases_response::Result as ItemResult;
use masar_proto::cases::v1::{TransitionCasesRequest, TransitionCasesResponse, TransitionRequest};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;

use super::load::{Latencies, Measured, Span};
use crate::cli::{Asking, refused};

/// Transitions of a stream that may be on their way.
const WINDOW: usize = 1_024;

/// Does a transition that leads back to its state to case after case, each stream with cases of its own, as often as there is
/// time for.
pub(super) async fn drive(streams: Vec<(Asking, Vec<TransitionRequest>)>, span: Span) -> Result<Measured> {
    let mut tasks = JoinSet::new();
    for (way, transitions) in streams {
        tasks.spawn(stream(way, transitions.into(), span));
    }
    let mut latencies = Latencies::new()?;
    while let Some(ended) = tasks.join_next().await {
        latencies.add(&ended??);
    }
    Ok(Measured::of(None, latencies, span.measured))
}

async fn stream(way: Asking, mut waiting: VecDeque<TransitionRequest>, span: Span) -> Result<Latencies> {
    let (items, taken) = mpsc::channel(WINDOW);
    let results = CaseServiceClient::new(way).transition_cases(ReceiverStream::new(taken)).await;
    let mut results = results.map_err(|status| refused(&status))?.into_inner();
    let (start, mut sent, mut latencies) = (Instant::now(), VecDeque::new(), Latencies::new()?);
    while start.elapsed() < span.whole() {
        while sent.len() < WINDOW
            && let Some(transition) = waiting.pop_front()
        {
            items.send(TransitionCasesRequest { item: 0, transition: Some(transition.clone()) }).await?;
            sent.push_back((transition, start.elapsed()));
        }
        let result =
            results.message().await.map_err(|status| refused(&status))?.context("the stream ended")?;
        let (transition, since) = sent.pop_front().context("nothing was asked for")?;
        let TransitionCasesResponse { result: Some(ItemResult::Moved(moved)), .. } = result else {
            bail!("a case was not moved: {result:?}");
        };
        waiting.push_back(TransitionRequest { expected_version: moved.version, ..transition });
        let now = start.elapsed();
        if let Some(third) = span.third(now) {
            latencies.record(third, now.saturating_sub(since));
        }
    }
    Ok(latencies)
}

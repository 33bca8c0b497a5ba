//! A stream of submissions whose sender waits for no answer.

use anyhow::{Context, Result, bail};
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::intake::v1::submit_cases_response::Result as ItemResult;
use masar_proto::intake::v1::{SubmitCaseRequest, SubmitCasesRequest, SubmitCasesResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::cli::{Asking, refused};

/// Cases of a stream that may be on their way: what `masar import` has there.
pub(super) const WINDOW: usize = 2_048;

/// The sending end.
pub(super) struct Sender {
    items: mpsc::Sender<SubmitCasesRequest>,
    next: u64,
}

/// The end at which answers come, in the order of the cases.
pub(super) struct Answers(Streaming<SubmitCasesResponse>);

/// Opens a stream.
pub(super) async fn open(way: Asking) -> Result<(Sender, Answers)> {
    let (items, taken) = mpsc::channel(WINDOW);
    let answers = IntakeServiceClient::new(way).submit_cases(ReceiverStream::new(taken)).await;
    let answers = answers.map_err(|status| refused(&status))?.into_inner();
    Ok((Sender { items, next: 0 }, Answers(answers)))
}

impl Sender {
    /// Sends a case, as soon as there is room for it.
    pub(super) async fn send(&mut self, case: SubmitCaseRequest) -> Result<()> {
        let item = SubmitCasesRequest { item: self.next, case: Some(case) };
        self.next += 1;
        self.items.send(item).await.context("the stream ended")
    }
}

impl Answers {
    /// The id of the next case that is durable; none when all were answered.
    pub(super) async fn next(&mut self) -> Result<Option<String>> {
        match self.0.message().await.map_err(|status| refused(&status))? {
            None => Ok(None),
            Some(SubmitCasesResponse { result: Some(ItemResult::Accepted(accepted)), .. }) => {
                Ok(Some(accepted.case_id))
            }
            Some(answer) => bail!("a case was not accepted: {answer:?}"),
        }
    }
}

/// Submits many cases as fast as they are taken, and gives their ids.
pub(super) async fn submit(
    way: Asking,
    cases: impl Iterator<Item = SubmitCaseRequest> + Send,
) -> Result<Vec<String>> {
    let (mut sender, mut answers) = open(way).await?;
    let sending = async move {
        for case in cases {
            sender.send(case).await?;
        }
        anyhow::Ok(())
    };
    let taking = async {
        let mut ids = Vec::new();
        while let Some(id) = answers.next().await? {
            ids.push(id);
        }
        anyhow::Ok(ids)
    };
    let ((), ids) = tokio::try_join!(sending, taking)?;
    Ok(ids)
}

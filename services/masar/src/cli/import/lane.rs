//! The rows of one entity on their way to intake: one stream, so many in flight, sent again when the stream breaks.
//!
//! The server answers each item in the order of the items, so that a queue of what is in flight is all there is to
//! remember. What was sent and not answered may have been taken or not; sending it again is safe, because the same
//! reference of the same system is the same case (CMP-06).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use masar_proto::common::v1::Rejection;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::intake::v1::submit_cases_response::Result as ItemResult;
use masar_proto::intake::v1::{SubmitCaseRequest, SubmitCasesRequest, SubmitCasesResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::plan::Plan;
use super::rows::Row;
use super::tally::Tally;
use crate::cli::client::{Asking, refused};

/// Rows of a stream that may wait for their answer: twice what a server works on at once, so that it never waits for us.
pub(super) const IN_FLIGHT: usize = 2_048;
/// The first wait after a stream broke; each next one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// An import that got no answer for so long is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// The way of one entity's rows.
pub(super) struct Lane {
    client: IntakeServiceClient<Asking>,
    input: mpsc::Receiver<(Row, SubmitCaseRequest)>,
    plan: Arc<Plan>,
    tally: Arc<Tally>,
    /// In the order in which they were sent.
    unanswered: VecDeque<Row>,
    /// No more rows will come.
    ended: bool,
    /// When something was last answered, and how often the stream broke since.
    last_answer: Instant,
    breaks: u32,
}

impl Lane {
    pub(super) fn new(
        client: IntakeServiceClient<Asking>,
        input: mpsc::Receiver<(Row, SubmitCaseRequest)>,
        plan: Arc<Plan>,
        tally: Arc<Tally>,
    ) -> Self {
        let unanswered = VecDeque::with_capacity(IN_FLIGHT);
        Self { client, input, plan, tally, unanswered, ended: false, last_answer: Instant::now(), breaks: 0 }
    }

    /// Sends what comes until all of it is answered.
    ///
    /// # Errors
    /// What the server refuses for good, or that it did not answer for long.
    pub(super) async fn run(mut self) -> Result<()> {
        loop {
            let status = match self.stream().await? {
                Ok(()) => return Ok(()),
                Err(status) => status,
            };
            if status.code() == Code::PermissionDenied && self.plan.tenant().is_none() {
                return self.refuse(&refused(&status).to_string()).await;
            }
            if !may_pass(status.code()) {
                return Err(refused(&status));
            }
            if self.last_answer.elapsed() > PATIENCE {
                let first = self.unanswered.front().map_or(0, |row| row.number);
                bail!("no answer for {} s, from row {first} on: {}", PATIENCE.as_secs(), refused(&status));
            }
            let wait = wait(self.breaks, &status);
            self.breaks += 1;
            self.tally.held_up(format!("again in {:.1} s: {}", wait.as_secs_f64(), refused(&status)));
            tokio::time::sleep(wait).await;
        }
    }

    /// Opens a stream, sends what is unanswered again, and goes on. The outer error is ours, the inner the stream's.
    async fn stream(&mut self) -> Result<Result<(), Status>> {
        // Never full: it holds what is in flight at most.
        let (send, items) = mpsc::channel(IN_FLIGHT);
        for row in &self.unanswered {
            let again = self.plan.map(row);
            let again =
                again.map_err(|reason| anyhow::anyhow!("row {} was a case before: {reason}", row.number))?;
            drop(send.try_send(SubmitCasesRequest { item: row.number, case: Some(again.case) }));
        }
        let mut answers = match self.client.submit_cases(ReceiverStream::new(items)).await {
            Ok(answers) => answers.into_inner(),
            Err(status) => return Ok(Err(status)),
        };
        let mut came = Vec::new();
        while !(self.ended && self.unanswered.is_empty()) {
            let room = if self.ended { 0 } else { IN_FLIGHT - self.unanswered.len() };
            tokio::select! {
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => self.settle(answer)?,
                    Ok(None) => return Ok(Err(Status::unavailable("the server ended the stream"))),
                    Err(status) => return Ok(Err(status)),
                },
                count = self.input.recv_many(&mut came, room), if room > 0 => {
                    self.ended = count == 0;
                    for (row, case) in came.drain(..) {
                        // A stream that broke says so in its answers.
                        drop(send.try_send(SubmitCasesRequest { item: row.number, case: Some(case) }));
                        self.unanswered.push_back(row);
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    fn settle(&mut self, answer: SubmitCasesResponse) -> Result<()> {
        let Some(row) = self.unanswered.pop_front().filter(|row| row.number == answer.item) else {
            bail!("the server answered row {}, which is not the next", answer.item);
        };
        if self.breaks > 0 {
            self.tally.goes_on();
        }
        (self.last_answer, self.breaks) = (Instant::now(), 0);
        match answer.result {
            Some(ItemResult::Accepted(accepted)) => {
                self.tally.taken(accepted.duplicate);
                Ok(())
            }
            Some(ItemResult::Rejected(rejection)) => self.tally.reject(&row, &reason(&rejection)),
            None => self.tally.reject(&row, "the server gave neither a reference nor a reason"),
        }
    }

    /// Rejects all that comes: one entity of many whose cases the caller may not bring.
    async fn refuse(mut self, reason: &str) -> Result<()> {
        for row in self.unanswered.drain(..) {
            self.tally.reject(&row, reason)?;
        }
        while let Some((row, _)) = self.input.recv().await {
            self.tally.reject(&row, reason)?;
        }
        Ok(())
    }
}

/// Whether a stream that ended so may go well another time.
fn may_pass(code: Code) -> bool {
    use Code::{Aborted, Cancelled, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown};
    matches!(
        code,
        Unavailable | ResourceExhausted | Unknown | Internal | Cancelled | DeadlineExceeded | Aborted
    )
}

/// How long to wait after so many breaks: what the server asks for, if that is longer.
fn wait(breaks: u32, status: &Status) -> Duration {
    let ours = FIRST_WAIT.saturating_mul(1 << breaks.min(8)).min(LONGEST_WAIT);
    let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
    asked.unwrap_or_default().clamp(ours, LONGEST_WAIT.max(ours))
}

/// A refusal of one item, in a line.
pub(super) fn reason(rejection: &Rejection) -> String {
    let fields = rejection.violations.iter();
    let fields: Vec<_> = fields.map(|wrong| format!("{}: {}", wrong.field, wrong.message)).collect();
    let what = if fields.is_empty() { rejection.message.clone() } else { fields.join("; ") };
    format!("{}: {what}", rejection.code)
}

#[cfg(test)]
mod tests {
    use masar_runtime::refuse;

    use super::*;

    #[test]
    fn a_broken_stream_waits_longer_each_time_and_as_long_as_it_is_asked_to() {
        let gone = refuse::unavailable("gone");
        let waits = [0, 1, 2, 5, 6, 60].map(|breaks| wait(breaks, &gone).as_millis());
        assert_eq!(waits, [250, 500, 1_000, 8_000, 10_000, 10_000]);
        let full = refuse::overloaded(Duration::from_secs(3));
        assert_eq!([0, 5].map(|breaks| wait(breaks, &full).as_millis()), [3_000, 8_000]);
        assert_eq!(wait(0, &refuse::overloaded(Duration::from_secs(3_600))), LONGEST_WAIT);
        assert!(may_pass(gone.code()) && may_pass(full.code()));
        assert!(!may_pass(Code::Unauthenticated) && !may_pass(Code::InvalidArgument));
    }
}

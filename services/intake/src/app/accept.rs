//! Writing what was checked: one transaction for many, each submission once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use masar_bus::{Event, Outbox};
use masar_domain::Reference;
use masar_proto::intake::v1::SubmitCaseResponse;
use masar_proto::{kinds, time};
use masar_store::time::{from_db, to_db};
use masar_store::{Transaction, Writer, insert_all};

use super::{Error, Gate, Submission};
use crate::store::{number, submission};

/// Writes checked submissions.
pub(crate) struct Accept {
    pub(crate) outbox: Outbox,
    pub(crate) gate: Arc<Gate>,
}

#[async_trait]
impl Writer for Accept {
    type Command = Submission;
    type Answer = SubmitCaseResponse;
    type Error = Error;

    fn lane(submission: &Submission) -> &str {
        &submission.event.tenant
    }

    async fn write(
        &self,
        tx: &Transaction,
        batch: Vec<Submission>,
    ) -> Result<Vec<Result<SubmitCaseResponse, Error>>, Error> {
        let keys = batch.iter().map(|submission| submission.dedup_key.as_str());
        let known = submission::with_keys(tx, keys).await?;
        let mut answers: HashMap<String, SubmitCaseResponse> =
            known.into_iter().map(|row| (row.dedup_key.clone(), answer(&row))).collect();
        let mut new: Vec<Submission> = Vec::new();
        let mut results: Vec<(String, bool)> = Vec::new();
        let mut first: HashSet<String> = HashSet::new();
        for submission in batch {
            let key = submission.dedup_key.clone();
            let duplicate = answers.contains_key(&key) || !first.insert(key.clone());
            results.push((key, duplicate));
            if !duplicate {
                new.push(submission);
            }
        }
        let keys: Vec<_> = new.iter().map(|submission| submission.dedup_key.clone()).collect();
        answers.extend(keys.into_iter().zip(accept(tx, &self.outbox, new).await?));
        let answer = |(key, duplicate): (String, bool)| {
            let answer = answers.get(&key).cloned().unwrap_or_default();
            Ok(SubmitCaseResponse { duplicate, ..answer })
        };
        Ok(results.into_iter().map(answer).collect())
    }

    fn committed(&self, answers: &[Result<SubmitCaseResponse, Error>]) {
        self.gate.accepted(answers.iter().flatten().filter(|answer| !answer.duplicate).count());
        self.outbox.wake();
    }
}

/// Writes new submissions and tells the others.
pub(crate) async fn accept(
    tx: &Transaction,
    outbox: &Outbox,
    mut new: Vec<Submission>,
) -> Result<Vec<SubmitCaseResponse>, Error> {
    number_them(tx, &mut new).await?;
    let answers = new.iter().map(accepted).collect();
    insert_all(tx, new.iter().map(row).collect()).await?;
    outbox.put(tx, new.into_iter().map(event).collect()).await?;
    Ok(answers)
}

/// Gives each submission its reference: one statement for all of a tenant and year.
async fn number_them(tx: &Transaction, new: &mut [Submission]) -> Result<(), Error> {
    let mut groups: BTreeMap<(String, i16), Vec<&mut Submission>> = BTreeMap::new();
    for submission in new {
        let year = submission.accepted_at.to_zoned_datetime(jiff::tz::TimeZone::UTC).year();
        groups.entry((submission.event.tenant.clone(), year)).or_default().push(submission);
    }
    for ((tenant, year), group) in groups {
        let count = i64::try_from(group.len()).unwrap_or(i64::MAX);
        let first = number::take(tx, &tenant, year, count).await?;
        for (number, submission) in (first..).zip(group) {
            let reference = Reference::new(&prefix(&tenant), year.unsigned_abs(), number.unsigned_abs())?;
            submission.event.reference = reference.to_string();
        }
    }
    Ok(())
}

fn row(submission: &Submission) -> submission::Model {
    let Submission { dedup_key, received_at, accepted_at, event, .. } = submission;
    submission::Model {
        case_id: event.case_id.parse().unwrap_or_default(),
        dedup_key: dedup_key.clone(),
        tenant: event.tenant.clone(),
        reference: event.reference.clone(),
        case_type: event.case_type.clone(),
        source_system: event.source_system.clone(),
        external_ref: event.external_ref.clone(),
        received_at: to_db(*received_at),
        accepted_at: to_db(*accepted_at),
        submitted_by: event.submitted_by.clone(),
        state: submission::RECEIVED.to_owned(),
    }
}

fn event(submission: Submission) -> Event {
    let Submission { event, accepted_at, span, .. } = submission;
    span.in_scope(|| Event::new(kinds::CASE_SUBMITTED, &event.tenant, &event.case_id, accepted_at, &event))
}

fn accepted(submission: &Submission) -> SubmitCaseResponse {
    SubmitCaseResponse {
        reference: submission.event.reference.clone(),
        case_id: submission.event.case_id.clone(),
        duplicate: false,
        accepted_at: submission.event.accepted_at,
    }
}

fn answer(row: &submission::Model) -> SubmitCaseResponse {
    SubmitCaseResponse {
        reference: row.reference.clone(),
        case_id: row.case_id.to_string(),
        duplicate: true,
        accepted_at: Some(time::to_proto(from_db(row.accepted_at))),
    }
}

/// The prefix of an entity's references: the last part of its code (`DEMO-MUN` gives `MUN`).
fn prefix(tenant: &str) -> String {
    let last = tenant.rsplit('-').next().unwrap_or(tenant);
    last.chars().filter(char::is_ascii_alphanumeric).take(8).collect::<String>().to_ascii_uppercase()
}

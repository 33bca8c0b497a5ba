//! Accepting submissions: checked first, then written in groups, each exactly once (CMP-06, NFR-04).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use masar_bus::{Event, Outbox};
use masar_domain::Reference;
use masar_proto::events::v1::CaseSubmitted;
use masar_proto::intake::v1::{SubmitCaseRequest, SubmitCaseResponse};
use masar_proto::{json, kinds, time};
use masar_runtime::{Caller, Clock};
use masar_store::time::{from_db, to_db};
use masar_store::{Batcher, Store, Writer, insert_all};
use masar_workflow::Catalog;
use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::store::{number, submission};

/// The longest identifier of another system that is kept.
const LONGEST_KEY: usize = 200;

/// Why a submission was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No package has cases of this type.
    #[error("there is no case type `{0}`: use one of {1}")]
    CaseType(String, String),
    /// Fields that are not as they should be.
    #[error("the submission has {} wrong fields", .0.len())]
    Invalid(Vec<(String, String)>),
    #[error(transparent)]
    Bus(#[from] masar_bus::Error),
    #[error(transparent)]
    Store(#[from] masar_store::Error),
    #[error(transparent)]
    Reference(#[from] masar_domain::reference::ReferenceError),
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

/// A submission that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    dedup_key: String,
    received_at: Timestamp,
    accepted_at: Timestamp,
    event: CaseSubmitted,
}

pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) batcher: Batcher<Accept>,
    pub(crate) clock: Clock,
    pub(crate) catalog: Arc<Catalog>,
}

impl App {
    /// Checks a submission; every wrong field is named.
    pub(crate) fn check(&self, caller: &Caller, request: SubmitCaseRequest) -> Result<Submission, Error> {
        let known = || {
            self.catalog.packages().map(|package| package.definition().case_type.clone()).collect::<Vec<_>>()
        };
        let package = self.catalog.for_case_type(&request.case_type);
        let package =
            package.ok_or_else(|| Error::CaseType(request.case_type.clone(), known().join(", ")))?;
        let accepted_at = self.clock.now();
        let received_at = time::from_proto(request.received_at.as_ref()).unwrap_or(accepted_at);
        let form = json::from_struct(request.form.clone().unwrap_or_default());
        let definition = package.definition();
        let mut wrong: Vec<_> = (package.violations(&definition.opening_form, &form).into_iter())
            .map(|violation| (violation.field, violation.message))
            .collect();
        if received_at > accepted_at {
            wrong.push((
                "received_at".into(),
                "lies in the future: give the time at which the customer said it".into(),
            ));
        }
        let keys = [
            ("source_system", &request.source_system),
            ("external_ref", &request.external_ref),
            ("idempotency_key", &request.idempotency_key),
        ];
        for (field, _) in keys.into_iter().filter(|(_, key)| key.len() > LONGEST_KEY) {
            wrong.push((field.into(), format!("is longer than {LONGEST_KEY} bytes")));
        }
        if request.external_ref.is_empty() != request.source_system.is_empty()
            && request.idempotency_key.is_empty()
        {
            wrong.push((
                "external_ref".into(),
                "and source_system belong together: give both, or neither".into(),
            ));
        }
        if let Some(entity) =
            form.get("entity").and_then(|entity| entity.as_str()).filter(|entity| *entity != caller.tenant.0)
        {
            wrong.push(("entity".into(), format!("is `{entity}`, but the call is for `{}`", caller.tenant)));
        }
        if !wrong.is_empty() {
            return Err(Error::Invalid(wrong));
        }
        let case_id = Uuid::now_v7().to_string();
        Ok(Submission {
            dedup_key: dedup_key(&caller.tenant.0, &request, &case_id),
            received_at,
            accepted_at,
            event: CaseSubmitted {
                case_id,
                reference: String::new(),
                tenant: caller.tenant.0.clone(),
                case_type: request.case_type,
                package: definition.package.clone(),
                package_version: definition.version.clone(),
                source_system: request.source_system,
                external_ref: request.external_ref,
                received_at: Some(time::to_proto(received_at)),
                accepted_at: Some(time::to_proto(accepted_at)),
                form: request.form,
                historical: request.historical,
                submitted_by: caller.identity.subject.clone(),
                parent_case_id: String::new(),
                parent_link: String::new(),
                closed_at: request.closed_at,
            },
        })
    }

    /// A submission of the tenant by one of its keys.
    pub(crate) async fn find(
        &self,
        filter: sea_orm::Condition,
        tenant: &str,
    ) -> Result<Option<submission::Model>, Error> {
        let own = submission::Entity::find().filter(submission::Column::Tenant.eq(tenant));
        Ok(own.filter(filter).one(self.store.reader()).await?)
    }
}

/// What makes two submissions the same: the sender's own reference, or else its key.
fn dedup_key(tenant: &str, request: &SubmitCaseRequest, case_id: &str) -> String {
    const BETWEEN: char = '\u{1f}';
    if !request.external_ref.is_empty() {
        return external_key(tenant, &request.source_system, &request.external_ref);
    }
    if !request.idempotency_key.is_empty() {
        return format!(
            "{tenant}{BETWEEN}key{BETWEEN}{}{BETWEEN}{}",
            request.source_system, request.idempotency_key
        );
    }
    case_id.to_owned()
}

/// The key of a case in another system.
pub(crate) fn external_key(tenant: &str, source_system: &str, external_ref: &str) -> String {
    format!("{tenant}\u{1f}ref\u{1f}{source_system}\u{1f}{external_ref}")
}

/// The prefix of an entity's references: the last part of its code (`DEMO-MUN` gives `MUN`).
fn prefix(tenant: &str) -> String {
    let last = tenant.rsplit('-').next().unwrap_or(tenant);
    last.chars().filter(char::is_ascii_alphanumeric).take(8).collect::<String>().to_ascii_uppercase()
}

/// Writes checked submissions.
pub(crate) struct Accept {
    pub(crate) outbox: Outbox,
}

#[async_trait]
impl Writer for Accept {
    type Command = Submission;
    type Answer = SubmitCaseResponse;
    type Error = Error;

    async fn write(
        &self,
        tx: &DatabaseTransaction,
        batch: Vec<Submission>,
    ) -> Result<Vec<Result<SubmitCaseResponse, Error>>, Error> {
        let keys = batch.iter().map(|submission| submission.dedup_key.as_str());
        let known =
            submission::Entity::find().filter(submission::Column::DedupKey.is_in(keys)).all(tx).await?;
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
        number_them(tx, &mut new).await?;
        let rows: Vec<submission::ActiveModel> = new.iter().map(row).collect::<Result<_, _>>()?;
        for submission in &new {
            answers.insert(submission.dedup_key.clone(), accepted(submission));
        }
        insert_all(tx, rows).await?;
        self.outbox.put(tx, new.into_iter().map(event).collect()).await?;
        let answer = |(key, duplicate): (String, bool)| {
            let answer = answers.get(&key).cloned().unwrap_or_default();
            Ok(SubmitCaseResponse { duplicate, ..answer })
        };
        Ok(results.into_iter().map(answer).collect())
    }

    fn committed(&self, _: &[Result<SubmitCaseResponse, Error>]) {
        self.outbox.wake();
    }
}

/// Gives each submission its reference: one statement for all of a tenant and year.
async fn number_them(tx: &DatabaseTransaction, new: &mut [Submission]) -> Result<(), Error> {
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

fn row(submission: &Submission) -> Result<submission::ActiveModel, Error> {
    let Submission { dedup_key, received_at, accepted_at, event } = submission;
    Ok(submission::ActiveModel {
        case_id: Set(event.case_id.parse().unwrap_or_default()),
        dedup_key: Set(dedup_key.clone()),
        tenant: Set(event.tenant.clone()),
        reference: Set(event.reference.clone()),
        case_type: Set(event.case_type.clone()),
        source_system: Set(event.source_system.clone()),
        external_ref: Set(event.external_ref.clone()),
        received_at: Set(to_db(*received_at)),
        accepted_at: Set(to_db(*accepted_at)),
        state: Set("received".to_owned()),
    })
}

fn event(submission: Submission) -> Event {
    let Submission { event, accepted_at, .. } = submission;
    Event::new(kinds::CASE_SUBMITTED, &event.tenant, &event.case_id, accepted_at, &event)
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

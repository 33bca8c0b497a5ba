//! What the people of the day do: some keep their promises, some let a case lie.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use masar_domain::Identity;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, GetCaseRequest, TransitionRequest};
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::json;
use masar_runtime::Clock;
use masar_runtime::auth::mint;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::Access;
use crate::cli::client::{Asking, connect, refused};
use crate::credentials::Credentials;
use crate::demo;

/// A case arrives so often.
const EVERY: SignedDuration = SignedDuration::from_mins(16);
/// How many arrive: the last in time for its day's work.
const CASES: usize = 18;
/// The tokens of the day outlive it, whatever time it plays in.
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3_600);

/// What becomes of a case, step by step: minutes after its arrival, the role that acts, and the action.
struct Course {
    /// The call centre has named department and category: nobody needs to assess it.
    assessed: bool,
    high: bool,
    safety: bool,
    steps: &'static [(i64, &'static str, &'static str)],
}

/// Answered on the day, with a manager's approval.
const ANSWERED: Course = Course {
    assessed: false,
    high: false,
    safety: false,
    steps: &[
        (6, "triage_officer", "start_triage"),
        (11, "triage_officer", "route"),
        (19, "case_handler", "accept"),
        (31, "case_handler", "first_contact"),
        (64, "case_handler", "draft_answer"),
        (83, "department_manager", "approve"),
        (118, "intake_agent", "accept_answer"),
    ],
};
/// The customer must say something first; the clock waits.
const ASKED: Course = Course {
    assessed: false,
    high: false,
    safety: false,
    steps: &[
        (9, "triage_officer", "start_triage"),
        (13, "triage_officer", "route"),
        (22, "case_handler", "accept"),
        (41, "case_handler", "ask_customer"),
        (117, "intake_agent", "customer_replies"),
        (141, "case_handler", "draft_answer"),
        (163, "department_manager", "approve"),
    ],
};
/// Nobody looks at it.
const FORGOTTEN: Course = Course { assessed: false, high: true, safety: false, steps: &[] };
/// Its department is known from the first moment, and does not take it.
const UNWANTED: Course = Course { assessed: true, high: true, safety: false, steps: &[] };
/// Somebody could be hurt, and nobody calls back.
const DANGEROUS: Course =
    Course { assessed: false, high: true, safety: true, steps: &[(12, "triage_officer", "start_triage")] };
/// Simple enough for the call centre.
const SOLVED: Course =
    Course { assessed: false, high: false, safety: false, steps: &[(3, "intake_agent", "resolve_now")] };

const COURSES: [&Course; 9] =
    [&ANSWERED, &FORGOTTEN, &SOLVED, &DANGEROUS, &UNWANTED, &ASKED, &ANSWERED, &SOLVED, &ASKED];

/// Plays every case at its time. `story` is dropped at the end.
pub(super) async fn play(
    address: String,
    credentials: Credentials,
    clock: Clock,
    dawn: Timestamp,
    story: mpsc::Sender<()>,
) -> Result<()> {
    let people = People { address, credentials };
    let samples = demo::cases(Timestamp::MAX)?;
    let mut cases = JoinSet::new();
    for (number, (course, (tenant, sample))) in
        COURSES.iter().cycle().zip(samples.into_iter().cycle()).take(CASES).enumerate()
    {
        let arrives = dawn + SignedDuration::from_mins(17) + EVERY * i32::try_from(number)?;
        let (people, clock) = (people.clone(), clock.clone());
        cases.spawn(async move {
            clock.sleep_until(arrives).await;
            live(&people, &clock, arrives, course, &tenant, dressed(sample, number, course)).await
        });
    }
    while let Some(ended) = cases.join_next().await {
        ended??;
    }
    drop(story);
    Ok(())
}

/// A sample case as it arrives today.
fn dressed(sample: SubmitCaseRequest, number: usize, course: &Course) -> SubmitCaseRequest {
    let mut form = json::from_struct(sample.form.unwrap_or_default());
    if let Some(fields) = form.as_object_mut().filter(|_| !course.assessed) {
        fields.retain(|name, _| name != "department" && name != "category");
    }
    form["importance_provisional"] = json!(if course.high { "high" } else { "low" });
    form["safety_risk"] = json!(course.safety);
    SubmitCaseRequest {
        external_ref: format!("DAY-{number:04}"),
        received_at: None,
        form: Some(json::to_struct(&form)),
        ..sample
    }
}

async fn live(
    people: &People,
    clock: &Clock,
    arrives: Timestamp,
    course: &Course,
    tenant: &str,
    case: SubmitCaseRequest,
) -> Result<()> {
    let agent = demo::someone(tenant, "intake_agent", "").context("nobody takes calls")?;
    let mut intake = IntakeServiceClient::new(people.asking(&agent).await?);
    let accepted = intake.submit_case(case).await.map_err(|status| refused(&status))?.into_inner();
    // Whoever asks for version 1 waits until the case is open.
    let mut cases = CaseServiceClient::new(people.asking(&agent).await?);
    let request = GetCaseRequest { case: accepted.case_id, at_least_version: 1 };
    let opened = cases.get_case(request).await.map_err(|status| refused(&status))?.into_inner();
    let department = department(&opened)?;
    for (minutes, role, action) in course.steps {
        clock.sleep_until(arrives + SignedDuration::from_mins(*minutes)).await;
        // A department without anybody in that role leaves the case where it is, as it would on any day.
        let Some(person) = demo::someone(tenant, role, &department) else { return Ok(()) };
        let mut client = CaseServiceClient::new(people.asking(&person).await?);
        let request = TransitionRequest {
            case: opened.case_id.clone(),
            action: (*action).to_owned(),
            form: form(action, &opened, &department).as_ref().map(json::to_struct),
            reason: String::new(),
            expected_version: 0,
        };
        client
            .transition(request)
            .await
            .map_err(|status| refused(&status).context(format!("{action} by {role}")))?;
    }
    Ok(())
}

/// The department that the case is about: that of its service.
fn department(case: &Case) -> Result<String> {
    demo::department_of(&case.service).with_context(|| format!("`{}` belongs to nobody", case.service))
}

/// What the form of an action is filled in with.
fn form(action: &str, case: &Case, department: &str) -> Option<Value> {
    let importance = masar_proto::common::v1::Importance::try_from(case.importance).ok();
    let importance = importance.and_then(masar_proto::common::v1::Importance::word)?;
    let category = if case.classification.is_empty() { "time.delay" } else { case.classification.as_str() };
    let area = category.split_once('.').map_or(category, |(area, _)| area);
    Some(match action {
        "route" => {
            json!({"kind": "complaint", "area": area, "category": category, "importance": importance, "department": department})
        }
        "first_contact" => json!({"note": "Called the customer"}),
        "ask_customer" => json!({"text": "Which day was it?"}),
        "customer_replies" => json!({"text": "On Tuesday"}),
        "draft_answer" => {
            json!({"investigation": {"facts": "As told", "what_should_have_happened": "Done in five days",
            "findings": "The file lay", "outcome": "upheld"}, "answer": answer()})
        }
        "resolve_now" => answer(),
        "accept_answer" => json!({"satisfied": 5, "resolved": "yes"}),
        _ => return None,
    })
}

fn answer() -> Value {
    json!({"text": {"ar": "تم الإنجاز، ونعتذر عن التأخير", "en": "It is done, and we are sorry for the delay"},
        "points_answered": [{"point": "The delay", "answered": true}], "channel": "email", "review_right_text": true})
}

/// The people of the demo, each with a token of their own.
#[derive(Clone)]
struct People {
    address: String,
    credentials: Credentials,
}

impl People {
    async fn asking(&self, person: &Identity) -> Result<Asking> {
        let access = Access {
            config: None,
            server: Some(self.address.clone()),
            token: Some(mint(&self.credentials.jwt(), person, TOKEN_LIFE)?),
            data_folder: None,
            person: None,
            api_key: None,
            tenant: None,
        };
        connect(&access).await
    }
}

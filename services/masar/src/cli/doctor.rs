//! `masar doctor`: what is wrong with this installation, and what to do.

use anyhow::{Result, bail};
use masar_proto::cases::v1::ListCasesRequest;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::common::v1::PageRequest;
use masar_proto::notify::v1::ListDeliveriesRequest;
use masar_proto::notify::v1::notify_service_client::NotifyServiceClient;
use masar_proto::operations::v1::ListParkedRequest;
use masar_proto::operations::v1::operations_service_client::OperationsServiceClient;
use masar_runtime::config::Settings;
use serde_json::json;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::client::{Asking, connect, refused};
use super::{Access, Answer, table};

/// Something that was looked at.
struct Check {
    what: &'static str,
    /// What is wrong and what to do; none when all is well.
    finding: Option<String>,
}

/// Looks at everything; an error when something is wrong.
pub(crate) async fn run(config: Option<&std::path::Path>, access: &Access) -> Result<Answer> {
    let mut checks = vec![configuration(config)];
    match connect(access).await {
        Err(error) => checks.push(Check { what: "server", finding: Some(format!("{error:#}")) }),
        Ok(asking) => {
            checks.push(Check { what: "server", finding: None });
            checks.push(health(&asking).await);
            checks.push(parked(&asking).await);
            checks.push(owners(&asking).await);
            checks.push(deliveries(&asking).await);
        }
    }
    let rows = checks.iter().map(|check| {
        let finding = check.finding.as_deref().unwrap_or("well");
        [check.what.to_owned(), finding.to_owned()]
    });
    let table = table(["looked at", "found"], rows);
    let wrong = checks.iter().filter(|check| check.finding.is_some()).count();
    if wrong > 0 {
        bail!("{wrong} of {} are not well\n{table}", checks.len());
    }
    let json = checks.iter().map(|check| json!({"check": check.what, "finding": check.finding}));
    Ok(Answer { json: json!({"checks": json.collect::<Vec<_>>()}), table })
}

/// What a server that is started with this configuration would refuse. One without callers is the embedded one, which
/// makes its own.
fn configuration(file: Option<&std::path::Path>) -> Check {
    let problems = match Settings::load(file) {
        Ok(settings) if settings.auth.jwt.is_none() && settings.auth.api_keys.is_empty() => Vec::new(),
        Ok(settings) => settings.problems(),
        Err(error) => vec![error.to_string()],
    };
    Check {
        what: "configuration",
        finding: Some(problems.join("; ")).filter(|problems| !problems.is_empty()),
    }
}

async fn health(asking: &Asking) -> Check {
    let answer = HealthClient::new(asking.clone()).check(HealthCheckRequest::default()).await;
    let finding = answer.err().map(|status| format!("{}: look at the server's log", refused(&status)));
    Check { what: "health", finding }
}

async fn parked(asking: &Asking) -> Check {
    let request = ListParkedRequest {
        page: Some(PageRequest { size: 500, ..Default::default() }),
        ..Default::default()
    };
    let found = OperationsServiceClient::new(asking.clone()).list_parked(request).await;
    check("bus", found, |found| {
        let events = found.events.len();
        (events > 0).then(|| {
            format!("{events} events could not be handled: see `masar bus parked`, mend the cause, then `masar bus retry`")
        })
    })
}

async fn owners(asking: &Asking) -> Check {
    let request = ListCasesRequest { without_owner: true, ..ListCasesRequest::default() };
    let found = CaseServiceClient::new(asking.clone()).list_cases(request).await;
    check("owners", found, |found| {
        let first = found.cases.first()?;
        Some(format!(
            "{} or more cases are in no queue, such as {}: look whether routing runs and what `masar bus parked` shows",
            found.cases.len(),
            first.reference
        ))
    })
}

async fn deliveries(asking: &Asking) -> Check {
    let request = ListDeliveriesRequest { status: "failed".to_owned(), ..ListDeliveriesRequest::default() };
    let found = NotifyServiceClient::new(asking.clone()).list_deliveries(request).await;
    check("messages", found, |found| {
        let last = found.deliveries.first()?;
        Some(format!("messages were given up, the last for {}: {}", last.reference, last.last_error))
    })
}

/// A check by a call. Whoever may not look cannot say that all is well.
fn check<T>(
    what: &'static str,
    answer: Result<tonic::Response<T>, Status>,
    finding: impl FnOnce(T) -> Option<String>,
) -> Check {
    let finding = match answer {
        Ok(found) => finding(found.into_inner()),
        Err(status) if status.code() == Code::PermissionDenied => {
            Some(format!("{}: ask as an administrator, such as --as lab-admin", refused(&status)))
        }
        Err(status) => Some(refused(&status).to_string()),
    };
    Check { what, finding }
}

//! `masar doctor`: what is wrong with this installation, and what to do.

use std::time::Duration;

use anyhow::{Result, bail};
use masar_proto::cases::v1::ListCasesRequest;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::common::v1::PageRequest;
use masar_proto::notify::v1::ListDeliveriesRequest;
use masar_proto::notify::v1::notify_service_client::NotifyServiceClient;
use masar_proto::operations::v1::ListParkedRequest;
use masar_proto::operations::v1::operations_service_client::OperationsServiceClient;
use masar_proto::sla::v1::ListCasesWithoutClockRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_runtime::channel;
use serde_json::json;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::client::{Asking, Way, refused};
use super::{Access, Answer, table};
use crate::platform::LINKS;

/// A replica that has not said by then how it is, is not well.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something that was looked at.
struct Check {
    what: String,
    /// What is wrong and what to do; none when all is well.
    finding: Option<String>,
}

/// Looks at everything; an error when something is wrong.
pub(crate) async fn run(access: &Access) -> Result<Answer> {
    let mut checks = vec![configuration(access)];
    match Way::open(access).await {
        Err(error) => checks.push(found("server", Some(format!("{error:#}")))),
        Ok(way) if way.peers.is_empty() => {
            let asking = way.asking(access.tenant.as_deref())?;
            checks.push(found("server", None));
            checks.push(health(&asking).await);
            checks.extend(parked("bus", &asking).await);
            checks.extend(owners(&asking).await);
            checks.extend(clocks(&asking).await);
            checks.extend(deliveries(&asking).await);
        }
        Ok(way) => checks.extend(set(&way, access).await?),
    }
    let rows = checks.iter().map(|check| {
        let finding = check.finding.as_deref().unwrap_or("well");
        [check.what.clone(), finding.to_owned()]
    });
    let table = table(["looked at", "found"], rows);
    let wrong = checks.iter().filter(|check| check.finding.is_some()).count();
    if wrong > 0 {
        bail!("{wrong} of {} are not well\n{table}", checks.len());
    }
    let json = checks.iter().map(|check| json!({"check": check.what, "finding": check.finding}));
    Ok(Answer { json: json!({"checks": json.collect::<Vec<_>>()}), table })
}

/// A set of processes: every replica at its address, then the work of all. A service that the peers do not name may be
/// none of ours.
async fn set(way: &Way, access: &Access) -> Result<Vec<Check>> {
    let tenant = access.tenant.as_deref();
    let (contracts, mut checks) = (channel::contracts(), Vec::new());
    for (service, addresses) in way.peers.iter() {
        let Some(contract) = contracts.get(service) else { continue };
        for address in addresses {
            let replica = tokio::time::timeout(PATIENCE, replica(way, address, contract, tenant)).await;
            let silent = || Some("says nothing: look at its log, and start it again".to_owned());
            let finding = replica.unwrap_or_else(|_| silent());
            let finding = finding.map(|what| format!("{what}, or correct `peers.{service}`"));
            checks.push(found(&format!("{service} {address}"), finding));
        }
        if LINKS.iter().any(|(consumer, _)| *consumer == service) {
            let asking = way.at(service).asking(tenant)?;
            checks.extend(parked(&format!("{service} bus"), &asking).await);
        }
    }
    let asking = way.asking(tenant)?;
    if way.peers.of("cases").is_some() {
        checks.extend(owners(&asking).await);
    }
    if way.peers.of("sla").is_some() {
        checks.extend(clocks(&asking).await);
    }
    if way.peers.of("notify").is_some() {
        checks.extend(deliveries(&asking).await);
    }
    Ok(checks)
}

/// What is wrong with a replica of a service.
async fn replica(way: &Way, address: &str, contract: &str, tenant: Option<&str>) -> Option<String> {
    let asking = match way.replica(address).await.and_then(|way| way.asking(tenant)) {
        Ok(asking) => asking,
        Err(_) => return Some("does not answer: look whether it runs, start it again".to_owned()),
    };
    let request = HealthCheckRequest { service: contract.to_owned() };
    match HealthClient::new(asking).check(request).await {
        Ok(answer) if answer.get_ref().status == ServingStatus::Serving as i32 => None,
        Ok(_) => Some("is going down: wait for it, start it again".to_owned()),
        Err(status) if status.code() == Code::NotFound => {
            Some(format!("does not serve {contract}: start it with this service"))
        }
        Err(status) => Some(format!("{}: look at its log", refused(&status))),
    }
}

/// What a server that is started with this configuration would refuse. One without callers is the embedded one, which
/// makes its own.
fn configuration(access: &Access) -> Check {
    let problems = match access.settings() {
        Ok(settings) if settings.auth.jwt.is_none() && settings.auth.api_keys.is_empty() => Vec::new(),
        Ok(settings) => settings.problems(),
        Err(error) => vec![error.to_string()],
    };
    found("configuration", Some(problems.join("; ")).filter(|problems| !problems.is_empty()))
}

async fn health(asking: &Asking) -> Check {
    let answer = HealthClient::new(asking.clone()).check(HealthCheckRequest::default()).await;
    let finding = answer.err().map(|status| format!("{}: look at the server's log", refused(&status)));
    found("health", finding)
}

async fn parked(what: &str, asking: &Asking) -> Option<Check> {
    let request = ListParkedRequest {
        page: Some(PageRequest { size: 500, ..Default::default() }),
        ..Default::default()
    };
    let answer = OperationsServiceClient::new(asking.clone()).list_parked(request).await;
    check(what, answer, |found| {
        let events = found.events.len();
        (events > 0).then(|| {
            format!("{events} events could not be handled: see `masar bus parked`, mend the cause, then `masar bus retry`")
        })
    })
}

async fn owners(asking: &Asking) -> Option<Check> {
    let request = ListCasesRequest { without_owner: true, ..ListCasesRequest::default() };
    let answer = CaseServiceClient::new(asking.clone()).list_cases(request).await;
    check("owners", answer, |found| {
        let first = found.cases.first()?;
        Some(format!(
            "{} or more cases are in no queue, such as {}: look whether routing runs and what `masar bus parked` shows",
            found.cases.len(),
            first.reference
        ))
    })
}

async fn clocks(asking: &Asking) -> Option<Check> {
    let page = Some(PageRequest { size: 500, ..PageRequest::default() });
    let request = ListCasesWithoutClockRequest { page };
    let answer = SlaServiceClient::new(asking.clone()).list_cases_without_clock(request).await;
    check("clocks", answer, |found| {
        // Where a package promises nothing, there is nothing wrong with a case.
        let alone: Vec<_> = found.cases.iter().filter(|case| case.promised).collect();
        let first = alone.first()?;
        Some(format!(
            "no clock lives of {} or more open cases, such as {} in `{}`: look at `masar sla alarms` and what `masar bus parked` shows",
            alone.len(),
            first.reference,
            first.stage
        ))
    })
}

async fn deliveries(asking: &Asking) -> Option<Check> {
    let request = ListDeliveriesRequest { status: "failed".to_owned(), ..ListDeliveriesRequest::default() };
    let answer = NotifyServiceClient::new(asking.clone()).list_deliveries(request).await;
    check("messages", answer, |found| {
        let last = found.deliveries.first()?;
        Some(format!("messages were given up, the last for {}: {}", last.reference, last.last_error))
    })
}

/// A check by a call. Whoever may not look cannot say that all is well; what a process does not serve is looked at
/// where it is served.
fn check<T>(
    what: &str,
    answer: Result<tonic::Response<T>, Status>,
    finding: impl FnOnce(T) -> Option<String>,
) -> Option<Check> {
    let finding = match answer {
        Ok(found) => finding(found.into_inner()),
        Err(status) if status.code() == Code::Unimplemented => return None,
        Err(status) if status.code() == Code::PermissionDenied => {
            Some(format!("{}: ask as an administrator, such as --as lab-admin", refused(&status)))
        }
        Err(status) => Some(refused(&status).to_string()),
    };
    Some(found(what, finding))
}

fn found(what: &str, finding: Option<String>) -> Check {
    Check { what: what.to_owned(), finding }
}

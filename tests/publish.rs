//! A version that an entity publishes: its new cases follow it in every service, those that run and other entities do not, and
//! it is there after a crash.

mod support;

use std::collections::HashMap;

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::workflow_service_client::WorkflowServiceClient;
use masar_proto::cases::v1::{
    Case, GetVersionRequest, ListVersionsRequest, PublishRequest, RetireRequest, WorkflowVersion,
};
use masar_proto::common::v1::PageRequest;
use masar_proto::escalation::v1::ListEscalationsRequest;
use masar_proto::escalation::v1::escalation_service_client::EscalationServiceClient;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::notify::v1::ListDeliveriesRequest;
use masar_proto::notify::v1::notify_service_client::NotifyServiceClient;
use masar_proto::routing::v1::RerouteRequest;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_runtime::{Clock, refuse};
use masar_testkit::on_each_database;
use masar_workflow::shipped_files;
use serde_json::json;
use support::process::{Process, free_address, masar};
use support::{Asking, Platform, case, complaint, eventually};
use tonic::Code;

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";
/// When the working day within which a complaint is assessed is over.
const TUESDAY: &str = "2026-11-17T08:00:00+03:00";

/// The shipped complaint in a version of its own, in which every service has something to do differently.
fn changed(version: &str) -> HashMap<String, String> {
    let mut files = shipped_files("complaint").unwrap_or_default();
    let workflow = files.get_mut("workflow.yaml").expect("every package has one");
    for (was, is) in [
        ("version: 1.0.0", format!("version: {version}").as_str()),
        // cases: what a state is called.
        (r#"{ar: "مستلمة", en: "Received"}"#, r#"{ar: "وصلت", en: "Arrived"}"#),
        // routing: a desk that no other version names.
        ("queue: triage}", "queue: front_desk}"),
        // escalation: another role hears of what is late.
        (
            "  triage:\n    safety_net: tenant_admin\n    levels: [{level: L1, at: {all: breach}, to: [pr_director]}]",
            "  triage:\n    safety_net: tenant_admin\n    levels: [{level: L1, at: {all: breach}, to: [head_of_entity]}]",
        ),
        // notify: other words for the customer.
        (r#"en: "We received your complaint"#, r#"en: "It has arrived: your complaint"#),
    ] {
        assert!(workflow.contains(was), "{was}");
        *workflow = workflow.replacen(was, is, 1);
    }
    // What it does otherwise, its scenarios do not say yet.
    files.retain(|path, _| !path.starts_with("scenarios/"));
    files.into_iter().collect()
}

async fn publish(client: &WorkflowServiceClient<Asking>, version: &str) -> Result<WorkflowVersion> {
    let published = client.clone().publish(PublishRequest { files: changed(version) }).await?.into_inner();
    published.version.context("it answers with the version")
}

/// A complaint that is open at its desk.
async fn opened(
    intake: &IntakeServiceClient<Asking>,
    cases: &CaseServiceClient<Asking>,
    key: &str,
) -> Result<Case> {
    let form = json!({"channel": "email", "language": "en", "subject": "Late", "description": "Late",
        "customer": {"contact": {"mode": "email", "value": "customer@example.org"}}});
    let reference = intake.clone().submit_case(complaint(key, &form)).await?.into_inner().reference;
    eventually("it is at its desk", async || {
        Ok(case(cases, &reference).await?.filter(|case| !case.queue.is_empty()))
    })
    .await
}

/// Complaints until one is opened in a version.
async fn opened_in(
    intake: &IntakeServiceClient<Asking>,
    cases: &CaseServiceClient<Asking>,
    version: &str,
) -> Result<Case> {
    let tried = std::sync::atomic::AtomicU32::new(0);
    eventually("new cases are opened in the version", async || {
        let key = format!("{version}-{}", tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        Ok(Some(opened(intake, cases, &key).await?).filter(|case| case.package_version == version))
    })
    .await
}

/// Who hears that a case was not assessed in time, and what its customer was written.
async fn told(platform: &Platform, key: &str) -> Result<(Vec<String>, String)> {
    let escalations = EscalationServiceClient::new(platform.person("trf-ops").await?);
    let notify = NotifyServiceClient::new(platform.person("trf-admin").await?);
    eventually("it is late", async || {
        let request = ListEscalationsRequest { case: key.to_owned(), ..ListEscalationsRequest::default() };
        let levels = escalations.clone().list_escalations(request).await?.into_inner().escalations;
        let Some(level) = levels.into_iter().find(|level| level.clock == "triage") else { return Ok(None) };
        let request = ListDeliveriesRequest { case: key.to_owned(), ..ListDeliveriesRequest::default() };
        let letters = notify.clone().list_deliveries(request).await?.into_inner().deliveries;
        let letter = letters.into_iter().find(|letter| letter.template == "acknowledgement");
        Ok(letter.map(|letter| (level.people, letter.subject)))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn new_cases_follow_what_was_published_in_every_service_and_running_ones_stay() -> Result<()> {
    on_each_database(async |url| {
        let (clock, hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let cases = CaseServiceClient::new(platform.person("trf-triage-1").await?);
        let workflows = WorkflowServiceClient::new(platform.person("trf-admin").await?);
        let before = opened(&intake, &cases, "before").await?;

        let published = publish(&workflows, "1.1.0").await?;
        assert!(
            published.in_force && published.own && published.published_by == "trf-admin",
            "{published:?}"
        );
        let after = opened_in(&intake, &cases, "1.1.0").await?;
        assert_eq!(
            (after.queue.as_str(), after.state_label.as_ref().map(|label| label.en.as_str())),
            ("front_desk", Some("Arrived"))
        );
        let still = case(&cases, &before.reference).await?.context("it is there")?;
        assert_eq!((still.package_version.as_str(), still.queue.as_str()), ("1.0.0", "triage"));
        let elsewhere = IntakeServiceClient::new(platform.call_centre("DEMO-MUN").await?);
        let stranger = CaseServiceClient::new(platform.person("mun-triage-1").await?);
        assert_eq!(opened(&elsewhere, &stranger, "other").await?.package_version, "1.0.0");
        // The desk of the new version is one of the entity's now, and of no other.
        let move_it = async |who: &str, case: &Case| {
            let mut routing = RoutingServiceClient::new(platform.person(who).await?);
            let request = RerouteRequest {
                case: case.reference.clone(),
                queue: "front_desk".to_owned(),
                reason: "because".to_owned(),
            };
            anyhow::Ok(routing.reroute(request).await.map(drop).map_err(|status| status.code()))
        };
        assert_eq!(move_it("trf-triage-1", &before).await?, Ok(()));

        hand.advance_to(TUESDAY.parse::<Timestamp>()?);
        let (people, subject) = told(&platform, &before.reference).await?;
        assert!(
            people.iter().any(|id| id.contains("pr-director")) && subject.starts_with("We received"),
            "{people:?}"
        );
        let (people, subject) = told(&platform, &after.reference).await?;
        assert!(
            people.iter().any(|id| id.contains("head")) && subject.starts_with("It has arrived"),
            "{people:?}"
        );

        publish(&workflows, "1.2.0").await?;
        opened_in(&intake, &cases, "1.2.0").await?;
        let retire =
            RetireRequest { package: "complaint".into(), version: "1.2.0".into(), reason: "A trial".into() };
        let retired = workflows.clone().retire(retire).await?.into_inner();
        assert!(!retired.in_force && retired.retired_by == "trf-admin");
        opened_in(&intake, &cases, "1.1.0").await?;
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_never_changes_and_whatever_does_not_hold_together_is_refused() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let mut workflows = WorkflowServiceClient::new(platform.person("trf-admin").await?);
        let mut files = changed("1.1.0");
        let first = publish(&workflows, "1.1.0").await?;
        let again = workflows.publish(PublishRequest { files: files.clone() }).await?.into_inner();
        assert!(again.unchanged && again.version == Some(first.clone()), "{again:?}");

        let mut refused = async |files: &HashMap<String, String>| {
            let status =
                workflows.publish(PublishRequest { files: files.clone() }).await.expect_err("refused");
            (status.code(), refuse::reason(&status).unwrap_or_default(), refuse::findings(&status))
        };
        let is = |code: &str| (Code::FailedPrecondition, code.to_owned(), Vec::new());
        let with = |was: &str, is: &str| {
            let mut files = changed("2.0.0");
            let workflow = files.get_mut("workflow.yaml").expect("it is there");
            assert!(workflow.contains(was), "{was}");
            *workflow = workflow.replacen(was, is, 1);
            files
        };
        *files.entry("workflow.yaml".to_owned()).or_default() += "# another word\n";
        assert_eq!(refused(&files).await, is("VERSION"), "another text under the same version");
        assert_eq!(refused(&changed("1.0.9")).await, is("VERSION"));
        assert_eq!(refused(&with("package: complaint", "package: grievance")).await, is("CASE_TYPE"));
        let child = with("package: department-request", "package: riddle");
        assert_eq!(refused(&child).await, is("CHILD"));
        let broken = with("to: triage,", "to: nowhere,");
        let line =
            broken["workflow.yaml"].lines().position(|line| line.contains("to: nowhere")).unwrap_or_default()
                + 1;
        let (code, reason, found) = refused(&broken).await;
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID"));
        assert!(
            found.iter().any(|found| found.code == "UNKNOWN_STATE"
                && found.place.starts_with(&format!("workflow.yaml:{line}:"))),
            "{found:?}"
        );
        // What it would do is not what its own scenarios say.
        let mut untrue = changed("2.0.0");
        let said = shipped_files("complaint")
            .unwrap_or_default()
            .remove("scenarios/answer.yaml")
            .unwrap_or_default();
        let line = said.lines().position(|line| line.contains("state: received")).unwrap_or_default();
        untrue.insert("scenarios/answer.yaml".to_owned(), said);
        let (code, reason, found) = refused(&untrue).await;
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID"));
        // Its cases come to another desk: the finding stands at what is expected of the opening.
        let at = format!("scenarios/answer.yaml:{}:", line + 1);
        assert!(
            found.iter().any(|found| found.code == "SCENARIO" && found.place.starts_with(&at)),
            "{at} {found:?}"
        );
        let large = [("workflow.yaml".to_owned(), "#".repeat(2 << 20))].into();
        assert_eq!(refused(&large).await.0, Code::InvalidArgument);

        // Nobody else has the right, and nobody else sees it.
        let mut officer = WorkflowServiceClient::new(platform.person("trf-triage-1").await?);
        let status =
            officer.publish(PublishRequest { files: changed("3.0.0") }).await.expect_err("an officer");
        assert_eq!(status.code(), Code::PermissionDenied);
        let wanted = GetVersionRequest { package: "complaint".into(), version: "1.1.0".into() };
        let found = officer.get_version(wanted.clone()).await?.into_inner();
        assert_eq!((found.version, found.files), (Some(first), changed("1.1.0")));
        let mut stranger = WorkflowServiceClient::new(platform.person("mun-admin").await?);
        assert_eq!(stranger.get_version(wanted).await.expect_err("another's").code(), Code::NotFound);
        Ok(platform.running.stop().await?)
    })
    .await
}

/// Every version, page by page: name, version, and whether new cases are opened in it.
async fn listed(
    client: &WorkflowServiceClient<Asking>,
    package: &str,
) -> Result<Vec<(String, String, bool)>> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = Some(PageRequest { size: 2, token });
        let request = ListVersionsRequest { page, package: package.to_owned() };
        let found = client.clone().list_versions(request).await?.into_inner();
        all.extend(found.versions.into_iter().map(|found| (found.package, found.version, found.in_force)));
        token = found.page.unwrap_or_default().next_token;
        if token.is_empty() {
            return Ok(all);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_is_there_after_the_process_was_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (folder, address) = (folder.path(), free_address()?);
    let mut process = Process::up(address, folder, &[])?;
    let workflows = WorkflowServiceClient::new(process.asking(folder, "trf-admin").await?);
    publish(&workflows, "1.10.0").await?;
    process.kill().await?;
    process.again()?;
    let cases = CaseServiceClient::new(process.asking(folder, "trf-triage-1").await?);
    let intake = IntakeServiceClient::new(process.asking(folder, "system:DEMO-TRF").await?);
    let opened = opened_in(&intake, &cases, "1.10.0").await?;
    assert_eq!(opened.queue, "front_desk");
    let workflows = WorkflowServiceClient::new(process.asking(folder, "trf-admin").await?);
    let of_complaint = [("complaint", "1.0.0", false), ("complaint", "1.10.0", true)];
    let of_complaint =
        of_complaint.map(|(package, version, in_force)| (package.into(), version.into(), in_force));
    assert_eq!(listed(&workflows, "complaint").await?, of_complaint);
    let all = listed(&workflows, "").await?;
    assert!(all.len() > 20 && all.is_sorted_by_key(|(package, ..)| package.clone()), "{all:?}");
    process.kill().await
}

/// What an analyst does with the command line alone: copy, change, publish, submit, look.
#[tokio::test(flavor = "multi_thread")]
async fn an_analyst_copies_a_package_changes_it_and_publishes_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (folder, address) = (folder.path(), free_address()?);
    let process = Process::up(address, folder, &[])?;
    let cases = CaseServiceClient::new(process.asking(folder, "trf-triage-1").await?);
    let intake = IntakeServiceClient::new(process.asking(folder, "system:DEMO-TRF").await?);
    let server = format!("http://{address}");
    let own = folder.join("own").display().to_string();
    let said = async |arguments: &[&str]| {
        let access =
            ["--server", &server, "--data", folder.to_str().unwrap_or_default(), "--as", "trf-admin"];
        let output = masar(&[arguments, &access[..]].concat()).await?;
        let text = String::from_utf8([output.stdout, output.stderr].concat())?;
        anyhow::Ok((output.status.success(), text))
    };
    let (well, text) = said(&["workflow", "copy", "suggestion", &own]).await?;
    assert!(well && text.contains("files are in"), "{text}");
    assert!(!said(&["workflow", "copy", "suggestion", &own]).await?.0, "the folder is there");
    let (well, text) = said(&["workflow", "publish", &own]).await?;
    assert!(!well && text.contains("VERSION") && text.contains("higher"), "{text}");

    let workflow = folder.join("own/workflow.yaml");
    let text = std::fs::read_to_string(&workflow)?;
    std::fs::write(&workflow, text.replacen("version: 1.0.0", "version: 1.0.1", 1))?;
    let (well, text) = said(&["workflow", "publish", &own]).await?;
    assert!(well && text.contains("suggestion 1.0.1 is published"), "{text}");
    let (well, text) = said(&["workflow", "publish", &own]).await?;
    assert!(well && text.contains("published before"), "{text}");
    let (well, text) = said(&["workflow", "versions", "suggestion"]).await?;
    assert!(well && text.contains("trf-admin") && text.contains("the installation"), "{text}");
    let theirs = folder.join("theirs").display().to_string();
    let (well, text) = said(&["workflow", "copy", "suggestion", &theirs, "--published", "1.0.1"]).await?;
    assert!(
        well && std::fs::read(&workflow)? == std::fs::read(folder.join("theirs/workflow.yaml"))?,
        "{text}"
    );

    let idea = json!({"channel": "web_portal", "language": "en", "subject": "Online", "problem": "One comes twice",
        "proposal": "Upload the form", "service": "TRF-S01"});
    let tried = std::sync::atomic::AtomicU32::new(0);
    eventually("a case of it", async || {
        let key = tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
        let submitted = masar_proto::intake::v1::SubmitCaseRequest {
            case_type: "suggestion".to_owned(),
            ..complaint(&key, &idea)
        };
        let reference = intake.clone().submit_case(submitted).await?.into_inner().reference;
        let opened = eventually("it is open", async || {
            Ok(case(&cases, &reference).await?.filter(|case| case.version > 0))
        });
        Ok(Some(opened.await?).filter(|case| case.package_version == "1.0.1"))
    })
    .await?;

    std::fs::write(&workflow, text_with_error(&workflow)?)?;
    let (well, text) = said(&["workflow", "publish", &own]).await?;
    assert!(!well && text.contains("UNKNOWN_STATE") && text.contains("workflow.yaml:"), "{text}");
    let (well, text) = said(&["workflow", "retire", "suggestion", "1.0.1", "--reason", "A trial"]).await?;
    assert!(well && text.contains("retired: A trial"), "{text}");
    Ok(())
}

fn text_with_error(workflow: &std::path::Path) -> Result<String> {
    let text = std::fs::read_to_string(workflow)?;
    let wrong = text.replacen("to: assess", "to: nowhere", 1);
    anyhow::ensure!(wrong != text, "nothing has changed");
    Ok(wrong)
}

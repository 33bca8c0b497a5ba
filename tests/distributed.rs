//! Two replicas of each service, and one of each goes down hard: who reads or submits sees no error, and in the end all is
//! there once. And what waits when all stop is there once for those who start with another number of partitions.

mod support;

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use masar_proto::cases::v1::PublishRequest;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::workflow_service_client::WorkflowServiceClient;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::operations::v1::ListParkedRequest;
use masar_proto::operations::v1::operations_service_client::OperationsServiceClient;
use masar_proto::registry::v1::PublishCalendarRequest;
use masar_proto::registry::v1::registry_service_client::RegistryServiceClient;
use masar_proto::routing::v1::WatchQueueRequest;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{ListCalendarsRequest, WatchAtRiskRequest};
use masar_workflow::shipped_files;
use serde_json::json;
use support::many::Told;
use support::process::{Start, masar};
use support::set::{Set, on_servers};
use support::{act, case, complaint, eventually, shown};

/// Submissions of the whole test.
const CASES: usize = 1_000;
/// The replicas are killed after so many answers to submissions and transitions together.
const KILLED_AFTER: usize = 600;

const CALENDAR: &str = include_str!("../crates/worktime/calendars/qa-gov-default.yaml");
const DESK: &str = "LAB-PERMITS";

/// What `masar doctor` says of the set, and whether it is content.
async fn doctor(set: &Set) -> Result<(bool, String)> {
    let file = set.file.to_string_lossy();
    let output = masar(&["doctor", "--config", &file, "--as", "trf-admin"]).await?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8(said)?))
}

/// Whichever replica hears of something, the others know it, and show it to those who watch there.
async fn what_one_hears_all_know(set: &Set) -> Result<()> {
    let mut registry = RegistryServiceClient::new(set.asking("lab-admin")?);
    let yaml = CALENDAR.replacen("version: 1", "version: 2", 1);
    registry.publish_calendar(PublishCalendarRequest { yaml }).await?;
    let mut at_risk = Vec::new();
    for sla in set.each("sla", "lab-ops").await? {
        let sla = SlaServiceClient::new(sla);
        eventually("every replica of sla has the calendar", async || {
            let listed = sla.clone().list_calendars(ListCalendarsRequest::default()).await?.into_inner();
            let mut calendars = listed.calendars.into_iter();
            Ok(calendars.find(|calendar| calendar.name == "qa-gov-default" && calendar.version == 2))
        })
        .await?;
        at_risk.push(sla.clone().watch_at_risk(WatchAtRiskRequest::default()).await?.into_inner());
    }
    let mut desks = Vec::new();
    for routing in set.each("routing", "lab-ops").await? {
        let request = WatchQueueRequest { queue: DESK.to_owned() };
        let mut desk = RoutingServiceClient::new(routing).watch_queue(request).await?.into_inner();
        shown("every replica of routing knows the departments", &mut desk, |desk| desk.department == DESK)
            .await?;
        desks.push(desk);
    }

    let form = json!({"channel": "email", "language": "en", "service": "LAB-S01", "subject": "Late", "description": "Late"});
    let mut intake = IntakeServiceClient::new(set.asking("system:DEMO-LAB")?);
    let key = intake.submit_case(complaint("D-1", &form)).await?.into_inner().reference;
    let triage = CaseServiceClient::new(set.asking("lab-triage-1")?);
    eventually("it is open", async || Ok(case(&triage, &key).await?.filter(|case| case.version > 0))).await?;
    act(&triage, &key, "start_triage", None).await?;
    let routed = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "low", "department": DESK});
    act(&triage, &key, "route", Some(routed)).await?;
    for desk in &mut desks {
        shown("the case at its desk, at every replica", desk, |desk| desk.waiting == 1).await?;
    }
    for clocks in &mut at_risk {
        shown("a clock that stops, at every replica", clocks, |seen| {
            seen.clock.as_ref().is_some_and(|clock| clock.reference == key)
        })
        .await?;
    }
    Ok(())
}

/// Whichever replica a version is published at, every replica of every service follows it.
async fn what_is_published_at_one_all_follow(set: &Set) -> Result<()> {
    let mut files = shipped_files("complaint").unwrap_or_default();
    if let Some(workflow) = files.get_mut("workflow.yaml") {
        *workflow = workflow.replacen("version: 1.0.0", "version: 1.1.0", 1).replacen(
            "queue: triage}",
            "queue: front_desk}",
            1,
        );
    }
    // What it does otherwise, its scenarios do not say yet.
    files.retain(|path, _| !path.starts_with("scenarios/"));
    let mut workflows = WorkflowServiceClient::new(set.asking("lab-admin")?);
    workflows.publish(PublishRequest { files: files.into_iter().collect() }).await?;
    let form = json!({"channel": "email", "language": "en", "subject": "Late", "description": "Late"});
    let triage = CaseServiceClient::new(set.asking("lab-triage-1")?);
    for (number, intake) in set.each("intake", "system:DEMO-LAB").await?.into_iter().enumerate() {
        let (intake, tried) = (IntakeServiceClient::new(intake), AtomicU32::new(0));
        // Cases of all partitions, so that every replica has its share of them.
        for _ in 0..8 {
            eventually("every replica of intake opens cases in the version", async || {
                let key = format!("P-{number}-{}", tried.fetch_add(1, Ordering::Relaxed));
                let key = intake.clone().submit_case(complaint(&key, &form)).await?.into_inner().reference;
                let opened = eventually("it is at its desk", async || {
                    Ok(case(&triage, &key).await?.filter(|case| !case.queue.is_empty()))
                });
                let opened = opened.await?;
                Ok((opened.package_version == "1.1.0" && opened.queue == "front_desk").then_some(()))
            })
            .await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_of_each_service_may_go_without_a_word() -> Result<()> {
    on_servers(async |postgres, amqp| {
        let folder = tempfile::tempdir()?;
        let mut set = Set::start(folder.path(), postgres, amqp, 2).await?;
        let (well, said) = doctor(&set).await?;
        assert!(well && said.matches(" http://").count() == 14, "{said}");

        what_one_hears_all_know(&set).await?;
        what_is_published_at_one_all_follow(&set).await?;

        let told = Told::new(CASES);
        let (centre, triage) = (set.asking("system:DEMO-TRF")?, set.asking("trf-triage-1")?);
        let mut count = told.count.subscribe();
        let kill = async {
            count.wait_for(|count| *count >= KILLED_AFTER).await?;
            assert!(told.answers().references.len() < CASES, "not in the middle of the submissions");
            set.kill_the_first_of_each().await
        };
        let (worked, killed) = tokio::join!(told.work(centre.clone(), triage.clone()), kill);
        worked?;
        killed?;
        // A transition that was cut off is not made again by itself: whoever asked for it looks whether it was done.
        told.work(centre, triage.clone()).await?;
        let failed: Vec<_> = told.answers().failed.iter().map(ToString::to_string).collect();
        assert_eq!(failed, [""; 0], "reads and submissions go on");
        told.is_true(triage, set.asking("trf-ops")?).await?;
        for service in ["cases", "routing", "sla", "escalation", "notify"] {
            let mut bus = OperationsServiceClient::new(set.asking_at(service, "trf-admin")?);
            assert_eq!(bus.list_parked(ListParkedRequest::default()).await?.into_inner().events, []);
        }
        let said = eventually("doctor finds the replicas that are gone", async || {
            let (well, said) = doctor(&set).await?;
            Ok((!well && said.matches("does not answer").count() == 7).then_some(said))
        })
        .await?;
        assert!(said.contains("correct `peers.sla`"), "{said}");
        set.terminate().await
    })
    .await
}

/// Whether RabbitMQ has a queue.
async fn has(amqp: &str, queue: &str) -> Result<bool> {
    let connection = Connection::connect(amqp, ConnectionProperties::default()).await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
    let channel = connection.create_channel().await?;
    Ok(channel.queue_declare(queue.into(), passive, FieldTable::default()).await.is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_partitions_goes_on_where_all_have_stopped() -> Result<()> {
    on_servers(async |postgres, amqp| {
        let (folder, told) = (tempfile::tempdir()?, Told::new(CASES / 4));
        let mut set = Set::start(folder.path(), postgres, amqp, 1).await?;
        // What they would hear waits in their queues.
        set.services.retain(|service, _| !["routing", "sla"].contains(service));
        told.work(set.asking("system:DEMO-TRF")?, set.asking("trf-triage-1")?).await?;
        assert_eq!(told.answers().moved.len(), CASES / 8);
        set.terminate().await?;

        let prepare =
            &mut |_, _, start: &mut Start| start.environment.push(("MASAR_PARTITIONS", "16".into()));
        let set = Set::prepared(folder.path(), postgres, amqp, 2, prepare).await?;
        let triage = set.asking("trf-triage-1")?;
        told.work(set.asking("system:DEMO-TRF")?, triage.clone()).await?;
        told.is_true(triage, set.asking("trf-ops")?).await?;
        assert!(has(amqp, "masar.v1.of16.routing.15").await? && !has(amqp, "masar.v1.routing.0").await?);
        let (well, said) = doctor(&set).await?;
        assert!(well, "{said}");
        set.terminate().await
    })
    .await
}

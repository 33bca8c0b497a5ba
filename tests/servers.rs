//! As a ministry runs it: on PostgreSQL and RabbitMQ, in one process or one for each service. Without these servers the
//! tests say that they are skipped.

mod support;

use anyhow::Result;
use masar_proto::cases::v1::Case;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::escalation::v1::ListEscalationsRequest;
use masar_proto::escalation::v1::escalation_service_client::EscalationServiceClient;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::notify::v1::ListDeliveriesRequest;
use masar_proto::notify::v1::notify_service_client::NotifyServiceClient;
use masar_proto::registry::v1::GetEntityRequest;
use masar_proto::registry::v1::registry_service_client::RegistryServiceClient;
use masar_proto::routing::v1::ListTasksRequest;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::sla::v1::GetCaseClocksRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use serde_json::{Value, json};
use support::process::{Process, free_address};
use support::set::{Set, on_servers};
use support::{Asking, act, case, complaint, eventually};

fn form() -> Value {
    json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late",
        "customer": {"alias": "C-1", "contact": {"mode": "email", "value": "customer@example.com"}}})
}

fn routed() -> Value {
    json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "low", "department": "TRF-LICENCE"})
}

/// The case, once routing and sla have said what they think of it.
async fn at_a_desk(cases: &CaseServiceClient<Asking>, key: &str) -> Result<Case> {
    eventually("a queue and a due time", async || {
        Ok(case(cases, key).await?.filter(|case| !case.queue.is_empty() && case.due_at.is_some()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_goes_down_when_asked_and_goes_on_where_it_was() -> Result<()> {
    on_servers(async |postgres, amqp| {
        let (folder, address) = (tempfile::tempdir()?, free_address()?);
        let folder = folder.path();
        let up = || Process::up(address, folder, &["--postgres", postgres, "--amqp", amqp]);
        let mut process = up()?;
        let mut intake = IntakeServiceClient::new(process.asking(folder, "system:DEMO-TRF").await?);
        let key = intake.submit_case(complaint("P-1", &form())).await?.into_inner().reference;
        let triage = CaseServiceClient::new(process.asking(folder, "trf-triage-1").await?);
        let before = at_a_desk(&triage, &key).await?;
        act(&triage, &key, "start_triage", None).await?;
        assert_eq!(process.terminate().await?, Some(0));

        let mut process = up()?;
        let triage = CaseServiceClient::new(process.asking(folder, "trf-triage-1").await?);
        let after = at_a_desk(&triage, &key).await?;
        assert_eq!((after.state.as_str(), after.version), ("triage", 2));
        assert_eq!(after.due_at, before.due_at);
        act(&triage, &key, "route", Some(routed())).await?;
        let handler = CaseServiceClient::new(process.asking(folder, "trf-licence-1").await?);
        eventually("the department has it", async || {
            Ok(case(&handler, &key).await?.filter(|case| case.queue == "TRF-LICENCE"))
        })
        .await?;
        let mut intake = IntakeServiceClient::new(process.asking(folder, "system:DEMO-TRF").await?);
        let again = intake.submit_case(complaint("P-1", &form())).await?.into_inner();
        assert_eq!((again.reference, again.duplicate), (key, true));
        assert_eq!(process.terminate().await?, Some(0));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_goes_its_whole_way_through_a_process_for_each_service() -> Result<()> {
    on_servers(async |postgres, amqp| {
        let folder = tempfile::tempdir()?;
        let set = Set::start(folder.path(), postgres, amqp, 1).await?;
        let mut intake = IntakeServiceClient::new(set.asking("system:DEMO-TRF")?);
        let mut registry = RegistryServiceClient::new(set.asking("trf-admin")?);
        let entity = registry.get_entity(GetEntityRequest {}).await?.into_inner();
        assert_eq!(entity.tenant, "DEMO-TRF");
        let key = intake.submit_case(complaint("P-2", &form())).await?.into_inner().reference;
        // Known from the first moment: cases asks the process of intake, on behalf of whoever asks.
        let cases = |who| anyhow::Ok(CaseServiceClient::new(set.asking(who)?));
        let (triage, handler) = (cases("trf-triage-1")?, cases("trf-licence-1")?);
        assert_eq!(case(&triage, &key).await?.map(|case| case.state), Some("received".to_owned()));
        let stranger = case(&cases("lab-triage-1")?, &key).await;
        assert!(stranger.is_err());

        at_a_desk(&triage, &key).await?;
        act(&triage, &key, "start_triage", None).await?;
        act(&triage, &key, "route", Some(routed())).await?;
        act(&handler, &key, "accept", None).await?;
        let answer =
            json!({"text": {"ar": "تم", "en": "Done"}, "points_answered": [{"point": "the delay", "answered": true}],
            "channel": "email", "review_right_text": true});
        assert_eq!(act(&handler, &key, "answer_direct", Some(answer)).await?.state, "answered");

        let sla = SlaServiceClient::new(set.asking("trf-ops")?);
        eventually("the response clock stops", async || {
            let request = GetCaseClocksRequest { case: key.clone() };
            let clocks = sla.clone().get_case_clocks(request).await?.into_inner().clocks;
            let mut states = clocks.into_iter().filter_map(|clock| clock.state);
            Ok(states.find(|state| state.clock == "response" && state.phase == "stopped"))
        })
        .await?;
        let routing = RoutingServiceClient::new(set.asking("trf-ops")?);
        eventually("nobody has to act any more", async || {
            let tasks = routing.clone().list_tasks(ListTasksRequest::default()).await?.into_inner().tasks;
            Ok(tasks.is_empty().then_some(()))
        })
        .await?;
        let notify = NotifyServiceClient::new(set.asking("trf-admin")?);
        eventually("the customer has the acknowledgement and the answer", async || {
            let request = ListDeliveriesRequest { case: key.clone(), ..Default::default() };
            let listed = notify.clone().list_deliveries(request).await?.into_inner().deliveries;
            let delivered = listed.iter().filter(|delivery| delivery.status == "delivered");
            let told: Vec<_> = delivered.map(|delivery| delivery.template.as_str()).collect();
            Ok(["acknowledgement", "answer"].iter().all(|template| told.contains(template)).then_some(()))
        })
        .await?;
        let mut escalation = EscalationServiceClient::new(set.asking("trf-ops")?);
        let climbed = escalation.list_escalations(ListEscalationsRequest::default()).await?.into_inner();
        assert_eq!(climbed.escalations, []);
        set.terminate().await
    })
    .await
}

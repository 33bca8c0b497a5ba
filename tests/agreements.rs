//! Acceptance check 20: what two departments agree on holds for what begins between them, and for what is open where they choose so.

mod support;

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{Clock as SlaClock, GetCaseClocksRequest, ListPoliciesRequest, Policy};
use masar_proto::time;
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Platform, act, complaint, eventually};

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";
/// What the package promises for an answer to a request, and what the departments agree on.
const BY_PACKAGE: &str = "5 business_days";
const AGREED: &str = "2 business_days";

/// Somebody opens a case of a type; its reference.
async fn opened(platform: &Platform, who: &str, case_type: &str, form: Value) -> Result<String> {
    let mut intake = IntakeServiceClient::new(platform.person(who).await?);
    let key = uuid::Uuid::new_v4().to_string();
    let request = SubmitCaseRequest { case_type: case_type.to_owned(), ..complaint(&key, &form) };
    Ok(intake.submit_case(request).await?.into_inner().reference)
}

/// Work permits ask labour disputes something.
async fn asked(platform: &Platform) -> Result<String> {
    let form = json!({"to": "LAB-DISPUTES", "from": "LAB-PERMITS", "text": "Is the dispute over?"});
    opened(platform, "lab-permits-1", "department_request", form).await
}

/// The clock of the answer to a request, once it runs.
async fn answer(platform: &Platform, request: &str) -> Result<SlaClock> {
    let sla = SlaServiceClient::new(platform.person("lab-ops").await?);
    eventually("the clock of the answer", async || {
        let wanted = GetCaseClocksRequest { case: request.to_owned() };
        Ok(sla.clone().get_case_clocks(wanted).await?.into_inner().clocks.pop())
    })
    .await
}

fn target(clock: &SlaClock) -> &str {
    clock.state.as_ref().map_or("", |state| state.target.as_str())
}

/// Both departments agree on two days, and the agreement is activated; its reference.
async fn agreement(platform: &Platform, open_clocks: &str) -> Result<String> {
    let start = json!({"kind": "ola", "provider_party": "LAB-DISPUTES", "consumer_party": "LAB-PERMITS"});
    let reference = opened(platform, "lab-service-owner", "sla_agreement", start).await?;
    let terms = json!({"subjects": ["department_request"], "calendar": "qa-gov-default",
        "targets": [{"clock": "answer", "importance": "all", "value": 2, "unit": "business_days", "measure": "each"}],
        "escalation_contacts": [{"level": "L1", "role": "department_manager"}],
        "valid_from": "2026-11-01", "valid_to": "2027-10-31", "review_date": "2027-08-31"});
    let signature = json!({"accepted": true, "terms_version": "1", "method": "electronic"});
    for (who, action, form) in [
        ("lab-service-owner", "propose", Some(terms)),
        ("lab-permits-director", "agree", None),
        ("lab-disputes-director", "sign_provider", Some(signature.clone())),
        ("lab-permits-director", "sign_consumer", Some(signature)),
        ("lab-pqi-director", "activate", Some(json!({"open_clocks": open_clocks}))),
    ] {
        let cases = CaseServiceClient::new(platform.person(who).await?);
        // It may not be opened yet.
        eventually(action, async || Ok(Some(act(&cases, &reference, action, form.clone()).await?))).await?;
    }
    Ok(reference)
}

/// What an agreement promises, as those see it who work with it.
async fn listed(platform: &Platform, reference: &str) -> Result<Option<Policy>> {
    let mut sla = SlaServiceClient::new(platform.person("lab-permits-1").await?);
    let request = ListPoliciesRequest { case_type: "department_request".to_owned() };
    let policies = sla.list_policies(request).await?.into_inner().policies;
    Ok(policies.into_iter().find(|policy| policy.source == reference))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_holds_for_what_begins_under_it_and_not_for_what_is_open() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let before = asked(&platform).await?;
        assert_eq!(target(&answer(&platform, &before).await?), BY_PACKAGE);

        let reference = agreement(&platform, "keep").await?;
        let policy = eventually("the agreement", async || listed(&platform, &reference).await).await?;
        assert_eq!(
            (policy.kind.as_str(), policy.clock.as_str(), policy.targets.get("all").map(String::as_str)),
            ("ola", "answer", Some(AGREED))
        );
        assert_eq!((policy.provider.as_str(), policy.consumer.as_str()), ("LAB-DISPUTES", "LAB-PERMITS"));
        let under = asked(&platform).await?;
        let begun = answer(&platform, &under).await?;
        assert_eq!(target(&begun), AGREED);
        assert_eq!(begun.policy, format!("agreement {reference} version 1"));
        let open = answer(&platform, &before).await?;
        assert_eq!((target(&open), open.ledger.len()), (BY_PACKAGE, 1));

        // When it has ended, what begins has the target of the package again, and what began under it keeps its own.
        let head = CaseServiceClient::new(platform.person("lab-head").await?);
        act(&head, &reference, "terminate", None).await?;
        eventually("it has ended", async || Ok(listed(&platform, &reference).await?.is_none().then_some(())))
            .await?;
        let after = asked(&platform).await?;
        assert_eq!(target(&answer(&platform, &after).await?), BY_PACKAGE);
        assert_eq!(target(&answer(&platform, &under).await?), AGREED);
        Ok(platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn open_clocks_have_the_targets_of_an_agreement_where_its_activation_says_so() -> Result<()> {
    on_each_database(async |url| {
        let (clock, hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        let before = asked(&platform).await?;
        assert_eq!(target(&answer(&platform, &before).await?), BY_PACKAGE);

        // On Wednesday two days are over, and five are not.
        let wednesday: Timestamp = "2026-11-18T10:00:00+03:00".parse()?;
        hand.advance_to(wednesday);
        let reference = agreement(&platform, "retarget").await?;
        let moved = eventually("the open clock is moved", async || {
            Ok(Some(answer(&platform, &before).await?).filter(|clock| target(clock) == AGREED))
        })
        .await?;
        let state = moved.state.as_ref().context("a state")?;
        assert_eq!(time::from_proto(state.due_at.as_ref()), Some("2026-11-17T14:00:00+03:00".parse()?));
        assert_eq!(moved.policy, format!("agreement {reference} version 1"));
        // It is broken once, at the moment of the change and by it.
        let promised = moved.as_promised.as_ref().context("a judgement")?;
        assert_eq!(promised.cause, "retarget");
        assert_eq!(time::from_proto(state.breached_at.as_ref()), Some(wednesday));
        let told = eventually("the breach is told", async || {
            let clock = answer(&platform, &before).await?;
            let marks =
                clock.ledger.iter().filter(|line| line.event == "mark_fired" && line.text.contains("breach"));
            Ok(Some(marks.count()).filter(|marks| *marks > 0))
        })
        .await?;
        assert_eq!(told, 1);
        let kept: Vec<_> = moved.ledger.iter().map(|line| line.event.as_str()).collect();
        assert_eq!(kept.iter().filter(|event| **event == "retargeted").count(), 1, "{kept:?}");
        Ok(platform.running.stop().await?)
    })
    .await
}

//! Lists and acknowledgements on both databases: who sees what, and who may say that they have taken notice.

mod support;

use anyhow::{Context, Result};
use masar_proto::common::v1::PageRequest;
use masar_proto::escalation::v1::{AcknowledgeRequest, Escalation, ListEscalationsRequest};
use masar_proto::events::v1::CaseSnapshot;
use masar_proto::{kinds, time};
use masar_runtime::refuse;
use masar_testkit::on_each_database;
use masar_workflow::{CUSTOMER, Catalog, SYSTEM};
use support::{Bench, TENANT, at, complaint, everybody};
use tonic::{Code, Status};

const HANDLER: (&str, &str) = ("roads-1", "case_handler");
const MANAGER: (&str, &str) = ("roads-manager", "department_manager");
const DIRECTOR: (&str, &str) = ("roads-director", "department_director");
const ADMIN: (&str, &str) = ("admin", "tenant_admin");
const OFFICER: (&str, &str) = ("officer", "oversight_officer");

/// A case whose first levels have fired: L0 and L1.
async fn late(bench: &mut Bench) -> Result<(CaseSnapshot, Escalation, Escalation)> {
    let case = complaint();
    bench.people(&everybody()).await?;
    bench.case(&case).await?;
    for mark in ["75%", "breach"] {
        bench.mark(&case, 1, mark).await?;
        assert_eq!(bench.told().await?.0, kinds::ESCALATION_RAISED);
    }
    let mut listed = bench.list(ListEscalationsRequest::default()).await?;
    let warned = listed.pop().context("no L0")?;
    let breached = listed.pop().context("no L1")?;
    assert_eq!((warned.level.as_str(), breached.level.as_str()), ("L0", "L1"));
    Ok((case, warned, breached))
}

fn refused(answer: Result<Escalation, Status>) -> (Code, String, String) {
    let status = answer.expect_err("this is not allowed");
    (status.code(), refuse::reason(&status).unwrap_or_default(), status.message().to_owned())
}

#[tokio::test]
async fn whoever_was_told_acknowledges_and_says_what_will_be_done() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let (case, _, breached) = late(&mut bench).await?;
        for reason in ["", "  "] {
            let (code, _, message) = refused(bench.acknowledge(MANAGER, &breached, reason).await);
            assert_eq!(code, Code::InvalidArgument);
            assert!(message.starts_with("reason: "), "{message}");
        }
        bench.hand.advance_to(at("2026-11-15T08:00:00Z"));
        let done = bench.acknowledge(MANAGER, &breached, " a second team is sent ").await?;
        let acknowledged_at = time::from_proto(done.acknowledged_at.as_ref());
        assert_eq!(
            (done.acknowledged_by.as_str(), done.reason.as_str(), acknowledged_at),
            ("roads-manager", "a second team is sent", Some(at("2026-11-15T08:00:00Z")))
        );
        assert_eq!(
            Escalation {
                reason: String::new(),
                acknowledged_by: String::new(),
                acknowledged_at: None,
                ..done.clone()
            },
            breached
        );
        let (kind, told) = bench.told().await?;
        assert_eq!(
            (kind.as_str(), &told.escalation_id),
            (kinds::ESCALATION_ACKNOWLEDGED, &done.escalation_id)
        );
        assert_eq!(
            (told.acknowledged_by.as_str(), told.acknowledged_at),
            ("roads-manager", done.acknowledged_at)
        );
        assert_eq!((told.case, told.at), (Some(case.clone()), breached.raised_at));

        // Done again it changes nothing, whatever is said; by another it is refused, with who and when.
        bench.hand.advance_to(at("2026-11-15T09:00:00Z"));
        assert_eq!(bench.acknowledge(MANAGER, &breached, "").await?, done);
        assert_eq!(bench.acknowledge(MANAGER, &breached, "something else").await?, done);
        let (code, reason, message) = refused(bench.acknowledge(ADMIN, &breached, "I see").await);
        assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "ALREADY_ACKNOWLEDGED"));
        assert!(message.contains("`roads-manager`") && message.contains("2026-11-15T08:00:00Z"), "{message}");
        // The next event shows that none of this was told, and the next level that it is not silenced.
        bench.mark(&case, 1, "breach + 2 business_days").await?;
        assert_eq!(bench.told().await?.1.level, "L2");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_level_is_acknowledged_by_its_people_or_for_them() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let (case, warned, breached) = late(&mut bench).await?;
        for other in [HANDLER, DIRECTOR, ("quality", "pqi_director")] {
            let (code, reason, _) = refused(bench.acknowledge(other, &breached, "I see").await);
            assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "NOT_TOLD"), "{other:?}");
        }
        // A warning needs no reason.
        assert_eq!(bench.acknowledge(HANDLER, &warned, "").await?.acknowledged_by, "roads-1");
        assert_eq!(bench.acknowledge(ADMIN, &breached, "I called them").await?.acknowledged_by, "admin");
        bench.mark(&case, 1, "breach + 2 business_days").await?;
        let listed = bench.list(ListEscalationsRequest::default()).await?;
        assert_eq!(bench.acknowledge(OFFICER, &listed[0], "we ask why").await?.acknowledged_by, "officer");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_who_acknowledge_at_once_are_told_apart() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let (_, _, breached) = late(&mut bench).await?;
        let (one, other) = tokio::join!(
            bench.acknowledge(MANAGER, &breached, "mine"),
            bench.acknowledge(ADMIN, &breached, "no, mine")
        );
        let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
        let won = won?;
        assert_eq!(refused(lost).1, "ALREADY_ACKNOWLEDGED");
        assert_eq!(bench.told().await?.1.acknowledged_by, won.acknowledged_by);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn other_tenants_see_and_touch_nothing() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let (case, _, breached) = late(&mut bench).await?;
        let mut foreign = bench.asked_by("roads-manager", "tenant_admin", "DEMO-LAB");
        for key in ["", &case.case_id, &case.reference] {
            let wanted = ListEscalationsRequest { case: key.to_owned(), ..Default::default() };
            assert_eq!(foreign.list_escalations(wanted).await?.into_inner().escalations, []);
        }
        let request = AcknowledgeRequest { escalation_id: breached.escalation_id, reason: "mine".to_owned() };
        assert_eq!(foreign.acknowledge(request).await.unwrap_err().code(), Code::NotFound);
        let request = AcknowledgeRequest { escalation_id: "none".to_owned(), reason: "mine".to_owned() };
        assert_eq!(foreign.acknowledge(request).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(
            bench.list(ListEscalationsRequest { open_only: true, ..Default::default() }).await?.len(),
            2
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn lists_are_narrowed_and_paged_newest_first() -> Result<()> {
    on_each_database(|url| async move {
        let mut bench = Bench::start(url).await?;
        let (case, warned, _) = late(&mut bench).await?;
        let other = CaseSnapshot { reference: "MUN-2026-0000124-X".to_owned(), ..complaint() };
        bench.case(&other).await?;
        bench.mark(&other, 1, "breach").await?;
        bench.acknowledge(HANDLER, &warned, "").await?;
        let levels = async |wanted: ListEscalationsRequest| {
            let listed = bench.list(wanted).await?;
            anyhow::Ok(
                listed.into_iter().map(|one| (one.level, one.case_id == case.case_id)).collect::<Vec<_>>(),
            )
        };
        let (l0, l1, others) = (("L0".to_owned(), true), ("L1".to_owned(), true), ("L1".to_owned(), false));
        let all = vec![others.clone(), l1.clone(), l0.clone()];
        assert_eq!(levels(ListEscalationsRequest::default()).await?, all);
        let wanted = ListEscalationsRequest { open_only: true, ..Default::default() };
        assert_eq!(levels(wanted).await?, [others.clone(), l1.clone()]);
        let wanted = ListEscalationsRequest { level: "L1".to_owned(), ..Default::default() };
        assert_eq!(levels(wanted).await?, [others, l1.clone()]);
        for key in [case.case_id.clone(), case.reference.to_lowercase()] {
            let wanted = ListEscalationsRequest { case: key, ..Default::default() };
            assert_eq!(levels(wanted).await?, [l1.clone(), l0.clone()]);
        }

        let mut client = bench.asked_by("ops", "ops_monitor", TENANT);
        let (mut token, mut seen) = (String::new(), Vec::new());
        loop {
            let page = Some(PageRequest { size: 1, token });
            let listed =
                client.list_escalations(ListEscalationsRequest { page, ..Default::default() }).await?;
            let listed = listed.into_inner();
            assert_eq!(listed.escalations.len(), 1);
            seen.extend(listed.escalations.into_iter().map(|one| (one.level, one.case_id == case.case_id)));
            token = listed.page.unwrap_or_default().next_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, all);
        for wrong in [
            ListEscalationsRequest {
                page: Some(PageRequest { size: 1, token: "%".into() }),
                ..Default::default()
            },
            ListEscalationsRequest { case: "the one of yesterday".into(), ..Default::default() },
        ] {
            let code = client.list_escalations(wrong).await.unwrap_err().code();
            assert!([Code::InvalidArgument, Code::NotFound].contains(&code), "{code}");
        }
        Ok(())
    })
    .await
}

/// A level tells roles, or whoever handles the case; at last the safety net. Each of them comes through the door.
#[test]
fn whoever_a_shipped_ladder_tells_may_acknowledge() {
    let rules = masar_proto::access::rules().unwrap();
    let allowed = &rules["/masar.escalation.v1.EscalationService/Acknowledge"].roles;
    for package in Catalog::shipped().unwrap().packages() {
        let definition = package.definition();
        let levels = definition.ladders.values().flat_map(|ladder| &ladder.levels);
        let told =
            levels.flat_map(|level| &level.to).filter(|word| !["handler", CUSTOMER].contains(&word.as_str()));
        let nets = definition.ladders.values().map(|ladder| &ladder.safety_net.0);
        let handlers =
            definition.transitions.iter().flat_map(|transition| &transition.roles).map(|role| &role.0);
        let handlers = handlers.filter(|role| ![CUSTOMER, SYSTEM].contains(&role.as_str()));
        for role in told.chain(nets).chain(handlers) {
            assert!(allowed.contains(role), "{}: {role}", definition.package);
        }
    }
}

//! The ladder of a complaint that nobody answers, on the clock of the whole platform (4.4).

mod support;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::common::v1::Importance;
use masar_proto::escalation::v1::escalation_service_client::EscalationServiceClient;
use masar_proto::escalation::v1::{
    AcknowledgeRequest, Escalation, ListEscalationsRequest, PreviewRequest, Rung,
};
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::sla::v1::GetCaseClocksRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::time;
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::process::masar;
use support::{Asking, Platform, case, complaint, eventually};
use tonic::Code;

/// A Sunday before seven weeks without a holiday.
const RECEIVED: &str = "2026-11-01T08:00:00+03:00";

/// When each level fires for each importance: the table, counted out by hand on the calendar.
const LADDERS: [(&str, &[(&str, &str)]); 3] = [
    // Due after 5 working days; half of 41 open hours.
    (
        "high",
        &[
            ("L0", "2026-11-04T07:30:00+03:00"),
            ("L1", "2026-11-08T14:00:00+03:00"),
            ("L2", "2026-11-09T14:00:00+03:00"),
            ("L3", "2026-11-10T14:00:00+03:00"),
            ("L4", "2026-11-15T14:00:00+03:00"),
            ("L5", "2026-11-22T14:00:00+03:00"),
        ],
    ),
    // Due after 10; three quarters of 76 hours.
    (
        "medium",
        &[
            ("L0", "2026-11-11T09:00:00+03:00"),
            ("L1", "2026-11-15T14:00:00+03:00"),
            ("L2", "2026-11-17T14:00:00+03:00"),
            ("L3", "2026-11-22T14:00:00+03:00"),
            ("L4", "2026-11-29T14:00:00+03:00"),
            ("L5", "2026-12-13T14:00:00+03:00"),
        ],
    ),
    // Due after 15; nine tenths of 111 hours. The oversight body does not hear of it.
    (
        "low",
        &[
            ("L0", "2026-11-19T09:54:00+03:00"),
            ("L1", "2026-11-22T14:00:00+03:00"),
            ("L2", "2026-11-29T14:00:00+03:00"),
            ("L3", "2026-12-06T14:00:00+03:00"),
            ("L4", "2026-12-20T14:00:00+03:00"),
        ],
    ),
];

/// What fired on the response clock of a case so far: levels and when, oldest first.
async fn fired(
    client: &EscalationServiceClient<Asking>,
    case: &str,
) -> Result<Vec<(String, Option<Timestamp>)>> {
    let request = ListEscalationsRequest { case: case.to_owned(), ..Default::default() };
    let listed = client.clone().list_escalations(request).await?.into_inner().escalations;
    let response = listed.into_iter().rev().filter(|escalation| escalation.clock == "response");
    let told = |escalation: Escalation| (escalation.level, time::from_proto(escalation.raised_at.as_ref()));
    Ok(response.map(told).collect())
}

/// The form of a complaint that nobody will answer.
fn late(importance: &str) -> Value {
    json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late",
        "importance_provisional": importance})
}

/// Acceptance check 9.
#[tokio::test(flavor = "multi_thread")]
async fn every_level_fires_once_at_the_time_of_the_table_also_after_a_restart_between_levels() -> Result<()> {
    on_each_database(async |url| {
        let (clock, hand) = Clock::manual(RECEIVED.parse()?);
        let mut platform = Platform::start(url.clone(), clock.clone()).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let sla = SlaServiceClient::new(platform.person("trf-ops").await?);
        let mut cases = BTreeMap::new();
        for (importance, _) in LADDERS {
            let reference =
                intake.submit_case(complaint(importance, &late(importance))).await?.into_inner().reference;
            eventually("its clocks run", async || {
                let request = GetCaseClocksRequest { case: reference.clone() };
                Ok(sla.clone().get_case_clocks(request).await.ok())
            })
            .await?;
            cases.insert(importance, reference);
        }

        let mut instants = Vec::new();
        for (_, at) in LADDERS.iter().flat_map(|(_, ladder)| ladder.iter()) {
            instants.push(at.parse::<Timestamp>()?);
        }
        instants.sort_unstable();
        instants.dedup();
        for now in instants {
            hand.advance_to(now);
            let client = EscalationServiceClient::new(platform.person("trf-ops").await?);
            for (importance, ladder) in LADDERS {
                let mut expected = Vec::new();
                for (level, at) in ladder {
                    expected.push(((*level).to_owned(), Some(at.parse::<Timestamp>()?)));
                }
                expected.retain(|(_, at)| at.is_some_and(|at| at <= now));
                let seen = eventually("the levels fire", async || {
                    let fired = fired(&client, &cases[importance]).await?;
                    Ok((fired.len() >= expected.len()).then_some(fired))
                })
                .await?;
                assert_eq!(seen, expected, "{importance} at {now}");
            }
            platform.running.stop().await?;
            platform = Platform::start(url.clone(), clock.clone()).await?;
        }
        Ok(platform.running.stop().await?)
    })
    .await
}

/// The levels of the response clock that a preview shows, in their order.
async fn previewed(client: &EscalationServiceClient<Asking>, case: &str) -> Result<Vec<Rung>> {
    let request = PreviewRequest { case: case.to_owned() };
    let rungs = client.clone().preview(request).await?.into_inner().rungs;
    Ok(rungs.into_iter().filter(|rung| rung.clock == "response").collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_whom_a_case_would_reach_and_when_and_what_it_has_reached() -> Result<()> {
    on_each_database(async |url| {
        let (clock, hand) = Clock::manual(RECEIVED.parse()?);
        let platform = Platform::start(url, clock).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let case = intake.submit_case(complaint("P-1", &late("medium"))).await?.into_inner().reference;
        let client = EscalationServiceClient::new(platform.person("trf-ops").await?);
        let rungs = eventually("its ladder is seen", async || {
            let rungs = previewed(&client, &case).await;
            Ok(rungs.ok().filter(|rungs| !rungs.is_empty()))
        })
        .await?;
        // The table, before anything has fired.
        let (_, table) = LADDERS[1];
        assert_eq!(rungs.len(), table.len());
        for (rung, (level, at)) in rungs.iter().zip(table) {
            assert_eq!((rung.level.as_str(), rung.status.as_str()), (*level, "ahead"));
            assert_eq!(time::from_proto(rung.at.as_ref()), Some(at.parse()?), "{level}");
            assert!(!rung.safety_net && rung.escalation.is_none(), "{rung:?}");
        }
        // It is with no department yet: the levels of departments go up, and say so.
        assert_eq!(rungs[1].vacant, ["department_manager", "department_director"]);
        assert_eq!(rungs[1].people, ["trf-pqi-director"]);
        assert_eq!((rungs[4].people.as_slice(), rungs[4].vacant.len()), (&["trf-head".to_owned()][..], 0));

        let fired = async |levels: usize| {
            eventually(&format!("{levels} levels have fired"), async || {
                let rungs = previewed(&client, &case).await?;
                let fired = rungs.iter().filter(|rung| rung.status == "fired").count();
                Ok((fired == levels).then_some(rungs))
            })
            .await
        };
        hand.advance_to(table[0].1.parse()?);
        fired(1).await?;
        hand.advance_to(table[1].1.parse()?);
        let rungs = fired(2).await?;
        // Those of which nobody can say when they are told again stand at the end.
        let order: Vec<_> = rungs.iter().map(|rung| rung.level.as_str()).collect();
        assert_eq!(order, ["L2", "L3", "L4", "L5", "L0", "L1"]);
        let raised = rungs[5].escalation.clone().context("L1 has fired")?;
        assert_eq!(time::from_proto(raised.raised_at.as_ref()), Some(table[1].1.parse()?));
        let mut director = EscalationServiceClient::new(platform.person("trf-pqi-director").await?);
        let reason = "I call today".to_owned();
        director.acknowledge(AcknowledgeRequest { escalation_id: raised.escalation_id, reason }).await?;
        let rungs = previewed(&client, &case).await?;
        assert_eq!((rungs[5].level.as_str(), rungs[5].status.as_str()), ("L1", "acknowledged"));
        // The next level is not silenced.
        assert_eq!((rungs[0].level.as_str(), rungs[0].status.as_str()), ("L2", "ahead"));

        let server = format!("http://{}", platform.running.address);
        let data = platform.folder().to_str().context("a path in UTF-8")?;
        let asked = ["escalation", "preview", &case, "--server", &server, "--data", data, "--as", "trf-ops"];
        let output = masar(&asked).await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find(|line| line.contains("response") && line.contains("L2"));
        let line = line.with_context(|| said.clone())?;
        assert!(line.contains("2026-11-17 14:00") && line.contains("ahead"), "{line}");
        assert!(line.contains("trf-pqi-director (vacant: department_director)"), "{line}");
        // Nobody sees the ladders of another entity.
        let other = EscalationServiceClient::new(platform.person("lab-ops").await?);
        let refused = previewed(&other, &case).await.err().context("it was answered")?;
        let refused = refused.downcast::<tonic::Status>()?;
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
        Ok(platform.running.stop().await?)
    })
    .await
}

/// A package whose ladder raises the importance and asks another case to be opened, and says so again until somebody hears.
const HURRIED: &str = r#"package: hurried
version: 1.0.0
case_type: hurried
label: {ar: "مستعجلة", en: "Hurried"}
opening_form: opening
facts: {department: department}
opening_effects: [route]
states:
  fresh: {category: open, initial: true, label: {ar: "جديدة", en: "New"}}
  done: {category: closed, label: {ar: "منتهية", en: "Done"}}
transitions:
  - {action: hurry, from: [fresh], to: same, roles: [system], sets: {importance: "='high'", department: "='TRF-INSPECT'"}, effects: [route, {child: {package: improvement-action, link: improves, with: {title: "={'ar': 'س', 'en': 'Why'}", type: "='quick_fix'", cross_department: "=false", priority: "='medium'", owner_department: "='TRF-LICENCE'", owner: "='trf-licence-1'", due: "='2026-12-15'"}}}], label: {ar: "استعجال", en: "Hurry"}}
  - {action: finish, from: [fresh], to: done, roles: [case_handler], effects: [close_task], label: {ar: "إنهاء", en: "Finish"}}
clocks:
  answer: {kind: sla, target: {all: 1 business_day}, start: {actions: [open]}, stop: {states: [done]}, label: {ar: "رد", en: "Answer"}}
ladders:
  answer:
    safety_net: tenant_admin
    levels: [{level: L1, at: {all: breach}, to: [department_manager], template: late, again: {every: 1 business_day, times: 5}, do: ["act:hurry"]}]
routing:
  rules:
    - {name: "a department is named", when: "has(case.department)", queue: "=case.department"}
  otherwise: triage
templates:
  late: {subject: {ar: "تأخر {{ case.reference }}", en: "Late: {{ case.reference }}"}, body: {ar: "نص", en: "Text"}}
"#;

const OPENING: &str = r#"{"type": "object", "x-label": {"ar": "فتح", "en": "Opening"}, "properties": {
  "department": {"type": "string", "x-label": {"ar": "الإدارة", "en": "Department"}},
  "subject": {"type": "string", "x-label": {"ar": "الموضوع", "en": "Subject"}}}}"#;

/// Reassigned, raised and with a child: once; told again: until somebody takes notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_level_acts_on_its_case_once_and_is_told_again_until_it_is_acknowledged() -> Result<()> {
    on_each_database(async |url| {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("forms"))?;
        fs::write(folder.path().join("workflow.yaml"), HURRIED)?;
        fs::write(folder.path().join("forms/opening.json"), OPENING)?;
        let (clock, hand) = Clock::manual(RECEIVED.parse()?);
        let platform = Platform::start_with(url, clock, vec![folder.path().to_owned()]).await?;
        let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
        let form = json!({"department": "TRF-LICENCE", "subject": "Late"});
        let request = SubmitCaseRequest { case_type: "hurried".to_owned(), ..complaint("H-1", &form) };
        let key = intake.submit_case(request).await?.into_inner().reference;
        let cases = CaseServiceClient::new(platform.person("trf-admin").await?);
        let seen = async |what: &str, wanted: &dyn Fn(&masar_proto::cases::v1::Case) -> bool| {
            eventually(what, async || Ok(case(&cases, &key).await?.filter(|case| wanted(case)))).await
        };
        seen("it is with its department", &|case| case.queue == "TRF-LICENCE").await?;
        let ops = EscalationServiceClient::new(platform.person("trf-ops").await?);
        let told = async |times: u32| {
            eventually("the level is told", async || {
                let request = ListEscalationsRequest { case: key.clone(), ..Default::default() };
                let listed = ops.clone().list_escalations(request).await?.into_inner().escalations;
                Ok(listed.into_iter().find(|one| one.level == "L1" && one.told == times))
            })
            .await
        };
        // Due at the closing of the next working day.
        hand.advance_to("2026-11-02T14:00:00+03:00".parse()?);
        let raised = told(1).await?;
        assert_eq!(raised.people, ["trf-licence-manager"]);
        let hurried = seen("it is hurried, elsewhere, and has a child", &|case| {
            case.importance() == Importance::High && case.queue == "TRF-INSPECT" && case.links.len() == 1
        })
        .await?;
        hand.advance_to("2026-11-03T14:00:00+03:00".parse()?);
        let again = told(2).await?;
        assert_eq!(again.escalation_id, raised.escalation_id);
        // It has moved: those who are told are those of its department now.
        assert_eq!(again.people, ["trf-inspect-manager", "trf-licence-manager"]);
        let mut manager = EscalationServiceClient::new(platform.person("trf-inspect-manager").await?);
        let reason = "I see to it".to_owned();
        manager.acknowledge(AcknowledgeRequest { escalation_id: again.escalation_id, reason }).await?;
        hand.advance_to("2026-11-05T14:00:00+03:00".parse()?);
        let sla = SlaServiceClient::new(platform.person("trf-ops").await?);
        eventually("the marks have come", async || {
            let request = GetCaseClocksRequest { case: key.clone() };
            let clocks = sla.clone().get_case_clocks(request).await?.into_inner().clocks;
            let fired = |mark: &str| clocks.iter().any(|clock| clock.fired.iter().any(|fired| fired == mark));
            Ok(fired("breach + 3 business_days").then_some(()))
        })
        .await?;
        // Nobody was told a third time, and nothing was done twice.
        let rungs = eventually("escalation has heard of them", async || {
            let request = PreviewRequest { case: key.clone() };
            let rungs = ops.clone().preview(request).await?.into_inner().rungs;
            Ok(Some(rungs).filter(|rungs| rungs.iter().any(|rung| rung.status == "acknowledged")))
        })
        .await?;
        assert_eq!(
            rungs.iter().filter_map(|rung| rung.escalation.as_ref()).map(|one| one.told).max(),
            Some(2)
        );
        let last = case(&cases, &key).await?.context("the case")?;
        assert_eq!((last.links.len(), last.version), (1, hurried.version));
        Ok(platform.running.stop().await?)
    })
    .await
}

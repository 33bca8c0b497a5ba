//! A test case of an ambassador is a case like any other to everybody but the programme, and to that only when the mission is over
//! (CMP-07, AMB-01).

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use masar_bus::{Delivery, Error, Event, Message, Transport};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{
    AvailableTransitionsRequest, Case, CaseEvent, CountCasesRequest, ListCaseEventsRequest, ListCasesRequest,
};
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::intake::v1::{GetSubmissionRequest, SubmitCaseRequest, get_submission_request::Key};
use masar_proto::kinds;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::routing::v1::{ExplainRequest, ListTasksRequest};
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{GetCaseClocksRequest, ListClocksRequest};
use masar_runtime::Clock;
use masar_testkit::on_each_database;
use serde_json::{Value, json};
use support::{Asking, Platform, act, case, complaint, eventually, with_question};
use tokio::sync::{mpsc, watch};

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";
/// Under which name the ambassador lodges what, and who that is.
const ALIAS: &str = "CUST-2041";
const SUBJECT: &str = "The permit never came";
const AMBASSADOR: &str = "lab-amb-1";
/// Those who handle the case, those above them, and those who see more than others.
const OTHERS: [&str; 6] = [
    "lab-permits-1",
    "lab-permits-manager",
    "lab-permits-director",
    "lab-triage-1",
    "lab-admin",
    "lab-auditor",
];

/// A bus that remembers what it carried: what stood in the outboxes, as it stood there.
struct Recorder {
    bus: Arc<dyn Transport>,
    told: Mutex<Vec<Event>>,
}

impl Recorder {
    fn told(&self) -> Vec<Event> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Transport for Recorder {
    async fn publish(&self, message: Message) -> Result<(), Error> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).extend(message.events.iter().cloned());
        self.bus.publish(message).await
    }

    async fn subscribe(
        &self,
        consumer: &str,
        sources: &[&str],
        share: watch::Receiver<BTreeSet<u16>>,
    ) -> Result<mpsc::Receiver<Delivery>, Error> {
        self.bus.subscribe(consumer, sources, share).await
    }
}

type Cases = CaseServiceClient<Asking>;

async fn cases(platform: &Platform, who: &str) -> Result<Cases> {
    Ok(CaseServiceClient::new(platform.person(who).await?))
}

async fn submit(platform: &Platform, who: &str, case_type: &str, form: &Value) -> Result<String> {
    let mut intake = IntakeServiceClient::new(platform.person(who).await?);
    let request = SubmitCaseRequest {
        case_type: case_type.to_owned(),
        idempotency_key: format!("{case_type} of {who}"),
        source_system: String::new(),
        external_ref: String::new(),
        ..complaint("", form)
    };
    Ok(intake.submit_case(request).await?.into_inner().reference)
}

/// A mission in the field, from which its ambassador has lodged a complaint; both, and a complaint of a customer.
async fn lodged(platform: &Platform) -> Result<[Case; 3]> {
    let ordinary = json!({"channel": "web_portal", "language": "en", "service": "LAB-S01", "subject": "It is late",
        "description": "Late", "category": "time.delay"});
    let ordinary = submit(platform, "lab-intake", "complaint", &ordinary).await?;
    let brief = json!({"type": "assigned_task", "ambassador": AMBASSADOR, "visited_entity": "DEMO-LAB", "service": "LAB-S01",
        "place": "west", "scenario": "Complain that it is late", "window_from": "2026-11-15", "window_to": "2026-12-10",
        "covert_allowed": true});
    let mission = submit(platform, "lab-programme-manager", "ambassador_mission", &brief).await?;
    let leader = cases(platform, "lab-group-leader").await?;
    let ambassador = cases(platform, AMBASSADOR).await?;
    eventually("the mission", async || {
        Ok(case(&leader, &mission).await?.filter(|case| case.state == "draft"))
    })
    .await?;
    act(&leader, &mission, "offer", None).await?;
    act(&ambassador, &mission, "accept", Some(json!({"no_conflict": true}))).await?;
    act(&ambassador, &mission, "start", None).await?;
    let covert = json!({"kind": "complaint", "channel": "web_portal", "language": "en", "subject": SUBJECT,
        "text": "It was promised for Sunday", "category": "time.delay",
        "customer": {"alias": ALIAS, "contact": {"mode": "email", "value": "2041@mail.example"}}});
    act(&ambassador, &mission, "spawn_covert", Some(covert)).await?;
    let handler = cases(platform, OTHERS[0]).await?;
    let child = eventually("the complaint in its queue", async || {
        let listed = list(&handler, "complaint", SUBJECT).await?;
        Ok(listed.into_iter().find(|case| !case.queue.is_empty()))
    })
    .await?;
    let whole = async |key| case(&handler, key).await?.context("it is there");
    Ok([whole(&mission).await?, child, whole(&ordinary).await?])
}

async fn list(client: &Cases, case_type: &str, text: &str) -> Result<Vec<Case>> {
    let request = ListCasesRequest {
        case_type: case_type.to_owned(),
        text: text.to_owned(),
        ..ListCasesRequest::default()
    };
    Ok(client.clone().list_cases(request).await?.into_inner().cases)
}

async fn history(client: &Cases, key: &str) -> Result<Vec<CaseEvent>> {
    let request = ListCaseEventsRequest { case: key.to_owned(), page: None };
    Ok(client.clone().list_case_events(request).await?.into_inner().events)
}

/// Everything that a person reads of a case, by whatever there is to ask.
async fn everything(platform: &Platform, who: &str, case: &Case) -> Result<String> {
    let (client, key) = (cases(platform, who).await?, case.reference.as_str());
    let mut text = format!("{:?}", support::case(&client, key).await?);
    text += &format!("{:?}", history(&client, key).await?);
    let listed = list(&client, "", "").await?.into_iter().filter(|listed| listed.case_id == case.case_id);
    text += &format!("{:?}", listed.collect::<Vec<_>>());
    let doable = AvailableTransitionsRequest { case: key.to_owned() };
    text += &format!("{:?}", client.clone().available_transitions(doable).await?.into_inner());
    let mut intake = IntakeServiceClient::new(platform.person(who).await?);
    let submission = GetSubmissionRequest { key: Some(Key::Reference(key.to_owned())) };
    text += &format!("{:?}", intake.get_submission(submission).await?.into_inner());
    let mut sla = SlaServiceClient::new(platform.person(who).await?);
    let clocks = GetCaseClocksRequest { case: key.to_owned() };
    text += &format!("{:?}", sla.get_case_clocks(clocks).await?.into_inner());
    let clocks = sla.list_clocks(ListClocksRequest::default()).await?.into_inner().clocks;
    let of_case = clocks.into_iter().filter(|clock| clock.reference == case.reference);
    text += &format!("{:?}", of_case.collect::<Vec<_>>());
    let mut routing = RoutingServiceClient::new(platform.person(who).await?);
    let tasks = routing.list_tasks(ListTasksRequest::default()).await?.into_inner().tasks;
    text +=
        &format!("{:?}", tasks.into_iter().filter(|task| task.case_id == case.case_id).collect::<Vec<_>>());
    text += &format!("{:?}", routing.explain(ExplainRequest { case: key.to_owned() }).await?.into_inner());
    Ok(text)
}

/// What would lead from anything to the mission, and from anything to the child.
fn clues<'a>(mission: &'a Case, child: &'a Case) -> [Vec<&'a str>; 2] {
    let of_mission = vec![mission.case_id.as_str(), &mission.reference, AMBASSADOR];
    [of_mission, vec![child.case_id.as_str(), &child.reference, ALIAS, SUBJECT]]
}

async fn nobody_else_finds_it(platform: &Platform, mission: &Case, child: &Case) -> Result<()> {
    let [to_mission, to_child] = clues(mission, child);
    for who in OTHERS {
        for (read, clues) in [(mission, &to_child), (child, &to_mission)] {
            let text = everything(platform, who, read).await?;
            let found: Vec<_> = clues.iter().filter(|clue| text.contains(**clue)).collect();
            ensure!(found.is_empty(), "{who} finds {found:?} in {}: {text}", read.reference);
            ensure!(
                !text.contains("concealed: true") && !text.contains("action: \"reading\""),
                "{who}: {text}"
            );
        }
        let client = cases(platform, who).await?;
        let done: Vec<_> = history(&client, &mission.reference).await?;
        ensure!(done.iter().all(|event| event.action != "spawn_covert"), "{who}: {done:?}");
        for clue in &to_mission {
            let found = list(&client, "complaint", clue).await?;
            ensure!(found.is_empty(), "{who} finds {found:?} under `{clue}`");
        }
    }
    Ok(())
}

/// No event tells of both, and none is of a kind that only children have.
fn no_event_tells(told: &[Event], mission: &Case, child: &Case) -> Result<()> {
    let [to_mission, to_child] = clues(mission, child);
    let of_child = told.iter().filter(|event| event.subject == child.case_id).count();
    ensure!(of_child > 5, "{of_child} events of the complaint");
    for event in told {
        let bytes = [event.subject.as_bytes(), &event.data].concat();
        let tells = |clues: &[&str]| {
            clues.iter().any(|clue| bytes.windows(clue.len()).any(|part| part == clue.as_bytes()))
        };
        ensure!(!(tells(&to_mission) && tells(&to_child)), "{event:?}");
        let of_children = [kinds::CASE_LINKED, kinds::CASE_CHILD_CHANGED].contains(&event.kind.as_str());
        ensure!(!(of_children && (tells(&to_mission) || tells(&to_child))), "{event:?}");
        ensure!(
            !bytes.windows(12).any(|part| part == b"spawn_covert") || event.kind.starts_with("workflow."),
            "{event:?}"
        );
    }
    Ok(())
}

/// The texts of both formats of `masar log export`, as somebody runs it.
async fn exported(platform: &Platform, who: &str, folder: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for name in ["log.xes", "log.json"] {
        let file = folder.join(name);
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_masar"));
        command.args(["log", "export", "--as", who, "--out"]).arg(&file);
        command.args(["--server", &format!("http://{}", platform.running.address), "--data"]);
        let output = command.arg(platform.folder()).env_remove("MASAR_TENANT").output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        texts.push(std::fs::read_to_string(file)?);
    }
    Ok(texts)
}

/// What leads from one case to another in an export, and what only a mission does, is not there.
async fn no_export_tells(platform: &Platform, who: &str, child: &Case) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for text in exported(platform, who, folder.path()).await? {
        ensure!(text.contains(&child.reference), "{who}: the complaint is there like any other");
        ensure!(
            !text.contains("spawn_covert") && !text.contains("covert") && !text.contains("reading"),
            "{who}: {text}"
        );
    }
    Ok(())
}

/// How many complaints were received, as the entity publishes it.
async fn published(platform: &Platform) -> Result<u64> {
    let request = CountCasesRequest { case_type: "complaint".to_owned(), received: None };
    let counted = cases(platform, "lab-ops").await?.count_cases(request).await?.into_inner();
    Ok(counted.counts.iter().map(|count| count.cases).sum())
}

/// The links that somebody finds of a case that others do not.
async fn concealed_links(platform: &Platform, who: &str, key: &str) -> Result<Vec<String>> {
    let found = case(&cases(platform, who).await?, key).await?.unwrap_or_default();
    Ok(found.links.into_iter().filter(|link| link.concealed).map(|link| link.reference).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_covert_complaint_is_an_ordinary_one_to_everybody_but_the_programme_and_counts_nowhere_once_closed()
-> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let mut recorder = None;
        let over = |bus| {
            let new = Arc::new(Recorder { bus, told: Mutex::default() });
            recorder = Some(Arc::clone(&new));
            new as Arc<dyn Transport>
        };
        let platform = Platform::start_over(url, clock, over).await?;
        let recorder = recorder.context("the bus")?;
        let [mission, child, ordinary] = lodged(&platform).await?;
        // It is promised an answer like any other, and looks like one to the last field.
        let due = |case: &Case| case.due_at;
        let handler = cases(&platform, OTHERS[0]).await?;
        let other = eventually("its due time", async || {
            Ok(case(&handler, &ordinary.reference).await?.filter(|case| due(case).is_some()))
        })
        .await?;
        let child = eventually("its due time", async || {
            Ok(case(&handler, &child.reference).await?.filter(|case| due(case).is_some()))
        })
        .await?;
        let alike = |case: &Case| {
            (case.state.clone(), case.queue.clone(), due(case), case.source_system.clone(), case.links.len())
        };
        assert_eq!(alike(&child), alike(&other));
        nobody_else_finds_it(&platform, &mission, &child).await?;
        no_export_tells(&platform, OTHERS[0], &child).await?;
        let manager = "lab-programme-manager";
        assert_eq!(concealed_links(&platform, manager, &mission.reference).await?, Vec::<String>::new());
        assert_eq!(
            concealed_links(&platform, AMBASSADOR, &mission.reference).await?,
            [child.reference.as_str()]
        );

        // Leaving it out of what is published while it is open would tell which it is.
        assert_eq!(published(&platform).await?, 2);
        let admin = cases(&platform, "lab-admin").await?;
        act(&admin, &child.reference, "cancel", None).await?;
        assert_eq!(published(&platform).await?, 1);
        act(&admin, &ordinary.reference, "cancel", None).await?;
        assert_eq!(published(&platform).await?, 1);

        close(&platform, &mission.reference).await?;
        nobody_else_finds_it(&platform, &mission, &child).await?;
        assert_eq!(
            concealed_links(&platform, manager, &mission.reference).await?,
            [child.reference.as_str()]
        );
        assert_eq!(
            concealed_links(&platform, "lab-qc", &child.reference).await?,
            [mission.reference.as_str()]
        );
        assert_eq!(concealed_links(&platform, OTHERS[1], &child.reference).await?, Vec::<String>::new());
        readings_are_written_down(&platform, &mission, &child).await?;
        no_export_tells(&platform, manager, &child).await?;
        nobody_else_finds_it(&platform, &mission, &child).await?;
        no_event_tells(&recorder.told(), &mission, &child)?;
        Ok(platform.running.stop().await?)
    })
    .await
}

/// Takes a mission from the field to its end.
async fn close(platform: &Platform, mission: &str) -> Result<()> {
    let ambassador = cases(platform, AMBASSADOR).await?;
    act(&ambassador, mission, "visit_done", None).await?;
    let report = json!({"visited_at": "2026-11-15 09:30", "before_enquiries": 4, "before_appointment": "not_applicable",
        "before_information": 3, "during_treatment": 5, "during_guidance": 4, "during_efficiency": 2, "after_follow_up": 3,
        "after_interest": 3, "after_need": 4, "after_problems": "not_applicable", "overall_satisfaction": 4,
        "findings": [{"kind": "defect", "text": "Two trays", "stage": "processing", "severity": "medium"}],
        "neutrality_statement": true});
    act(&ambassador, mission, "submit", Some(report)).await?;
    let quality = json!({"complete": true, "consistent": true, "in_time": true, "evidence_fits": true,
        "scenario_followed": true, "no_identity_clue": true, "language_clear": true, "score": 95});
    let closed = act(&cases(platform, "lab-qc").await?, mission, "accept_report", Some(quality)).await?;
    assert_eq!(closed.state, "report_accepted");
    Ok(())
}

/// The history of the mission says who read the link, and so does reading that history.
async fn readings_are_written_down(platform: &Platform, mission: &Case, child: &Case) -> Result<()> {
    let analyst = cases(platform, "lab-analyst").await?;
    for read in 0..2 {
        let told = history(&analyst, &mission.reference).await?;
        let readings = told.iter().filter(|event| event.kind == "reading");
        let read_by: Vec<_> = readings.map(|event| (event.actor.as_str(), event.text.as_str())).collect();
        let of_child = child.reference.as_str();
        let mut expected =
            vec![(AMBASSADOR, of_child), ("lab-programme-manager", of_child), ("lab-qc", of_child)];
        expected.extend(std::iter::repeat_n(("lab-analyst", ""), read));
        assert_eq!(read_by, expected);
        let lodged: Vec<_> = told.iter().filter(|event| event.action == "spawn_covert").collect();
        assert_eq!(lodged.iter().map(|event| event.concealed).collect::<Vec<_>>(), [true]);
        assert!(format!("{lodged:?}").contains(SUBJECT));
    }
    Ok(())
}

/// A package whose cases lodge an inquiry and end with it.
const PROBE: &str = r#"
package: probe
version: 1.0.0
case_type: probe
label: {ar: "فحص", en: "Probe"}
opening_form: question
opened_by: [programme_manager]
states:
  asking: {category: open, initial: true, label: {ar: "قيد السؤال", en: "Asking"}}
  done: {category: closed, label: {ar: "تم", en: "Done"}}
transitions:
  - {action: lodge, from: [asking], to: same, roles: [programme_manager], form: question, label: {ar: "تقديم", en: "Lodge"},
     effects: [{child: {package: inquiry, link: probe_of, concealed: {lodged_by: "=''", revealed_to: [programme_manager], revealed_in: [done]}}}]}
  - {action: finish, from: [asking], to: done, roles: [system], effects: [close_task], label: {ar: "إنهاء", en: "Finish"},
     guard: "children.exists(c, c.link == 'probe_of' && c.category == 'closed')", otherwise: {ar: "لم يرد بعد", en: "Not answered yet"}}
on_child: [finish]
routing: {otherwise: ambassadors}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn who_lodged_a_case_goes_on_with_it_although_no_event_says_so() -> Result<()> {
    on_each_database(async |url| {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let folder = tempfile::tempdir()?;
        let package = with_question(&folder.path().join("probe"), PROBE)?;
        let platform = Platform::start_with(url, clock, vec![package]).await?;
        let asked = json!({"channel": "web_portal", "language": "en", "subject": "How long", "question": "How long?"});
        let probe = submit(&platform, "lab-programme-manager", "probe", &asked).await?;
        let manager = cases(&platform, "lab-programme-manager").await?;
        let state = |wanted: &'static str, key: String| {
            let manager = manager.clone();
            async move { Ok(case(&manager, &key).await?.filter(|case| case.state == wanted)) }
        };
        eventually("the probe", async || state("asking", probe.clone()).await).await?;
        act(&manager, &probe, "lodge", Some(asked)).await?;
        let inquiry = eventually("the inquiry", async || {
            Ok(list(&manager, "inquiry", "").await?.into_iter().find(|case| case.state == "received"))
        })
        .await?;
        // Nobody's: it stands under its own id.
        let opened = history(&cases(&platform, "lab-triage-1").await?, &inquiry.reference).await?;
        assert_eq!(opened[0].actor, inquiry.case_id);
        act(&cases(&platform, "lab-admin").await?, &inquiry.reference, "cancel", None).await?;
        // In the same transaction: there is nothing to wait for.
        let done = case(&manager, &probe).await?.context("it is there")?;
        assert_eq!(done.state, "done");
        assert_eq!(concealed_links(&platform, "lab-programme-manager", &probe).await?, [inquiry.reference]);
        Ok(platform.running.stop().await?)
    })
    .await
}

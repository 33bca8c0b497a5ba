//! Running cases go on in another version of their package, in every service, and come back; also when the process is killed
//! in the middle.

mod support;

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use futures::{StreamExt, stream};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::migrate_response::Result as Item;
use masar_proto::cases::v1::workflow_service_client::WorkflowServiceClient;
use masar_proto::cases::v1::{
    Case, ListCaseEventsRequest, ListMigrationsRequest, MigrateRequest, MigrateResponse, MigratedCase,
    MigrationMap, MigrationRecord, MigrationSummary, PublishRequest, UndoMigrationRequest, VersionRisk,
};
use masar_proto::events::v1::ClockState;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::routing::v1::ExplainRequest;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::sla::v1::GetCaseClocksRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_runtime::{Clock, refuse};
use masar_testkit::on_each_database;
use masar_workflow::shipped_files;
use serde_json::{Value, json};
use support::process::{Process, free_address, masar};
use support::{Asking, Platform, act, case, complaint, eventually};
use tonic::{Code, Status, Streaming};

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";
/// Cases of the migration that is killed: several transactions.
const MANY: usize = 700;

type Workflows = WorkflowServiceClient<Asking>;

/// The shipped complaint in which `in_progress` is called `handling`, the first response is no promise, an answer is due two
/// days earlier, and whoever asks which rule decides hears another one.
fn changed() -> HashMap<String, String> {
    let mut files = shipped_files("complaint").unwrap_or_default();
    let workflow = files.get_mut("workflow.yaml").expect("every package has one");
    for (was, is) in [
        ("version: 1.0.0", "version: 1.1.0"),
        ("in_progress", "handling"),
        ("first_response", "first_reply"),
        ("high: 5 business_days, medium: 10 business_days", "high: 5 business_days, medium: 8 business_days"),
        (r#"name: "a department is named""#, r#"name: "somebody named a department""#),
    ] {
        assert!(workflow.contains(was), "{was}");
        *workflow = workflow.replace(was, is);
    }
    // What it does otherwise, its scenarios do not say yet.
    files.retain(|path, _| !path.starts_with("scenarios/"));
    files.into_iter().collect()
}

fn map() -> MigrationMap {
    let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    MigrationMap {
        states: [pair("in_progress", "handling")].into(),
        clocks: [pair("response", "retarget"), pair("first_reply", "start")].into(),
        route: false,
    }
}

fn request(map: MigrationMap, dry_run: bool) -> MigrateRequest {
    MigrateRequest {
        package: "complaint".to_owned(),
        from: "1.0.0".to_owned(),
        to: "1.1.0".to_owned(),
        map: Some(map),
        reason: "a shorter way".to_owned(),
        dry_run,
    }
}

/// What became of each case, by its reference, and the summary.
type Ways = (BTreeMap<String, MigratedCase>, MigrationSummary);

async fn all(mut answers: Streaming<MigrateResponse>) -> Result<Ways> {
    let mut ways = BTreeMap::new();
    while let Some(answer) = answers.message().await? {
        match answer.result.context("it says something")? {
            Item::Case(case) => drop(ways.insert(case.reference.clone(), case)),
            Item::Summary(summary) => return Ok((ways, summary)),
        }
    }
    anyhow::bail!("it ended without a summary")
}

async fn migrate(workflows: &Workflows, request: MigrateRequest) -> Result<Ways> {
    all(workflows.clone().migrate(request).await?.into_inner()).await
}

async fn undo(workflows: &Workflows, id: &str) -> Result<Ways> {
    let request = UndoMigrationRequest { migration_id: id.to_owned(), reason: "not yet".to_owned() };
    all(workflows.clone().undo_migration(request).await?.into_inner()).await
}

async fn migrations(workflows: &Workflows) -> Result<Vec<MigrationRecord>> {
    let listed = workflows.clone().list_migrations(ListMigrationsRequest::default()).await?;
    Ok(listed.into_inner().migrations)
}

/// The clocks of a case that count, with their targets.
async fn clocks(sla: &SlaServiceClient<Asking>, key: &str) -> Result<BTreeMap<String, String>> {
    let clocks =
        sla.clone().get_case_clocks(GetCaseClocksRequest { case: key.to_owned() }).await?.into_inner().clocks;
    let open = clocks.into_iter().filter_map(|clock| clock.state).filter(ClockState::is_open);
    Ok(open.map(|clock| (clock.clock, clock.target)).collect())
}

/// Somebody of each service who looks.
struct House {
    platform: Platform,
    cases: CaseServiceClient<Asking>,
    sla: SlaServiceClient<Asking>,
    workflows: Workflows,
}

impl House {
    async fn start(url: String) -> Result<Self> {
        let (clock, _hand) = Clock::manual(SUNDAY.parse()?);
        let platform = Platform::start(url, clock).await?;
        Ok(Self {
            cases: CaseServiceClient::new(platform.person("trf-triage-1").await?),
            sla: SlaServiceClient::new(platform.person("trf-ops").await?),
            workflows: WorkflowServiceClient::new(platform.person("trf-admin").await?),
            platform,
        })
    }

    /// A complaint to which some actions were done, at its desk.
    async fn complaint(&self, key: &str, actions: &[&str]) -> Result<String> {
        let mut intake = IntakeServiceClient::new(self.platform.call_centre("DEMO-TRF").await?);
        let form = json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late"});
        let reference = intake.submit_case(complaint(key, &form)).await?.into_inner().reference;
        self.wait(&reference, |case| !case.queue.is_empty()).await?;
        let handler = CaseServiceClient::new(self.platform.person("trf-licence-1").await?);
        for action in actions {
            let who = if *action == "accept" { &handler } else { &self.cases };
            act(who, &reference, action, form_of(action)).await?;
        }
        Ok(reference)
    }

    async fn wait(&self, key: &str, wanted: impl Fn(&Case) -> bool) -> Result<Case> {
        eventually("the case is as it should be", async || Ok(case(&self.cases, key).await?.filter(&wanted)))
            .await
    }

    async fn clocks(&self, key: &str, wanted: &[(&str, &str)]) -> Result<()> {
        let wanted: BTreeMap<_, _> =
            wanted.iter().map(|(clock, target)| ((*clock).to_owned(), (*target).to_owned())).collect();
        eventually(&format!("these clocks count: {wanted:?}"), async || {
            let mut clocks = clocks(&self.sla, key).await?;
            clocks.retain(|clock, _| wanted.contains_key(clock) || clock.starts_with("first"));
            Ok((clocks == wanted).then_some(()))
        })
        .await
    }

    /// The rule that decides on the desk of a case.
    async fn rule(&self, key: &str) -> Result<String> {
        let mut routing = RoutingServiceClient::new(self.platform.person("trf-triage-1").await?);
        let explained = routing.explain(ExplainRequest { case: key.to_owned() }).await?.into_inner();
        Ok(explained.decided_by)
    }
}

fn form_of(action: &str) -> Option<Value> {
    let routed = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "medium", "department": "TRF-LICENCE"});
    match action {
        "route" => Some(routed),
        "refuse" => Some(json!({"code": "not_ours", "wording": {"ar": "لا", "en": "no"}})),
        _ => None,
    }
}

/// Whoever looks sees what the versions say otherwise, and what that would do.
fn tells_the_difference(summary: &MigrationSummary) -> Result<()> {
    let difference = summary.difference.as_ref().context("what is different")?;
    assert_eq!((&*difference.old, &*difference.new), ("complaint@1.0.0", "complaint@1.1.0"));
    let target = difference.changes.iter().find(|change| change.path == "clocks/response/target/medium");
    let target = target.map(|change| (&*change.before, &*change.after));
    assert_eq!(target, Some(("\"10 business_days\"", "\"8 business_days\"")));
    let gone = |risk: &VersionRisk| risk.code == "STATE_GONE" && risk.states == ["in_progress"];
    assert!(difference.risks.iter().any(gone), "{:?}", difference.risks);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn running_cases_go_on_in_the_new_version_in_every_service_and_come_back() -> Result<()> {
    on_each_database(async |url| {
        let house = House::start(url).await?;
        let new = house.complaint("new", &[]).await?;
        let open = house.complaint("open", &["start_triage", "route", "accept"]).await?;
        let over = house.complaint("over", &["start_triage", "refuse"]).await?;
        house.workflows.clone().publish(PublishRequest { files: changed() }).await?;
        house
            .clocks(&open, &[("first_response", "2 business_days"), ("response", "10 business_days")])
            .await?;

        let (ways, summary) = migrate(&house.workflows, request(MigrationMap::default(), true)).await?;
        assert_eq!((summary.migration_id.as_str(), ways.contains_key(&new)), ("", true));
        let stays = ways[&open].rejected.clone().context("its state is not there")?;
        assert_eq!((stays.code.as_str(), summary.rejected), ("STATE", 1));
        tells_the_difference(&summary)?;
        assert!(!ways.contains_key(&over), "what is over is not looked at");
        let before = case(&house.cases, &open).await?.context("it is there")?;
        assert_eq!((before.package_version.as_str(), before.state.as_str()), ("1.0.0", "in_progress"));

        let (ways, summary) = migrate(&house.workflows, request(map(), false)).await?;
        assert_eq!((summary.rejected, ways[&open].to_state.as_str()), (0, "handling"));
        assert_eq!(summary.difference, None);
        let told = [
            "first_reply: start with 2 business_days",
            "first_response: cancel",
            "response: retarget to 8 business_days",
        ];
        assert_eq!(ways[&open].clocks, told);
        let after = house.wait(&open, |case| case.package_version == "1.1.0").await?;
        assert_eq!(
            (after.state.as_str(), &after.assignee, after.version),
            ("handling", &before.assignee, before.version + 1)
        );
        house.clocks(&open, &[("first_reply", "2 business_days"), ("response", "8 business_days")]).await?;
        eventually("routing asks the rules of the new version", async || {
            Ok(house.rule(&open).await?.contains("somebody named").then_some(()))
        })
        .await?;
        let request_events = ListCaseEventsRequest { case: open.clone(), page: None };
        let history = house.cases.clone().list_case_events(request_events).await?.into_inner().events;
        let last = history.last().context("it has a history")?;
        assert_eq!(
            (last.action.as_str(), last.actor.as_str(), last.reason.as_str()),
            ("migrated", "trf-admin", "a shorter way")
        );

        // One goes on by the rules of the new version; the other goes back.
        act(&house.cases, &new, "start_triage", None).await?;
        let (ways, _) = undo(&house.workflows, &summary.migration_id).await?;
        assert_eq!(ways[&new].rejected.as_ref().map(|stays| stays.code.as_str()), Some("MOVED"));
        let back = house.wait(&open, |case| case.package_version == "1.0.0").await?;
        assert_eq!((back.state.as_str(), &back.assignee), ("in_progress", &before.assignee));
        house
            .clocks(&open, &[("first_response", "2 business_days"), ("response", "10 business_days")])
            .await?;
        let listed = migrations(&house.workflows).await?;
        assert_eq!(listed.len(), 1);
        assert!(
            listed[0].ended_at.is_some()
                && listed[0].undone_by == "trf-admin"
                && listed[0].map == Some(map())
        );
        assert_eq!(
            (listed[0].migrated, undo(&house.workflows, &summary.migration_id).await?.0.len()),
            (2, 0)
        );
        Ok(house.platform.running.stop().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_cannot_be_is_refused_before_any_case_moves() -> Result<()> {
    on_each_database(async |url| {
        let house = House::start(url).await?;
        house.workflows.clone().publish(PublishRequest { files: changed() }).await?;
        let refused = async |request: MigrateRequest| {
            let status = house.workflows.clone().migrate(request).await.map(drop).expect_err("refused");
            (
                status.code(),
                refuse::findings(&status).into_iter().map(|found| found.place).collect::<Vec<_>>(),
            )
        };
        let with = |states: &[(&str, &str)], clocks: &[(&str, &str)]| {
            let pairs = |pairs: &[(&str, &str)]| {
                pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
            };
            request(MigrationMap { states: pairs(states), clocks: pairs(clocks), route: false }, true)
        };
        let place = |place: &str| (Code::InvalidArgument, vec![place.to_owned()]);
        assert_eq!(refused(with(&[("in_progress", "nowhere")], &[])).await, place("states.in_progress"));
        assert_eq!(refused(with(&[], &[("response", "forget")])).await, place("clocks.response"));
        assert_eq!(refused(MigrateRequest { to: "1.0.0".into(), ..with(&[], &[]) }).await, place("to"));
        assert_eq!(refused(MigrateRequest { to: "7.0.0".into(), ..with(&[], &[]) }).await.0, Code::NotFound);
        let silent = MigrateRequest { reason: " ".into(), ..request(map(), false) };
        assert_eq!(refused(silent).await, place("reason"));
        let mut officer = WorkflowServiceClient::new(house.platform.person("trf-triage-1").await?);
        let denied = officer.migrate(request(map(), false)).await.map(drop).map_err(|status| status.code());
        assert_eq!(denied, Err(Code::PermissionDenied));
        assert_eq!(migrations(&house.workflows).await?, []);
        let unknown =
            UndoMigrationRequest { migration_id: uuid::Uuid::now_v7().to_string(), reason: "no".into() };
        let unknown = house.workflows.clone().undo_migration(unknown).await.map(drop);
        assert_eq!(unknown.map_err(|status| status.code()), Err(Code::NotFound));
        Ok(house.platform.running.stop().await?)
    })
    .await
}

/// The references of many complaints that are open.
async fn submitted(process: &Process, folder: &std::path::Path) -> Result<Vec<String>> {
    let intake = IntakeServiceClient::new(process.asking(folder, "system:DEMO-TRF").await?);
    let cases = CaseServiceClient::new(process.asking(folder, "trf-triage-1").await?);
    let form = json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late"});
    let submit = |number: usize| {
        let (mut intake, cases, form) = (intake.clone(), cases.clone(), form.clone());
        async move {
            let accepted = intake.submit_case(complaint(&format!("M-{number}"), &form)).await?.into_inner();
            eventually("it is open", async || {
                Ok(case(&cases, &accepted.reference).await?.filter(|case| case.version > 0))
            })
            .await?;
            anyhow::Ok(accepted.reference)
        }
    };
    let all: Vec<Result<String>> = stream::iter((0..MANY).map(submit)).buffered(64).collect().await;
    all.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_was_killed_goes_on_with_the_rest_and_migrates_each_case_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (folder, address) = (folder.path(), free_address()?);
    let mut process = Process::up(address, folder, &[])?;
    let references = submitted(&process, folder).await?;
    let admin = async |process: &Process| {
        anyhow::Ok(WorkflowServiceClient::new(process.asking(folder, "trf-admin").await?))
    };
    let mut workflows = admin(&process).await?;
    workflows.publish(PublishRequest { files: changed() }).await?;
    let mut answers = workflows.migrate(request(map(), false)).await?.into_inner();
    answers.message().await?.context("the first batch is done")?;
    process.kill().await?;
    drop(answers);

    process.again()?;
    let workflows = admin(&process).await?;
    let other = MigrateRequest { map: Some(MigrationMap::default()), ..request(map(), false) };
    let refused = workflows.clone().migrate(other).await.map(drop);
    let code = |status: Status| refuse::reason(&status).unwrap_or_default();
    let (_, summary) = match refused {
        // It was killed before its end: nobody begins another.
        Err(status) => {
            assert_eq!(code(status), "UNDER_WAY");
            migrate(&workflows, request(map(), false)).await?
        }
        Ok(()) => anyhow::bail!("it had ended before the kill: {MANY} are too few"),
    };
    let listed = migrations(&workflows).await?;
    assert_eq!((listed.len(), listed[0].migrated, summary.rejected), (1, MANY as u64, 0));
    assert!(summary.migrated < MANY as u64 && summary.migration_id == listed[0].migration_id, "{summary:?}");
    let cases = CaseServiceClient::new(process.asking(folder, "trf-triage-1").await?);
    let sla = SlaServiceClient::new(process.asking(folder, "trf-ops").await?);
    for (number, reference) in references.iter().enumerate() {
        let seen = case(&cases, reference).await?.context("it is there")?;
        assert_eq!((seen.package_version.as_str(), seen.version), ("1.1.0", 2), "{reference}");
        if number % 10 > 0 {
            continue;
        }
        let request = ListCaseEventsRequest { case: reference.clone(), page: None };
        let events = cases.clone().list_case_events(request).await?.into_inner().events;
        assert_eq!(events.iter().filter(|event| event.action == "migrated").count(), 1, "{reference}");
        eventually("its promise is the new one", async || {
            Ok(clocks(&sla, reference)
                .await?
                .get("response")
                .filter(|target| *target == "8 business_days")
                .cloned())
        })
        .await?;
    }

    // And back by the command line, as an analyst does it.
    let server = format!("http://{address}");
    let access = ["--server", &server, "--data", folder.to_str().unwrap_or_default(), "--as", "trf-admin"];
    let output =
        masar(&[&["workflow", "undo", &summary.migration_id, "--reason", "not yet"], &access[..]].concat())
            .await?;
    let text = String::from_utf8(output.stdout)?;
    assert!(text.contains(&format!("{MANY} are back, 0 stay")), "{text}");
    let file = folder.join("map.yaml");
    std::fs::write(&file, "states: {in_progress: handling}\nclocks: {response: keep}\n")?;
    let file = file.display().to_string();
    let dry =
        ["workflow", "migrate", "complaint", "--from", "1.0.0", "--to", "1.1.0", "--map", &file, "--dry-run"];
    let output = masar(&[&dry, &access[..]].concat()).await?;
    let text = String::from_utf8(output.stdout)?;
    assert!(text.contains(&format!("{MANY} would go on, 0 stay")) && text.contains(&references[0]), "{text}");
    assert!(
        text.starts_with("complaint@1.0.0 -> complaint@1.1.0: ") && text.contains("STATE_GONE"),
        "{text}"
    );
    process.kill().await
}

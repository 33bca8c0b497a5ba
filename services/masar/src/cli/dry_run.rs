//! `masar workflow dry-run`: how the cases of this installation would have fared under a draft.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use masar_domain::{Role, StateCategory};
use masar_proto::cases::v1::{Case, CaseEvent, CaseLink};
use masar_proto::events::v1::RegistryChanged;
use masar_proto::registry::v1::GetEntityRequest;
use masar_proto::registry::v1::registry_service_client::RegistryServiceClient;
use masar_proto::{json, time};
use masar_runtime::Clock;
use masar_simulator::{Change, DryRun, House, PastCase, PastChild, PastDeed, Rules, Stopped};
use masar_sla::calendars::compile;
use masar_workflow::{Actor, Catalog, OPEN, Package};
use masar_worktime::Calendar;

use super::client::{Asking, connect, refused};
use super::due::find;
use super::log::section;
use super::selection::{Cases, Selection, Told, events, whole};
use super::workflow::load;
use super::{Access, Answer};

/// What links a case to its children.
const CHILD: &str = "child";
/// What changes the state of a case.
const TRANSITION: &str = "transition";
/// Cases that are shown one by one.
const SHOWN: usize = 50;
/// How far back cases are read when nothing is said.
const DAYS: i64 = 180;

/// A draft, and the cases that are walked under it.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder of the draft, with `workflow.yaml` and `forms/`.
    folder: PathBuf,
    /// The calendar of the draft: the name of a shipped one, or a file. That of the entity when not given.
    #[arg(long)]
    calendar: Option<String>,
    /// The folder of what is in force, where it is none of the packages that this program brings.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Cases received at this time or later, with its offset; those of the last half year when not given.
    #[arg(long)]
    since: Option<Timestamp>,
    /// Cases received before this time.
    #[arg(long)]
    until: Option<Timestamp>,
    /// Judge what is still open as of this time; now when not given.
    #[arg(long)]
    as_of: Option<Timestamp>,
}

/// Reads the cases, walks them under both, and compares.
pub(crate) async fn run(arguments: Arguments, access: &Access) -> Result<Answer> {
    let draft = load(&arguments.folder)?;
    let client = connect(access).await?;
    let entity = entity(&client).await?;
    let calendar = calendar_of(&entity)?;
    let other = arguments.calendar.as_deref().map(find).transpose()?;
    let now = arguments.as_of.unwrap_or_else(|| Clock::wall().now());
    let selection = Selection {
        case_type: draft.definition().case_type.clone(),
        package: String::new(),
        state: Vec::new(),
        since: Some(arguments.since.unwrap_or(now - SignedDuration::from_hours(24 * DAYS))),
        until: arguments.until,
    };
    let cases = Cases::new(client);
    let told = selection.read(&cases).await?;
    let in_force = InForce::of(arguments.against.as_ref())?;
    let house = house(&entity);
    let mut found = DryRun::default();
    for told in &told {
        let past = past(&cases, told, &in_force.shipped).await?;
        let package = in_force.package(&told.case)?;
        let rules = Rules { package: &package, calendar: &calendar, house: &house, until: now };
        let drafted = Rules { package: &draft, calendar: other.as_ref().unwrap_or(&calendar), ..rules };
        found.add(rules, drafted, &past);
    }
    Ok(Answer { table: shown(&found, &draft), json: serde_json::to_value(&found)? })
}

async fn entity(client: &Asking) -> Result<RegistryChanged> {
    let mut registry = RegistryServiceClient::new(client.clone());
    let answer = registry.get_entity(GetEntityRequest {}).await;
    Ok(answer.map_err(|status| refused(&status))?.into_inner())
}

/// The newest version of the calendar that the entity follows.
fn calendar_of(entity: &RegistryChanged) -> Result<Calendar> {
    let name = &entity.default_calendar;
    let versions = entity.calendars.iter().filter(|calendar| calendar.name == *name);
    match versions.max_by_key(|calendar| calendar.version) {
        Some(calendar) => {
            compile(&calendar.yaml).map_err(|problem| anyhow!("the calendar `{name}`: {problem}"))
        }
        None => find(name),
    }
}

/// People with their roles, and what belongs to which department.
fn house(entity: &RegistryChanged) -> House {
    let person = |person: &masar_proto::events::v1::Person| {
        let roles: BTreeSet<Role> = person.roles.iter().cloned().map(Role).collect();
        let department = Some(person.department.clone()).filter(|code| !code.is_empty());
        (person.id.clone(), Actor { id: person.id.clone(), roles, department })
    };
    let services = entity.services.iter().map(|service| (service.code.clone(), service.department.clone()));
    House {
        people: entity.people.iter().map(person).collect(),
        services: services.filter(|(_, department)| !department.is_empty()).collect(),
        categories: entity.category_departments.clone().into_iter().collect(),
    }
}

/// The packages that cases were opened in.
struct InForce {
    against: Option<Arc<Package>>,
    shipped: Catalog,
}

impl InForce {
    fn of(against: Option<&PathBuf>) -> Result<Self> {
        let against = against.map(|folder| load(folder).map(Arc::new)).transpose()?;
        Ok(Self { against, shipped: Catalog::shipped()? })
    }

    fn package(&self, case: &Case) -> Result<Arc<Package>> {
        let (name, version) = (&case.package, &case.package_version);
        let known = self.against.as_ref().or_else(|| self.shipped.get(name, version));
        known.cloned().ok_or_else(|| {
            anyhow!("{} was opened in {name} {version}, which this program does not bring: name its folder with --against", case.reference)
        })
    }
}

/// A case as it went, with what became of its children.
async fn past(cases: &Cases, told: &Told, shipped: &Catalog) -> Result<PastCase> {
    let Told { case, events: happened } = told;
    let mut steps = happened.iter().filter(|event| event.kind == TRANSITION);
    let opening = steps.next().filter(|event| event.action == OPEN);
    let opening = opening.with_context(|| format!("{} has no opening", case.reference))?;
    let mut children = Vec::new();
    for link in case.links.iter().filter(|link| link.link == CHILD) {
        if !link.entity.is_empty() {
            let received = at(&case.received_at);
            children.push((received, child_elsewhere(link, received)));
            continue;
        }
        let child = whole(cases, link.case_id.clone()).await?;
        children.push((at(&child.received_at), child_of(cases, child, shipped).await?));
    }
    children.sort_by_key(|(received, _)| *received);
    Ok(PastCase {
        reference: case.reference.clone(),
        form: form(opening).unwrap_or_default(),
        opened_by: opening.actor.clone(),
        opened_at: at(&opening.at),
        historical: case.historical,
        inward: case.inward,
        deeds: steps.map(deed).collect(),
        children: children.into_iter().map(|(_, child)| child).collect(),
    })
}

/// A child in another entity, which tells how it is and not since when: it counts as having been so all along.
fn child_elsewhere(link: &CaseLink, since: Timestamp) -> PastChild {
    let category = link.category().word().unwrap_or(StateCategory::Open);
    PastChild { package: link.package.clone(), states: vec![(since, link.state.clone(), category)] }
}

async fn child_of(cases: &Cases, child: Case, shipped: &Catalog) -> Result<PastChild> {
    let package = shipped.get(&child.package, &child.package_version);
    let category = |state: &str| {
        let known = package.and_then(|package| package.definition().states.get(state));
        known.map_or(StateCategory::Open, |state| state.category)
    };
    let events = events(cases, &child.case_id).await?;
    let moved = events.iter().filter(|event| event.kind == TRANSITION);
    let states = moved.map(|event| (at(&event.at), event.to_state.clone(), category(&event.to_state)));
    Ok(PastChild { package: child.package, states: states.collect() })
}

fn deed(event: &CaseEvent) -> PastDeed {
    PastDeed {
        at: at(&event.at),
        actor: event.actor.clone(),
        action: event.action.clone(),
        form: form(event),
        reason: Some(event.reason.clone()).filter(|reason| !reason.is_empty()),
    }
}

fn form(event: &CaseEvent) -> Option<serde_json::Value> {
    event.form.clone().filter(|_| !event.form_name.is_empty()).map(json::from_struct)
}

fn at(at: &Option<prost_types::Timestamp>) -> Timestamp {
    time::from_proto(at.as_ref()).unwrap_or_default()
}

fn shown(found: &DryRun, draft: &Package) -> String {
    let definition = draft.definition();
    let mut text = format!(
        "{} {} over {} cases: {} fare alike, {} would be stuck, {} go to other queues, {} end elsewhere, {} cannot be compared\n",
        definition.package,
        definition.version,
        found.cases,
        found.alike,
        found.stuck,
        found.routed,
        found.ended,
        found.not_comparable
    );
    let broken = found.broken.iter().map(|(clock, cases)| {
        let label = definition.clocks.get(clock).map(|rule| rule.label.ar.clone()).unwrap_or_default();
        [clock.clone(), label, cases.now.to_string(), cases.draft.to_string()]
    });
    text += &section(
        "cases in which a promise is broken",
        ["clock", "", "now", "under the draft"],
        broken.collect(),
    );
    let lines = found.lines.iter().take(SHOWN).map(|line| {
        let changes: Vec<String> = line.changes.iter().map(change).collect();
        [line.reference.clone(), changes.join("; ")]
    });
    text += &section("cases that fare otherwise", ["case", "what is otherwise"], lines.collect());
    match found.lines.len().saturating_sub(SHOWN) {
        0 => text,
        more => text + &format!("and {more} more: --output json names all\n"),
    }
}

fn change(change: &Change) -> String {
    let refused = |stopped: &Stopped| {
        format!(
            "`{}` in `{}` on {} is refused ({}): {}",
            stopped.action,
            stopped.state,
            day(stopped.at),
            stopped.code,
            stopped.reason
        )
    };
    match change {
        Change::Broken { clock, at } => format!("`{clock}` would be broken {}", day(*at)),
        Change::Kept { clock } => format!("`{clock}` would be kept"),
        Change::Stuck { stopped } => refused(stopped),
        Change::Routed { now, draft } => format!("queues {} instead of {}", draft.join(", "), now.join(", ")),
        Change::Ended { now, draft } => format!("ends in `{draft}` instead of `{now}`"),
        Change::NotComparable { stopped } => {
            format!("not comparable, since what is in force says no: {}", refused(stopped))
        }
    }
}

fn day(at: Timestamp) -> String {
    super::local(Some(&time::to_proto(at)))
}

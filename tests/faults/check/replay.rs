//! The history of a case decided once more, by the same rules: what its events make of it, and what they ask for.

use std::collections::{BTreeMap, BTreeSet};

use masar::demo;
use masar_domain::{CaseId, Role};
use masar_proto::cases::v1::{Case as Shown, CaseEvent as Entry};
use masar_proto::{json, time};
use masar_workflow::{
    Actor, Case, CaseEvent, Catalog, Command, Opening, Package, SYSTEM, Situation, decide, evolve,
};

/// A case as its history makes it.
pub(crate) struct Replayed {
    pub(crate) case: Case,
    pub(crate) events: Vec<CaseEvent>,
}

/// Those who acted, by their ids: each is looked up once.
pub(crate) type Actors = BTreeMap<String, Result<Actor, String>>;

/// Everybody who did something in these histories.
pub(crate) fn actors<'a>(entries: impl Iterator<Item = &'a Entry>) -> Actors {
    let ids: BTreeSet<_> = entries.filter(|entry| entry.version > 1).map(|entry| &entry.actor).collect();
    ids.into_iter().map(|id| (id.clone(), actor(id))).collect()
}

/// Decides every entry of a history anew.
///
/// # Errors
/// The first entry that could not have been decided so, or came to something else.
pub(crate) fn replay(
    catalog: &Catalog,
    actors: &Actors,
    shown: &Shown,
    history: &[Entry],
) -> Result<Replayed, String> {
    let package = catalog.get(&shown.package, &shown.package_version).ok_or("its package is not there")?;
    let id = CaseId(shown.case_id.parse().map_err(|_| "its id is none")?);
    let (mut case, mut events) = (None, Vec::new());
    for entry in history.iter().filter(|entry| entry.kind == "transition") {
        let event = decided(package, actors, (id, shown.historical), case.as_ref(), entry)
            .map_err(|why| format!("{} to version {}: {why}", entry.action, entry.version))?;
        let (action, to) = (&event.action, &event.to.0);
        if (action, to, event.version) != (&entry.action, &entry.to_state, entry.version) {
            return Err(format!(
                "{action} leads to {to} at version {}, and the history says {} at {}",
                event.version, entry.to_state, entry.version
            ));
        }
        case = Some(evolve(case, &event));
        events.push(event);
    }
    Ok(Replayed { case: case.ok_or("it has no history")?, events })
}

fn decided(
    package: &Package,
    actors: &Actors,
    (case_id, historical): (CaseId, bool),
    case: Option<&Case>,
    entry: &Entry,
) -> Result<CaseEvent, String> {
    let at = time::from_proto(entry.at.as_ref()).ok_or("it has no time")?;
    let form = entry.form.clone().map(json::from_struct);
    let Some(case) = case else {
        let opening = Opening { case_id, historical, form: form.ok_or("it has no form")? };
        let actor = Actor { id: entry.actor.clone(), roles: [].into(), department: None };
        return package.open(opening, &actor, at).map_err(|refusal| refusal.to_string());
    };
    let reason = Some(entry.reason.clone()).filter(|reason| !reason.is_empty());
    let command = Command { action: entry.action.clone(), form, reason, expected_version: None };
    // What was done within a window was judged by the due time that was known then. The cases of the run have no children.
    // What was done within a window was judged by the due time that was known then; the cases of the run have no children.
    let situation = Situation { at, windows: &BTreeMap::new(), children: &[] };
    let actor = actors.get(&entry.actor).ok_or("nobody did it")?.as_ref().map_err(Clone::clone)?;
    decide(package, case, &command, actor, situation).map_err(|refusal| refusal.to_string())
}

/// Who acted, with their roles.
fn actor(id: &str) -> Result<Actor, String> {
    if id == SYSTEM {
        return Ok(Actor { id: id.to_owned(), roles: [Role(SYSTEM.to_owned())].into(), department: None });
    }
    let person = demo::person(id).map_err(|error| error.to_string())?;
    Ok(Actor { id: person.subject, roles: person.roles, department: person.department })
}

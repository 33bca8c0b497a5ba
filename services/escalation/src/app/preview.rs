//! Whom a case would reach and when: the ladders as they stand now, by the functions that fire them.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use masar_bus::all_kept;
use masar_clock::Mark;
use masar_proto::common::v1::StateCategory;
use masar_proto::events::v1::{CaseSnapshot, ClockState, Person, RegistryChanged};
use masar_proto::sla::v1::Clock;
use masar_proto::time;
use masar_store::Store;
use masar_workflow::{Climb, LadderStep, Package, climb};
use uuid::Uuid;

use super::people::holders;
use super::{Core, Error};
use crate::store::case;
use crate::store::escalation::{self, Model, Once};

/// A case, and what its ladders would do.
pub(crate) struct Previewed {
    pub(crate) case: CaseSnapshot,
    /// The next to be reached first; at the end those of which nobody can say when.
    pub(crate) rungs: Vec<Rung>,
}

/// A level of a ladder as it stands now.
#[derive(Debug, Clone)]
pub(crate) struct Rung {
    pub(crate) clock: String,
    pub(crate) run: u32,
    pub(crate) step: LadderStep,
    /// When it fires, or is told again next.
    pub(crate) at: Option<Timestamp>,
    /// As the contract lists them.
    pub(crate) status: &'static str,
    pub(crate) climb: Climb,
    /// When it has fired.
    pub(crate) fired: Option<Model>,
}

impl Core {
    /// The levels of the ladders of a case, by its clocks as sla gives them.
    pub(crate) async fn preview(
        &self,
        store: &Store,
        tenant: &str,
        key: &str,
        clocks: &[Clock],
    ) -> Result<Previewed, Error> {
        let id = clocks.iter().find_map(|clock| clock.state.as_ref()?.case_id.parse::<Uuid>().ok());
        let unknown = || Error::NoCase(key.to_owned());
        let id = id.ok_or_else(unknown)?;
        let case = case::find(store, id).await?.filter(|case| case.tenant == tenant).ok_or_else(unknown)?;
        if case.category() == StateCategory::Closed {
            return Ok(Previewed { case, rungs: Vec::new() });
        }
        let package = self.package(&case)?;
        let entities: Vec<RegistryChanged> = all_kept(store.reader(), Some(tenant)).await?;
        let people = entities.first().map(|entity| entity.people.as_slice()).unwrap_or_default();
        let fired = escalation::of_cases(store.reader(), [id].into_iter()).await?;
        let open = clocks.iter().filter(|clock| clock.state.as_ref().is_some_and(ClockState::is_open));
        let rungs = open.map(|clock| ladder(package.as_ref(), id, &case, people, clock, &fired));
        let mut rungs = rungs.collect::<Result<Vec<_>, _>>()?.concat();
        // A stable order: those of one moment stand as the clocks and their ladders do.
        rungs.sort_by_key(|rung| (rung.at.is_none(), rung.at));
        Ok(Previewed { case, rungs })
    }
}

/// The levels of the ladder of an open clock.
fn ladder(
    package: &Package,
    id: Uuid,
    case: &CaseSnapshot,
    people: &[Person],
    clock: &Clock,
    fired: &HashMap<Once, Model>,
) -> Result<Vec<Rung>, Error> {
    let Some(state) = &clock.state else { return Ok(Vec::new()) };
    let Some(importance) = clock.importance().word() else { return Ok(Vec::new()) };
    let Some(safety_net) = package.safety_net(&state.clock) else { return Ok(Vec::new()) };
    let steps = package.ladder(&state.clock, importance);
    let mut ahead = BTreeMap::new();
    for mark in &clock.ahead {
        let parsed = mark.mark.parse::<Mark>().map_err(|error| Error::Text(error.to_string()))?;
        ahead.insert(parsed, time::from_proto(mark.at.as_ref()));
    }
    let rung = |(index, step): (usize, &LadderStep)| {
        let once = (id, state.clock.clone(), state.run.cast_signed(), step.level.clone());
        let fired = fired.get(&once).cloned();
        let (status, at) = standing(step, state, &ahead, fired.as_ref());
        Rung {
            clock: state.clock.clone(),
            run: state.run,
            step: step.clone(),
            at,
            status,
            climb: climb(&steps, index, safety_net, |role| holders(role, case, people)),
            fired,
        }
    };
    Ok(steps.iter().enumerate().map(rung).collect())
}

/// How a level stands, and when it is told next.
fn standing(
    step: &LadderStep,
    clock: &ClockState,
    ahead: &BTreeMap<Mark, Option<Timestamp>>,
    fired: Option<&Model>,
) -> (&'static str, Option<Timestamp>) {
    if let Some(row) = fired {
        let told = usize::try_from(row.told).unwrap_or(usize::MAX);
        let mut again = step.again.iter().skip(told.saturating_sub(1));
        return match row.acknowledged_at {
            Some(_) => ("acknowledged", None),
            None => ("fired", again.find_map(|mark| ahead.get(mark).copied().flatten())),
        };
    }
    if let Some(at) = ahead.get(&step.mark) {
        return ("ahead", *at);
    }
    let broken = clock.breached_at.is_some();
    match step.mark {
        Mark::Share(_) if broken => ("passed", None),
        _ if clock.phase == "paused" && !broken => ("paused", None),
        Mark::Overdue(_) => ("beyond_calendar", None),
        Mark::Share(_) | Mark::Breach => ("passed", None),
    }
}

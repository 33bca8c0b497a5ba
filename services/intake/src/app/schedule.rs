//! Cases that begin by themselves: what of a schedule has come, and the submissions that follow (E21, GEN-05, CXT-07, STR-14).
//!
//! Each occurrence has a key of its own among all submissions, made of its schedule, its place and its name: whoever looks at it
//! once more, after a crash or on another replica, finds that it was accepted.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use masar_packages::{Calendars, Packages};
use masar_proto::events::v1::{CaseSnapshot, CaseSubmitted, RegistryChanged, ScheduleEffect};
use masar_proto::{json, time};
use masar_store::time::to_db;
use masar_workflow::{Come, Coming, Entity, Missed, Package, Per, Place, SYSTEM, Schedule, Timing};
use masar_worktime::Calendar;
use serde_json::{Value, json};
use tracing::Span;
use uuid::Uuid;

use super::{Submission, external_key};
use crate::store::schedule::{Model, of_case, of_entity};

/// The source of all cases that a schedule opens.
const SOURCE: &str = "schedule";
/// When a schedule is looked at again of which something is in the way.
const AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// What schedules stand on.
pub(crate) struct Agenda {
    pub(crate) packages: Arc<Packages>,
    pub(crate) calendars: Calendars,
}

/// What became of a schedule that somebody looked at.
pub(crate) struct Looked {
    pub(crate) submissions: Vec<Submission>,
    /// As it is now; none when it comes no more.
    pub(crate) row: Option<Model>,
}

/// One that a case has just asked for. When it comes is for whoever looks at it to say, which is at once.
pub(crate) fn asked(case: &CaseSnapshot, id: Uuid, effect: ScheduleEffect, at: Timestamp) -> Option<Model> {
    let wait = effect.wait.parse().ok()?;
    let timing = Timing::After { from: at, wait, repeats: effect.repeats };
    Some(Model {
        origin: of_case(id, &effect.schedule),
        tenant: case.tenant.clone(),
        package: case.package.clone(),
        schedule: effect.schedule,
        case_id: Some(id),
        run: case.version.cast_signed(),
        opens: effect.package,
        link: effect.link,
        timing: json!(timing),
        each_missed: effect.each_missed,
        form: json::from_struct(effect.form.unwrap_or_default()),
        occurrence: "1".to_owned(),
        comes_at: None,
        look_at: to_db(at),
        problem: String::new(),
    })
}

impl Agenda {
    /// What an entity has asked for on days of the calendar, given what is there already. Where something was in the way it is
    /// tried `again`, because something has changed, or stays as it is.
    pub(crate) fn wanted(
        &self,
        entity: &RegistryChanged,
        there: impl Fn(&str) -> Option<Model>,
        again: bool,
        now: Timestamp,
    ) -> Vec<Model> {
        let catalog = self.packages.of(&entity.tenant);
        let row = |name: &String| {
            let (package, code) = name.split_once('/').unwrap_or((name, ""));
            let origin = of_entity(&entity.tenant, package, code);
            let known = catalog.in_force(package);
            let rule = known.and_then(|known| known.definition().schedules.get(code));
            let blank = blank(&origin, &entity.tenant, package, code, now);
            let wanted = match (known, rule.and_then(|rule| Some((rule, rule.every?)))) {
                (Some(known), Some((rule, on))) => Model {
                    opens: known.definition().opened_by_schedule(rule).to_owned(),
                    timing: json!(Timing::On(on)),
                    each_missed: rule.missed == Missed::Each,
                    ..blank
                },
                _ => blank,
            };
            match there(&origin).filter(|there| there.timing == wanted.timing) {
                Some(there) => {
                    let came = there.comes_at.is_some_and(|at| at <= to_db(now));
                    let hindered = !there.problem.is_empty();
                    let row = Model { opens: wanted.opens, each_missed: wanted.each_missed, ..there };
                    // Its day may have moved with the calendar.
                    if came || (hindered && !again) { row } else { self.placed(row, Some(entity), now) }
                }
                None => self.placed(wanted, Some(entity), now),
            }
        };
        entity.schedules.iter().map(row).collect()
    }

    /// Looks at a schedule: opens what has come, and says when what is next does.
    pub(crate) fn look(&self, row: Model, entity: Option<&RegistryChanged>, now: Timestamp) -> Looked {
        match self.come(&row, entity, now) {
            Ok((submissions, next)) => {
                let next = next.map(|occurrence| Model { occurrence, ..row });
                Looked { submissions, row: next.map(|row| self.placed(row, entity, now)) }
            }
            Err(problem) => {
                let (origin, tenant) = (&row.origin, &row.tenant);
                tracing::warn!(tenant, schedule = row.schedule, origin, problem, "a schedule opens no case");
                Looked { submissions: Vec::new(), row: Some(hindered(row, problem, now)) }
            }
        }
    }

    fn come(
        &self,
        row: &Model,
        entity: Option<&RegistryChanged>,
        now: Timestamp,
    ) -> Result<(Vec<Submission>, Option<String>), String> {
        let (timing, calendar) = (timing(row)?, self.calendar(entity)?);
        let missed = if row.each_missed { Missed::Each } else { Missed::Last };
        let come = timing.come(&calendar, &row.occurrence, missed, now);
        let Come { now: come, next } = come.map_err(|error| error.to_string())?;
        let mut submissions = Vec::new();
        for coming in come {
            match row.case_id {
                Some(case) => {
                    let name = format!("{case}/{}.{}", row.run, coming.name);
                    let parent = (case.to_string(), row.link.clone());
                    submissions.push(self.submission(row, &name, row.form.clone(), parent, now)?);
                }
                None => submissions.extend(self.on_day(row, entity, &calendar, &coming, now)?),
            }
        }
        Ok((submissions, next))
    }

    /// The cases of a day: one for the entity, or one for each of its places.
    fn on_day(
        &self,
        row: &Model,
        entity: Option<&RegistryChanged>,
        calendar: &Calendar,
        coming: &Coming,
        now: Timestamp,
    ) -> Result<Vec<Submission>, String> {
        let catalog = self.packages.of(&row.tenant);
        let package = catalog.in_force(&row.package).ok_or_else(|| unknown(row))?;
        let rule = package.definition().schedules.get(&row.schedule).ok_or_else(|| unknown(row))?;
        let date = calendar.time_zone().to_datetime(coming.at).date();
        let known = entity.map(known);
        let known = known.unwrap_or_else(|| Entity { code: row.tenant.clone(), label: Default::default() });
        let submission = |place: Option<Place>| {
            let form = package.occurrence_form(&row.schedule, (&coming.name, date), &known, place.as_ref());
            let name = match &place {
                None => coming.name.clone(),
                Some(place) => format!("{}/{}", coming.name, place.code),
            };
            self.submission(row, &name, form.unwrap_or_default(), Default::default(), now)
        };
        places(rule, entity).into_iter().map(submission).collect()
    }

    fn submission(
        &self,
        row: &Model,
        occurrence: &str,
        form: Value,
        (parent_case_id, parent_link): (String, String),
        now: Timestamp,
    ) -> Result<Submission, String> {
        let catalog = self.packages.of(&row.tenant);
        let package = catalog.in_force(&row.opens);
        let package = package.ok_or_else(|| format!("`{}` is no package: publish it", row.opens))?;
        let definition = package.definition();
        refused(package, &form)?;
        let external_ref = format!("{}/{}/{occurrence}", row.package, row.schedule);
        Ok(Submission {
            dedup_key: external_key(&row.tenant, SOURCE, &external_ref),
            received_at: now,
            accepted_at: now,
            span: Span::current(),
            event: CaseSubmitted {
                case_id: Uuid::now_v7().to_string(),
                tenant: row.tenant.clone(),
                case_type: definition.case_type.clone(),
                package: definition.package.clone(),
                package_version: definition.version.clone(),
                source_system: SOURCE.to_owned(),
                external_ref,
                received_at: Some(time::to_proto(now)),
                accepted_at: Some(time::to_proto(now)),
                form: Some(json::to_struct(&form)),
                submitted_by: SYSTEM.to_owned(),
                parent_case_id,
                parent_link,
                ..CaseSubmitted::default()
            },
        })
    }

    /// A schedule with the time at which its occurrence comes; without a name, the first after now.
    fn placed(&self, row: Model, entity: Option<&RegistryChanged>, now: Timestamp) -> Model {
        let coming = timing(&row).and_then(|timing| {
            let calendar = self.calendar(entity)?;
            let coming = match row.occurrence.as_str() {
                "" => timing.first(&calendar, now),
                name => timing.named(&calendar, name),
            };
            coming.map_err(|error| error.to_string())
        });
        match coming {
            Ok(Coming { name, at }) => {
                let at = to_db(at);
                Model { occurrence: name, comes_at: Some(at), look_at: at, problem: String::new(), ..row }
            }
            Err(problem) => hindered(row, problem, now),
        }
    }

    fn calendar(&self, entity: Option<&RegistryChanged>) -> Result<Arc<Calendar>, String> {
        let calendar = self.calendars.of_entity(entity);
        calendar
            .ok_or_else(|| "the calendar of the entity cannot be used: publish another version".to_owned())
    }
}

/// A schedule of which nothing is known but its name.
fn blank(origin: &str, tenant: &str, package: &str, schedule: &str, now: Timestamp) -> Model {
    Model {
        origin: origin.to_owned(),
        tenant: tenant.to_owned(),
        package: package.to_owned(),
        schedule: schedule.to_owned(),
        case_id: None,
        run: 0,
        opens: package.to_owned(),
        link: String::new(),
        timing: Value::Null,
        each_missed: false,
        form: Value::Null,
        occurrence: String::new(),
        comes_at: None,
        look_at: to_db(now),
        problem: String::new(),
    }
}

fn hindered(row: Model, problem: String, now: Timestamp) -> Model {
    let again = now.saturating_add(AGAIN).unwrap_or(Timestamp::MAX);
    Model { problem, comes_at: None, look_at: to_db(again), ..row }
}

fn timing(row: &Model) -> Result<Timing, String> {
    serde_json::from_value(row.timing.clone()).map_err(|_| unknown(row))
}

fn unknown(row: &Model) -> String {
    let Model { package, schedule, .. } = row;
    format!(
        "no package in force has the schedule `{package}/{schedule}`: publish it, or take it from the entity's `schedules`"
    )
}

fn refused(package: &Package, form: &Value) -> Result<(), String> {
    let definition = package.definition();
    let wrong = package.violations(&definition.opening_form, form);
    let wrong: Vec<_> = wrong.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.message)).collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "`{}` refuses its form; publish a version that fills it in: {}",
            definition.package,
            wrong.join("; ")
        )),
    }
}

fn known(entity: &RegistryChanged) -> Entity {
    let label = entity.entity_label.clone().map(Into::into).unwrap_or_default();
    Entity { code: entity.tenant.clone(), label }
}

/// For whom a case begins; nothing stands for the entity itself.
fn places(rule: &Schedule, entity: Option<&RegistryChanged>) -> Vec<Option<Place>> {
    let Some(entity) = entity else { return vec![None] };
    let mut places: Vec<_> = match rule.per {
        Per::Entity => return vec![None],
        Per::Department => {
            let departments = entity.departments.iter();
            departments.map(|it| place(&it.code, it.label.clone(), &it.code)).collect()
        }
        Per::Service => {
            let services = entity.services.iter();
            services.map(|it| place(&it.code, it.label.clone(), &it.department)).collect()
        }
        Per::Centre => {
            let people = entity.people.iter().filter(|person| !person.centre.is_empty());
            people.map(|person| place(&person.centre, None, "")).collect()
        }
    };
    places.sort_by(|one, other| one.code.cmp(&other.code));
    places.dedup_by(|one, other| one.code == other.code);
    places.into_iter().map(Some).collect()
}

fn place(code: &str, label: Option<masar_proto::common::v1::BiText>, department: &str) -> Place {
    let label = label.map_or_else(|| masar_domain::BiText::new(code, code), Into::into);
    Place { code: code.to_owned(), label, department: department.to_owned() }
}

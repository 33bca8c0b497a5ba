//! The forms with which scheduled cases begin: compiled once, filled in for every occurrence or event.

use std::collections::BTreeMap;

use jiff::civil::Date;
use masar_domain::BiText;
use masar_worktime::Recurrence;
use serde::Serialize;
use serde_json::{Value, json};

use super::timing::month;
use super::{Per, Schedule, ScheduleEffect, ScheduleOperation};
use crate::children::Filling;
use crate::decide::case_facts;
use crate::expression::{Names, Reader, SCHEDULE, SCHEDULE_OF_CASE, Scope, Spot};
use crate::finding::Found;
use crate::said::Said;
use crate::{Case, CaseEvent, Code, Definition, Effect, Moments, Package};

/// An entity, as the forms of scheduled cases know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entity {
    /// Its code, which is that of the tenant.
    pub code: String,
    /// What people call it.
    pub label: BiText,
}

/// A department, a service or a centre for which a case begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its code.
    pub code: String,
    /// What people call it.
    pub label: BiText,
    /// The department that it is, or to which it belongs; empty without one.
    pub department: String,
}

/// The forms of all schedules of a package, by code.
#[derive(Default)]
pub(crate) struct Schedules(BTreeMap<String, Filling>);

impl Schedules {
    /// Reads how their forms are filled in.
    pub(crate) fn compile(reader: &Reader<'_>, definition: &Definition) -> Self {
        let filling = |(code, rule): (&String, &Schedule)| {
            let names: Names = if rule.every.is_some() { SCHEDULE } else { SCHEDULE_OF_CASE };
            let words = format!("the schedule `{code}`");
            let spot = Spot { path: format!("schedules/{code}"), words, names, form: None };
            for (field, _) in rule.with.iter().filter(|(_, text)| !Said::is_decided(text)) {
                let message = format!("{}: write = and an expression, or table and a name", spot.words);
                reader.wrong(Code::Expression, &format!("{}/with/{field}", spot.path), message);
            }
            (code.clone(), Filling::compile(reader, &spot, None, &rule.with))
        };
        Self(definition.schedules.iter().map(filling).collect())
    }
}

impl Package {
    /// The form with which a case begins on a day of the calendar, given the name of the occurrence; none where there is no
    /// such schedule.
    #[must_use]
    pub fn occurrence_form(
        &self,
        schedule: &str,
        (name, on): (&str, Date),
        entity: &Entity,
        place: Option<&Place>,
    ) -> Option<Value> {
        let rule = self.definition().schedules.get(schedule)?.every?;
        let occurrence = occurrence(&rule, name, on)?;
        let scope = Scope::default()
            .with("occurrence", move || occurrence)
            .with("entity", move || entity)
            .with("place", move || place);
        Some(self.schedules().0.get(schedule)?.fill(&scope, |_| None))
    }

    /// What an event does to the schedules that are counted from the case.
    pub(crate) fn schedule_effects(
        &self,
        before: Option<&Case>,
        after: &Case,
        event: &CaseEvent,
    ) -> Vec<Effect> {
        let happens = |moments: &Moments| crate::effect::happens(moments, before, event);
        let effect = |(code, rule): (&String, &Schedule)| {
            let (began, runs) = (rule.after.as_ref().is_some_and(happens), after.schedules.contains(code));
            // What is long past begins nothing, and what repeats keeps its pace.
            let operation = if began && !after.historical && !(rule.repeats && runs) {
                self.begin(code, rule, after, event)?
            } else if runs && happens(&rule.stop) {
                ScheduleOperation::End
            } else {
                return None;
            };
            Some(Effect::Schedule(ScheduleEffect { schedule: code.clone(), operation }))
        };
        self.definition().schedules.iter().filter_map(effect).collect()
    }

    fn begin(
        &self,
        code: &str,
        rule: &Schedule,
        after: &Case,
        event: &CaseEvent,
    ) -> Option<ScheduleOperation> {
        let form = event.form.as_ref().map(|(_, data)| data);
        let scope = Scope::default().with("case", || case_facts(after)).with("form", move || form);
        Some(ScheduleOperation::Begin {
            opens: self.definition().opened_by_schedule(rule).to_owned(),
            link: rule.link.clone()?,
            wait: rule.wait?,
            repeats: rule.repeats,
            missed: rule.missed,
            form: self.schedules().0.get(code)?.fill(&scope, |_| None),
        })
    }
}

/// What forms know of an occurrence: its month and day, the time that begins with its month, and the time before that.
fn occurrence(rule: &Recurrence, name: &str, on: Date) -> Option<Value> {
    let from = month(name).ok()?;
    let past_from = rule.month_before(from);
    Some(json!({
        "month": name,
        "year": from.year(),
        "on": on.to_string(),
        "from": from.to_string(),
        "to": rule.last_day(from).to_string(),
        "past_from": past_from.to_string(),
        "past_to": rule.last_day(past_from).to_string(),
    }))
}

/// Finds the schedules whose cases could not be opened: those of the package's own, with a form of an invented day and place.
pub(crate) fn check_forms(package: &Package, found: &Found) {
    let label = || BiText::new("جهة", "An entity");
    let entity = Entity { code: "DEMO-LAB".to_owned(), label: label() };
    let place = Place { code: "LAB-S01".to_owned(), label: label(), department: "LAB-PERMITS".to_owned() };
    let definition = package.definition();
    for (code, rule, on) in definition.on_days() {
        if definition.opened_by_schedule(rule) != definition.package || on.check().is_err() {
            continue;
        }
        let (month, place) = (jiff::civil::date(2026, 12, 1), (rule.per != Per::Entity).then_some(&place));
        let form = package.occurrence_form(code, ("2026-12", month), &entity, place);
        for wrong in package.violations(&definition.opening_form, &form.unwrap_or_default()) {
            let message = format!(
                "the schedule `{code}` opens cases with a form that is refused: {}: {}",
                wrong.field, wrong.message
            );
            found.add(Code::ScheduleForm, &format!("schedules/{code}/with"), message);
        }
    }
}

//! The schedules of a scenario's case, counted by the same rules as in production.

use std::collections::BTreeMap;

use jiff::Timestamp;
use masar_worktime::Calendar;
use serde_json::Value;

use crate::{Coming, Missed, ScheduleEffect, ScheduleOperation, Timing};

/// What comes next, by the code of the schedule.
#[derive(Default)]
pub(super) struct Agenda(BTreeMap<String, Entry>);

struct Entry {
    timing: Timing,
    next: Coming,
    opens: String,
    link: String,
    form: Value,
}

/// A case that a schedule opens.
pub(super) struct Due {
    pub(super) opens: String,
    pub(super) link: String,
    pub(super) form: Value,
}

impl Agenda {
    /// Does to a schedule what an event asks for.
    pub(super) fn apply(
        &mut self,
        effect: &ScheduleEffect,
        at: Timestamp,
        calendar: &Calendar,
    ) -> Result<(), String> {
        match &effect.operation {
            ScheduleOperation::End => drop(self.0.remove(&effect.schedule)),
            ScheduleOperation::Begin { opens, link, wait, repeats, form, .. } => {
                let timing = Timing::After { from: at, wait: *wait, repeats: *repeats };
                let next = timing.first(calendar, at).map_err(|error| error.to_string())?;
                let (opens, link, form) = (opens.clone(), link.clone(), form.clone());
                self.0.insert(effect.schedule.clone(), Entry { timing, next, opens, link, form });
            }
        }
        Ok(())
    }

    /// When the first of all comes, if that is until then.
    pub(super) fn first(&self, until: Timestamp) -> Option<Timestamp> {
        self.0.values().map(|entry| entry.next.at).filter(|at| *at <= until).min()
    }

    /// What has come by now. One that comes beyond the calendar is waited for no longer.
    pub(super) fn come(&mut self, now: Timestamp, calendar: &Calendar) -> Result<Vec<Due>, String> {
        let mut due = Vec::new();
        let mut over = Vec::new();
        for (code, entry) in self.0.iter_mut().filter(|(_, entry)| entry.next.at <= now) {
            let come = entry.timing.come(calendar, &entry.next.name, Missed::Each, now);
            let come = come.map_err(|error| error.to_string())?;
            due.extend(come.now.iter().map(|_| Due {
                opens: entry.opens.clone(),
                link: entry.link.clone(),
                form: entry.form.clone(),
            }));
            match come.next.and_then(|name| entry.timing.named(calendar, &name).ok()) {
                Some(next) => entry.next = next,
                None => over.push(code.clone()),
            }
        }
        over.iter().for_each(|code| drop(self.0.remove(code)));
        Ok(due)
    }

    /// When a schedule comes next, as people of the calendar's zone write it.
    pub(super) fn next_of(&self, schedule: &str, calendar: &Calendar) -> String {
        let next = self.0.get(schedule).map(|entry| calendar.time_zone().to_datetime(entry.next.at));
        next.map_or("never".to_owned(), |next| next.strftime("%Y-%m-%d %H:%M").to_string())
    }
}

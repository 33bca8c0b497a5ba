//! What a scenario expects, compared with what there is.

use std::fmt::Debug;

use serde_json::Value;

use super::story::Expect;
use super::world::World;

impl Expect {
    /// Every difference, in a sentence.
    pub(super) fn differences(&self, world: &World<'_>) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, wanted: &str, there: &str| {
            if wanted != there {
                found.push(format!("{what}: expected {wanted}, and there is {there}"));
            }
        };
        let or = |text: &str, word: &str| if text.is_empty() { word.to_owned() } else { text.to_owned() };
        if let Some(state) = &self.state {
            compare("state", state, &world.case.state);
        }
        if let Some(queue) = &self.queue {
            compare("queue", queue, &or(&world.queue, "none"));
        }
        if let Some(assignee) = &self.assignee {
            compare("assignee", assignee, &or(&world.assignee, "nobody"));
        }
        for (name, fact) in &self.facts {
            compare(&format!("fact `{name}`"), fact, world.case.fact(name).unwrap_or("none"));
        }
        for (path, value) in &self.fields {
            let there = world.field(path).map_or("nothing".to_owned(), Value::to_string);
            compare(&format!("field `{path}`"), &value.to_string(), &there);
        }
        for (name, count) in &self.counts {
            let there = world.case.counts.get(name).copied().unwrap_or_default();
            compare(&format!("count `{name}`"), &count.to_string(), &there.to_string());
        }
        for (clock, wanted) in &self.clocks {
            let (word, due) = world.clocks.word(clock, world.now, (world.calendar, world.calendars));
            let until = due.filter(|_| wanted.contains(" until "));
            let there = until.map_or(word.clone(), |due| format!("{word} until {due}"));
            compare(&format!("clock `{clock}`"), wanted, &there);
        }
        for (schedule, wanted) in &self.schedules {
            let there = world.schedules.next_of(schedule, world.calendar);
            compare(&format!("schedule `{schedule}`"), wanted, &there);
        }
        for (role, actions) in &self.may {
            differ(&mut found, &format!("what `{role}` may do"), Some(actions), &world.may(role));
        }
        differ(&mut found, "messages", self.messages.as_ref(), &world.step.messages);
        differ(&mut found, "children", self.children.as_ref(), &world.step.children);
        differ(&mut found, "links", self.links.as_ref(), &world.step.links);
        differ(&mut found, "cases by schedule", self.scheduled.as_ref(), &world.step.scheduled);
        differ(&mut found, "levels", self.levels.as_ref(), &world.step.levels);
        differ(&mut found, "what the system did", self.acted.as_ref(), &world.step.acted);
        found
    }
}

fn differ<T>(found: &mut Vec<String>, what: &str, wanted: Option<&T>, there: &T)
where
    T: PartialEq + Debug,
    for<'a> &'a T: IntoIterator<Item = &'a String>,
{
    let list = |all: &T| match all.into_iter().cloned().collect::<Vec<_>>() {
        names if names.is_empty() => "nothing".to_owned(),
        names => names.join(", "),
    };
    if let Some(wanted) = wanted.filter(|wanted| *wanted != there) {
        found.push(format!("{what}: expected {}, and there is {}", list(wanted), list(there)));
    }
}

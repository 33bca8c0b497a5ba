//! What an overlay asks for besides: in sentences, in targets, on ladders. Nothing of it makes anything easier.

use std::collections::BTreeSet;

use masar_domain::Importance;
use masar_worktime::Target;

use super::Tightening;
use super::apply::{Laying, both};
use crate::definition::SAME;
use crate::finding::WORKFLOW;
use crate::{ClockKind, Code, Level, SYSTEM, Transition};

impl Laying<'_> {
    pub(super) fn tighten(&mut self) {
        let overlay = self.overlay;
        for (number, asked) in overlay.tighten.iter().enumerate() {
            let path = format!("tighten/{number}");
            let below = self.below.definition();
            let known = |way: &&Transition| {
                way.action == asked.action && (asked.from.is_empty() || !asked.from.is_disjoint(&way.from))
            };
            let sentences: Vec<usize> =
                below.transitions.iter().filter(known).map(|way| way.sentence).collect();
            if sentences.is_empty() {
                let message =
                    format!("the package has no action `{}` to tighten in these states", asked.action);
                self.refuse(Code::UnknownAction, &format!("{path}/action"), message);
            }
            let ways = std::mem::take(&mut self.definition.transitions);
            let mut laid = Vec::new();
            for way in ways {
                let written = self.split.get(&way.sentence).unwrap_or(&way.sentence);
                match sentences.contains(written) {
                    true => laid.extend(self.tightened(way, asked, &path)),
                    false => laid.push(way),
                }
            }
            self.definition.transitions = laid;
        }
    }

    /// A sentence with what is asked for besides, and the same as before for the states that are not named.
    fn tightened(&mut self, way: Transition, asked: &Tightening, path: &str) -> Vec<Transition> {
        if asked.from.is_empty() {
            return vec![self.with_all(way, asked, path)];
        }
        // `any_open` and the like stand for states that are known only when the overlay's own are there.
        let from = self.definition.named_by(&way.from);
        let (named, others): (BTreeSet<_>, BTreeSet<_>) =
            from.into_iter().partition(|state| asked.from.contains(state));
        if named.is_empty() {
            return vec![way];
        }
        let mut named = Transition { from: named, ..way.clone() };
        if others.is_empty() {
            return vec![self.with_all(named, asked, path)];
        }
        let written = self.split.get(&way.sentence).copied().unwrap_or(way.sentence);
        named.sentence = self.own.end + self.split.len();
        self.split.insert(named.sentence, written);
        let (part, place) = (format!("transitions/{}", named.sentence), format!("transitions/{written}"));
        self.origins.stands(WORKFLOW, &part, WORKFLOW, &place);
        vec![Transition { from: others, ..way }, self.with_all(named, asked, path)]
    }

    fn with_all(&mut self, mut way: Transition, asked: &Tightening, path: &str) -> Transition {
        self.only_harder(&way, asked, path);
        let mut said = Vec::new();
        if !asked.roles.is_empty() {
            way.roles.retain(|role| asked.roles.contains(role));
            said.push(("roles", "roles"));
        }
        if asked.form.is_some() {
            way.form.clone_from(&asked.form);
            said.push(("form", "form"));
        }
        if let Some(through) = &asked.through {
            self.through(&way, through, path);
            way.to.clone_from(through);
            said.push(("to", "through"));
        }
        if let Some(guard) = &asked.guard {
            way.guard =
                Some(way.guard.map_or_else(|| guard.clone(), |there| format!("({there}) && ({guard})")));
            said.push(("guard", "guard"));
        }
        if let Some(otherwise) = &asked.otherwise {
            way.otherwise =
                Some(way.otherwise.map_or_else(|| otherwise.clone(), |there| both(&there, otherwise)));
            said.push(("otherwise", "otherwise"));
        }
        way.reason |= asked.reason;
        if !asked.not_by.is_empty() {
            way.not_by.extend(asked.not_by.iter().cloned());
            said.push(("not_by", "not_by"));
        }
        let part = format!("transitions/{}", way.sentence);
        // The package is sound by itself: what is wrong with the sentence now comes from here.
        self.origin(&part, path);
        for (field, place) in said {
            self.origin(&format!("{part}/{field}"), &format!("{path}/{place}"));
        }
        for (number, task) in asked.effects.iter().enumerate() {
            self.origin(
                &format!("{part}/effects/{}", way.effects.len()),
                &format!("{path}/effects/{number}"),
            );
            way.effects.push(task.clone());
        }
        way
    }

    /// Refuses what would make a sentence easier, or keep the system from doing it.
    fn only_harder(&self, way: &Transition, asked: &Tightening, path: &str) {
        let action = &way.action;
        if way.roles.iter().any(|role| role.0 == SYSTEM) && (asked.reason || asked.form.is_some()) {
            let message = format!("the system does `{action}` too: it gives no reason and fills in no form");
            self.refuse(Code::SystemAction, path, message);
        }
        for role in asked.roles.difference(&way.roles) {
            let message = format!(
                "`{role}` may not do `{action}` in the package: an overlay takes roles away and gives none"
            );
            self.refuse(Code::Loosened, &format!("{path}/roles"), message);
        }
        if let (Some(there), Some(asked)) = (&way.form, &asked.form)
            && there != asked
        {
            let message = format!("`{action}` asks for the form `{there}` already: add fields to that");
            self.refuse(Code::Loosened, &format!("{path}/form"), message);
        }
    }

    /// A sentence leads first into a state of the overlay.
    fn through(&self, way: &Transition, through: &str, path: &str) {
        let below = self.below.definition();
        let path = format!("{path}/through");
        if !self.overlay.states.contains_key(through) {
            let message = format!(
                "`{}` can lead through a state of the overlay only, and `{through}` is none",
                way.action
            );
            self.refuse(Code::OverlayState, &path, message);
        }
        if way.to == SAME {
            let message = format!("`{}` leads nowhere: there is nothing on its way", way.action);
            self.refuse(Code::OverlayWay, &path, message);
        }
        let points = &below.overlay_points;
        let at = way.from.iter().map(|from| format!("after:{from}")).chain([format!("before:{}", way.to)]);
        if !points.is_empty() && !at.into_iter().any(|point| points.contains(&point)) {
            let points = points.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let message =
                format!("the package lets overlays in only at {points}, and `{}` is not there", way.action);
            self.refuse(Code::OverlayWay, &path, message);
        }
    }

    pub(super) fn clocks(&mut self) {
        let overlay = self.overlay;
        for (code, clock) in &overlay.clocks {
            let path = format!("clocks/{code}");
            if self.below.definition().clocks.contains_key(code) {
                let message = format!(
                    "the clock `{code}` is one of the package: give it shorter `targets`, or choose another code"
                );
                self.refuse(Code::Loosened, &path, message);
                continue;
            }
            self.origin(&path, &path);
            self.definition.clocks.insert(code.clone(), clock.clone());
        }
        for (code, targets) in &overlay.targets {
            for (word, target) in targets {
                let path = format!("targets/{code}/{word}");
                if let Err((why, problem)) = self.target(code, word, *target) {
                    self.refuse(why, &path, problem);
                }
                self.origin(&format!("clocks/{code}/target/{word}"), &path);
            }
        }
    }

    /// A target that is shorter than the one of the package.
    fn target(&mut self, code: &str, word: &str, target: Target) -> Result<(), (Code, String)> {
        let unknown = || (Code::UnknownClock, format!("the package has no clock `{code}` with a target"));
        let below = self.below.definition().clocks.get(code).ok_or_else(unknown)?;
        if below.kind == ClockKind::Window || below.on_breach.is_some() {
            let problem = format!(
                "`{code}` is no promise but a time for somebody, or until the system acts: it stays as long as it is"
            );
            return Err((Code::Loosened, problem));
        }
        // `all` stands for every importance that has no target of its own.
        let rest = Importance::ALL.iter().map(|importance| importance.as_str());
        let words: Vec<&str> = match word {
            "all" => rest.filter(|word| !below.target.contains_key(*word)).chain(["all"]).collect(),
            word => vec![word],
        };
        let there = words.iter().find_map(|word| below.target.get(*word)).or_else(|| below.target.get("all"));
        if let Some(there) = there
            && (there.unit != target.unit || there.amount < target.amount)
        {
            let problem = format!(
                "`{code}` promises {there} there: an overlay promises the same or less, in the same unit"
            );
            return Err((Code::Loosened, problem));
        }
        if let Some(clock) = self.definition.clocks.get_mut(code) {
            clock.target.insert(word.to_owned(), target);
        }
        Ok(())
    }

    pub(super) fn ladders(&mut self) {
        let overlay = self.overlay;
        for (clock, ladder) in &overlay.ladders {
            let path = format!("ladders/{clock}");
            if self.below.definition().ladders.contains_key(clock) {
                let message = format!("the clock `{clock}` has a ladder already: give it further `levels`");
                self.refuse(Code::Loosened, &path, message);
                continue;
            }
            self.origin(&path, &path);
            self.definition.ladders.insert(clock.clone(), ladder.clone());
        }
        for (clock, levels) in &overlay.levels {
            let Some(ladder) = self.definition.ladders.get_mut(clock) else {
                let message = format!("the clock `{clock}` has no ladder: write it under `ladders`");
                self.refuse(Code::UnknownClock, &format!("levels/{clock}"), message);
                continue;
            };
            let mut all: Vec<(Level, &str, String)> = Vec::new();
            for (number, level) in ladder.levels.iter().enumerate() {
                all.push((level.clone(), WORKFLOW, format!("ladders/{clock}/levels/{number}")));
            }
            for (number, level) in levels.iter().enumerate() {
                let first = |level: &Level| level.at.values().min().copied();
                let place =
                    all.iter().position(|(other, ..)| first(other) > first(level)).unwrap_or(all.len());
                all.insert(place, (level.clone(), super::OVERLAY, format!("levels/{clock}/{number}")));
            }
            for (number, (_, file, path)) in all.iter().enumerate() {
                self.origins.stands(WORKFLOW, &format!("ladders/{clock}/levels/{number}"), file, path);
            }
            ladder.levels = all.into_iter().map(|(level, ..)| level).collect();
        }
    }
}

//! Lays the parts of an overlay over those of a package, and notes where each part of the result is written.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use masar_domain::{BiText, StateCategory};
use serde_json::{Value, json};

use super::{OVERLAY, Overlay, ways};
use crate::definition::SAME;
use crate::finding::{Found, Origins, WORKFLOW};
use crate::{CUSTOMER, Code, Definition, Package, Transition};

/// An overlay at work.
pub(super) struct Laying<'a> {
    /// What comes of it.
    pub(super) definition: Definition,
    pub(super) below: &'a Package,
    pub(super) overlay: &'a Overlay,
    pub(super) found: &'a Found,
    pub(super) origins: Origins,
    /// The numbers of the overlay's own sentences.
    pub(super) own: Range<usize>,
    /// The number of the sentence from which one was split off, by its number.
    pub(super) split: BTreeMap<usize, usize>,
    forms: BTreeMap<String, String>,
}

impl<'a> Laying<'a> {
    /// Nothing is laid yet: the machine below, as written.
    pub(super) fn new(
        definition: Definition,
        below: &'a Package,
        overlay: &'a Overlay,
        found: &'a Found,
    ) -> Self {
        let forms = below.form_schemas().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let first = definition.transitions.len();
        let own = first..first + overlay.transitions.len();
        Self {
            definition,
            below,
            overlay,
            found,
            origins: Origins::default(),
            own,
            split: BTreeMap::new(),
            forms,
        }
    }

    /// The machine, its forms by name, and where their parts are written.
    pub(super) fn result(self) -> (Definition, BTreeMap<String, String>, Origins) {
        (self.definition, self.forms, self.origins)
    }

    /// Lays all parts.
    pub(super) fn lay(&mut self) {
        self.name();
        self.without();
        self.states();
        self.sentences();
        self.tighten();
        self.fields();
        self.clocks();
        self.ladders();
        self.rules();
        let overlay = self.overlay;
        for (name, template) in &overlay.templates {
            self.origin(&format!("templates/{name}"), &format!("templates/{name}"));
            self.definition.templates.insert(name.clone(), template.clone());
        }
        self.labels();
        ways::check(self);
    }

    /// Something is wrong at a place of the overlay.
    pub(super) fn refuse(&self, code: Code, path: &str, message: String) {
        self.found.add_in(OVERLAY, code, path, message);
    }

    /// A part of the result stands in the overlay.
    pub(super) fn origin(&mut self, part: &str, path: &str) {
        self.origins.stands(WORKFLOW, part, OVERLAY, path);
    }

    fn name(&mut self) {
        let (overlay, below) = (self.overlay, self.below.definition());
        for (path, said, there) in
            [("package", &overlay.package, &below.package), ("version", &overlay.version, &below.version)]
        {
            if said != there {
                let message = format!(
                    "it was written for the {path} `{said}`, and this is `{there}`: look at what changed, and name it"
                );
                self.refuse(Code::OverlayBase, path, message);
            }
        }
        self.definition.version = format!("{}.{}", below.version, overlay.revision);
    }

    fn states(&mut self) {
        let overlay = self.overlay;
        for (code, state) in &overlay.states {
            let path = format!("states/{code}");
            let problem = match () {
                () if self.below.definition().states.contains_key(code) => {
                    "is one of the package: choose another code"
                }
                () if state.category == StateCategory::Closed => {
                    "is closed: what ends a case stays with the package"
                }
                () if state.initial => "is initial: where a case begins stays with the package",
                () => {
                    self.origin(&path, &path);
                    self.definition.states.insert(code.clone(), state.clone());
                    continue;
                }
            };
            self.refuse(Code::OverlayState, &path, format!("the state `{code}` {problem}"));
        }
    }

    fn sentences(&mut self) {
        let overlay = self.overlay;
        for (number, (sentence, transition)) in self.own.clone().zip(&overlay.transitions).enumerate() {
            self.origin(&format!("transitions/{sentence}"), &format!("transitions/{number}"));
            self.definition.transitions.push(Transition { sentence, ..transition.clone() });
        }
    }

    fn without(&mut self) {
        let (overlay, below) = (self.overlay, self.below.definition());
        for action in &overlay.without.actions {
            let path = "without/actions";
            let mut ways = below.transitions.iter().filter(|way| way.action == *action).peekable();
            if ways.peek().is_none() {
                self.refuse(
                    Code::UnknownAction,
                    path,
                    format!("the package has no action `{action}` to do without"),
                );
            } else if ways.any(|way| way.roles.iter().any(|role| role.0 == CUSTOMER)) {
                self.refuse(Code::Loosened, path, format!("`{action}` is a right of the customer: it stays"));
            }
            self.definition.transitions.retain(|way| way.action != *action);
            self.definition.forget_action(action);
        }
        for state in &overlay.without.states {
            let path = "without/states";
            if !below.states.contains_key(state) {
                self.refuse(
                    Code::UnknownState,
                    path,
                    format!("the package has no state `{state}` to do without"),
                );
            } else if let Some(stage) = below.mandatory_states.get(state) {
                self.refuse(Code::MandatoryStage, path, ways::mandatory(state, stage, "cannot be left out"));
            }
            self.definition.forget_state(state);
        }
    }

    fn fields(&mut self) {
        let overlay = self.overlay;
        for (name, fields) in &overlay.forms {
            let empty = || json!({"type": "object", "additionalProperties": false, "properties": {}});
            let written = self.forms.get(name).and_then(|text| serde_json::from_str(text).ok());
            let mut form: Value = written.unwrap_or_else(empty);
            let file = format!("forms/{name}.json");
            for (field, schema) in &fields.properties {
                let path = format!("forms/{name}/properties/{field}");
                if !form["properties"][field].is_null() {
                    let message =
                        format!("`{field}` is a field of the form `{name}` already, and stays as it is");
                    self.refuse(Code::Loosened, &path, message);
                    continue;
                }
                form["properties"][field] = schema.clone();
                self.origins.stands(&file, &format!("properties/{field}"), OVERLAY, &path);
            }
            for field in &fields.required {
                if form["properties"][field].is_null() {
                    let message =
                        format!("`{field}` is no field of the form `{name}`: write it under `properties`");
                    self.refuse(Code::UnknownField, &format!("forms/{name}/required"), message);
                }
            }
            let required = form["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let required: BTreeSet<_> =
                required.map(str::to_owned).chain(fields.required.iter().cloned()).collect();
            if !required.is_empty() {
                form["required"] = json!(required);
            }
            self.forms.insert(name.clone(), format!("{form:#}"));
        }
    }

    fn rules(&mut self) {
        let own = self.overlay.rules.len();
        for number in 0..self.definition.routing.rules.len() {
            let (part, path) = (format!("routing/rules/{}", own + number), format!("routing/rules/{number}"));
            self.origins.stands(WORKFLOW, &part, WORKFLOW, &path);
        }
        for (number, rule) in self.overlay.rules.iter().enumerate() {
            self.origin(&format!("routing/rules/{number}"), &format!("rules/{number}"));
            self.definition.routing.rules.insert(number, rule.clone());
        }
    }

    fn labels(&mut self) {
        let labels = &self.overlay.labels;
        if let Some(label) = &labels.package {
            self.origin("label", "labels/package");
            self.definition.label = label.clone();
        }
        let unknown = |code: Code, part: &str, name: &str| {
            let message = format!("`{name}` is not there to be called otherwise");
            self.found.add_in(OVERLAY, code, &format!("labels/{part}/{name}"), message);
        };
        let mut said: Vec<(String, String)> = Vec::new();
        for (code, label) in &labels.states {
            match self.definition.states.get_mut(code) {
                Some(state) => state.label = label.clone(),
                None => unknown(Code::UnknownState, "states", code),
            }
            said.push((format!("states/{code}/label"), format!("labels/states/{code}")));
        }
        for (code, label) in &labels.clocks {
            match self.definition.clocks.get_mut(code) {
                Some(clock) => clock.label = label.clone(),
                None => unknown(Code::UnknownClock, "clocks", code),
            }
            said.push((format!("clocks/{code}/label"), format!("labels/clocks/{code}")));
        }
        for (action, label) in &labels.actions {
            let mut known = false;
            for way in self.definition.transitions.iter_mut().filter(|way| way.action == *action) {
                way.label = label.clone();
                known = true;
                said.push((
                    format!("transitions/{}/label", way.sentence),
                    format!("labels/actions/{action}"),
                ));
            }
            if !known {
                unknown(Code::UnknownAction, "actions", action);
            }
        }
        for (part, path) in said {
            self.origin(&part, &path);
        }
    }
}

/// Two texts one after the other.
pub(super) fn both(one: &BiText, other: &BiText) -> BiText {
    BiText::new(format!("{}؛ {}", one.ar, other.ar), format!("{}; {}", one.en, other.en))
}

impl Definition {
    /// Leaves a state out, with all that names it.
    fn forget_state(&mut self, code: &str) {
        self.states.remove(code);
        self.begin.retain(|begin| begin.state != code);
        for way in &mut self.transitions {
            way.from.remove(code);
        }
        self.transitions.retain(|way| !way.from.is_empty() && (way.to != code || way.to == SAME));
        for clock in self.clocks.values_mut() {
            for states in [&mut clock.start.states, &mut clock.stop.states, &mut clock.pause] {
                states.remove(code);
            }
        }
    }

    /// Leaves out what names an action that is gone.
    fn forget_action(&mut self, action: &str) {
        self.on_child.retain(|named| named != action);
        for way in &mut self.transitions {
            way.not_by.remove(action);
        }
        for clock in self.clocks.values_mut() {
            for actions in [&mut clock.start.actions, &mut clock.stop.actions] {
                actions.remove(action);
            }
        }
    }
}

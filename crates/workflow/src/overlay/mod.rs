//! Overlays: what an entity adds to a package and tightens in it, while what is mandatory stays (GEN-06, E02).

mod apply;
mod tighten;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::{BiText, Role};
use masar_worktime::Target;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::apply::Laying;
use crate::finding::{Found, WORKFLOW, unreadable};
#[cfg(test)]
use crate::tests::words::{Duration, RoleCode, Text};
use crate::written::written;
use crate::{
    ClockRule, Definition, Difference, Error, Ladder, Level, Package, Rule, Source, State, Task, Template,
    Transition, diff,
};

/// The file that findings of an overlay name.
pub(crate) const OVERLAY: &str = "overlay.yaml";

/// What an entity has differently, as its file says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// Name of the package that it is laid over.
    pub package: String,
    /// The version of the package that it was written for.
    pub version: String,
    /// Code of the entity whose it is.
    pub entity: String,
    /// Counts its changes from 1: the result has the version of the package and this number, such as `1.0.0.2`.
    pub revision: u32,
    /// Other words for what people see.
    #[serde(default)]
    pub labels: Labels,
    /// States of its own, none of them closed: what ends a case stays with the package.
    #[serde(default)]
    pub states: BTreeMap<String, State>,
    /// Sentences of its own, tried after those of the package. They stay, or lead into its own states and from these back to
    /// where the case came from or was on its way to.
    #[serde(default)]
    pub transitions: Vec<Transition>,
    /// What it asks for besides in sentences of the package.
    #[serde(default)]
    pub tighten: Vec<Tightening>,
    /// What it does without.
    #[serde(default)]
    pub without: Without,
    /// Fields of forms: further ones, and which must be filled in. What is no form of the package is a new one.
    #[serde(default)]
    pub forms: BTreeMap<String, Fields>,
    /// Clocks of its own.
    #[serde(default)]
    pub clocks: BTreeMap<String, ClockRule>,
    /// Shorter targets for promises of the package, by clock and by importance.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, BTreeMap<String, Duration>>"))]
    pub targets: BTreeMap<String, BTreeMap<String, Target>>,
    /// Ladders for clocks that have none.
    #[serde(default)]
    pub ladders: BTreeMap<String, Ladder>,
    /// Further levels of ladders of the package, by clock; each stands where its time puts it.
    #[serde(default)]
    pub levels: BTreeMap<String, Vec<Level>>,
    /// Routing rules that are tried before those of the package.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Templates of its own, or other words for those of the package.
    #[serde(default)]
    pub templates: BTreeMap<String, Template>,
}

/// Other words for what people see, by code.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Labels {
    /// For the package.
    #[cfg_attr(test, schemars(with = "Option<Text>"))]
    pub package: Option<BiText>,
    /// For its states.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Text>"))]
    pub states: BTreeMap<String, BiText>,
    /// For its actions.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Text>"))]
    pub actions: BTreeMap<String, BiText>,
    /// For its clocks.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Text>"))]
    pub clocks: BTreeMap<String, BiText>,
}

/// What is asked for besides in the sentences of an action.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tightening {
    /// The action.
    pub action: String,
    /// Only where it is done in these states; everywhere without any.
    #[serde(default)]
    pub from: BTreeSet<String>,
    /// The state of the overlay into which it leads, instead of where it led. The case goes on from there.
    pub through: Option<String>,
    /// The roles that may still do it, of those that could.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeSet<RoleCode>"))]
    pub roles: BTreeSet<Role>,
    /// A condition that must hold besides.
    pub guard: Option<String>,
    /// What to tell people when it does not.
    #[cfg_attr(test, schemars(with = "Option<Text>"))]
    pub otherwise: Option<BiText>,
    /// The form that must be filled in, where there was none.
    pub form: Option<String>,
    /// True when a reason must be given.
    #[serde(default)]
    pub reason: bool,
    /// Further actions whose actors may not do this one.
    #[serde(default)]
    pub not_by: BTreeSet<String>,
    /// What it asks of others besides.
    #[serde(default)]
    pub effects: Vec<Task>,
}

/// What an overlay does without.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Without {
    /// States that are not mandatory, with all ways into them.
    pub states: BTreeSet<String>,
    /// Actions, but none that is a right of the customer.
    pub actions: BTreeSet<String>,
}

/// Fields of a form.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Fields {
    /// New fields, as JSON Schema with `x-label`.
    pub properties: BTreeMap<String, Value>,
    /// Fields that must be filled in.
    pub required: BTreeSet<String>,
}

/// A package with an overlay laid over it.
pub struct Overlaid {
    /// What came of it: a checked package.
    pub package: Package,
    /// Code of the entity whose it is.
    pub entity: String,
    /// Every difference from the package below (GOV-06).
    pub difference: Difference,
    /// Its texts, as a folder of its own would have them.
    pub source: Source,
}

/// Lays an overlay over a package: adds and tightens what it says, and checks what comes of it.
///
/// # Errors
/// What is wrong with the package below, with the overlay, or with what both say together, each with its file and place.
pub fn overlay(base: &Source, text: &str) -> Result<Overlaid, Error> {
    let below = Package::compile(base)?;
    let options = serde_saphyr::options! { strict_booleans: true };
    let written: Overlay =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| unreadable(OVERLAY, &error))?;
    let found = Found::default();
    let mut laying = Laying::new(definition(base)?, &below, &written, &found);
    laying.lay();
    let (definition, forms, origins) = laying.result();
    let source = Source { workflow: String::new(), forms, tables: base.tables.clone() };
    let package = Package::assemble(definition, &source, &found);
    let texts = |file: &str| if file == OVERLAY { Some(text) } else { base.text(file) };
    let findings = found.findings(texts, &origins);
    if !findings.is_empty() {
        return Err(Error::Findings(findings));
    }
    let source = Source { workflow: yaml(package.definition())?, ..source };
    Ok(Overlaid { difference: diff(&below, &package), entity: written.entity, package, source })
}

/// The machine of a package as written, with its sentences numbered.
fn definition(base: &Source) -> Result<Definition, Error> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let definition = serde_saphyr::from_str_with_options::<Definition>(&base.workflow, options);
    let mut definition = definition.map_err(|error| unreadable(WORKFLOW, &error))?;
    definition.number();
    Ok(definition)
}

/// The text of a `workflow.yaml` that says the same.
fn yaml(definition: &Definition) -> Result<String, Error> {
    let text = serde_saphyr::to_string(&written(definition));
    text.map_err(|error| Error::Catalog(format!("the package cannot be written: {error}")))
}

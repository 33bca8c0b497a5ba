//! A package ready for use: its machine checked, its guards and forms compiled once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::{Context, Env, Program, Value as CelValue};
use jsonschema::Validator;
use serde_json::Value;

use crate::{Definition, Error, Violation, check};

/// The names that the condition of a transition or a clock may use.
const GUARD_NAMES: [&str; 3] = ["case", "actor", "form"];
/// The names that a routing rule may use.
const ROUTING_NAMES: [&str; 3] = ["case", "service", "category"];

/// The texts of a package folder.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The text of `workflow.yaml`.
    pub workflow: String,
    /// The texts of `forms/*.json` by name of the form.
    pub forms: BTreeMap<String, String>,
}

/// A package that was checked and compiled.
pub struct Package {
    definition: Definition,
    forms: BTreeMap<String, Validator>,
    schemas: BTreeMap<String, String>,
    /// In the order of the definition's transitions.
    guards: Vec<Option<Program>>,
    /// The conditions of the clocks that have one.
    clock_conditions: BTreeMap<String, Program>,
    /// Condition and, where it is computed, queue of each routing rule.
    routes: Vec<(Program, Option<Program>)>,
    env: Arc<Env>,
}

impl Package {
    /// Reads, checks and compiles a package.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn compile(source: &Source) -> Result<Self, Error> {
        let options = serde_saphyr::options! { strict_booleans: true };
        let mut definition: Definition = serde_saphyr::from_str_with_options(&source.workflow, options)
            .map_err(|error| Error::Yaml(error.to_string()))?;
        definition.spell_out();
        let forms = source
            .forms
            .iter()
            .map(|(name, text)| Ok((name.clone(), compile_form(name, text)?)))
            .collect::<Result<BTreeMap<_, _>, Error>>()?;
        let names: BTreeSet<_> = forms.keys().map(String::as_str).collect();
        let findings = check::findings(&definition, &names);
        if !findings.is_empty() {
            return Err(Error::Findings(findings));
        }
        let env = Arc::new(Env::stdlib());
        let compile = |place: String, names: &[&str], text: &str| compile(&env, place, names, text);
        let guards = (definition.transitions.iter())
            .map(|transition| {
                let place = || format!("transition `{}`", transition.action);
                transition.guard.as_deref().map(|guard| compile(place(), &GUARD_NAMES, guard)).transpose()
            })
            .collect::<Result<_, _>>()?;
        let clock_conditions = (definition.clocks.iter())
            .filter_map(|(code, clock)| Some((code, clock.when.as_deref()?)))
            .map(|(code, when)| Ok((code.clone(), compile(format!("clock `{code}`"), &GUARD_NAMES, when)?)))
            .collect::<Result<_, Error>>()?;
        let routes = (definition.routing.rules.iter())
            .map(|rule| {
                let place = || format!("routing rule `{}`", rule.name);
                let queue = rule.queue.strip_prefix('=');
                let queue = queue.map(|queue| compile(place(), &ROUTING_NAMES, queue)).transpose()?;
                Ok((compile(place(), &ROUTING_NAMES, &rule.when)?, queue))
            })
            .collect::<Result<_, Error>>()?;
        let schemas = source.forms.clone();
        Ok(Self { definition, forms, schemas, guards, clock_conditions, routes, env })
    }

    /// The JSON Schema of a form, as its file says it.
    #[must_use]
    pub fn form_schema(&self, form: &str) -> Option<&str> {
        self.schemas.get(form).map(String::as_str)
    }

    /// What the package says.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// What is wrong with a filled-in form; every violation names its field.
    #[must_use]
    pub fn violations(&self, form: &str, data: &Value) -> Vec<Violation> {
        let Some(validator) = self.forms.get(form) else { return Vec::new() };
        validator
            .iter_errors(data)
            .map(|error| Violation {
                field: field(form, error.instance_path().as_str()),
                message: error.to_string(),
            })
            .collect()
    }

    /// True when the transition has no guard or its guard holds.
    ///
    /// A guard that cannot be evaluated, because a field is missing, does not hold.
    pub(crate) fn guard_holds(&self, transition: usize, facts: &Value) -> bool {
        let Some(Some(guard)) = self.guards.get(transition) else { return true };
        matches!(self.evaluate(guard, &GUARD_NAMES, facts), Some(CelValue::Bool(true)))
    }

    /// True when the clock has no condition or its condition holds.
    pub(crate) fn clock_wanted(&self, clock: &str, facts: &Value) -> bool {
        let Some(condition) = self.clock_conditions.get(clock) else { return true };
        matches!(self.evaluate(condition, &GUARD_NAMES, facts), Some(CelValue::Bool(true)))
    }

    /// Where a routing rule sends the case, if it takes it.
    pub(crate) fn routed_by(&self, number: usize, facts: &Value) -> Option<String> {
        let ((condition, computed), rule) =
            (self.routes.get(number)?, self.definition.routing.rules.get(number)?);
        if !matches!(self.evaluate(condition, &ROUTING_NAMES, facts), Some(CelValue::Bool(true))) {
            return None;
        }
        match computed {
            None => Some(rule.queue.clone()),
            Some(queue) => match self.evaluate(queue, &ROUTING_NAMES, facts) {
                Some(CelValue::String(queue)) if !queue.is_empty() => Some(queue.to_string()),
                _ => None,
            },
        }
    }

    /// The value of an expression; none when a field that it needs is missing.
    fn evaluate(&self, program: &Program, names: &[&str], facts: &Value) -> Option<CelValue> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        for name in names {
            context.add_variable(*name, &facts[name]).ok()?;
        }
        program.execute(&context).ok()
    }
}

fn compile_form(form: &str, text: &str) -> Result<Validator, Error> {
    let problem = |problem: String| Error::Form { form: form.to_owned(), problem };
    let schema: Value = serde_json::from_str(text).map_err(|error| problem(error.to_string()))?;
    jsonschema::validator_for(&schema).map_err(|error| problem(error.to_string()))
}

fn compile(env: &Arc<Env>, place: String, names: &[&str], text: &str) -> Result<Program, Error> {
    let problem =
        |problem: String| Error::Expression { place: place.clone(), expression: text.to_owned(), problem };
    let program = env.compile(text).map_err(|error| problem(error.to_string()))?;
    // CEL has no static checks of its own: a misspelt name would only show on the first case.
    let references = program.references();
    let unknown: Vec<_> =
        references.variables().into_iter().filter(|name| !names.contains(name)).map(str::to_owned).collect();
    drop(references);
    if unknown.is_empty() {
        return Ok(program);
    }
    Err(problem(format!("`{}` is not known: use {}", unknown.join("`, `"), names.join(", "))))
}

/// `answer.text.ar` from the form `answer` and the JSON pointer `/text/ar`.
fn field(form: &str, pointer: &str) -> String {
    let rest = pointer.replace('/', ".");
    format!("{form}{rest}")
}

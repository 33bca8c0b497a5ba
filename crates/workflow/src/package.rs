//! A package ready for use: its machine checked, its guards and forms compiled once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::Env;
use jsonschema::Validator;
use serde_json::Value;

use crate::expression::{Expression, GUARD, ROUTING};
use crate::fact::Facts;
use crate::{Definition, Error, Rule, Transition, Violation, check};

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
    /// What the opening form says of a case.
    facts: Facts,
    /// In the order of the definition's transitions.
    moves: Vec<Move>,
    /// The conditions of the clocks that have one.
    clock_conditions: BTreeMap<String, Expression>,
    /// Condition and, where it is computed, queue of each routing rule.
    routes: Vec<(Expression, Option<Expression>)>,
}

/// What a transition asks for and says.
struct Move {
    guard: Option<Expression>,
    sets: Facts,
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
        Ok(Self {
            facts: Facts::compile(&env, "the opening", &definition.facts)?,
            moves: moves(&env, &definition)?,
            clock_conditions: clock_conditions(&env, &definition)?,
            routes: routes(&env, &definition)?,
            schemas: source.forms.clone(),
            definition,
            forms,
        })
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

    /// What the opening form says of a case.
    pub(crate) fn facts(&self, form: &Value) -> BTreeMap<String, String> {
        self.facts.of(form)
    }

    /// What the form of a transition changes of what is known of the case.
    pub(crate) fn facts_set(&self, transition: usize, form: &Value) -> BTreeMap<String, String> {
        self.moves.get(transition).map(|found| found.sets.of(form)).unwrap_or_default()
    }

    /// True when the transition has no guard or its guard holds.
    pub(crate) fn guard_holds(&self, transition: usize, facts: &Value) -> bool {
        let guard = self.moves.get(transition).and_then(|found| found.guard.as_ref());
        guard.is_none_or(|guard| guard.holds(facts))
    }

    /// True when the clock has no condition or its condition holds.
    pub(crate) fn clock_wanted(&self, clock: &str, facts: &Value) -> bool {
        self.clock_conditions.get(clock).is_none_or(|condition| condition.holds(facts))
    }

    /// Where a routing rule sends the case, if it takes it.
    pub(crate) fn routed_by(&self, number: usize, facts: &Value) -> Option<String> {
        let ((condition, computed), rule) =
            (self.routes.get(number)?, self.definition.routing.rules.get(number)?);
        if !condition.holds(facts) {
            return None;
        }
        match computed {
            None => Some(rule.queue.clone()),
            Some(queue) => queue.text(facts),
        }
    }
}

fn moves(env: &Arc<Env>, definition: &Definition) -> Result<Vec<Move>, Error> {
    let compiled = |transition: &Transition| {
        let place = format!("transition `{}`", transition.action);
        let guard = transition.guard.as_deref();
        Ok(Move {
            guard: guard.map(|guard| Expression::compile(env, &place, GUARD, guard)).transpose()?,
            sets: Facts::compile(env, &place, &transition.sets)?,
        })
    };
    definition.transitions.iter().map(compiled).collect()
}

fn clock_conditions(env: &Arc<Env>, definition: &Definition) -> Result<BTreeMap<String, Expression>, Error> {
    let conditions =
        definition.clocks.iter().filter_map(|(code, clock)| Some((code, clock.when.as_deref()?)));
    conditions
        .map(|(code, when)| {
            Ok((code.clone(), Expression::compile(env, &format!("clock `{code}`"), GUARD, when)?))
        })
        .collect()
}

fn routes(env: &Arc<Env>, definition: &Definition) -> Result<Vec<(Expression, Option<Expression>)>, Error> {
    let compiled = |rule: &Rule| {
        let compile =
            |text: &str| Expression::compile(env, &format!("routing rule `{}`", rule.name), ROUTING, text);
        Ok((compile(&rule.when)?, rule.queue.strip_prefix('=').map(compile).transpose()?))
    };
    definition.routing.rules.iter().map(compiled).collect()
}

fn compile_form(form: &str, text: &str) -> Result<Validator, Error> {
    let problem = |problem: String| Error::Form { form: form.to_owned(), problem };
    let schema: Value = serde_json::from_str(text).map_err(|error| problem(error.to_string()))?;
    jsonschema::validator_for(&schema).map_err(|error| problem(error.to_string()))
}

/// `answer.text.ar` from the form `answer` and the JSON pointer `/text/ar`.
fn field(form: &str, pointer: &str) -> String {
    let rest = pointer.replace('/', ".");
    format!("{form}{rest}")
}

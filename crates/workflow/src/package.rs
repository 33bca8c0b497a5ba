//! A package ready for use: its machine checked, its guards and forms compiled once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::{Context, Env, Program, Value as CelValue};
use jsonschema::Validator;
use serde_json::Value;

use crate::{Definition, Error, Violation, check};

/// The names that a guard may use.
const GUARD_NAMES: [&str; 3] = ["case", "actor", "form"];

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
    /// In the order of the definition's transitions.
    guards: Vec<Option<Program>>,
    env: Arc<Env>,
}

impl Package {
    /// Reads, checks and compiles a package.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn compile(source: &Source) -> Result<Self, Error> {
        let options = serde_saphyr::options! { strict_booleans: true };
        let definition: Definition = serde_saphyr::from_str_with_options(&source.workflow, options)
            .map_err(|error| Error::Yaml(error.to_string()))?;
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
        let guards = definition
            .transitions
            .iter()
            .map(|transition| {
                let guard = transition.guard.as_deref();
                guard.map(|guard| compile_guard(&env, &transition.action, guard)).transpose()
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { definition, forms, guards, env })
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
        let mut context = Context::with_env(Arc::clone(&self.env));
        for name in GUARD_NAMES {
            if context.add_variable(name, &facts[name]).is_err() {
                return false;
            }
        }
        matches!(guard.execute(&context), Ok(CelValue::Bool(true)))
    }
}

fn compile_form(form: &str, text: &str) -> Result<Validator, Error> {
    let problem = |problem: String| Error::Form { form: form.to_owned(), problem };
    let schema: Value = serde_json::from_str(text).map_err(|error| problem(error.to_string()))?;
    jsonschema::validator_for(&schema).map_err(|error| problem(error.to_string()))
}

fn compile_guard(env: &Arc<Env>, action: &str, guard: &str) -> Result<Program, Error> {
    let problem =
        |problem: String| Error::Guard { action: action.to_owned(), guard: guard.to_owned(), problem };
    let program = env.compile(guard).map_err(|error| problem(error.to_string()))?;
    // CEL has no static checks of its own: a misspelt name would only show on the first case.
    let references = program.references();
    let unknown: Vec<_> = references
        .variables()
        .into_iter()
        .filter(|name| !GUARD_NAMES.contains(name))
        .map(str::to_owned)
        .collect();
    drop(references);
    if unknown.is_empty() {
        return Ok(program);
    }
    Err(problem(format!("`{}` is not known: use {}", unknown.join("`, `"), GUARD_NAMES.join(", "))))
}

/// `answer.text.ar` from the form `answer` and the JSON pointer `/text/ar`.
fn field(form: &str, pointer: &str) -> String {
    let rest = pointer.replace('/', ".");
    format!("{form}{rest}")
}

//! The CEL expressions of a package: compiled once, asked for every case.

mod names;

use std::sync::Arc;

use cel::{Context, Env, Program, Value as CelValue};
use serde_json::Value;

use crate::Error;

/// The names that an expression may use.
type Names = &'static [&'static str];

/// What the condition of a transition may use.
pub(crate) const GUARD: Names = &["case", "actor", "form", "children"];
/// What the condition of a clock may use.
pub(crate) const CLOCK: Names = &["case", "form"];
/// What the form of a child may use; `row` is what there is a child for.
pub(crate) const CHILD: Names = &["case", "form", "row"];
/// What a routing rule may use.
pub(crate) const ROUTING: Names = &["case", "service", "category"];
/// What a fact may use.
pub(crate) const FORM: Names = &["form"];
/// What the state in which a case begins may depend on.
pub(crate) const BEGIN: Names = &["form", "historical"];

/// An expression over the names that its place knows.
pub(crate) struct Expression {
    program: Program,
    /// Those of the names that it uses: the others are not even handed over, for a case with its forms is large.
    used: Vec<&'static str>,
    env: Arc<Env>,
}

impl Expression {
    /// Compiles the text of an expression that stands at a place.
    pub(crate) fn compile(env: &Arc<Env>, place: &str, names: Names, text: &str) -> Result<Self, Error> {
        let problem = |problem: String| {
            let (place, expression) = (place.to_owned(), text.to_owned());
            Error::Expression { place, expression, problem }
        };
        let program = env.compile(text).map_err(|error| problem(error.to_string()))?;
        // CEL has no static checks of its own: a misspelt name would only show on the first case.
        let free = names::free(program.expression());
        let used: Vec<&'static str> = names.iter().copied().filter(|name| free.contains(*name)).collect();
        let unknown: Vec<_> = free.into_iter().filter(|name| !names.contains(&name.as_str())).collect();
        if unknown.is_empty() {
            return Ok(Self { program, used, env: Arc::clone(env) });
        }
        Err(problem(format!("`{}` is not known: use {}", unknown.join("`, `"), names.join(", "))))
    }

    /// True when it holds. What cannot be evaluated, because a field is missing, does not hold.
    pub(crate) fn holds(&self, facts: &Value) -> bool {
        matches!(self.value(facts), Some(CelValue::Bool(true)))
    }

    /// What it gives, as a text; none when a field that it needs is missing, or when it gives nothing that a text can
    /// say.
    pub(crate) fn text(&self, facts: &Value) -> Option<String> {
        let text = match self.value(facts)? {
            CelValue::String(text) => text.to_string(),
            CelValue::Bool(truth) => truth.to_string(),
            CelValue::Int(number) => number.to_string(),
            CelValue::UInt(number) => number.to_string(),
            CelValue::Float(number) => number.to_string(),
            _ => return None,
        };
        Some(text).filter(|text| !text.is_empty())
    }

    /// What it gives; none when a field that it needs is missing.
    pub(crate) fn json(&self, facts: &Value) -> Option<Value> {
        self.value(facts)?.json().ok()
    }

    fn value(&self, facts: &Value) -> Option<CelValue> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        for name in &self.used {
            context.add_variable(*name, &facts[name]).ok()?;
        }
        self.program.execute(&context).ok()
    }
}

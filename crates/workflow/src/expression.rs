//! The CEL expressions of a package: compiled once, asked for every case.

mod names;

use std::sync::{Arc, LazyLock};

use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, Program, Value as CelValue, to_value};
use serde::Serialize;
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

/// What a name stands for, in the form that CEL works with.
type Known<'a> = LazyLock<Option<Box<dyn Val>>, Box<dyn FnOnce() -> Option<Box<dyn Val>> + Send + 'a>>;

/// What several expressions are asked about. A case with its forms is large: what a name stands for is made when an
/// expression first uses it, and once for all of them.
#[derive(Default)]
pub(crate) struct Scope<'a>(Vec<(&'static str, Known<'a>)>);

impl<'a> Scope<'a> {
    /// The scope with one more name.
    pub(crate) fn with<V: Serialize>(
        mut self,
        name: &'static str,
        value: impl FnOnce() -> V + Send + 'a,
    ) -> Self {
        let make = move || to_value(value()).ok()?.try_into().ok();
        self.0.push((name, LazyLock::new(Box::new(make))));
        self
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let (_, known) = self.0.iter().find(|(known, _)| *known == name)?;
        known.as_deref().map(CowVal::Borrowed)
    }
}

/// An expression over the names that its place knows.
pub(crate) struct Expression {
    program: Program,
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
        let unknown: Vec<_> = free.into_iter().filter(|name| !names.contains(&name.as_str())).collect();
        if unknown.is_empty() {
            return Ok(Self { program, env: Arc::clone(env) });
        }
        Err(problem(format!("`{}` is not known: use {}", unknown.join("`, `"), names.join(", "))))
    }

    /// True when it holds. What cannot be evaluated, because a field is missing, does not hold.
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> bool {
        matches!(self.value(scope), Some(CelValue::Bool(true)))
    }

    /// What it gives, as a text; none when a field that it needs is missing, or when it gives nothing that a text can
    /// say.
    pub(crate) fn text(&self, scope: &Scope<'_>) -> Option<String> {
        let text = match self.value(scope)? {
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
    pub(crate) fn json(&self, scope: &Scope<'_>) -> Option<Value> {
        self.value(scope)?.json().ok()
    }

    fn value(&self, scope: &Scope<'_>) -> Option<CelValue> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.set_variable_resolver(scope);
        self.program.execute(&context).ok()
    }
}

//! The CEL expressions of a package: compiled once, asked for every case.

mod functions;
mod names;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, Program, Value as CelValue, to_value};
use serde::Serialize;
use serde_json::Value;

use crate::Code;
use crate::finding::Found;
use crate::form::Form;
use crate::table::Tables;

pub(crate) use names::Read;

/// The names that an expression may use.
pub(crate) type Names = &'static [&'static str];

/// What the condition of a transition may use.
pub(crate) const GUARD: Names = &["case", "actor", "form", "children"];
/// What the condition of a clock may use.
pub(crate) const CLOCK: Names = &["case", "form"];
/// What a table of targets may use; `importance` is always a degree, whether somebody has assessed the case or not.
pub(crate) const TARGET: Names = &["case", "importance"];
/// What the form of a child may use; `row` is what there is a child for.
pub(crate) const CHILD: Names = &["case", "form", "row"];
/// What an agreement may use.
pub(crate) const AGREEMENT: Names = &["case", "form"];
/// What a routing rule may use.
pub(crate) const ROUTING: Names = &["case", "service", "category"];
/// What a computed field of a form may use; `row` is the row in which it stands.
pub(crate) const COMPUTED: Names = &["case", "form", "row"];
/// What the form of a case may use that begins on a day of the calendar.
pub(crate) const SCHEDULE: Names = &["occurrence", "entity", "place"];
/// What the form of a case may use that begins some time after something happened to another.
pub(crate) const SCHEDULE_OF_CASE: Names = &["case", "form"];
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

/// What expressions are made of: what CEL brings, and the few functions that packages need besides.
pub(crate) fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(functions::environment()));
    Arc::clone(&ENVIRONMENT)
}

/// Reads the expressions of a package, and finds what is wrong with them.
pub(crate) struct Reader<'a> {
    pub(crate) env: Arc<Env>,
    pub(crate) found: &'a Found,
    /// The tables that they may ask.
    pub(crate) tables: &'a Tables,
    /// The file in which they stand.
    pub(crate) file: &'a str,
}

/// Where an expression stands.
#[derive(Clone)]
pub(crate) struct Spot<'a> {
    /// Its path in `workflow.yaml`.
    pub(crate) path: String,
    /// The same in words.
    pub(crate) words: String,
    /// The names that it may use.
    pub(crate) names: Names,
    /// The form that `form` stands for, where it is always the same.
    pub(crate) form: Option<&'a Form>,
}

impl Reader<'_> {
    /// Something is wrong at a place of its file.
    pub(crate) fn wrong(&self, code: Code, path: &str, message: String) {
        self.found.add_in(self.file, code, path, message);
    }

    /// Compiles the text of an expression; none when something is wrong with it.
    pub(crate) fn read(&self, spot: &Spot<'_>, text: &str) -> Option<Expression> {
        let wrong = |code, problem: String| {
            self.wrong(code, &spot.path, format!("{}: `{text}`: {problem}", spot.words));
        };
        let program = match self.env.compile(text) {
            Ok(program) => program,
            Err(error) => {
                wrong(Code::Expression, error.to_string());
                return None;
            }
        };
        // CEL has no static checks of its own: a misspelt name would only show on the first case.
        let used = names::used(program.expression());
        let unknown: Vec<_> = used.free.iter().filter(|name| !spot.names.contains(&name.as_str())).collect();
        for name in &unknown {
            wrong(Code::UnknownName, format!("`{name}` is not known: use {}", spot.names.join(", ")));
        }
        for field in used.of_form().iter().filter(|field| spot.form.is_some_and(|form| !form.knows(field))) {
            wrong(Code::UnknownField, format!("`{field}` is no field of the form"));
        }
        unknown.is_empty().then(|| Expression { program, env: Arc::clone(&self.env) })
    }
}

/// An expression over the names that its place knows.
pub(crate) struct Expression {
    program: Program,
    env: Arc<Env>,
}

impl Expression {
    /// What it reads of the names that its place knows.
    pub(crate) fn reads(&self) -> BTreeSet<Read> {
        names::used(self.program.expression()).reads
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

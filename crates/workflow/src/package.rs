//! A package ready for use: its machine checked, its guards and forms compiled once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::Env;
use serde_json::Value;

use crate::children::Asking;
use crate::expression::{BEGIN, CLOCK, Expression, GUARD, ROUTING, Scope};
use crate::fact::Facts;
use crate::form::Form;
use crate::{Begin, Definition, Error, Opening, Rule, Transition, Violation, check};

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
    forms: BTreeMap<String, Form>,
    /// What the opening form says of a case.
    facts: Facts,
    /// The conditions of the definition's `begin`, in its order.
    begins: Vec<Expression>,
    /// The children that the opening asks for.
    opening_children: Vec<Asking>,
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
    children: Vec<Asking>,
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
        let forms = Form::compile(&source.forms)?;
        let names: BTreeSet<_> = forms.keys().map(String::as_str).collect();
        let findings = check::findings(&definition, &names);
        if !findings.is_empty() {
            return Err(Error::Findings(findings));
        }
        let env = Arc::new(Env::stdlib());
        Ok(Self {
            facts: Facts::compile(&env, "the opening", &definition.facts)?,
            begins: begins(&env, &definition)?,
            opening_children: Asking::compile(&env, "the opening", &definition.opening_effects)?,
            moves: moves(&env, &definition)?,
            clock_conditions: clock_conditions(&env, &definition)?,
            routes: routes(&env, &definition)?,
            definition,
            forms,
        })
    }

    /// The JSON Schema of a form, with the forms that it takes in.
    #[must_use]
    pub fn form_schema(&self, form: &str) -> Option<&str> {
        self.forms.get(form).map(Form::schema)
    }

    /// What the package says.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// What is wrong with a filled-in form; every violation names its field.
    #[must_use]
    pub fn violations(&self, form: &str, data: &Value) -> Vec<Violation> {
        self.forms.get(form).map(|form| form.violations(data)).unwrap_or_default()
    }

    /// The clocks within which something may be done: whoever keeps cases keeps their due times too, see
    /// [`crate::Situation`].
    #[must_use]
    pub fn windows(&self) -> BTreeSet<&str> {
        self.definition.transitions.iter().filter_map(|transition| transition.within.as_deref()).collect()
    }

    /// What the opening form says of a case.
    pub(crate) fn facts(&self, form: &Value) -> BTreeMap<String, String> {
        self.facts.of(form)
    }

    /// The code of the state in which a case begins. A checked package has an initial one.
    pub(crate) fn beginning(&self, opening: &Opening) -> &str {
        let scope = Scope::default().with("form", || &opening.form).with("historical", || opening.historical);
        let mut begins = self.definition.begin.iter().zip(&self.begins);
        match begins.find(|(_, condition)| condition.holds(&scope)) {
            Some((begin, _)) => &begin.state,
            None => self.definition.initial().unwrap_or_default(),
        }
    }

    /// What the form of a transition changes of what is known of the case.
    pub(crate) fn facts_set(&self, transition: usize, form: &Value) -> BTreeMap<String, String> {
        self.moves.get(transition).map(|found| found.sets.of(form)).unwrap_or_default()
    }

    /// The children that the opening asks for.
    pub(crate) fn opening_children(&self) -> &[Asking] {
        &self.opening_children
    }

    /// The children that a transition asks for.
    pub(crate) fn children_of(&self, transition: usize) -> &[Asking] {
        self.moves.get(transition).map(|found| found.children.as_slice()).unwrap_or_default()
    }

    /// True when the transition has no guard or its guard holds.
    pub(crate) fn guard_holds(&self, transition: usize, scope: &Scope<'_>) -> bool {
        let guard = self.moves.get(transition).and_then(|found| found.guard.as_ref());
        guard.is_none_or(|guard| guard.holds(scope))
    }

    /// True when the clock has no condition or its condition holds.
    pub(crate) fn clock_wanted(&self, clock: &str, scope: &Scope<'_>) -> bool {
        self.clock_conditions.get(clock).is_none_or(|condition| condition.holds(scope))
    }

    /// Where a routing rule sends the case, if it takes it.
    pub(crate) fn routed_by(&self, number: usize, scope: &Scope<'_>) -> Option<String> {
        let ((condition, computed), rule) =
            (self.routes.get(number)?, self.definition.routing.rules.get(number)?);
        if !condition.holds(scope) {
            return None;
        }
        match computed {
            None => Some(rule.queue.clone()),
            Some(queue) => queue.text(scope),
        }
    }
}

fn begins(env: &Arc<Env>, definition: &Definition) -> Result<Vec<Expression>, Error> {
    let compiled = |begin: &Begin| {
        Expression::compile(env, &format!("`begin` in `{}`", begin.state), BEGIN, &begin.when)
    };
    definition.begin.iter().map(compiled).collect()
}

fn moves(env: &Arc<Env>, definition: &Definition) -> Result<Vec<Move>, Error> {
    let compiled = |transition: &Transition| {
        let place = format!("transition `{}`", transition.action);
        let guard = transition.guard.as_deref();
        Ok(Move {
            guard: guard.map(|guard| Expression::compile(env, &place, GUARD, guard)).transpose()?,
            sets: Facts::compile(env, &place, &transition.sets)?,
            children: Asking::compile(env, &place, &transition.effects)?,
        })
    };
    definition.transitions.iter().map(compiled).collect()
}

fn clock_conditions(env: &Arc<Env>, definition: &Definition) -> Result<BTreeMap<String, Expression>, Error> {
    let conditions =
        definition.clocks.iter().filter_map(|(code, clock)| Some((code, clock.when.as_deref()?)));
    conditions
        .map(|(code, when)| {
            Ok((code.clone(), Expression::compile(env, &format!("clock `{code}`"), CLOCK, when)?))
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

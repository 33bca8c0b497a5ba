//! A package ready for use: its machine checked, its guards and forms compiled once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::agreement::Agreeing;
use crate::children::Asking;
use crate::computed::Computed;
use crate::expression::{
    BEGIN, CHILD, CLOCK, Expression, FORM, GUARD, ROUTING, Read, Reader, Scope, Spot, environment,
};
use crate::fact::Facts;
use crate::finding::{Found, Origins, WORKFLOW, unreadable};
use crate::form::Form;
use crate::recurrence::Proposals;
use crate::said::Said;
use crate::schedule::{Schedules, check_forms};
use crate::table::{Asked, Table};
use crate::target::TargetTables;
use crate::{Begin, Case, ClockRule, Definition, Error, Opening, Rule, Transition, Violation, check, quota};

/// The texts of a package folder.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The text of `workflow.yaml`.
    pub workflow: String,
    /// The texts of `forms/*.json` by name of the form.
    pub forms: BTreeMap<String, String>,
    /// The texts of `tables/*.csv` by name of the table.
    pub tables: BTreeMap<String, String>,
}

/// A package that was checked and compiled.
pub struct Package {
    definition: Definition,
    forms: BTreeMap<String, Form>,
    table_texts: BTreeMap<String, String>,
    /// The fields of forms that are computed.
    computed: Computed,
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
    /// The tables that say targets.
    target_tables: TargetTables,
    /// The cases that are proposed when something recurs.
    proposals: Proposals,
    /// The forms of the cases that begin by themselves.
    schedules: Schedules,
    /// Condition and, where it is not written there, queue of each routing rule.
    routes: Vec<(Expression, Option<Said>)>,
    /// The states in which a clock may live that does not end in silence.
    pub(crate) promising: BTreeSet<String>,
}

/// What a transition asks for and says.
struct Move {
    guard: Option<Expression>,
    sets: Facts,
    children: Vec<Asking>,
    agreeing: Option<Agreeing>,
}

impl Package {
    /// Reads, checks and compiles a package.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn compile(source: &Source) -> Result<Self, Error> {
        let found = Found::default();
        let package = Self::read(source, &found);
        match (package, found.findings(|file| source.text(file), &Origins::default())) {
            (Some(package), findings) if findings.is_empty() => Ok(package),
            (_, findings) => Err(Error::Findings(findings)),
        }
    }

    /// Compiles a version that was checked when it was published: what a later release would refuse of a new one holds up
    /// no case of it.
    ///
    /// # Errors
    /// What is wrong, where a part of it cannot be read at all.
    pub fn published(source: &Source) -> Result<Self, Error> {
        let found = Found::default();
        let package = Self::read(source, &found);
        let findings = found.findings(|file| source.text(file), &Origins::default());
        match package {
            Some(package) if !findings.iter().any(|finding| finding.code.is_unreadable()) => Ok(package),
            _ => Err(Error::Findings(findings)),
        }
    }

    /// The package, as far as it can be read; whoever finds something does not use it.
    fn read(source: &Source, found: &Found) -> Option<Self> {
        let options = serde_saphyr::options! { strict_booleans: true };
        let definition = serde_saphyr::from_str_with_options::<Definition>(&source.workflow, options);
        match definition {
            Ok(mut definition) => {
                definition.number();
                Some(Self::assemble(definition, source, found))
            }
            Err(error) => {
                found.placed(unreadable(WORKFLOW, &error));
                // What is wrong with the forms is told all the same.
                Form::compile(&source.forms, found);
                None
            }
        }
    }

    /// The package of a machine whose sentences are numbered; whoever finds something does not use it.
    pub(crate) fn assemble(mut definition: Definition, source: &Source, found: &Found) -> Self {
        let forms = Form::compile(&source.forms, found);
        definition.spell_out();
        check::check(&definition, &source.forms, &forms, found);
        let tables = Table::read_all(&definition.tables, &source.tables, found);
        let reader = Reader { env: environment(), found, tables: &tables, file: WORKFLOW };
        let opening = |path: &str, names| Spot {
            path: path.to_owned(),
            words: "the opening".to_owned(),
            names,
            form: forms.get(&definition.opening_form),
        };
        let package = Self {
            facts: Facts::compile(&reader, &opening("facts", FORM), &definition.facts),
            begins: begins(&reader, &definition, forms.get(&definition.opening_form)),
            opening_children: Asking::compile(
                &reader,
                &opening("opening_effects", CHILD),
                &definition.opening_effects,
            ),
            moves: definition.transitions.iter().map(|way| Move::read(&reader, way, &forms)).collect(),
            clock_conditions: clock_conditions(&reader, &definition),
            target_tables: TargetTables::compile(&reader, &definition),
            proposals: Proposals::compile(&reader, &definition),
            schedules: Schedules::compile(&reader, &definition),
            routes: routes(&reader, &definition),
            computed: Computed::compile(&reader, &forms),
            promising: definition.promising(),
            definition,
            forms,
            table_texts: source.tables.clone(),
        };
        check_forms(&package, found);
        package
    }

    /// The JSON Schema of a form, with the forms that it takes in.
    #[must_use]
    pub fn form_schema(&self, form: &str) -> Option<&str> {
        self.forms.get(form).map(Form::schema)
    }

    /// The forms with their JSON Schemas, each with the forms that it takes in.
    pub(crate) fn form_schemas(&self) -> impl Iterator<Item = (&str, &str)> {
        self.forms.iter().map(|(name, form)| (name.as_str(), form.schema()))
    }

    /// The texts of its tables by name.
    pub(crate) fn table_texts(&self) -> &BTreeMap<String, String> {
        &self.table_texts
    }

    /// What the guard of a transition reads.
    pub(crate) fn guard_reads(&self, transition: usize) -> BTreeSet<Read> {
        let guard = self.moves.get(transition).and_then(|found| found.guard.as_ref());
        guard.map(Expression::reads).unwrap_or_default()
    }

    /// What the package says.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// What is wrong with a filled-in form that opens a case; every violation names its field. What is computed is computed
    /// first.
    #[must_use]
    pub fn violations(&self, form: &str, data: &Value) -> Vec<Violation> {
        self.violations_of(form, &self.computed.of(form, None, data.clone()))
    }

    /// What is wrong with a filled-in form whose computed fields are there.
    pub(crate) fn violations_of(&self, form: &str, data: &Value) -> Vec<Violation> {
        let mut found = self.forms.get(form).map(|form| form.violations(data)).unwrap_or_default();
        found.extend(quota::violations(&self.definition, form, data));
        found
    }

    /// A filled-in form of a case with its computed fields.
    pub(crate) fn computed(&self, form: &str, case: Option<&Case>, data: Value) -> Value {
        self.computed.of(form, case, data)
    }

    /// True when a form has computed fields.
    pub(crate) fn computes(&self, form: &str) -> bool {
        self.computed.has(form)
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

    /// The cases that are proposed when something recurs.
    pub(crate) fn proposals(&self) -> &Proposals {
        &self.proposals
    }

    /// The forms of the cases that begin by themselves.
    pub(crate) fn schedules(&self) -> &Schedules {
        &self.schedules
    }

    /// The children that the opening asks for.
    pub(crate) fn opening_children(&self) -> &[Asking] {
        &self.opening_children
    }

    /// The children that a transition asks for.
    pub(crate) fn children_of(&self, transition: usize) -> &[Asking] {
        self.moves.get(transition).map(|found| found.children.as_slice()).unwrap_or_default()
    }

    /// The agreement that a transition puts into force.
    pub(crate) fn agreeing(&self, transition: usize) -> Option<&Agreeing> {
        self.moves.get(transition)?.agreeing.as_ref()
    }

    /// The tables that say targets.
    pub(crate) fn target_tables(&self) -> &TargetTables {
        &self.target_tables
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

    /// True when it sends cases to a desk of this code, or puts them on its list.
    pub(crate) fn names_desk(&self, code: &str) -> bool {
        let asked = self.routes.iter().filter_map(|(_, queue)| match queue {
            Some(Said::Table(asked)) => Some(asked),
            _ => None,
        });
        self.definition.desks().any(|desk| desk == code)
            || asked.flat_map(Asked::answers).any(|desk| desk == code)
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

fn begins(reader: &Reader<'_>, definition: &Definition, form: Option<&Form>) -> Vec<Expression> {
    let read = |(number, begin): (usize, &Begin)| {
        let words = format!("`begin` in `{}`", begin.state);
        reader.read(&Spot { path: format!("begin/{number}/when"), words, names: BEGIN, form }, &begin.when)
    };
    definition.begin.iter().enumerate().filter_map(read).collect()
}

impl Move {
    fn read(reader: &Reader<'_>, transition: &Transition, forms: &BTreeMap<String, Form>) -> Self {
        let spot = |what: &str, names| Spot {
            path: format!("transitions/{}/{what}", transition.sentence),
            words: format!("transition `{}`", transition.action),
            names,
            form: transition.form.as_ref().and_then(|form| forms.get(form)),
        };
        let effects = spot("effects", CHILD);
        Self {
            guard: transition.guard.as_deref().and_then(|text| reader.read(&spot("guard", GUARD), text)),
            sets: Facts::compile(reader, &spot("sets", FORM), &transition.sets),
            children: Asking::compile(reader, &effects, &transition.effects),
            agreeing: Agreeing::compile(reader, &effects, &transition.effects),
        }
    }
}

fn clock_conditions(reader: &Reader<'_>, definition: &Definition) -> BTreeMap<String, Expression> {
    let read = |(code, clock): (&String, &ClockRule)| {
        let (path, words) = (format!("clocks/{code}/when"), format!("clock `{code}`"));
        let spot = Spot { path, words, names: CLOCK, form: None };
        Some((code.clone(), reader.read(&spot, clock.when.as_deref()?)?))
    };
    definition.clocks.iter().filter_map(read).collect()
}

fn routes(reader: &Reader<'_>, definition: &Definition) -> Vec<(Expression, Option<Said>)> {
    let read = |(number, rule): (usize, &Rule)| {
        let spot = |field: &str| {
            let (path, words) =
                (format!("routing/rules/{number}/{field}"), format!("routing rule `{}`", rule.name));
            Spot { path, words, names: ROUTING, form: None }
        };
        let queue = Said::decided(reader, &spot("queue"), &rule.queue);
        Some((reader.read(&spot("when"), &rule.when)?, queue))
    };
    definition.routing.rules.iter().enumerate().filter_map(read).collect()
}

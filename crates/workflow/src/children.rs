//! Children: the cases that a case asks for, what it knows of them, and the forms that they begin with.

use std::collections::BTreeMap;

use masar_domain::StateCategory;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::expression::{Expression, Reader, Scope, Spot};
use crate::form::Form;
use crate::said::Said;
use crate::{CUSTOMER, Case, CaseEvent, Effect, Package, Task};

/// The state of a child that is asked for and not opened yet.
const ASKED: &str = "asked";
/// How a survey relates to the case of which it asks.
const SURVEY: &str = "survey_of";

impl Task {
    /// The package of the children that it asks for.
    #[must_use]
    pub fn opens(&self) -> Option<&str> {
        match self {
            Self::Child { package, .. } | Self::AskSurvey { package, .. } => Some(package),
            _ => None,
        }
    }
}

/// What a case knows of a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its package.
    pub package: String,
    /// How it relates to this case.
    pub link: String,
    /// Code of its state.
    pub state: String,
    /// Category of its state.
    pub category: StateCategory,
    /// What is known of it, as its own package says.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
}

/// Children as guards see them: those that were asked for and are not opened yet are open too, so that no guard takes
/// them for done.
pub(crate) fn children_facts(case: &Case, children: &[Child]) -> Value {
    let mut all: Vec<Value> = children.iter().map(|child| json!(child)).collect();
    for (package, asked) in &case.asked {
        let opened = children.iter().filter(|child| child.package == *package).count();
        let missing = usize::try_from(*asked).unwrap_or_default().saturating_sub(opened);
        let waiting = json!({"package": package, "link": "", "state": ASKED, "category": StateCategory::Open, "facts": {}});
        all.extend(std::iter::repeat_n(waiting, missing));
    }
    Value::Array(all)
}

/// A task for children, compiled: for how many, and with which forms.
pub(crate) struct Asking {
    package: String,
    link: String,
    /// The rows of which each has a child; one child without it.
    each: Option<Expression>,
    /// The fields of the child's opening form; none takes over the form of the transition.
    with: Filling,
    /// The entity in which it is opened.
    entity: Option<Said>,
    /// True when it answers to the case that asks for it, and not to the customer.
    inward: bool,
    /// True when it belongs to whoever submitted the case that asks for it.
    for_customer: bool,
    /// True when the customer is asked how it was.
    survey: bool,
    /// Under which name it is lodged, where it is concealed.
    lodged_by: Option<Said>,
}

/// How the fields of a form are filled in that nobody fills in by hand.
pub(crate) struct Filling(Vec<(String, Said)>);

impl Filling {
    /// Reads what stands at `with` of a spot.
    pub(crate) fn compile(
        reader: &Reader<'_>,
        spot: &Spot<'_>,
        form: Option<&Form>,
        with: &BTreeMap<String, String>,
    ) -> Self {
        let said = |(field, text): (&String, &String)| {
            let spot = Spot { path: format!("{}/with/{field}", spot.path), ..spot.clone() };
            Some((field.clone(), Said::read(reader, &spot, form, text)?))
        };
        Self(with.iter().filter_map(said).collect())
    }

    /// The form; what says nothing is left out.
    pub(crate) fn fill(&self, scope: &Scope<'_>, field: impl Fn(&str) -> Option<Value>) -> Value {
        let said = |said: &Said| match said {
            Said::Field(name) => field(name),
            decided => decided.json(scope),
        };
        let fields = self.0.iter().filter_map(|(name, how)| Some((name.clone(), said(how)?)));
        Value::Object(fields.filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
    }
}

impl Asking {
    /// The tasks for children among what a transition asks for.
    pub(crate) fn compile(reader: &Reader<'_>, spot: &Spot<'_>, tasks: &[Task]) -> Vec<Self> {
        let asking = |(number, task): (usize, &Task)| {
            let package = task.opens()?;
            let word = if matches!(task, Task::Child { .. }) { "child" } else { "ask_survey" };
            let spot = Spot {
                path: format!("{}/{number}/{word}", spot.path),
                words: format!("the child `{package}` of {}", spot.words),
                ..spot.clone()
            };
            Self::of(reader, &spot, task)
        };
        tasks.iter().enumerate().filter_map(asking).collect()
    }

    /// A task for children that stands at a spot.
    pub(crate) fn of(reader: &Reader<'_>, spot: &Spot<'_>, task: &Task) -> Option<Self> {
        if let Task::AskSurvey { package, with } = task {
            return Some(Self::survey(reader, spot, package, with));
        }
        let Task::Child { package, link, each, with, entity, inward, for_customer, concealed } = task else {
            return None;
        };
        let within = |place: &str| Spot { path: format!("{}/{place}", spot.path), ..spot.clone() };
        // With `each` it may be a field of a row.
        let form = spot.form.filter(|_| each.is_none());
        Some(Self {
            package: package.clone(),
            link: link.clone(),
            each: each.as_deref().and_then(|text| reader.read(&within("each"), text)),
            with: Filling::compile(reader, spot, form, with),
            entity: entity.as_deref().and_then(|text| Said::read(reader, &within("entity"), form, text)),
            inward: *inward,
            for_customer: *for_customer,
            survey: false,
            lodged_by: concealed.as_ref().and_then(|rule| {
                Said::read(reader, &within("concealed/lodged_by"), spot.form, &rule.lodged_by)
            }),
        })
    }

    fn survey(reader: &Reader<'_>, spot: &Spot<'_>, package: &str, with: &BTreeMap<String, String>) -> Self {
        Self {
            package: package.to_owned(),
            link: SURVEY.to_owned(),
            each: None,
            with: Filling::compile(reader, spot, spot.form, with),
            entity: None,
            inward: false,
            for_customer: true,
            survey: true,
            lodged_by: None,
        }
    }

    /// True unless it asks a customer of whom nothing is known, or who has nothing to say of the case.
    pub(crate) fn is_wanted(&self, case: &Case) -> bool {
        !self.survey || (case.fact(CUSTOMER).is_some() && !case.inward)
    }

    /// True when nobody finds the child to be one.
    pub(crate) fn conceals(&self) -> bool {
        self.lodged_by.is_some()
    }

    /// The children that are asked for, given the case after the event and the event's form.
    pub(crate) fn effects(&self, case: &Value, form: Option<&Value>) -> Vec<Effect> {
        let none = Value::Null;
        let form = form.unwrap_or(&none);
        let rows = match &self.each {
            None => vec![Value::Null],
            Some(each) => match each.json(&scope(case, form, &none)) {
                Some(Value::Array(rows)) => rows,
                _ => Vec::new(),
            },
        };
        let child = |(number, row): (usize, Value)| Effect::Child {
            package: self.package.clone(),
            link: self.link.clone(),
            number: u32::try_from(number).unwrap_or(u32::MAX),
            form: self.form(case, form, &row),
            entity: self.entity.as_ref().and_then(|entity| Self::text(entity, case, form, &row)),
            inward: self.inward,
            for_customer: self.for_customer,
            lodged_by: self
                .lodged_by
                .as_ref()
                .map(|name| Self::text(name, case, form, &Value::Null).unwrap_or_default()),
        };
        rows.into_iter().enumerate().map(child).collect()
    }

    /// A name or a code that is said; none where nothing is.
    fn text(said: &Said, case: &Value, form: &Value, row: &Value) -> Option<String> {
        let text = match said {
            Said::Field(field) => {
                row.get(field).or_else(|| form.get(field)).and_then(Value::as_str).map(str::to_owned)
            }
            decided => decided.text(&scope(case, form, row)),
        };
        text.filter(|text| !text.is_empty())
    }

    /// True when an opening form may ask for a child in another entity: it certainly asks for none where it has no row of which
    /// each would have one.
    fn may_name_entity(&self, form: &Value) -> bool {
        let rows = || self.each.as_ref()?.json(&scope(&Value::Null, form, &Value::Null));
        self.entity.is_some() && !matches!(rows(), Some(Value::Array(rows)) if rows.is_empty())
    }

    fn form(&self, case: &Value, form: &Value, row: &Value) -> Value {
        if self.with.0.is_empty() {
            return form.clone();
        }
        self.with.fill(&scope(case, form, row), |field| row.get(field).or_else(|| form.get(field)).cloned())
    }
}

fn scope<'a>(case: &'a Value, form: &'a Value, row: &'a Value) -> Scope<'a> {
    Scope::default().with("case", move || case).with("form", move || form).with("row", move || row)
}

impl Package {
    /// True when an opening with this form may ask for children in other entities. Whoever accepts it looks at what the opening
    /// asks for then; most ask for none, and need no looking at.
    #[must_use]
    pub fn may_name_entities(&self, form: &Value) -> bool {
        self.opening_children().iter().any(|asking| asking.may_name_entity(form))
    }
}

/// A child that an event asks for in an entity that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    /// The entity.
    pub entity: &'a str,
    /// The package of the child.
    pub package: &'a str,
    /// The child's opening form.
    pub form: &'a Value,
}

impl CaseEvent {
    /// The children that it asks for in entities that it names.
    pub fn named(&self) -> impl Iterator<Item = Named<'_>> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Child { package, form, entity: Some(entity), .. } => {
                Some(Named { entity, package, form })
            }
            _ => None,
        })
    }
}

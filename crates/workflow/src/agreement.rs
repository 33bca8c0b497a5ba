//! Agreements: what two parties promise each other goes before the targets of packages, from the moment at which a case puts
//! it into force until it ends it (SVC-05).

mod binding;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use masar_domain::Importance;
use masar_worktime::Target;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::binding::{Bounds, Promise, binding};
use crate::decide::case_facts;
use crate::definition::Between;
use crate::expression::{AGREEMENT, Reader, Scope, Spot};
use crate::said::Said;
#[cfg(test)]
use crate::tests::words::{Date as DateText, Duration, ImportanceOrAll};
use crate::{Case, CaseEvent, ClockKind, ClockRule, Effect, Package, Refusal, Task, Violation, evolve};

/// What a case puts into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Of which clocks it speaks: between entities (`sla`), between departments (`ola`) or with a provider (`underpinning`).
    pub kind: AgreementKind,
    /// Who promises: the code of an entity, which stands for all its departments, or of a department, or a provider.
    pub provider: String,
    /// Whom it is promised, in the same words.
    pub consumer: String,
    /// The services or case types that it binds; all without any.
    #[serde(default)]
    pub subjects: BTreeSet<String>,
    /// What it promises.
    pub targets: Vec<AgreedTarget>,
    /// The calendar on which clocks under it count; that of the case without one.
    #[serde(default)]
    pub calendar: Option<String>,
    /// The first day on which clocks may start under it; that of the event without one.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<DateText>"))]
    pub from: Option<Date>,
    /// The last such day.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<DateText>"))]
    pub until: Option<Date>,
    /// What becomes of clocks that are open when it comes into force.
    #[serde(default)]
    pub open_clocks: OpenClocks,
}

/// Of which clocks an agreement speaks (T14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AgreementKind {
    /// Between entities.
    Sla,
    /// Between departments.
    Ola,
    /// With a provider.
    Underpinning,
}

/// What an agreement promises for a clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AgreedTarget {
    /// Code of the clock.
    pub clock: String,
    /// A degree of importance, or `all` for those that are not named.
    #[cfg_attr(test, schemars(with = "ImportanceOrAll"))]
    pub importance: String,
    /// How long it may take.
    #[cfg_attr(test, schemars(with = "Duration"))]
    pub target: Target,
}

/// What becomes of clocks that are open when an agreement comes into force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OpenClocks {
    /// They count on to what was promised.
    #[default]
    Keep,
    /// They count on, from their own starts, to what it promises (T6).
    Retarget,
}

/// The parties of a clock, as the facts of its case name them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parties {
    /// Who promises.
    pub provider: String,
    /// Whom it is promised.
    pub consumer: String,
}

impl AgreementKind {
    /// The kind of the clocks of which it speaks.
    #[must_use]
    pub const fn of_clocks(self) -> ClockKind {
        match self {
            Self::Sla => ClockKind::Sla,
            Self::Ola => ClockKind::Ola,
            Self::Underpinning => ClockKind::Uc,
        }
    }
}

impl Agreement {
    /// Whom it binds, to what and when, if it is in force between these times.
    #[must_use]
    pub fn bounds(&self, since: Timestamp, ended_at: Option<Timestamp>) -> Bounds<'_> {
        let Self { provider, consumer, subjects, from, until, .. } = self;
        let (kind, from, until) = (self.kind.of_clocks().word(), *from, *until);
        Bounds { kind, provider, consumer, subjects, from, until, since, ended_at }
    }

    /// What it promises for a clock.
    #[must_use]
    pub fn target(&self, clock: &str, importance: Importance) -> Option<Target> {
        let of_clock = |word: &str| {
            self.targets.iter().find(|agreed| agreed.clock == clock && agreed.importance == word)
        };
        of_clock(importance.as_str()).or_else(|| of_clock("all")).map(|agreed| agreed.target)
    }

    /// What is wrong with what it promises, if anything is.
    pub(crate) fn wrong(&self) -> Option<String> {
        let odd = |target: &&AgreedTarget| {
            target.importance != "all" && target.importance.parse::<Importance>().is_err()
        };
        match self.targets.iter().find(odd) {
            Some(odd) => Some(format!("`{}` is no importance: use high, medium, low or all", odd.importance)),
            None if self.targets.is_empty() => Some("it promises nothing: name a target".to_owned()),
            None => None,
        }
    }
}

impl ClockRule {
    /// Between whom the clock of a case is promised; none where the package or the case names only one of them.
    pub(crate) fn parties(&self, case: &Case) -> Option<Parties> {
        let Between { provider, consumer } = self.between.as_ref()?;
        Some(Parties { provider: case.fact(provider)?.to_owned(), consumer: case.fact(consumer)?.to_owned() })
    }
}

/// A task that puts an agreement into force, compiled.
pub(crate) struct Agreeing(Vec<(String, Said)>);

impl Agreeing {
    /// The last such task of a transition: a case has one agreement in force.
    pub(crate) fn compile(reader: &Reader<'_>, spot: &Spot<'_>, tasks: &[Task]) -> Option<Self> {
        let mut tasks = tasks.iter().enumerate().rev();
        let (number, with) = tasks.find_map(|(number, task)| match task {
            Task::Agree { with } => Some((number, with)),
            _ => None,
        })?;
        let said = |(part, text): (&String, &String)| {
            let path = format!("{}/{number}/agree/with/{part}", spot.path);
            let words = format!("`{part}` of the agreement of {}", spot.words);
            let spot = Spot { path, words, names: AGREEMENT, form: spot.form };
            Some((part.clone(), Said::read(reader, &spot, spot.form, text)?))
        };
        Some(Self(with.iter().filter_map(said).collect()))
    }

    /// What the case says after the event, given the event's form.
    fn agreement(&self, case: &Case, form: &Value) -> Result<Agreement, Violation> {
        let facts = case_facts(case);
        let scope = Scope::default().with("case", || &facts).with("form", || form);
        let said = |(part, how): &(String, Said)| {
            let value = match how {
                Said::Field(field) => form.get(field).cloned(),
                decided => decided.json(&scope),
            };
            Some((part.clone(), value.filter(|value| !value.is_null())?))
        };
        let parts = Value::Object(self.0.iter().filter_map(said).collect::<Map<_, _>>());
        let agreement: Result<Agreement, _> = serde_json::from_value(parts);
        let agreement = agreement.map_err(|error| violation(&error.to_string()))?;
        match agreement.wrong() {
            Some(problem) => Err(violation(&problem)),
            None => Ok(agreement),
        }
    }
}

fn violation(problem: &str) -> Violation {
    Violation { field: "agreement".to_owned(), message: problem.to_owned() }
}

impl Package {
    /// What the transition does to the agreement of its case.
    ///
    /// # Errors
    /// `Form` when what the case says is no agreement.
    pub(crate) fn agreed(
        &self,
        transition: usize,
        case: &Case,
        event: &CaseEvent,
    ) -> Result<Option<Effect>, Refusal> {
        let tasks = self.definition().transitions.get(transition).map(|way| way.effects.as_slice());
        if tasks.is_some_and(|tasks| tasks.contains(&Task::EndAgreement)) {
            return Ok(Some(Effect::EndAgreement));
        }
        let Some(agreeing) = self.agreeing(transition) else { return Ok(None) };
        let after = evolve(Some(case.clone()), event);
        let form = event.form.as_ref().map_or(&Value::Null, |(_, form)| form);
        let agreement = agreeing.agreement(&after, form).map_err(|wrong| Refusal::Form(vec![wrong]))?;
        Ok(Some(Effect::Agree(agreement)))
    }
}

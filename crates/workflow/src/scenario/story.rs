//! What a file of `scenarios/` says, as it says it.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::BiText;
use masar_worktime::Target;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::Agreement;
#[cfg(test)]
use crate::tests::words::{Duration, Text};

/// A file: scenarios, and what they share.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Book {
    /// Filled-in forms, by names of the writer's choice.
    #[serde(default)]
    pub(super) forms: BTreeMap<String, Value>,
    /// Steps that lead somewhere, by names of the writer's choice.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Vec<Step>>"))]
    pub(super) walks: BTreeMap<String, Vec<Spanned<Step>>>,
    /// The scenarios.
    #[cfg_attr(test, schemars(with = "Vec<Story>"))]
    pub(super) scenarios: Vec<Spanned<Story>>,
}

/// A scenario.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Story {
    /// What it shows, in both languages.
    #[cfg_attr(test, schemars(with = "Text"))]
    pub(super) scenario: BiText,
    /// The calendar that all clocks count on.
    #[serde(default = "calendar")]
    pub(super) calendar: String,
    /// When the case is opened, such as `2026-11-15 08:00`, as the calendar's zone reads the clock.
    #[serde(default = "starts")]
    pub(super) starts: String,
    /// The departments of services that the registry would name.
    #[serde(default)]
    pub(super) services: BTreeMap<String, String>,
    /// The departments of categories that the registry would name.
    #[serde(default)]
    pub(super) categories: BTreeMap<String, String>,
    /// Code of the entity whose case it is: agreements that name it speak for all its departments.
    #[serde(default)]
    pub(super) entity: String,
    /// What parties have promised each other before the case begins: goes before the targets of the package, as in production.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<Agreement>"))]
    pub(super) agreements: Vec<Spanned<Agreement>>,
    /// How many cases of the same matter there were before, by the code of the recurrence.
    #[serde(default)]
    pub(super) earlier: BTreeMap<String, u32>,
    /// Roles that nobody holds; every other is held by one person, who goes by its name.
    #[serde(default)]
    pub(super) vacant: BTreeSet<String>,
    /// Templates whose messages never arrive; every other is delivered at once.
    #[serde(default)]
    pub(super) undelivered: BTreeSet<String>,
    /// How the case begins.
    #[cfg_attr(test, schemars(with = "Opening"))]
    pub(super) opening: Spanned<Opening>,
    /// What happens then, in order.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<Step>"))]
    pub(super) steps: Vec<Spanned<Step>>,
}

fn calendar() -> String {
    "qa-gov-default".to_owned()
}

/// A Sunday, an hour after opening.
fn starts() -> String {
    "2026-11-15 08:00".to_owned()
}

/// How a case begins.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Opening {
    /// Who opens it.
    pub(super) by: String,
    /// The opening form, or its name.
    pub(super) form: Value,
    /// Fields that it has instead.
    #[serde(default)]
    pub(super) with: BTreeMap<String, Value>,
    /// True when it was handled elsewhere before.
    #[serde(default)]
    pub(super) historical: bool,
    /// True when another case asked for it and it answers to that, and not to the customer.
    #[serde(default)]
    pub(super) inward: bool,
    /// What must be then.
    #[cfg_attr(test, schemars(with = "Option<Expect>"))]
    pub(super) expect: Option<Spanned<Expect>>,
}

impl Book {
    /// A form as it is filled in: one that has a name, or what stands there, with some fields instead.
    pub(super) fn form(&self, form: &Value, with: &BTreeMap<String, Value>) -> Result<Value, String> {
        let mut form = match form {
            Value::String(name) => self
                .forms
                .get(name)
                .cloned()
                .ok_or_else(|| format!("there is no form `{name}` in this file"))?,
            written => written.clone(),
        };
        for (field, value) in with {
            match value {
                Value::Null => drop(form.as_object_mut().and_then(|fields| fields.remove(field))),
                value => form[field] = value.clone(),
            }
        }
        Ok(form)
    }
}

/// One step: when, and who does what; or what became of a child; or only that time passes.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Step {
    /// When, as the calendar's zone reads the clock.
    pub(super) at: Option<String>,
    /// How long after the step before, such as `2 business_days`: the closing of the second working day.
    #[cfg_attr(test, schemars(with = "Option<Duration>"))]
    pub(super) after: Option<Target>,
    /// The role of who acts.
    pub(super) by: Option<String>,
    /// Who acts, where the role alone does not tell people apart.
    #[serde(rename = "as")]
    pub(super) name: Option<String>,
    /// The department of who acts; without it, a role of a department is held in that of the case.
    pub(super) department: Option<String>,
    /// The action.
    pub(super) does: Option<String>,
    /// The form that is filled in, or its name.
    pub(super) form: Option<Value>,
    /// Fields that it has instead.
    pub(super) with: BTreeMap<String, Value>,
    /// Why.
    pub(super) reason: Option<String>,
    /// The code with which it must be refused.
    pub(super) refused: Option<String>,
    /// The name of steps that are taken here.
    pub(super) walk: Option<String>,
    /// The package of a child that changes, and its number from 1 where there are several: `improvement-action 2`.
    pub(super) child: Option<String>,
    /// The state that the child reaches.
    pub(super) becomes: Option<String>,
    /// What is known of the child then, as its package's facts say.
    pub(super) knows: BTreeMap<String, String>,
    /// What must be then.
    #[cfg_attr(test, schemars(with = "Option<Expect>"))]
    pub(super) expect: Option<Spanned<Expect>>,
}

/// What must be after a step. What is not named is not looked at; lists are all that there is.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// The state.
    pub(super) state: Option<String>,
    /// The queue, or `none`.
    pub(super) queue: Option<String>,
    /// Who has the task, or `nobody`.
    pub(super) assignee: Option<String>,
    /// What is known of the case.
    pub(super) facts: BTreeMap<String, String>,
    /// What stands in a form, by a path such as `analysis.causes.0.class`.
    pub(super) fields: BTreeMap<String, Value>,
    /// Its counters.
    pub(super) counts: BTreeMap<String, i64>,
    /// Its clocks: `running until 2026-11-29 14:00`, `paused`, `late`, `kept`, `broken`, `ended`, `cancelled` or `never`.
    pub(super) clocks: BTreeMap<String, String>,
    /// The actions that a person of a role may do.
    pub(super) may: BTreeMap<String, BTreeSet<String>>,
    /// The messages of this step: `answer to customer`.
    pub(super) messages: Option<BTreeSet<String>>,
    /// The children that this step asked for, by package: `complaint in DEMO-TRF` where the package names the entity.
    pub(super) children: Option<Vec<String>>,
    /// The links that this step made: `merged_into CMP-2026-000001`.
    pub(super) links: Option<Vec<String>>,
    /// The levels that climbed in this step: `response L1 to department_manager`, with `again` at the end of one that is
    /// told again.
    pub(super) levels: Option<Vec<String>>,
    /// When its schedules come next: `2027-11-15 07:00`, or `never`.
    pub(super) schedules: BTreeMap<String, String>,
    /// The cases that schedules opened in this step, by package.
    pub(super) scheduled: Option<Vec<String>>,
    /// What the system did in this step.
    pub(super) acted: Option<Vec<String>>,
}

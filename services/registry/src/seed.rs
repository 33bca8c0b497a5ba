//! The reference data of an entity as its YAML file says it, and everything that can be wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use masar_domain::{BiText, Language};
use masar_proto::events::v1::{Agreement, Calendar, Department, Person, RegistryChanged, Service};
use masar_worktime::{CalendarSpec, Target};
use serde::Deserialize;

/// An entity, its departments, people, services and promises.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entity {
    code: String,
    label: BiText,
    reference_prefix: String,
    /// Name of a shipped calendar or of one of `calendars`.
    default_calendar: String,
    departments: Vec<DepartmentSeed>,
    people: Vec<PersonSeed>,
    #[serde(default)]
    services: Vec<ServiceSeed>,
    /// Calendar files of the entity's own, as YAML text.
    #[serde(default)]
    calendars: Vec<String>,
    #[serde(default)]
    agreements: Vec<AgreementSeed>,
    /// Category to department, for cases whose service is not known.
    #[serde(default)]
    category_departments: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct DepartmentSeed {
    code: String,
    label: BiText,
    #[serde(default)]
    calendar: String,
    #[serde(default)]
    core: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonSeed {
    id: String,
    name: BiText,
    email: String,
    #[serde(default)]
    department: String,
    roles: BTreeSet<String>,
    language: Language,
    #[serde(default)]
    absent: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceSeed {
    code: String,
    label: BiText,
    department: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgreementSeed {
    id: String,
    version: u32,
    #[serde(default)]
    service: String,
    clock: String,
    /// Importance to target; `all` stands for the rest.
    targets: BTreeMap<String, Target>,
}

impl Entity {
    /// Reads an entity.
    ///
    /// # Errors
    /// Everything that is wrong with it, in sentences that name the field.
    pub(crate) fn read(yaml: &str) -> Result<Self, Vec<String>> {
        let options = serde_saphyr::options! { strict_booleans: true };
        let entity: Self =
            serde_saphyr::from_str_with_options(yaml, options).map_err(|error| vec![error.to_string()])?;
        let problems = entity.problems();
        if problems.is_empty() { Ok(entity) } else { Err(problems) }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let departments: BTreeSet<_> =
            self.departments.iter().map(|department| department.code.as_str()).collect();
        if self.code.is_empty()
            || !self.code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
        {
            problems
                .push(format!("code: `{}` is no code: use capital letters, digits and hyphens", self.code));
        }
        if masar_domain::Reference::new(&self.reference_prefix, 2026, 1).is_err() {
            problems.push(format!(
                "reference_prefix: `{}` is not one to eight capital letters or digits",
                self.reference_prefix
            ));
        }
        let labels = [("label".to_owned(), &self.label)]
            .into_iter()
            .chain(self.departments.iter().map(|own| (format!("departments.{}.label", own.code), &own.label)))
            .chain(self.people.iter().map(|own| (format!("people.{}.name", own.id), &own.name)))
            .chain(self.services.iter().map(|own| (format!("services.{}.label", own.code), &own.label)));
        problems.extend(
            labels
                .filter(|(_, text)| !text.is_complete())
                .map(|(field, _)| format!("{field}: give it in Arabic and English")),
        );
        let codes = self.departments.iter().map(|own| own.code.as_str());
        problems.extend(twice("departments", codes));
        problems.extend(twice("people", self.people.iter().map(|own| own.id.as_str())));
        problems.extend(twice("services", self.services.iter().map(|own| own.code.as_str())));
        let named = (self
            .people
            .iter()
            .filter(|own| !own.department.is_empty())
            .map(|own| (format!("people.{}", own.id), &own.department)))
        .chain(self.services.iter().map(|own| (format!("services.{}", own.code), &own.department)))
        .chain(
            self.category_departments
                .iter()
                .map(|(category, own)| (format!("category_departments.{category}"), own)),
        );
        problems.extend(
            named
                .filter(|(_, department)| !departments.contains(department.as_str()))
                .map(|(field, department)| format!("{field}: there is no department `{department}`")),
        );
        for person in self.people.iter().filter(|person| !person.email.contains('@')) {
            problems.push(format!("people.{}.email: `{}` is no address", person.id, person.email));
        }
        for (index, calendar) in self.calendars.iter().enumerate() {
            if let Err(problem) = calendar_of(calendar) {
                problems.push(format!("calendars.{index}: {problem}"));
            }
        }
        problems
    }

    /// What the other services hear of it.
    pub(crate) fn told(self, version: u64) -> RegistryChanged {
        RegistryChanged {
            tenant: self.code,
            version,
            entity_label: Some(self.label.into()),
            reference_prefix: self.reference_prefix,
            default_calendar: self.default_calendar,
            departments: self.departments.into_iter().map(Into::into).collect(),
            people: self.people.into_iter().map(Into::into).collect(),
            services: self.services.into_iter().map(Into::into).collect(),
            calendars: self.calendars.into_iter().filter_map(|yaml| calendar_of(&yaml).ok()).collect(),
            agreements: self.agreements.into_iter().map(Into::into).collect(),
            category_departments: self.category_departments.into_iter().collect(),
        }
    }
}

fn twice<'a>(field: &'static str, codes: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    codes
        .filter(|code| !seen.insert(*code))
        .map(|code| format!("{field}: `{code}` stands there twice"))
        .collect()
}

/// A calendar from its YAML text, when it can be used.
pub(crate) fn calendar_of(yaml: &str) -> Result<Calendar, String> {
    let spec: CalendarSpec = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
    let calendar = masar_worktime::Calendar::compile(&spec).map_err(|error| error.to_string())?;
    Ok(Calendar {
        name: calendar.name().to_owned(),
        version: calendar.version(),
        yaml: yaml.to_owned(),
        published_at: None,
    })
}

impl From<DepartmentSeed> for Department {
    fn from(own: DepartmentSeed) -> Self {
        Self { code: own.code, label: Some(own.label.into()), calendar: own.calendar, core: own.core }
    }
}

impl From<PersonSeed> for Person {
    fn from(own: PersonSeed) -> Self {
        Self {
            id: own.id,
            name: Some(own.name.into()),
            email: own.email,
            department: own.department,
            roles: own.roles.into_iter().collect(),
            language: own.language.to_string(),
            absent: own.absent,
        }
    }
}

impl From<ServiceSeed> for Service {
    fn from(own: ServiceSeed) -> Self {
        Self {
            code: own.code,
            label: Some(own.label.into()),
            department: own.department,
            calendar: String::new(),
        }
    }
}

impl From<AgreementSeed> for Agreement {
    fn from(own: AgreementSeed) -> Self {
        let targets =
            own.targets.into_iter().map(|(importance, target)| (importance, target.to_string())).collect();
        Self { id: own.id, service: own.service, clock: own.clock, targets, version: own.version }
    }
}

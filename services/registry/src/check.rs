//! Whether the data of an entity holds together. Everything that is wrong is found at once.

use std::collections::BTreeSet;

use jiff::Timestamp;
use masar_domain::{BiText, Importance, Reference};
use masar_proto::events::v1::RegistryChanged;
use masar_worktime::Target;

use crate::calendars::Calendars;
use crate::entry::{AgreementEntry, PersonEntry};
use crate::{Error, Finding, Seed};

/// Checks a seed and gives the calendars that it uses, together with those published before.
///
/// # Errors
/// Everything that is wrong, by field.
pub(crate) fn check(
    seed: &Seed,
    stored: Option<&RegistryChanged>,
    now: Timestamp,
) -> Result<Calendars, Error> {
    let mut check = Check { seed, findings: Vec::new() };
    check.entity();
    check.departments();
    check.people();
    check.services();
    check.agreements(stored);
    check.quiet_hours();
    check.schedules();
    for (category, department) in &seed.entity.category_departments {
        check.department(&format!("category_departments.{category}"), department);
    }
    let calendars = check.calendars(Calendars::published(stored)?, now)?;
    if check.findings.is_empty() { Ok(calendars) } else { Err(Error::Findings(check.findings)) }
}

struct Check<'a> {
    seed: &'a Seed,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn find(&mut self, field: &str, problem: impl Into<String>) {
        self.findings.push(Finding { field: field.to_owned(), problem: problem.into() });
    }

    fn entity(&mut self) {
        let entity = &self.seed.entity;
        self.code("code", &entity.code);
        self.text("label", &entity.label);
        if Reference::new(&entity.reference_prefix, 2026, 1).is_err() {
            self.find("reference_prefix", "must be one to eight capital letters or digits");
        }
    }

    fn departments(&mut self) {
        let departments = &self.seed.entity.departments;
        if departments.is_empty() {
            self.find("departments", "is empty: somebody must see to the cases");
        }
        self.unique("departments", departments.iter().map(|department| department.code.as_str()));
        for (place, department) in departments.iter().enumerate() {
            let at = at("departments", &department.code, place);
            self.code(&format!("{at}.code"), &department.code);
            self.text(&format!("{at}.label"), &department.label);
        }
    }

    fn people(&mut self) {
        let people = &self.seed.people;
        self.unique("people", people.iter().map(|person| person.id.as_str()));
        for (place, person) in people.iter().enumerate() {
            self.person(&at("people", &person.id, place), person);
        }
    }

    fn person(&mut self, at: &str, person: &PersonEntry) {
        self.code(&format!("{at}.id"), &person.id);
        self.text(&format!("{at}.name"), &person.name);
        if !is_address(&person.email) {
            self.find(&format!("{at}.email"), format!("`{}` is no e-mail address", person.email));
        }
        let field = format!("{at}.department");
        match (&person.department, person.roles.iter().find(|role| role.is_of_a_department())) {
            (Some(department), _) => self.department(&field, department),
            (None, Some(role)) => self.find(&field, format!("is missing: a {role} belongs to a department")),
            (None, None) => {}
        }
        let field = format!("{at}.centre");
        match (&person.centre, person.roles.iter().find(|role| role.is_of_a_centre())) {
            (Some(centre), _) => self.code(&field, centre),
            (None, Some(role)) => {
                self.find(&field, format!("is missing: a {role} belongs to a service centre"))
            }
            (None, None) => {}
        }
        let field = format!("{at}.roles");
        if person.roles.is_empty() {
            self.find(&field, "is empty: give the person a role, such as case_handler");
        }
        for role in &person.roles {
            if !role.is_known() {
                self.find(&field, format!("`{role}` is no role: write it as case_handler"));
            }
        }
    }

    fn services(&mut self) {
        let services = &self.seed.entity.services;
        self.unique("services", services.iter().map(|service| service.code.as_str()));
        for (place, service) in services.iter().enumerate() {
            let at = at("services", &service.code, place);
            self.code(&format!("{at}.code"), &service.code);
            self.text(&format!("{at}.label"), &service.label);
            self.department(&format!("{at}.department"), &service.department);
        }
    }

    fn quiet_hours(&mut self) {
        let Some(quiet) = &self.seed.entity.quiet_hours else { return };
        for (place, level) in quiet.urgent_levels.iter().enumerate() {
            let number = level.strip_prefix('L').filter(|number| !number.is_empty());
            if !number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
                let problem = format!("`{level}` is no level of a ladder: write it as L4");
                self.find(&format!("quiet_hours.urgent_levels[{place}]"), problem);
            }
        }
        for (place, word) in quiet.urgent_importance.iter().enumerate() {
            if let Err(error) = word.parse::<Importance>() {
                self.find(&format!("quiet_hours.urgent_importance[{place}]"), error.to_string());
            }
        }
    }

    fn schedules(&mut self) {
        let schedules = &self.seed.entity.schedules;
        self.unique("schedules", schedules.iter().map(String::as_str));
        for (place, schedule) in schedules.iter().enumerate() {
            let parts = schedule.split_once('/');
            if parts.is_none_or(|(package, code)| package.is_empty() || code.is_empty() || code.contains('/'))
            {
                let problem =
                    format!("`{schedule}` is no schedule of a package: write it as cx-report/monthly");
                self.find(&format!("schedules[{place}]"), problem);
            }
        }
    }

    fn agreements(&mut self, stored: Option<&RegistryChanged>) {
        let agreements = &self.seed.entity.agreements;
        self.unique("agreements", agreements.iter().map(|agreement| agreement.id.as_str()));
        for (place, agreement) in agreements.iter().enumerate() {
            let at = at("agreements", &agreement.id, place);
            self.agreement(&at, agreement);
            // Cases say by which version they were measured.
            let old = stored.and_then(|stored| stored.agreements.iter().find(|old| old.id == agreement.id));
            if let Some(old) =
                old.filter(|old| old.version >= agreement.version && **old != agreement.clone().into())
            {
                let published = format!("version {} was published and a version never changes", old.version);
                self.find(&format!("{at}.version"), format!("{published}: give this a higher one"));
            }
        }
    }

    fn agreement(&mut self, at: &str, agreement: &AgreementEntry) {
        self.code(&format!("{at}.id"), &agreement.id);
        self.code(&format!("{at}.clock"), &agreement.clock);
        if let Some(code) = &agreement.service
            && !self.seed.entity.services.iter().any(|known| known.code == *code)
        {
            self.find(&format!("{at}.service"), format!("`{code}` is no service of this entity"));
        }
        if agreement.targets.is_empty() {
            self.find(&format!("{at}.targets"), "is empty: write such as `high: 3 business_days`");
        }
        for (importance, target) in &agreement.targets {
            let field = format!("{at}.targets.{importance}");
            if let Err(error) = importance.parse::<Importance>() {
                self.find(&field, error.to_string());
            }
            if let Err(error) = target.parse::<Target>() {
                self.find(&field, error.to_string());
            }
        }
    }

    fn calendars(&mut self, mut calendars: Calendars, now: Timestamp) -> Result<Calendars, Error> {
        for text in &self.seed.calendars {
            if let Err(problem) = calendars.add(text, "", now) {
                self.find(&format!("calendars[{}]", text.file.name), problem);
            }
        }
        let entity = &self.seed.entity;
        let mut named = vec![("default_calendar".to_owned(), &entity.default_calendar)];
        let departments = entity.departments.iter().map(|it| ("departments", &it.code, &it.calendar));
        let services = entity.services.iter().map(|it| ("services", &it.code, &it.calendar));
        for (list, code, calendar) in departments.chain(services) {
            named.extend(calendar.iter().map(|name| (format!("{list}[{code}].calendar"), name)));
        }
        let people = self.seed.people.iter();
        let people =
            people.filter_map(|it| Some((format!("people[{}].calendar", it.id), it.calendar.as_ref()?)));
        for (field, name) in named.into_iter().chain(people) {
            if !calendars.knows(name, now)? {
                self.find(&field, format!("`{name}` is no known calendar: name its file under `calendars`"));
            }
        }
        Ok(calendars)
    }

    fn department(&mut self, field: &str, code: &str) {
        if !self.seed.entity.departments.iter().any(|known| known.code == code) {
            self.find(field, format!("`{code}` is no department of this entity"));
        }
    }

    fn code(&mut self, field: &str, code: &str) {
        if code.is_empty() || !code.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            self.find(field, format!("`{code}` is no code: use letters, digits, `-`, `_` and `.`"));
        }
    }

    fn text(&mut self, field: &str, text: &BiText) {
        for (language, text) in [("ar", &text.ar), ("en", &text.en)] {
            if text.trim().is_empty() {
                self.find(&format!("{field}.{language}"), "is empty: it is shown in both languages");
            }
        }
    }

    fn unique<'a>(&mut self, list: &str, keys: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for key in keys {
            if !seen.insert(key) {
                self.find(&format!("{list}[{key}]"), "is there twice");
            }
        }
    }
}

/// What an entry is called in findings: by its key, or by its place when it has none.
fn at(list: &str, key: &str, place: usize) -> String {
    if key.is_empty() { format!("{list}[{place}]") } else { format!("{list}[{key}]") }
}

/// Looks for what is surely wrong; whether somebody reads there, only a message can tell.
fn is_address(email: &str) -> bool {
    email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && domain.contains('.')
            && domain.split('.').all(|label| !label.is_empty())
            && !domain.contains('@')
            && !email.contains(char::is_whitespace)
    })
}

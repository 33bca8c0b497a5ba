//! From what a file says to what the other services are told.

use jiff::Timestamp;
use masar_domain::Importance;
use masar_proto::common::v1::Importance as ImportanceCode;
use masar_proto::events::v1::{Agreement, Department, Person, QuietHours, RegistryChanged, Service};

use crate::check::check;
use crate::entry::{AgreementEntry, DepartmentEntry, PersonEntry, QuietHoursEntry, ServiceEntry};
use crate::{Error, Seed};

impl Seed {
    /// The data as it is published, with the version of what is `stored` and every calendar that was published before.
    ///
    /// # Errors
    /// Everything that is wrong with it, by field.
    pub(crate) fn publish(
        &self,
        stored: Option<&RegistryChanged>,
        now: Timestamp,
    ) -> Result<RegistryChanged, Error> {
        let calendars = check(self, stored, now)?;
        let entity = self.entity.clone();
        Ok(RegistryChanged {
            tenant: entity.code,
            version: stored.map_or(0, |stored| stored.version),
            entity_label: Some(entity.label.into()),
            reference_prefix: entity.reference_prefix,
            default_calendar: entity.default_calendar,
            departments: entity.departments.into_iter().map(Department::from).collect(),
            people: self.people.iter().cloned().map(Person::from).collect(),
            services: entity.services.into_iter().map(Service::from).collect(),
            calendars: calendars.into_messages(),
            agreements: entity.agreements.into_iter().map(Agreement::from).collect(),
            category_departments: entity.category_departments.into_iter().collect(),
            quiet_hours: entity.quiet_hours.map(QuietHours::from),
            schedules: entity.schedules,
        })
    }
}

impl From<DepartmentEntry> for Department {
    fn from(entry: DepartmentEntry) -> Self {
        Self {
            code: entry.code,
            label: Some(entry.label.into()),
            calendar: entry.calendar.unwrap_or_default(),
            core: entry.core,
        }
    }
}

impl From<PersonEntry> for Person {
    fn from(entry: PersonEntry) -> Self {
        Self {
            id: entry.id,
            name: Some(entry.name.into()),
            email: entry.email,
            department: entry.department.unwrap_or_default(),
            centre: entry.centre.unwrap_or_default(),
            roles: entry.roles.into_iter().map(|role| role.0).collect(),
            language: entry.language.to_string(),
            absent: entry.absent,
            calendar: entry.calendar.unwrap_or_default(),
        }
    }
}

impl From<QuietHoursEntry> for QuietHours {
    fn from(entry: QuietHoursEntry) -> Self {
        // What is no degree of importance was refused before.
        let urgent = entry.urgent_importance.iter().filter_map(|word| word.parse::<Importance>().ok());
        Self {
            urgent_levels: entry.urgent_levels,
            urgent_importance: urgent.map(|word| ImportanceCode::from(word).into()).collect(),
        }
    }
}

impl From<ServiceEntry> for Service {
    fn from(entry: ServiceEntry) -> Self {
        Self {
            code: entry.code,
            label: Some(entry.label.into()),
            department: entry.department,
            calendar: entry.calendar.unwrap_or_default(),
        }
    }
}

impl From<AgreementEntry> for Agreement {
    fn from(entry: AgreementEntry) -> Self {
        Self {
            id: entry.id,
            service: entry.service.unwrap_or_default(),
            clock: entry.clock,
            targets: entry.targets.into_iter().collect(),
            version: entry.version,
        }
    }
}

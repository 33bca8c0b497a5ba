//! What the file of an entity says, as it says it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use masar_domain::{BiText, Language, Role};
use masar_worktime::CalendarFile;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The file of an entity, which is a tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntityFile {
    /// Code of the tenant, such as `DEMO-MUN`.
    pub code: String,
    pub label: BiText,
    /// What references begin with: `MUN` for `MUN-2026-0000123-K`.
    pub reference_prefix: String,
    /// The calendar of every department and service that names none.
    pub default_calendar: String,
    /// Calendars of the entity besides those that the product brings.
    #[serde(default)]
    pub calendars: Vec<FileOr<CalendarFile>>,
    pub departments: Vec<DepartmentEntry>,
    /// The people, or the name of a CSV file with them.
    pub people: FileOr<Vec<PersonEntry>>,
    #[serde(default)]
    pub services: Vec<ServiceEntry>,
    #[serde(default)]
    pub agreements: Vec<AgreementEntry>,
    /// Code of a category to the department that sees to it.
    #[serde(default)]
    pub category_departments: BTreeMap<String, String>,
    /// When messages to its people wait until their calendar opens; without it they go out at any hour.
    #[serde(default)]
    pub quiet_hours: Option<QuietHoursEntry>,
    /// The schedules of packages that open cases for it on days of the calendar, such as `cx-report/monthly` (E21).
    #[serde(default)]
    pub schedules: Vec<String>,
}

/// Which messages do not wait for the end of the quiet hours.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct QuietHoursEntry {
    /// Levels of ladders, such as `L4`.
    pub urgent_levels: Vec<String>,
    /// Degrees of importance.
    pub urgent_importance: Vec<String>,
}

/// A department.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DepartmentEntry {
    pub code: String,
    pub label: BiText,
    #[serde(default)]
    pub calendar: Option<String>,
    /// True when it gives the services that the entity is there for.
    #[serde(default)]
    pub core: bool,
}

/// A person and the roles that the person holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonEntry {
    /// The subject of the person's credentials.
    pub id: String,
    pub name: BiText,
    pub email: String,
    #[serde(default)]
    pub department: Option<String>,
    /// Code of the service centre, as cases name it.
    #[serde(default)]
    pub centre: Option<String>,
    pub roles: Vec<Role>,
    #[serde(default = "arabic")]
    pub language: Language,
    /// True while nothing should be given to the person.
    #[serde(default)]
    pub absent: bool,
    /// The calendar by which the person works; without it that of the department, or of the entity.
    #[serde(default)]
    pub calendar: Option<String>,
}

/// A service of the catalogue and the department that owns it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceEntry {
    pub code: String,
    pub label: BiText,
    pub department: String,
    #[serde(default)]
    pub calendar: Option<String>,
}

/// A promise that goes before the target of the workflow (CMP-13).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgreementEntry {
    pub id: String,
    /// The service that it binds; none for all of the entity.
    #[serde(default)]
    pub service: Option<String>,
    /// Code of the clock in the workflow, such as `response`.
    pub clock: String,
    /// Degree of importance to target.
    pub targets: BTreeMap<String, String>,
    #[serde(default = "first")]
    pub version: u32,
}

/// A line of a CSV file of people; the roles stand in one field, with spaces between.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonRow {
    id: String,
    name_ar: String,
    name_en: String,
    email: String,
    #[serde(default)]
    department: Option<String>,
    #[serde(default)]
    centre: Option<String>,
    roles: String,
    #[serde(default)]
    language: Option<Language>,
    #[serde(default)]
    absent: Option<bool>,
    #[serde(default)]
    calendar: Option<String>,
}

impl From<PersonRow> for PersonEntry {
    fn from(row: PersonRow) -> Self {
        Self {
            id: row.id,
            name: BiText::new(row.name_ar, row.name_en),
            email: row.email,
            department: row.department,
            centre: row.centre,
            roles: row.roles.split_whitespace().map(|role| Role(role.to_owned())).collect(),
            language: row.language.unwrap_or_else(arabic),
            absent: row.absent.unwrap_or(false),
            calendar: row.calendar,
        }
    }
}

fn arabic() -> Language {
    Language::Ar
}

fn first() -> u32 {
    1
}

/// Something that stands here, or in a file beside this one. An untagged enum could not say what is wrong with it.
#[derive(Debug, Clone)]
pub(crate) enum FileOr<T> {
    /// The path of the file, seen from this one.
    File(String),
    /// The thing itself.
    Here(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for FileOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FileOrVisitor(PhantomData))
    }
}

struct FileOrVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FileOrVisitor<T> {
    type Value = FileOr<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path of a file, or what would stand in it")
    }

    fn visit_str<E: Error>(self, path: &str) -> Result<FileOr<T>, E> {
        Ok(FileOr::File(path.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<FileOr<T>, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(seq)).map(FileOr::Here)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FileOr<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(FileOr::Here)
    }
}

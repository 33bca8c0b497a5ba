//! Reading the file of an entity, and the files that it names.

use std::path::{Path, PathBuf};

use masar_worktime::CalendarFile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::entry::{EntityFile, FileOr, PersonEntry, PersonRow};

/// The reference data of an entity as it was written, with what its other files say; not yet checked.
#[derive(Debug, Clone)]
pub struct Seed {
    pub(crate) entity: EntityFile,
    pub(crate) people: Vec<PersonEntry>,
    pub(crate) calendars: Vec<CalendarText>,
}

/// A calendar with the text that it was read from.
#[derive(Debug, Clone)]
pub(crate) struct CalendarText {
    pub file: CalendarFile,
    pub yaml: String,
}

impl Seed {
    /// Reads the file of an entity and those that it names, which are looked for beside it.
    ///
    /// # Errors
    /// Which file cannot be read, or what in it cannot be understood.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let folder = file.parent().unwrap_or(Path::new("."));
        let read = |_: &str, name: &str| text_of(&folder.join(name));
        Self::resolve(&text_of(file)?, read).map_err(|error| error.within(file))
    }

    /// Reads a text that came alone, so that it cannot name other files.
    ///
    /// # Errors
    /// What cannot be understood.
    pub fn parse(yaml: &str) -> Result<Self, Error> {
        Self::resolve(yaml, |field, name| {
            let problem = "is a file, and none came with the text: write here what the file says";
            Err(Error::finding(field, format!("`{name}` {problem}")))
        })
    }

    /// Code of the entity.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.entity.code
    }

    fn resolve(yaml: &str, read: impl Fn(&str, &str) -> Result<String, Error>) -> Result<Self, Error> {
        let entity: EntityFile = from_yaml(yaml)?;
        let people = match &entity.people {
            FileOr::Here(people) => people.clone(),
            FileOr::File(name) => people_of(name, &read("people", name)?)?,
        };
        let calendars = entity.calendars.iter().map(|calendar| match calendar {
            FileOr::Here(file) => CalendarText::write(file.clone()),
            FileOr::File(name) => CalendarText::read(read("calendars", name)?)
                .map_err(|error| Error::finding("calendars", format!("{name}: {error}"))),
        });
        Ok(Self { calendars: calendars.collect::<Result<_, _>>()?, people, entity })
    }
}

impl CalendarText {
    /// The calendar of a YAML text.
    pub(crate) fn read(yaml: String) -> Result<Self, Error> {
        Ok(Self { file: from_yaml(&yaml)?, yaml })
    }

    pub(crate) fn write(file: CalendarFile) -> Result<Self, Error> {
        Ok(Self { yaml: to_yaml(&file)?, file })
    }
}

pub(crate) fn to_yaml(calendar: &impl Serialize) -> Result<String, Error> {
    serde_saphyr::to_string(calendar).map_err(|error| Error::Text(error.to_string()))
}

/// The files of entities: those named, and the `.yaml` files of the folders named, in order.
///
/// # Errors
/// Which folder cannot be read.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |source| Error::File { file: path.clone(), source };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            found.push(entry.map_err(unreadable)?.path());
        }
        found.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn text_of(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|source| Error::File { file: file.to_owned(), source })
}

fn from_yaml<T: DeserializeOwned>(yaml: &str) -> Result<T, Error> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| Error::Text(error.to_string()))
}

fn people_of(name: &str, text: &str) -> Result<Vec<PersonEntry>, Error> {
    // Spreadsheets write a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let wrong = |error| Error::finding("people", format!("{name}: {error}"));
    csv::Reader::from_reader(text.as_bytes())
        .into_deserialize::<PersonRow>()
        .map(|row| row.map(PersonEntry::from).map_err(wrong))
        .collect()
}

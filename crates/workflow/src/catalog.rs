//! The packages that an installation has, and which version of each is in force.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use include_dir::{Dir, include_dir};

use crate::{Code, Error, Finding, Package, Source, Task};

/// The packages that the product brings.
static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../workflows");

/// Packages by name, and by version in the order of their numbers.
#[derive(Default)]
pub struct Catalog(BTreeMap<String, BTreeMap<Vec<u32>, Arc<Package>>>);

impl Catalog {
    /// The packages that the product brings.
    ///
    /// # Errors
    /// What is wrong with one of them, which a test excludes.
    pub fn shipped() -> Result<Self, Error> {
        let mut catalog = Self::default();
        for folder in SHIPPED.dirs() {
            catalog.add(Package::compile(&brought(folder))?)?;
        }
        catalog.check()?;
        Ok(catalog)
    }

    /// Checks what no package can know alone: that every child which one opens is a package too.
    ///
    /// # Errors
    /// `Catalog` with the first child that is none.
    pub fn check(&self) -> Result<(), Error> {
        for package in self.packages().map(|package| package.definition()) {
            for task in package.transitions.iter().flat_map(|transition| &transition.effects) {
                if let Task::Child { package: child, .. } = task
                    && self.in_force(child).is_none()
                {
                    let name = &package.package;
                    return Err(Error::Catalog(format!(
                        "{name} opens children of `{child}`, which is no package"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Adds a package.
    ///
    /// # Errors
    /// `Catalog` when this version is there already: versions never change (NFR-11).
    pub fn add(&mut self, package: Package) -> Result<(), Error> {
        let definition = package.definition();
        let (name, version) = (definition.package.clone(), definition.version.clone());
        let versions = self.0.entry(name.clone()).or_default();
        let number = number(&version)?;
        if versions.contains_key(&number) {
            return Err(Error::Catalog(format!(
                "{name} {version} is there twice: give the new one another version"
            )));
        }
        versions.insert(number, Arc::new(package));
        Ok(())
    }

    /// The package in one version.
    #[must_use]
    pub fn get(&self, name: &str, version: &str) -> Option<&Arc<Package>> {
        self.0.get(name)?.get(&number(version).ok()?)
    }

    /// The newest version of a package.
    #[must_use]
    pub fn in_force(&self, name: &str) -> Option<&Arc<Package>> {
        self.0.get(name)?.last_key_value().map(|(_, package)| package)
    }

    /// The newest version of the package whose cases are of a type.
    #[must_use]
    pub fn for_case_type(&self, case_type: &str) -> Option<&Arc<Package>> {
        self.packages().find(|package| package.definition().case_type == case_type)
    }

    /// The clocks within which something can be done, of every version of every package.
    pub fn windows(&self) -> impl Iterator<Item = &str> {
        self.0.values().flat_map(BTreeMap::values).flat_map(|package| package.windows())
    }

    /// True when a package in force sends cases to a desk of this code, or puts them on its list.
    #[must_use]
    pub fn names_desk(&self, code: &str) -> bool {
        self.packages().any(|package| package.names_desk(code))
    }

    /// The newest version of every package.
    pub fn packages(&self) -> impl Iterator<Item = &Arc<Package>> {
        self.0.values().filter_map(|versions| versions.last_key_value().map(|(_, package)| package))
    }
}

/// `1.10.0` comes after `1.9.0`.
fn number(version: &str) -> Result<Vec<u32>, Error> {
    let parts = version.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>();
    parts.map_err(|_| {
        Error::Catalog(format!("`{version}` is no version: write numbers and points, such as 1.0.0"))
    })
}

/// The texts of a package that the product brings, by its name.
#[must_use]
pub fn shipped(package: &str) -> Option<Source> {
    SHIPPED.get_dir(package).map(brought)
}

fn brought(folder: &Dir<'_>) -> Source {
    let text = |file: &include_dir::File<'_>| file.contents_utf8().map(str::to_owned);
    let workflow = folder.get_file(folder.path().join("workflow.yaml")).and_then(text).unwrap_or_default();
    let texts = |part: &str| {
        let files = folder.get_dir(folder.path().join(part)).into_iter().flat_map(|part| part.files());
        let named =
            |file: &include_dir::File<'_>| Some((file.path().file_stem()?.to_str()?.to_owned(), text(file)?));
        files.filter_map(named).collect()
    };
    Source { workflow, forms: texts("forms"), tables: texts("tables") }
}

/// The plan of a simulation that the product brings with a package.
#[must_use]
pub fn shipped_simulation(package: &str) -> Option<&'static str> {
    SHIPPED.get_file(Path::new(package).join("simulation.yaml"))?.contents_utf8()
}

/// The texts of the scenarios of a package that the product brings, by the name of their file.
#[must_use]
pub fn shipped_scenarios(package: &str) -> BTreeMap<String, String> {
    let folder = SHIPPED.get_dir(Path::new(package).join("scenarios"));
    let files = folder.into_iter().flat_map(|folder| folder.files());
    let text = |file: &include_dir::File<'_>| {
        Some((file.path().file_name()?.to_str()?.to_owned(), file.contents_utf8()?.to_owned()))
    };
    files.filter_map(text).collect()
}

/// The texts of `scenarios/*.yaml` in the folder of a package, by the name of their file; none where there is no such
/// folder.
///
/// # Errors
/// What the file system says.
pub fn scenarios(folder: &Path) -> std::io::Result<BTreeMap<String, String>> {
    let folder = folder.join("scenarios");
    if !folder.is_dir() {
        return Ok(BTreeMap::new());
    }
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "yaml")
            && let Some(name) = path.file_name()
        {
            texts.insert(name.to_string_lossy().into_owned(), fs::read_to_string(&path)?);
        }
    }
    Ok(texts)
}

impl Source {
    /// Reads the folder of a package: `workflow.yaml`, `forms/*.json` and, where there are any, `tables/*.csv`.
    ///
    /// # Errors
    /// `FOLDER`, with the file that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let cannot = |path: &Path, error: &std::io::Error| {
            let file = path.strip_prefix(folder).unwrap_or(path).display().to_string();
            Error::from(Finding::at(
                Code::Folder,
                &file,
                None,
                format!("cannot read {}: {error}", path.display()),
            ))
        };
        let text = |path: &Path| fs::read_to_string(path).map_err(|error| cannot(path, &error));
        let texts = |part: &str, end: &str| {
            let folder = folder.join(part);
            let mut texts = BTreeMap::new();
            for entry in fs::read_dir(&folder).map_err(|error| cannot(&folder, &error))? {
                let path = entry.map_err(|error| cannot(&folder, &error))?.path();
                if let Some(name) =
                    path.file_stem().filter(|_| path.extension().is_some_and(|found| found == end))
                {
                    texts.insert(name.to_string_lossy().into_owned(), text(&path)?);
                }
            }
            Ok::<_, Error>(texts)
        };
        let workflow = text(&folder.join("workflow.yaml"))?;
        let tables = if folder.join("tables").is_dir() { texts("tables", "csv")? } else { BTreeMap::new() };
        Ok(Self { workflow, forms: texts("forms", "json")?, tables })
    }
}

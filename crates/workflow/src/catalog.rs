//! The packages that somebody has, and which version of each is in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use include_dir::{Dir, include_dir};

use crate::{Definition, Error, Files, Package, Quota, Source};

/// The packages that the product brings.
static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../workflows");

/// Packages by name, and by version in the order of their numbers: those of an installation, or of one of its entities.
#[derive(Default, Clone)]
pub struct Catalog {
    packages: BTreeMap<String, BTreeMap<Vec<u32>, Version>>,
    windows: BTreeSet<String>,
}

/// A version of a package, and what becomes of it.
#[derive(Clone)]
pub struct Version {
    /// What it says.
    pub package: Arc<Package>,
    /// True when the entity has published it itself: such a version goes before those that the installation brings.
    pub own: bool,
    /// True when no new case is opened in it.
    pub retired: bool,
    /// Its texts, where somebody keeps them for cases that outlive the program that brought it.
    pub files: Option<Arc<Files>>,
}

impl Catalog {
    /// The packages that the product brings.
    ///
    /// # Errors
    /// What is wrong with one of them, which a test excludes.
    pub fn shipped() -> Result<Self, Error> {
        let mut catalog = Self::default();
        for folder in SHIPPED.dirs() {
            catalog.add(Package::compile(&Source::of(&texts(folder))?)?)?;
        }
        catalog.check()?;
        Ok(catalog)
    }

    /// Checks what no package can know alone: that every child and every scheduled case which one opens is of a package too.
    ///
    /// # Errors
    /// `Catalog` with the first that is of none.
    pub fn check(&self) -> Result<(), Error> {
        for package in self.packages().map(|package| package.definition()) {
            for (code, quota) in &package.quotas {
                self.counts(&package.package, code, quota)?;
            }
            let proposed = package.recurrence.values().filter_map(|rule| rule.proposes.as_ref());
            let proposed = proposed.map(|proposal| proposal.package.as_str());
            let scheduled = package.schedules.values().map(|rule| package.opened_by_schedule(rule));
            for opened in scheduled.chain(proposed) {
                if self.in_force(opened).is_none() {
                    let name = &package.package;
                    return Err(Error::Catalog(format!(
                        "{name} opens cases of `{opened}` by itself, which is no package"
                    )));
                }
            }
            let moved = package.transitions.iter().flat_map(|transition| &transition.effects);
            for task in package.opening_effects.iter().chain(moved) {
                if let Some(child) = task.opens()
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

    /// What a quota counts are children that are there, in states and by facts that they have.
    fn counts(&self, package: &str, code: &str, quota: &Quota) -> Result<(), Error> {
        let wrong = |problem: String| {
            Err(Error::Catalog(format!("{package} counts for the quota `{code}` {problem}")))
        };
        let Some(child) = self.in_force(&quota.package).map(|child| child.definition()) else {
            return wrong(format!("children of `{}`, which is no package", quota.package));
        };
        if let Some(state) = quota.states.iter().find(|state| !child.states.contains_key(*state)) {
            return wrong(format!("children in `{state}`, which is no state of `{}`", quota.package));
        }
        let known = |fact: &String| {
            child.facts.contains_key(fact) || child.transitions.iter().any(|way| way.sets.contains_key(fact))
        };
        match quota.dimensions.keys().find(|fact| !known(fact)) {
            Some(fact) => wrong(format!("by `{fact}`, which nobody knows of a case of `{}`", quota.package)),
            None => Ok(()),
        }
    }

    /// Adds a package.
    ///
    /// # Errors
    /// `Catalog` when this version is there already: versions never change (NFR-11).
    pub fn add(&mut self, package: Package) -> Result<(), Error> {
        let definition = package.definition();
        if self.get(&definition.package, &definition.version).is_some() {
            return Err(Error::Catalog(format!(
                "{} {} is there twice: give the new one another version",
                definition.package, definition.version
            )));
        }
        self.put(Version { package: Arc::new(package), own: false, retired: false, files: None })
    }

    /// Every package that the product brings, and those of some other texts, with their texts.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn installed(others: impl IntoIterator<Item = Files>) -> Result<Self, Error> {
        let mut catalog = Self::default();
        for files in SHIPPED.dirs().map(texts).chain(others) {
            let package = Package::compile(&Source::of(&files)?)?;
            let Definition { package: name, version, .. } = package.definition().clone();
            catalog.add(package)?;
            if let Some(version) = catalog.version(&name, &version).cloned() {
                catalog.put(Version { files: Some(Arc::new(files)), ..version })?;
            }
        }
        catalog.check()?;
        Ok(catalog)
    }

    /// Adds a version, or takes over what has become of it.
    ///
    /// # Errors
    /// `Catalog` when its version is none.
    pub fn put(&mut self, version: Version) -> Result<(), Error> {
        let definition = version.package.definition();
        let number = number(&definition.version)?;
        self.windows.extend(version.package.windows().into_iter().map(str::to_owned));
        self.packages.entry(definition.package.clone()).or_default().insert(number, version);
        Ok(())
    }

    /// The package in one version.
    #[must_use]
    pub fn get(&self, name: &str, version: &str) -> Option<&Arc<Package>> {
        self.version(name, version).map(|version| &version.package)
    }

    /// One version of a package.
    #[must_use]
    pub fn version(&self, name: &str, version: &str) -> Option<&Version> {
        self.packages.get(name)?.get(&number(version).ok()?)
    }

    /// Every version of every package, by name and in the order of their numbers.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.packages.values().flat_map(BTreeMap::values)
    }

    /// The highest version of a package, in force or not, unless this one is higher.
    ///
    /// # Errors
    /// `Catalog` when it is no version.
    pub fn not_below(&self, name: &str, version: &str) -> Result<Option<&Version>, Error> {
        let number = number(version)?;
        let highest = self.packages.get(name).and_then(BTreeMap::last_key_value);
        Ok(highest.filter(|(highest, _)| **highest >= number).map(|(_, version)| version))
    }

    /// The version in which new cases of a package are opened: the newest that is not retired.
    #[must_use]
    pub fn in_force(&self, name: &str) -> Option<&Arc<Package>> {
        in_force(self.packages.get(name)?)
    }

    /// The package in force whose cases are of a type.
    #[must_use]
    pub fn for_case_type(&self, case_type: &str) -> Option<&Arc<Package>> {
        self.packages().find(|package| package.definition().case_type == case_type)
    }

    /// True when something can be done within a clock of this code, in any version of any package.
    #[must_use]
    pub fn is_window(&self, clock: &str) -> bool {
        self.windows.contains(clock)
    }

    /// True when a package in force sends cases to a desk of this code, or puts them on its list.
    #[must_use]
    pub fn names_desk(&self, code: &str) -> bool {
        self.packages().any(|package| package.names_desk(code))
    }

    /// Every package in force.
    pub fn packages(&self) -> impl Iterator<Item = &Arc<Package>> {
        self.packages.values().filter_map(in_force)
    }
}

fn in_force(versions: &BTreeMap<Vec<u32>, Version>) -> Option<&Arc<Package>> {
    let open = versions.iter().filter(|(_, version)| !version.retired);
    open.max_by_key(|(number, version)| (version.own, *number)).map(|(_, version)| &version.package)
}

/// `1.10.0` comes after `1.9.0`.
fn number(version: &str) -> Result<Vec<u32>, Error> {
    let parts = version.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>();
    parts.map_err(|_| {
        Error::Catalog(format!("`{version}` is no version: write numbers and points, such as 1.0.0"))
    })
}

/// What cases walk of a package that the product brings, by its name.
#[must_use]
pub fn shipped(package: &str) -> Option<Source> {
    shipped_files(package).and_then(|files| Source::of(&files).ok())
}

/// The plan of a simulation that the product brings with a package.
#[must_use]
pub fn shipped_simulation(package: &str) -> Option<&'static str> {
    SHIPPED.get_file(format!("{package}/simulation.yaml"))?.contents_utf8()
}

/// The texts of a package that the product brings; none where it brings no such package.
#[must_use]
pub fn shipped_files(package: &str) -> Option<Files> {
    SHIPPED.get_dir(package).map(texts)
}

fn texts(folder: &Dir<'_>) -> Files {
    let text = |file: &include_dir::File<'_>| {
        let path = file.path().strip_prefix(folder.path()).ok()?.to_str()?.to_owned();
        Some((path, file.contents_utf8()?.to_owned()))
    };
    folder.files().chain(folder.dirs().flat_map(Dir::files)).filter_map(text).collect()
}

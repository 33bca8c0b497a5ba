//! The texts of a package: what belongs to it, versions side by side, and what a release takes that a later one would refuse.

use std::sync::Arc;

use crate::{Catalog, Code, Error, Files, Package, Source, Version, files, scenarios, shipped_files};

fn codes(error: &Error) -> Vec<(Code, String)> {
    let Error::Findings(findings) = error else { panic!("{error}") };
    findings.iter().map(|finding| (finding.code, finding.file.clone())).collect()
}

fn refused(files: &Files) -> Vec<(Code, String)> {
    codes(&Package::of(files).map(drop).unwrap_err())
}

/// The shipped package `improvement-action` with another version number.
fn action(version: &str) -> Package {
    let mut files = shipped_files("improvement-action").unwrap();
    let workflow = files.get_mut("workflow.yaml").unwrap();
    *workflow = workflow.replacen("version: 1.0.0", &format!("version: {version}"), 1);
    Package::of(&files).unwrap()
}

#[test]
fn a_folder_and_what_is_shipped_of_it_are_the_same_texts() {
    for package in ["improvement-action", "complaint"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows").join(package);
        let read = files(&folder).unwrap();
        assert_eq!(Some(&read), shipped_files(package).as_ref());
        assert!(read.len() > 5 && !scenarios(&read).is_empty(), "{:?}", read.keys());
        assert!(Package::of(&read).is_ok(), "{package}");
    }
    assert!(shipped_files("riddle").is_none());
}

#[test]
fn what_belongs_to_no_package_is_refused_by_its_path() {
    let mut files = shipped_files("improvement-action").unwrap();
    for path in ["notes.txt", "forms/a.yaml", "forms/deep/a.json", "scenarios/.yaml", "../workflow.yaml", ""]
    {
        files.insert(path.to_owned(), String::new());
        assert_eq!(refused(&files), [(Code::Folder, path.to_owned())], "{path}");
        files.remove(path);
    }
    files.remove("workflow.yaml");
    assert_eq!(refused(&files), [(Code::Folder, "workflow.yaml".to_owned())]);
    let scenario = Files::from([("scenarios/a.yaml".to_owned(), "scenarios: [{".to_owned())]);
    files.extend(scenario);
    assert_eq!(refused(&files).len(), 2, "of the package and of its scenario");
}

#[test]
fn what_an_entity_has_published_goes_before_what_is_installed_until_it_is_retired() {
    let mut catalog = Catalog::default();
    catalog.add(action("1.9.0")).unwrap();
    let newest = |catalog: &Catalog| {
        catalog.in_force("improvement-action").map(|package| package.definition().version.clone())
    };
    let put = |catalog: &mut Catalog, version: &str, retired| {
        catalog.put(Version { package: Arc::new(action(version)), own: true, retired, files: None }).unwrap();
    };
    put(&mut catalog, "1.2.0", false);
    put(&mut catalog, "1.10.0", false);
    assert_eq!(newest(&catalog).as_deref(), Some("1.10.0"));
    put(&mut catalog, "1.10.0", true);
    assert_eq!(
        newest(&catalog).as_deref(),
        Some("1.2.0"),
        "one of its own, though one that is installed is higher"
    );
    put(&mut catalog, "1.2.0", true);
    assert_eq!(newest(&catalog).as_deref(), Some("1.9.0"));
    let highest = |version| {
        let found = catalog.not_below("improvement-action", version).unwrap();
        found.map(|found| found.package.definition().version.clone())
    };
    assert_eq!(highest("1.10.0").as_deref(), Some("1.10.0"), "also one that is retired");
    assert_eq!((highest("1.10.1"), highest("2.0")), (None, None));
    assert!(catalog.not_below("improvement-action", "two").is_err());
    assert!(catalog.get("improvement-action", "1.10.0").is_some(), "its cases go on");
    let all = catalog.versions().map(|version| version.package.definition().version.as_str());
    assert_eq!(all.collect::<Vec<_>>(), ["1.2.0", "1.9.0", "1.10.0"]);
}

#[test]
fn a_version_that_a_later_release_would_refuse_still_serves_its_cases() {
    let source = Source::of(&shipped_files("improvement-action").unwrap()).unwrap();
    let unwise = Source {
        workflow: source.workflow.replacen("warn: [75%]", "warn: [breach, 75%]", 1),
        ..source.clone()
    };
    assert_ne!(unwise.workflow, source.workflow);
    assert!(Package::compile(&unwise).is_err() && Package::published(&unwise).is_ok());
    let unreadable =
        Source { workflow: source.workflow.replacen("guard: ", "guard: riddle && ", 1), ..source };
    assert!(Package::published(&unreadable).is_err());
}

//! The house as drawn: who may know whom, and how every file begins.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Members that know nothing of async, SQL, gRPC, RabbitMQ or the clock on the wall.
const PURE: [&str; 6] =
    ["masar-domain", "masar-worktime", "masar-clock", "masar-workflow", "masar-eventlog", "masar-simulator"];
/// What no pure member may stand on.
const IMPURE: [&str; 7] = ["tokio", "sea-orm", "tonic", "lapin", "axum", "reqwest", "lettre"];
/// What asks the machine for something, and so would keep calendars and clocks from being built for a browser (wasm32).
const MACHINE: [&str; 7] = ["getrandom", "libc", "mio", "rand", "rustix", "socket2", "windows-sys"];
/// Where each of ours stands: imports go from a higher floor to a lower one, and never sideways between services.
const FLOORS: [(&str, u8); 12] = [
    ("masar-domain", 0),
    ("masar-worktime", 1),
    ("masar-clock", 2),
    ("masar-workflow", 3),
    ("masar-eventlog", 4),
    ("masar-simulator", 4),
    ("masar-proto", 1),
    ("masar-store", 4),
    ("masar-bus", 5),
    ("masar-runtime", 4),
    ("masar-packages", 6),
    ("masar-testkit", 6),
];
const SERVICES: u8 = 7;
const BINARY: u8 = 8;
/// Lines of the longest file that is still read in one go.
const LONGEST: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn floor(name: &str) -> u8 {
    match FLOORS.iter().find(|(known, _)| *known == name) {
        Some((_, floor)) => *floor,
        None if name == "masar" => BINARY,
        None => SERVICES,
    }
}

/// Members with the names of what they stand on; what only their tests use is left out.
fn members() -> Result<BTreeMap<String, (PathBuf, Vec<String>)>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let member = |package: &Value| {
        let own = package["dependencies"].as_array().into_iter().flatten();
        let own =
            own.filter(|dependency| dependency["kind"].is_null()).map(|dependency| text(&dependency["name"]));
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        (text(&package["name"]), (manifest, own.collect()))
    };
    Ok(packages.iter().map(member).collect())
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn imports_go_one_way() -> Result<()> {
    let members = members()?;
    assert!(members.len() > 15, "{:?}", members.keys());
    for (name, (_, own)) in &members {
        for dependency in own.iter().filter(|dependency| members.contains_key(*dependency)) {
            assert!(floor(dependency) < floor(name), "{name} may not stand on {dependency}");
        }
        for (library, owners) in
            [("lapin", &["masar-bus"][..]), ("lettre", &["masar-notify"]), ("clap", &["masar"])]
        {
            let known =
                !own.iter().any(|dependency| dependency == library) || owners.contains(&name.as_str());
            assert!(known, "{name} may not know {library}");
        }
        assert!(!own.iter().any(|dependency| dependency == "masar-testkit"), "{name} is not a test");
    }
    for name in PURE {
        let (_, own) = members.get(name).context(name)?;
        let impure: Vec<_> =
            IMPURE.iter().filter(|impure| own.iter().any(|known| known == *impure)).collect();
        assert!(impure.is_empty(), "{name} is pure and may not know {impure:?}");
    }
    Ok(())
}

/// Whoever computes due times in a browser can take these crates as they are.
#[test]
fn nothing_below_a_clock_asks_the_machine() -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = ["tree", "-p", "masar-clock", "-e", "normal", "--prefix", "none", "--offline"];
    let output = Command::new(cargo).args(tree).current_dir(root()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout)?;
    let below: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(below.contains(&"masar-worktime") && below.contains(&"jiff"), "{below:?}");
    let machine: Vec<_> = MACHINE.iter().filter(|known| below.contains(known)).collect();
    assert!(machine.is_empty(), "a clock may not stand on {machine:?}");
    Ok(())
}

/// The rest of a service asks questions by name: only its store room knows how they are put to a database.
#[test]
fn only_the_store_room_of_a_service_knows_sea_orm() -> Result<()> {
    let mut files = Vec::new();
    sources(&root().join("services"), &mut files)?;
    let (stores, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.iter().any(|part| part == "store"));
    assert!(stores.len() > 20 && others.len() > 100, "{} {}", stores.len(), others.len());
    for file in others {
        let text = fs::read_to_string(&file)?;
        assert!(!text.contains("sea_orm"), "{} stands outside of store/ and knows SeaORM", file.display());
    }
    Ok(())
}

#[test]
fn every_member_keeps_the_lints_of_the_house() -> Result<()> {
    for (name, (manifest, _)) in members()? {
        let manifest: String = fs::read_to_string(manifest)?;
        // The generated code of the contracts is not ours to polish.
        let kept = manifest.contains("[lints]\nworkspace = true") || name == "masar-proto";
        assert!(kept, "{name} does not inherit the lints");
    }
    Ok(())
}

#[test]
fn every_file_says_what_it_is_and_can_be_read_in_one_go() -> Result<()> {
    let mut files = Vec::new();
    for folder in ["crates", "services", "proto", "tests"] {
        sources(&root().join(folder), &mut files)?;
    }
    assert!(files.len() > 150, "{}", files.len());
    for file in files {
        let text = fs::read_to_string(&file)?;
        assert!(text.starts_with("//!"), "{} does not begin with a //! line", file.display());
        assert!(text.lines().count() <= LONGEST, "{} is too long", file.display());
    }
    Ok(())
}

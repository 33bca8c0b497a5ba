//! `masar workflow` as a caller sees it: what is shipped, a sound package, a drawing, and a refusal with an exit code.

use std::process::{Command, Output};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows/improvement-action");

fn masar(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_masar"))
        .args(arguments)
        .output()
        .expect("the binary was built for this test")
}

#[test]
fn the_shipped_package_is_sound() {
    let output = masar(&["workflow", "check", SHIPPED]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "improvement-action 1.0.0 is sound: 8 states, 13 transitions\n"
    );
}

#[test]
fn lists_what_is_shipped() {
    let output = masar(&["workflow", "list", "--output", "json"]);
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it answers in JSON");
    let packages: Vec<_> = listed["packages"].as_array().expect("a list").iter().collect();
    let names: Vec<_> = packages.iter().map(|found| &found["package"]).collect();
    assert_eq!(
        names,
        [
            "ambassador-cycle",
            "ambassador-membership",
            "ambassador-mission",
            "centre-review",
            "complaint",
            "compliment",
            "cx-improvement",
            "cx-report",
            "department-request",
            "development-meeting",
            "excellence-assessment",
            "good-practice",
            "improvement-action",
            "innovation-idea",
            "inquiry",
            "journey-map",
            "journey-reengineering",
            "provider-improvement",
            "provider-issue",
            "recognition",
            "root-cause-analysis",
            "satisfaction-campaign",
            "service-definition",
            "service-transition",
            "sla-agreement",
            "star-rating",
            "suggestion",
            "training-course",
            "training-enrolment"
        ]
    );
    assert_eq!(packages[4]["label"]["ar"], "شكوى");
}

#[test]
fn draws_in_arabic() {
    let output = masar(&["workflow", "graph", SHIPPED, "--language", "ar"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("done : منجز"));
}

#[test]
fn a_folder_without_a_package_is_refused() {
    let output = masar(&["workflow", "check", env!("CARGO_MANIFEST_DIR")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("workflow.yaml  FOLDER"));
}

/// Two errors far apart, of a machine and of a scenario, are named at once, for people and for programs.
#[test]
fn everything_that_is_wrong_is_named_with_code_and_place() {
    let folder = tempfile::tempdir().expect("a folder of its own");
    let path = |name: &str| folder.path().join(name);
    for part in ["forms", "scenarios"] {
        std::fs::create_dir(path(part)).expect("it is new");
    }
    for form in std::fs::read_dir(format!("{SHIPPED}/forms")).expect("the package has forms") {
        let form = form.expect("it is there").path();
        let name = form.file_name().expect("it has a name");
        std::fs::copy(&form, path("forms").join(name)).expect("it can be copied");
    }
    let sound = std::fs::read_to_string(format!("{SHIPPED}/workflow.yaml")).expect("it is there");
    std::fs::write(path("workflow.yaml"), sound.replacen("to: verified", "to: nowhere", 1)).expect("written");
    std::fs::write(path("scenarios/a.yaml"), "scenarios: [{").expect("written");
    let folder = folder.path().to_str().expect("its name is a text");

    let output = masar(&["workflow", "check", folder, "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it answers in JSON");
    let found = answer["findings"].as_array().expect("a list");
    let line = sound.lines().position(|line| line.contains("to: verified")).expect("it is there") + 1;
    let unknown = found.iter().find(|found| found["code"] == "UNKNOWN_STATE").expect("the state is unknown");
    assert_eq!((&unknown["file"], &unknown["line"]), (&"workflow.yaml".into(), &line.into()));
    assert!(
        unknown["column"].is_u64()
            && unknown["message"].as_str().is_some_and(|text| text.contains("nowhere"))
    );
    assert!(found.iter().any(|found| found["code"] == "YAML" && found["file"] == "scenarios/a.yaml"));

    let output = masar(&["workflow", "check", folder]);
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("workflow.yaml:{line}:")));
    assert!(String::from_utf8_lossy(&output.stderr).contains("docs/workflow-checks.md"));
}

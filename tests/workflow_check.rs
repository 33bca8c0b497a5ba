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
            "service-survey",
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

/// A folder with a copy of the shipped package in which one text stands for another.
fn copied(right: &str, other: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder of its own");
    std::fs::create_dir(folder.path().join("forms")).expect("it is new");
    for form in std::fs::read_dir(format!("{SHIPPED}/forms")).expect("the package has forms") {
        let form = form.expect("it is there").path();
        let name = form.file_name().expect("it has a name");
        std::fs::copy(&form, folder.path().join("forms").join(name)).expect("it can be copied");
    }
    let text = std::fs::read_to_string(format!("{SHIPPED}/workflow.yaml")).expect("it is there");
    assert!(text.contains(right), "{right}");
    std::fs::write(folder.path().join("workflow.yaml"), text.replacen(right, other, 1)).expect("written");
    folder
}

/// A shipped package by its name and a folder: the change and what it would do to running cases.
#[test]
fn two_versions_are_compared() {
    let folder = copied("  delivery:\n", "  completion:\n");
    let text = std::fs::read_to_string(folder.path().join("workflow.yaml")).expect("it is there");
    let renamed = text.replace("ladders:\n  delivery:", "ladders:\n  completion:");
    std::fs::write(folder.path().join("workflow.yaml"), renamed).expect("written");
    let folder = folder.path().to_str().expect("its name is a text");

    let output = masar(&["workflow", "diff", "improvement-action", folder, "--output", "json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it answers in JSON");
    let told = |part: &str, key: &str, value: &str| {
        answer[part].as_array().expect("a list").iter().any(|found| found[key] == value)
    };
    assert!(told("changes", "path", "clocks/completion") && told("risks", "code", "CLOCK_GONE"), "{answer}");

    let output = masar(&["workflow", "diff", "improvement-action", folder]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("added") && text.contains("CLOCK_MISSED"), "{text}");

    let output = masar(&["workflow", "diff", "improvement-acton", folder]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("masar workflow list"));
}

#[test]
fn editors_get_a_schema_of_each_file() {
    for (file, word) in [("workflow", "opening_form"), ("scenarios", "scenarios"), ("overlay", "tighten")] {
        let output = masar(&["workflow", "schema", file]);
        let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        assert!(schema["properties"][word]["description"].is_string(), "{schema}");
    }
}

/// What an entity has differently is reported, becomes a package of its own, or is refused with code and place.
#[test]
fn an_overlay_is_checked_and_every_difference_reported() {
    let folder = tempfile::tempdir().expect("a folder of its own");
    let (file, out) = (folder.path().join("overlay.yaml"), folder.path().join("laid"));
    let (file_name, out_name) = (file.to_str().expect("a text"), out.to_str().expect("a text"));
    let head = "package: improvement-action\nversion: 1.0.0\nentity: DEMO-LAB\nrevision: 3\n";
    std::fs::write(&file, format!("{head}tighten: [{{action: resume, reason: true}}]\n")).expect("written");
    let output = masar(&["workflow", "overlay", "improvement-action", file_name, "--out", out_name]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("transitions/resume/in_progress/reason"), "{text}");
    let output = masar(&["workflow", "check", out_name]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("improvement-action 1.0.0.3 is sound"));
    let output = masar(&["workflow", "overlay", SHIPPED, file_name, "--out", out_name]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"));

    std::fs::write(&file, format!("{head}targets: {{delivery: {{quick_fix: 90 business_days}}}}\n"))
        .expect("written");
    let output = masar(&["workflow", "overlay", "improvement-action", file_name]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("overlay.yaml:5:") && text.contains("LOOSENED"), "{text}");
}

/// Two errors far apart, of a machine and of a scenario, are named at once, for people and for programs.
#[test]
fn everything_that_is_wrong_is_named_with_code_and_place() {
    let folder = copied("to: verified", "to: nowhere");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("scenarios")).expect("it is new");
    let sound = std::fs::read_to_string(format!("{SHIPPED}/workflow.yaml")).expect("it is there");
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

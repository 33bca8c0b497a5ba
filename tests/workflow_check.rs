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
    assert!(String::from_utf8_lossy(&output.stderr).contains("workflow.yaml"));
}

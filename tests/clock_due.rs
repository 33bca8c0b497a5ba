//! `masar clock due` as a caller sees it: answers, refusals and exit codes.

use std::process::{Command, Output};

fn due(calendar: &str, from: &str, target: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_masar"))
        .args([
            "clock",
            "due",
            "--output",
            "json",
            "--calendar",
            calendar,
            "--from",
            from,
            "--target",
            target,
        ])
        .output()
        .expect("the binary was built for this test")
}

#[test]
fn answers_in_json() {
    let output = due("qa-gov-default", "2026-11-12T14:00:00+03:00", "10 business_days");
    assert!(output.status.success());
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(
        answer,
        serde_json::json!({
            "calendar": "qa-gov-default",
            "calendar_version": 1,
            "from": "2026-11-12T14:00:00+03:00",
            "target": "10 business_days",
            "day0": "2026-11-15",
            "due_at": "2026-11-29T14:00:00+03:00",
            "tentative": false,
        })
    );
}

#[test]
fn says_when_a_date_may_still_move() {
    let output = due("qa-gov-default", "2026-03-16T13:00:00+03:00", "1 bd");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(answer["due_at"], "2026-03-24T14:00:00+03:00");
    assert_eq!(answer["tentative"], true);
}

#[test]
fn refuses_with_a_reason_and_an_exit_code() {
    for (calendar, from, target, code, says) in [
        ("nowhere", "2026-11-12T14:00:00+03:00", "1 bd", 1, "give one of qa-gov-default"),
        ("Cargo.toml", "2026-11-12T14:00:00+03:00", "1 bd", 1, "cannot be used"),
        ("qa-gov-default", "2030-01-01T00:00:00Z", "1 bd", 1, "covers more days"),
        ("qa-gov-default", "yesterday", "1 bd", 2, "--from"),
        ("qa-gov-default", "2026-11-12T14:00:00+03:00", "soon", 2, "10 business_days"),
    ] {
        let output = due(calendar, from, target);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
        assert!(output.stdout.is_empty());
    }
}

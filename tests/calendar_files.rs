//! `masar calendar` on files, without a server: what is sound, what is otherwise, and what differs.

use std::fs;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const SHIPPED: &str = include_str!("../crates/worktime/calendars/qa-gov-default.yaml");

fn calendar(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_masar"));
    Ok(command.arg("calendar").args(arguments).args(["--output", "json"]).output()?)
}

fn answered(arguments: &[&str]) -> Result<Value> {
    let output = calendar(arguments)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn a_sound_calendar_names_the_single_working_days_and_a_wrong_one_its_field() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [sound, wrong] = ["sound.yaml", "wrong.yaml"].map(|name| folder.path().join(name));
    fs::write(&sound, SHIPPED)?;
    fs::write(
        &wrong,
        SHIPPED.replacen("from: 2026-03-17, to: 2026-03-23", "from: 2026-03-27, to: 2026-03-23", 1),
    )?;
    let [sound, wrong] = [sound.to_str().context("a path")?, wrong.to_str().context("a path")?];
    let found = answered(&["check", sound])?;
    let single = &found["calendars"][0]["single_working_days"];
    assert!(single.as_array().is_some_and(|days| days.contains(&json!("2027-05-20"))), "{single}");

    let output = calendar(&["check", sound, wrong])?;
    assert!(!output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let problem = answer["calendars"][1]["problem"].as_str().context("a problem")?;
    assert!(problem.contains("holidays["), "{problem}");
    Ok(())
}

#[test]
fn a_calendar_shows_the_spans_that_are_otherwise() -> Result<()> {
    let shown = answered(&["show", "qa-gov-default", "--since", "2026-03-15", "--until", "2026-03-31"])?;
    assert_eq!(shown["week"]["sunday"], json!(["07:00-14:00"]));
    assert_eq!(shown["week"]["friday"], json!([]));
    let spans: Vec<_> = shown["otherwise"].as_array().into_iter().flatten().collect();
    let said = spans.iter().map(|span| (&span["from"], &span["to"], &span["hours"], &span["why"]["en"]));
    // The weekend within Eid is none of its days at work.
    let expected = [
        (json!("2026-03-15"), json!("2026-03-16"), json!(["09:00-14:00"]), json!("Ramadan hours")),
        (json!("2026-03-17"), json!("2026-03-19"), json!([]), json!("Eid al-Fitr")),
        (json!("2026-03-22"), json!("2026-03-23"), json!([]), json!("Eid al-Fitr")),
    ];
    let expected: Vec<_> = expected.iter().map(|(from, to, hours, why)| (from, to, hours, why)).collect();
    assert_eq!(said.collect::<Vec<_>>(), expected);
    Ok(())
}

#[test]
fn two_versions_differ_on_the_days_that_moved() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let second = folder.path().join("second.yaml");
    let moved = SHIPPED
        .replacen("version: 1", "version: 2", 1)
        .replacen("from: 2026-02-18, to: 2026-03-16", "from: 2026-02-18, to: 2026-03-17", 1)
        .replacen("from: 2026-03-17, to: 2026-03-23", "from: 2026-03-18, to: 2026-03-24", 1);
    fs::write(&second, moved)?;
    let found = answered(&["diff", "qa-gov-default", second.to_str().context("a path")?])?;
    let differences = found["differences"].as_array().context("differences")?;
    let said: Vec<_> = differences
        .iter()
        .map(|span| (&span["from"], &span["to"], &span["was"]["hours"], &span["is"]["hours"]))
        .collect();
    let (open, ramadan, closed) = (json!(["07:00-14:00"]), json!(["09:00-14:00"]), json!([]));
    let days = (json!("2026-03-17"), json!("2026-03-24"));
    assert_eq!(said, [(&days.0, &days.0, &closed, &ramadan), (&days.1, &days.1, &open, &closed)]);
    let same = answered(&["diff", "qa-gov-default", "qa-gov-default"])?;
    assert_eq!(same["differences"], json!([]));
    Ok(())
}

/// The tentative days of the shipped calendar were computed elsewhere, by the same rules.
#[test]
fn proposals_are_the_days_that_the_shipped_calendar_expects() -> Result<()> {
    let proposed = answered(&["propose", "--from-year", "2026", "--years", "3"])?;
    let shipped: Value = serde_saphyr::from_str(SHIPPED)?;
    let tentative = |of: &Value| -> Vec<Value> {
        let mut days: Vec<_> = of.as_array().into_iter().flatten().cloned().collect();
        days.retain(|day| day["tentative"] == true);
        days.sort_by_key(|day| day.to_string());
        days
    };
    for list in ["overlays", "holidays"] {
        assert_eq!(tentative(&proposed[list]), tentative(&shipped[list]), "{list}");
    }
    Ok(())
}

#[test]
fn a_calendar_goes_out_as_icalendar_and_comes_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [feed, bare, back] = ["days.ics", "bare.yaml", "back.yaml"].map(|name| folder.path().join(name));
    let exported = answered(&["export", "qa-gov-default"])?;
    let text = exported["icalendar"].as_str().context("a feed")?;
    let eid = "DTEND;VALUE=DATE:20260320";
    assert!(text.contains("STATUS:TENTATIVE") && text.contains(eid), "{text}");
    fs::write(&feed, text)?;
    let weekly = SHIPPED.split("overlays:").next().context("a week")?;
    fs::write(&bare, weekly)?;
    let [feed, bare] = [feed.to_str().context("a path")?, bare.to_str().context("a path")?];
    let imported = answered(&["import", feed, "--into", bare])?;
    assert_eq!((&imported["calendar"]["version"], &imported["skipped"]), (&json!(2), &json!([])));
    fs::write(&back, serde_saphyr::to_string(&imported["calendar"])?)?;
    let found = answered(&["diff", "qa-gov-default", back.to_str().context("a path")?])?;
    assert_eq!(found["differences"], json!([]));
    Ok(())
}

#[test]
fn what_is_no_whole_day_is_said_and_left_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let feed = folder.path().join("days.ics");
    let event =
        |what: &str| format!("BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n{what}\r\nEND:VEVENT\r\n");
    let days = [
        "SUMMARY:Flag Day\r\nDTSTART;VALUE=DATE:20261116",
        "SUMMARY:Meeting\r\nDTSTART:20261117T080000Z\r\nDTEND:20261117T090000Z",
        "SUMMARY:Every year\r\nDTSTART;VALUE=DATE:20261118\r\nRRULE:FREQ=YEARLY",
    ];
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{}END:VCALENDAR\r\n",
        days.map(event).concat()
    );
    fs::write(&feed, text)?;
    let imported = answered(&["import", feed.to_str().context("a path")?, "--into", "qa-gov-default"])?;
    let skipped = imported["skipped"].as_array().context("a list")?;
    assert!(skipped.len() == 2 && skipped[0].to_string().contains("Meeting"), "{skipped:?}");
    let holidays = imported["calendar"]["holidays"].as_array().context("holidays")?;
    let added = json!({"label": {"ar": "Flag Day", "en": "Flag Day"}, "when": {"dates": {"from": "2026-11-16", "to": "2026-11-16"}}, "tentative": false});
    assert!(holidays.contains(&added), "{holidays:?}");
    Ok(())
}

#[test]
fn what_was_tentative_is_confirmed_as_it_stands_or_on_the_days_that_were_announced() -> Result<()> {
    let eid = |announced: &[&str]| -> Result<Value> {
        let confirmed =
            answered(&[&["confirm", "qa-gov-default", "--on", "2027-03-08"], announced].concat())?;
        assert_eq!(confirmed["calendar"]["version"], 2);
        let holidays = confirmed["calendar"]["holidays"].as_array().context("holidays")?;
        let tentative = holidays.iter().filter(|holiday| holiday["tentative"] == true).count();
        assert_eq!(tentative, 5, "all others stay tentative");
        let year = |holiday: &&Value| {
            holiday["when"]["dates"]["from"].as_str().is_some_and(|from| from.starts_with("2027-03"))
        };
        Ok(holidays.iter().find(year).context("the Eid")?["when"]["dates"].clone())
    };
    assert_eq!(eid(&[])?, json!({"from": "2027-03-07", "to": "2027-03-12"}));
    let announced = ["--from", "2027-03-08", "--to", "2027-03-13"];
    assert_eq!(eid(&announced)?, json!({"from": "2027-03-08", "to": "2027-03-13"}));
    // The answer is a calendar file: it can be looked at, confirmed further, and published.
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("next.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_masar"))
        .args(["calendar", "confirm", "qa-gov-default", "--on", "2027-03-08"])
        .args(announced)
        .output()?;
    fs::write(&file, output.stdout)?;
    let file = file.to_str().context("a path")?;
    answered(&["check", file])?;
    let further =
        answered(&["confirm", file, "--on", "2027-02-10", "--from", "2027-02-08", "--to", "2027-03-07"])?;
    assert_eq!(further["calendar"]["version"], 3);
    for (wrong, says) in [
        (vec!["--on", "2027-12-18"], "nothing on 2027-12-18 is tentative"),
        (vec!["--on", "2027-03-08", "--from", "2027-03-13", "--to", "2027-03-08"], "exchange them"),
    ] {
        let refused = calendar(&[vec!["confirm", "qa-gov-default"], wrong].concat())?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(says), "{said}");
    }
    Ok(())
}

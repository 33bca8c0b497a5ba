//! The first minute of somebody who has just built it: the commands that the README shows, by the binary itself.

mod support;

use anyhow::{Context, Result, ensure};
use masar::credentials::Credentials;
use serde_json::{Value, json};
use support::eventually;
use support::process::{Process, free_address, masar};

const COMPLAINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows/complaint");

/// Runs a command that has to succeed; what it prints.
async fn said(arguments: &[&str]) -> Result<String> {
    let output = masar(arguments).await?;
    let problem = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "masar {}: {problem}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

/// As `said`, for programs.
async fn answered(arguments: &[&str]) -> Result<Value> {
    Ok(serde_json::from_str(&said(&[arguments, &["--output", "json"]].concat()).await?)?)
}

/// A server that runs, and the options that name it.
struct Server<'a> {
    address: String,
    data: &'a str,
}

impl Server<'_> {
    /// Runs a command against it, as a person of the demo.
    async fn said(&self, who: &str, arguments: &[&str]) -> Result<String> {
        said(&[arguments, &["--server", &self.address, "--data", self.data, "--as", who]].concat()).await
    }

    async fn answered(&self, who: &str, arguments: &[&str]) -> Result<Value> {
        answered(&[arguments, &["--server", &self.address, "--data", self.data, "--as", who]].concat()).await
    }

    /// A complaint as the README submits it; its reference.
    async fn submit(&self) -> Result<String> {
        let complaint = ["submit", "--tenant", "DEMO-LAB", "--service", "LAB-S01", "--subject"];
        let text = ["Renewal takes too long", "--description", "Three weeks"];
        let server = ["--server", &self.address, "--data", self.data];
        let accepted = answered(&[&complaint[..], &text, &server].concat()).await?;
        ensure!(accepted["duplicate"] != true, "{accepted}");
        Ok(accepted["reference"].as_str().context("no reference")?.to_owned())
    }
}

/// The case's way to a desk and through its first states.
async fn a_case_moves(server: &Server<'_>, key: &str) -> Result<()> {
    let listed = eventually("it waits at the desk", async || {
        let listed = server.answered("lab-triage-1", &["case", "list", "--queue", "triage"]).await?;
        Ok(listed["cases"].as_array().and_then(|cases| cases.first().cloned()))
    })
    .await?;
    assert_eq!((&listed["reference"], &listed["state"]), (&json!(key), &json!("received")));
    let shown = server.said("lab-triage-1", &["case", "show", key]).await?;
    assert!(shown.contains(key) && shown.contains("\n  start_triage\n"), "{shown}");
    let moved = server.answered("lab-triage-1", &["case", "move", key, "start_triage"]).await?;
    assert_eq!(moved["case"]["state"], "triage");
    let form = json!({"kind": "complaint", "area": "time", "category": "time.delay", "importance": "high", "department": "LAB-PERMITS"});
    let route = ["case", "move", key, "route", "--form", &form.to_string()];
    let moved = server.answered("lab-triage-1", &route).await?;
    assert_eq!(
        (&moved["case"]["state"], &moved["case"]["department"]),
        (&json!("routed"), &json!("LAB-PERMITS"))
    );
    let history = server.said("lab-triage-1", &["case", "history", key]).await?;
    let steps: Vec<_> =
        ["open", "start_triage", "route"].into_iter().map(|step| history.find(step)).collect();
    assert!(steps.iter().all(Option::is_some) && steps.is_sorted(), "{history}");
    Ok(())
}

/// The same complaint comes once more, and is merged with the first.
async fn another_is_merged_with_it(server: &Server<'_>, key: &str) -> Result<()> {
    let again = server.submit().await?;
    eventually("it waits at the desk", async || {
        let shown = server.answered("lab-triage-1", &["case", "show", &again]).await?;
        Ok((shown["queue"] == "triage").then_some(()))
    })
    .await?;
    server.answered("lab-triage-1", &["case", "move", &again, "start_triage"]).await?;
    let form = json!({"survivor": key}).to_string();
    server.answered("lab-triage-1", &["case", "move", &again, "merge", "--form", &form]).await?;
    let shown = server.said("lab-triage-1", &["case", "show", &again]).await?;
    assert!(shown.contains(&format!("\nlinked     merged_into {key}\n")), "{shown}");
    Ok(())
}

/// It is taken from a department's queue and put back.
async fn a_task_is_taken(server: &Server<'_>, key: &str) -> Result<()> {
    eventually("it waits at the department", async || {
        let listed = server.answered("lab-permits-manager", &["queue", "list"]).await?;
        let mut queues = listed["queues"].as_array().into_iter().flatten();
        Ok(queues.any(|queue| queue["code"] == "LAB-PERMITS" && queue["waiting"] == 1).then_some(()))
    })
    .await?;
    let queue = server.said("lab-permits-manager", &["queue", "show", "LAB-PERMITS"]).await?;
    assert!(queue.contains(key), "{queue}");
    let task = server.answered("lab-permits-1", &["task", "claim", "--queue", "LAB-PERMITS"]).await?;
    assert_eq!((&task["reference"], &task["assignee"]), (&json!(key), &json!("lab-permits-1")));
    let task = server.answered("lab-permits-1", &["task", "release", key, "--reason", "on leave"]).await?;
    assert_eq!(task["queue"], "LAB-PERMITS");
    assert!(task.get("assignee").is_none_or(|nobody| nobody == ""), "{task}");
    Ok(())
}

/// What was promised for it, and what would be.
async fn promises_are_told(server: &Server<'_>, key: &str) -> Result<()> {
    // It became one of high importance, for which this service has an agreement of its own.
    let response = eventually("the target is that of the agreement", async || {
        let listed = server.answered("lab-ops", &["clock", "list", "--clock", "response"]).await?;
        Ok(Some(listed["clocks"][0].clone()).filter(|clock| clock["state"]["target"] == "3 business_days"))
    })
    .await?;
    assert_eq!(response["reference"], key);
    let shown = server.said("lab-ops", &["clock", "show", key]).await?;
    assert!(shown.contains("response run 1") && shown.contains("first_response run 1"), "{shown}");
    let from = "2026-11-12T14:00:00+03:00";
    let preview = ["clock", "preview", "--target", "10 business_days", "--from", from];
    let preview = server.answered("lab-ops", &preview).await?;
    assert_eq!(
        (&preview["due_at"], &preview["day0"]),
        (&json!("2026-11-29T11:00:00Z"), &json!("2026-11-15"))
    );
    // Nothing is late yet.
    let climbed = server.answered("lab-pqi-director", &["escalation", "list"]).await?;
    assert!(climbed.get("escalations").is_none_or(|none| none == &json!([])), "{climbed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_commands_say_what_they_should() -> Result<()> {
    let (folder, address) = (tempfile::tempdir()?, free_address()?);
    let mut process = Process::up(address, folder.path(), &[])?;
    process.asking(folder.path(), "lab-ops").await?;
    let data = folder.path().to_str().context("a path in UTF-8")?;
    let server = Server { address: format!("http://{address}"), data };
    let key = server.submit().await?;
    a_case_moves(&server, &key).await?;
    another_is_merged_with_it(&server, &key).await?;
    a_task_is_taken(&server, &key).await?;
    promises_are_told(&server, &key).await?;
    assert_eq!(process.terminate().await?, Some(0));
    Ok(())
}

#[tokio::test]
async fn what_needs_no_server_answers_without_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    Credentials::of(folder.path())?;
    let data = folder.path().to_str().context("a path in UTF-8")?;
    let token = said(&["token", "--data", data, "--as", "lab-permits-1"]).await?;
    assert_eq!(token.trim_end().split('.').count(), 3, "{token}");

    let target = ["--from", "2026-11-12T14:00:00+03:00", "--target", "10 business_days"];
    let due = answered(&[&["clock", "due", "--calendar", "qa-gov-default"][..], &target].concat()).await?;
    assert_eq!(due["due_at"], "2026-11-29T14:00:00+03:00");
    let unsound = masar(&["config", "check"]).await?;
    assert!(!unsound.status.success() && String::from_utf8(unsound.stderr)?.contains("nobody could call"));
    let file = folder.path().join("masar.toml");
    let settings =
        "[auth.jwt]\naudience = \"masar\"\nhs256_secret = \"open sesame, says the fortieth thief\"\n";
    std::fs::write(&file, settings)?;
    let file = file.to_str().context("a path in UTF-8")?;
    assert_eq!(said(&["config", "check", "--config", file]).await?, "the configuration is sound\n");
    let shown = answered(&["config", "show", "--config", file]).await?;
    assert_eq!(shown["listen"], "127.0.0.1:7420");
    assert!(!shown.to_string().contains("open sesame"), "{shown}");
    assert_eq!(answered(&["workflow", "check", COMPLAINT]).await?["states"], 15);
    let graph = said(&["workflow", "graph", COMPLAINT, "--language", "ar"]).await?;
    assert!(graph.starts_with("stateDiagram") && graph.contains("received : مستلمة"), "{graph}");
    let completion = said(&["completion", "bash"]).await?;
    assert!(completion.contains("escalation") && completion.contains("complete -F _masar"), "{completion}");
    Ok(())
}

#[tokio::test]
async fn the_day_ends_with_promises_kept_and_broken() -> Result<()> {
    let counts = answered(&["demo"]).await?;
    for count in ["cases", "transitions", "warnings", "promises_kept", "promises_broken", "escalations"] {
        assert!(counts[count].as_u64() >= Some(1), "{count}: {counts}");
    }
    Ok(())
}

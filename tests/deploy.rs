//! What `deploy/` says of the platform is true: every metric that a rule or a dashboard names is one that a running platform
//! exports, and the chart names the services, flags and settings of the binary.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;
use masar::platform::SERVICES;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{GetCaseClocksRequest, GetSummaryRequest};
use masar_runtime::Clock;
use serde_json::{Value, json};
use support::process::masar;
use support::{Platform, complaint, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SUNDAY: &str = "2026-11-15T08:42:00+03:00";

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

fn files(folder: &str, end: &str) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(deploy(folder))? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == end) {
            found.push((path.clone(), fs::read_to_string(path)?));
        }
    }
    assert!(!found.is_empty(), "{folder} has no .{end}");
    Ok(found)
}

/// The words of a text that begin so.
fn words<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
    text.split(word).filter(|word| word.starts_with(start)).collect()
}

/// What a platform says at `/metrics`: the names of the series.
async fn exported(platform: &Platform) -> Result<BTreeSet<String>> {
    let mut stream = TcpStream::connect(platform.running.address).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let names = text.lines().filter(|line| line.starts_with("masar_"));
    Ok(names.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect())
}

/// A platform in which a promise was broken, so that a mark has fired and a level was told.
async fn busy() -> Result<(Platform, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let (clock, hand) = Clock::manual(SUNDAY.parse()?);
    let platform = Platform::start(format!("sqlite:{}", folder.path().display()), clock).await?;
    let form = json!({"channel": "email", "language": "en", "service": "TRF-S01", "subject": "Late", "description": "Late"});
    let mut intake = IntakeServiceClient::new(platform.call_centre("DEMO-TRF").await?);
    let case = intake.submit_case(complaint("D-1", &form)).await?.into_inner().reference;
    let sla = SlaServiceClient::new(platform.person("trf-ops").await?);
    eventually("its clocks run", async || {
        let request = GetCaseClocksRequest { case: case.clone() };
        Ok(sla.clone().get_case_clocks(request).await.ok())
    })
    .await?;
    hand.advance_to("2026-12-31T12:00:00+03:00".parse::<Timestamp>()?);
    eventually("its promise is broken", async || {
        let summary = sla.clone().get_summary(GetSummaryRequest::default()).await?.into_inner();
        Ok(summary.total.filter(|total| total.breached > 0))
    })
    .await?;
    Ok((platform, folder))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_a_rule_or_dashboard_is_exported() -> Result<()> {
    let (platform, _folder) = busy().await?;
    let rules = files("prometheus", "yml")?;
    let dashboards = files("grafana", "json")?;
    let mut named = BTreeSet::new();
    for (path, text) in rules.iter().chain(&dashboards) {
        let names = words(text, "masar_");
        assert!(!names.is_empty() || path.ends_with("prometheus.yml"), "{}", path.display());
        named.extend(names);
    }
    assert!(named.len() > 15, "{named:?}");
    let exported = eventually("all are exported", async || {
        let exported = exported(&platform).await?;
        // The figures are looked at now and then; the rest is there at once.
        let figures = ["masar_sla_clocks", "masar_cases_without_owner", "masar_bus_parked_events"];
        Ok(figures.iter().all(|name| exported.contains(*name)).then_some(exported))
    })
    .await?;
    let missing: Vec<_> = named.iter().filter(|name| !exported.contains(**name)).collect();
    assert!(missing.is_empty(), "no platform exports {missing:?}: {exported:?}");
    Ok(platform.running.stop().await?)
}

#[test]
fn every_recorded_series_that_is_asked_for_is_recorded() -> Result<()> {
    let rules = files("prometheus", "yml")?;
    let recorded: BTreeSet<&str> = rules
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| line.trim_start().strip_prefix("- record: "))
        .collect();
    assert!(recorded.len() > 3, "{recorded:?}");
    for (path, text) in rules.iter().chain(&files("grafana", "json")?) {
        for name in words(text, "masar:") {
            assert!(recorded.contains(name), "{}: nothing records {name}", path.display());
        }
    }
    Ok(())
}

#[test]
fn every_alert_says_in_both_languages_what_is_wrong_and_what_to_do() -> Result<()> {
    let (_, text) = files("prometheus", "yml")?
        .into_iter()
        .find(|(path, _)| path.ends_with("masar.rules.yml"))
        .context("no rules")?;
    let rules: Value = serde_saphyr::from_str(&text)?;
    let groups = rules["groups"].as_array().context("no groups")?;
    let alerts: Vec<_> = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().into_iter().flatten())
        .filter(|rule| rule["alert"].is_string())
        .collect();
    assert!(alerts.len() > 10, "{}", alerts.len());
    for alert in alerts {
        let said = |key: &str| alert["annotations"][key].as_str().unwrap_or_default();
        let arabic = said("summary_ar").chars().any(|c| ('\u{0621}'..='\u{064a}').contains(&c));
        assert!(arabic && !said("summary").is_empty() && !said("action").is_empty(), "{alert}");
        let severity = alert["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("page" | "ticket")), "{alert}");
    }
    Ok(())
}

#[test]
fn every_panel_has_a_title_in_both_languages_and_a_place_of_its_own() -> Result<()> {
    for (path, text) in files("grafana", "json")? {
        let board: Value = serde_json::from_str(&text)?;
        let panels = board["panels"].as_array().context("no panels")?;
        let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
        for panel in panels {
            let title = panel["title"].as_str().unwrap_or_default();
            let (arabic, english) =
                title.split_once(" · ").with_context(|| format!("{}: {title}", path.display()))?;
            assert!(!arabic.is_ascii() && english.is_ascii(), "{title}");
            assert!(!panel["description"].as_str().unwrap_or_default().is_empty(), "{title}");
            assert!(ids.insert(panel["id"].as_u64()), "{title}");
            assert!(
                places.insert((panel["gridPos"]["x"].as_u64(), panel["gridPos"]["y"].as_u64())),
                "{title}"
            );
            assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{title}");
        }
    }
    Ok(())
}

/// The texts of the chart's templates.
fn templates() -> Result<Vec<(PathBuf, String)>> {
    let mut found = files("helm/masar/templates", "yaml")?;
    found.extend(files("helm/masar/templates", "tpl")?);
    Ok(found)
}

fn values() -> Result<Value> {
    Ok(serde_saphyr::from_str(&fs::read_to_string(deploy("helm/masar/values.yaml"))?)?)
}

#[test]
fn the_chart_runs_every_service_and_nothing_else() -> Result<()> {
    let values = values()?;
    let named: BTreeSet<&str> =
        values["services"].as_object().context("no services")?.keys().map(String::as_str).collect();
    assert_eq!(named, SERVICES.into());
    let chart: Value = serde_saphyr::from_str(&fs::read_to_string(deploy("helm/masar/Chart.yaml"))?)?;
    assert_eq!((&chart["apiVersion"], &chart["name"]), (&json!("v2"), &json!("masar")));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    Ok(())
}

#[test]
fn every_value_that_a_template_reads_is_there_and_every_name_that_it_includes() -> Result<()> {
    let (values, templates) = (values()?, templates()?);
    let all: String = templates.iter().map(|(_, text)| text.as_str()).collect();
    let mut read = 0;
    for (path, text) in &templates {
        // Every action that begins ends before the next does.
        assert!(text.split("{{").skip(1).all(|action| action.contains("}}")), "{}", path.display());
        // Every block that is opened is closed.
        let opened =
            ["{{- if ", "{{- range ", "{{- with ", "{{- define "].map(|word| text.matches(word).count());
        assert_eq!(opened.iter().sum::<usize>(), text.matches("{{- end }}").count(), "{}", path.display());
        for place in text.split("$.Values.").skip(1) {
            let end = place.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(place.len());
            let path = &place[..end];
            let value = path.split('.').try_fold(&values, |value, key| value.get(key));
            assert!(value.is_some(), "there is no value {path}");
            read += 1;
        }
        for name in text.split("include \"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(all.contains(&format!("define \"{name}\"")), "nothing defines {name}");
        }
    }
    assert!(read > 20, "{read}");
    Ok(())
}

/// The settings that the chart writes, by file and by environment, are settings of the binary; its flags are flags, and its
/// probes are answered.
#[tokio::test]
async fn the_chart_names_the_flags_and_settings_of_the_binary() -> Result<()> {
    // The file as the template writes it.
    let config = values()?["config"].as_str().context("no config")?.to_owned();
    let peers = SERVICES.map(|service| format!("{service} = [\"http://masar-{service}:7420\"]"));
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("masar.toml");
    fs::write(&file, format!("{config}[peers]\n{}\n", peers.join("\n")))?;
    // Secrets come by reference.
    for secret in ["database", "amqp", "hs256_secret", "smtp"] {
        assert!(!config.contains(secret), "{config}");
    }
    let templates = templates()?;
    let all: String = templates.iter().map(|(_, text)| text.as_str()).collect();
    let help = masar(&["serve", "--help"]).await?;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let flags: BTreeSet<_> = all.split('"').filter(|word| word.starts_with("--")).collect();
    assert_eq!(flags, ["--config", "--listen"].into());
    assert!(flags.iter().all(|flag| help.contains(flag)), "{help}");
    let variables = words(&all, "MASAR_");
    assert_eq!(variables.len(), 4, "{variables:?}");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_masar"));
    command.args(["config", "show", "--output", "json"]).arg("--config").arg(&file);
    let output = command.envs(variables.iter().map(|name| (*name, "a-value"))).output().await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown: Value = serde_json::from_slice(&output.stdout)?;
    for place in ["/database", "/amqp", "/auth/jwt/hs256_secret", "/mail/smtp"] {
        assert_eq!(shown.pointer(place), Some(&json!("***")), "{place}");
    }
    assert_eq!(shown["peers"].as_object().map(serde_json::Map::len), Some(SERVICES.len()));
    Ok(())
}

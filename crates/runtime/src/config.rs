//! The configuration of a process: defaults, then a file, then `MASAR_...` from the environment.

mod peers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::peers::Peers;
use crate::auth::{AuthSettings, Authenticator};
use crate::telemetry::TelemetrySettings;

/// Everything that can be set. The defaults run the whole platform in one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where databases, mail and credentials of the embedded mode are kept.
    pub data_folder: PathBuf,
    /// Address of gRPC, health, metrics.
    pub listen: SocketAddr,
    /// `postgres://...`, or `sqlite:FOLDER`; unset: SQLite below the data folder.
    pub database: Option<String>,
    /// `amqp://...` of RabbitMQ; unset: events stay within the process, which then runs every service.
    pub amqp: Option<String>,
    /// From how many partitions each service takes what it hears on RabbitMQ, which is how many replicas of it can work: 1, 2, 4,
    /// and so on to 64. The same for all processes; to change it, stop them all, and start them with the new number.
    pub partitions: u16,
    /// Where the services answer that run in other processes.
    pub peers: Peers,
    /// Who may call.
    pub auth: AuthSettings,
    /// Logs and traces.
    pub telemetry: TelemetrySettings,
    /// Bounds.
    pub limits: Limits,
    /// Outgoing mail.
    pub mail: MailSettings,
    /// Folders with workflow packages besides the shipped ones.
    pub workflows: Vec<PathBuf>,
    /// Files with the reference data of entities, loaded at the start.
    pub registry: Vec<PathBuf>,
}

/// Bounds of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// A call that names no deadline is given up after so many seconds.
    pub call_seconds: u64,
    /// How long calls in flight may take to end when the process goes down, in seconds.
    pub drain_seconds: u64,
    /// How long an accepted case may wait to be opened, in seconds, before intake admits no more than is opened, in equal
    /// shares of the tenants that submit. When one has waited for fifteen times as long, none is admitted.
    pub lag_seconds: u64,
}

/// Where mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    /// `smtps://USER:PASSWORD@HOST` or `smtp://USER:PASSWORD@HOST?tls=required`; without `tls` nothing is encrypted. Unset:
    /// mail is written into a folder below the data folder.
    pub smtp: Option<String>,
    /// The sender: `masar@entity.example` or `Masar <masar@entity.example>`. Its domain also ends the ids of mails.
    pub from: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_folder: PathBuf::from("masar-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 7420)),
            database: None,
            amqp: None,
            partitions: 8,
            peers: Peers::default(),
            auth: AuthSettings::default(),
            telemetry: TelemetrySettings::default(),
            limits: Limits::default(),
            mail: MailSettings::default(),
            workflows: Vec::new(),
            registry: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { call_seconds: 10, drain_seconds: 20, lag_seconds: 2 }
    }
}

impl Default for MailSettings {
    fn default() -> Self {
        Self { smtp: None, from: "masar@localhost".to_owned() }
    }
}

impl MailSettings {
    fn problems(&self) -> impl Iterator<Item = String> {
        let schemes = ["smtp://", "smtps://"];
        let smtp = self.smtp.as_ref().filter(|smtp| !schemes.iter().any(|scheme| smtp.starts_with(scheme)));
        let smtp = smtp.map(|_| "mail.smtp: begins with neither `smtp://` nor `smtps://`".to_owned());
        let from = (!self.from.contains('@')).then(|| format!("mail.from: `{}` is no address", self.from));
        smtp.into_iter().chain(from)
    }
}

/// Variables of the command line and of the tests share the prefix and are no settings.
fn is_setting(key: &figment::value::UncasedStr) -> bool {
    const OTHERS: [&str; 6] = ["config", "server", "token", "api_key", "tenant", "data_folder"];
    !key.starts_with("test_") && !OTHERS.iter().any(|other| key == *other)
}

/// Why a configuration cannot be read; names the key and where it came from.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used: {0}")]
pub struct Error(String);

impl Settings {
    /// Reads the configuration. `MASAR_LIMITS__CALL_SECONDS=5` sets `limits.call_seconds`.
    ///
    /// # Errors
    /// The key that is unknown or wrong, and where it was set.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            if !file.is_file() {
                return Err(Error(format!("there is no file {}", file.display())));
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        let environment = Env::prefixed("MASAR_").filter(is_setting).split("__");
        figment.merge(environment).extract().map_err(|error| Error(error.to_string()))
    }

    /// Everything that would stop a process from starting, in sentences.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(error) = Authenticator::new(&self.auth) {
            problems.push(error.to_string());
        }
        if self.auth.api_keys.is_empty() && self.auth.jwt.is_none() {
            problems.push("auth: nobody could call: give `auth.api_keys` or `auth.jwt`".to_owned());
        }
        if !self.partitions.is_power_of_two() || self.partitions > 64 {
            problems.push(format!("partitions: {} is none of 1, 2, 4, 8, 16, 32 and 64", self.partitions));
        }
        if self.limits.lag_seconds == 0 {
            problems.push("limits.lag_seconds: nobody would be admitted: give 1 or more".to_owned());
        }
        problems.extend(self.mail.problems());
        problems.extend(self.peers.problems());
        let paths = [("workflows", &self.workflows), ("registry", &self.registry)];
        for (key, path) in paths.iter().flat_map(|(key, paths)| paths.iter().map(move |path| (key, path))) {
            if !path.exists() {
                problems.push(format!("{key}: there is no {}", path.display()));
            }
        }
        problems
    }

    /// The configuration as JSON, without its secrets.
    #[must_use]
    pub fn shown(&self) -> Value {
        let mut shown = serde_json::to_value(self).unwrap_or_default();
        for secret in ["/auth/jwt/hs256_secret", "/database", "/amqp", "/mail/smtp"] {
            if let Some(Value::String(text)) = shown.pointer_mut(secret) {
                *text = masked(text);
            }
        }
        shown
    }
}

/// A password within an address is hidden, and a text that is no address whole.
fn masked(text: &str) -> String {
    // A password may also stand among the parameters.
    let (text, parameters) = text.split_once('?').map_or((text, ""), |(text, _)| (text, "?***"));
    format!("{}{parameters}", masked_address(text))
}

fn masked_address(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        (Some(_), None) => text.to_owned(),
        _ if text.starts_with("sqlite:") => text.to_owned(),
        _ => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use figment::Jail;

    use crate::auth::JwtSettings;

    use super::*;

    #[test]
    #[allow(clippy::result_large_err, reason = "the type of the test harness")]
    fn the_environment_goes_before_the_file_and_the_file_before_the_defaults() {
        Jail::expect_with(|jail| {
            jail.create_file(
                "masar.toml",
                "listen = '127.0.0.1:1'\n[limits]\ncall_seconds = 3\ndrain_seconds = 4\n",
            )?;
            jail.set_env("MASAR_LIMITS__CALL_SECONDS", "5");
            let settings = Settings::load(Some(Path::new("masar.toml"))).expect("it is right");
            assert_eq!(settings.listen, SocketAddr::from(([127, 0, 0, 1], 1)));
            assert_eq!(settings.limits, Limits { call_seconds: 5, drain_seconds: 4, ..Limits::default() });
            assert_eq!(settings.mail, MailSettings::default());
            Ok(())
        });
    }

    #[test]
    #[allow(clippy::result_large_err, reason = "the type of the test harness")]
    fn an_unknown_key_is_named() {
        Jail::expect_with(|jail| {
            jail.create_file("masar.toml", "[limits]\ncal_seconds = 3\n")?;
            let error = Settings::load(Some(Path::new("masar.toml"))).expect_err("the key is unknown");
            assert!(error.to_string().contains("cal_seconds"), "{error}");
            Ok(())
        });
    }

    #[test]
    fn secrets_are_not_shown() {
        let jwt = JwtSettings { hs256_secret: Some("a secret".into()), ..JwtSettings::default() };
        let settings = Settings {
            database: Some("postgres://masar:secret@db/masar".to_owned()),
            auth: AuthSettings { jwt: Some(jwt), ..AuthSettings::default() },
            ..Settings::default()
        };
        let shown = settings.shown().to_string();
        assert!(!shown.contains("secret@") && !shown.contains("a secret"), "{shown}");
        assert!(shown.contains("postgres://***@db/masar"), "{shown}");
        assert_eq!(masked("postgres://db/masar?user=masar&password=hunter2"), "postgres://db/masar?***");
    }

    #[test]
    fn a_configuration_without_callers_is_a_problem() {
        assert_eq!(Settings::default().problems().len(), 1);
    }

    #[test]
    fn a_lag_that_nobody_can_keep_is_a_problem() {
        let limits = Limits { lag_seconds: 0, ..Limits::default() };
        let problems = Settings { limits, ..Settings::default() }.problems();
        assert!(problems.iter().any(|problem| problem.starts_with("limits.lag_seconds:")), "{problems:?}");
    }

    #[test]
    fn a_number_of_partitions_that_cannot_be_is_a_problem() {
        for (partitions, wrong) in [(0, true), (1, false), (12, true), (64, false), (128, true)] {
            let problems = Settings { partitions, ..Settings::default() }.problems();
            let said =
                problems.iter().any(|problem| problem.starts_with(&format!("partitions: {partitions} ")));
            assert_eq!(said, wrong, "{partitions}: {problems:?}");
        }
    }

    #[test]
    fn mail_that_could_not_be_sent_is_a_problem() {
        let with = |smtp: Option<&str>, from: &str| {
            MailSettings { smtp: smtp.map(str::to_owned), from: from.to_owned() }
                .problems()
                .collect::<Vec<_>>()
        };
        assert_eq!(with(None, "masar@entity.example"), [""; 0]);
        assert_eq!(with(Some("smtps://masar:word@mail.example"), "Masar <masar@entity.example>"), [""; 0]);
        let problems = with(Some("mail.example:25 word"), "masar");
        assert!(
            problems[0].starts_with("mail.smtp:") && problems[1].starts_with("mail.from:"),
            "{problems:?}"
        );
        assert!(!problems[0].contains("word"), "{problems:?}");
    }
}

//! `masar calendar`: what a calendar says, what another would change, and which clocks that would move.

mod days;
mod feed;
mod propose;
mod publish;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use masar_domain::Language;
use masar_proto::sla::v1::ListCalendarsRequest;
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_sla::calendars::{SHIPPED, read};
use masar_worktime::{CalendarSpec, DateRange, Hours};
use serde_json::json;

use super::client::{connect, refused};
use super::{Access, Answer};

/// What can be asked of calendars, and done with them.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check calendar files, and name the single working days between days off, of which somebody must decide.
    Check {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// The hours of the week, and every span of days that are otherwise.
    Show {
        /// Name of a shipped calendar or path of a calendar file.
        calendar: String,
        #[command(flatten)]
        which: Which,
    },
    /// The spans of days on which two calendars are open at different hours.
    Diff {
        /// Name of a shipped calendar or path of a calendar file.
        from: String,
        /// The other.
        to: String,
        #[command(flatten)]
        which: Which,
    },
    /// The days that follow the moon in the years to come, by the Umm al-Qura calendar: overlays and holidays for a calendar
    /// file, tentative until they are announced.
    Propose {
        /// The first year.
        #[arg(long)]
        from_year: i16,
        /// How many years.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=50))]
        years: u8,
        /// Opening hours in Ramadan; one `HH:MM-HH:MM` or more.
        #[arg(long, default_values = ["09:00-14:00"])]
        hours: Vec<Hours>,
    },
    /// The file of a calendar's next version, in which what is tentative on a date is announced.
    Confirm {
        /// Name of a shipped calendar or path of a calendar file.
        calendar: String,
        /// A date on which it was to be, such as a day of the Eid.
        #[arg(long)]
        on: Date,
        /// The first date that was announced, where it is another.
        #[arg(long, requires = "to")]
        from: Option<Date>,
        /// The last date that was announced.
        #[arg(long, requires = "from")]
        to: Option<Date>,
    },
    /// The days that are otherwise than the week says, as iCalendar, for those who subscribe to them.
    Export {
        /// Name of a shipped calendar or path of a calendar file.
        calendar: String,
        #[command(flatten)]
        which: Which,
    },
    /// The file of a calendar's next version, with the whole days of an iCalendar file.
    Import {
        /// The iCalendar file.
        file: PathBuf,
        /// Name of a shipped calendar or path of a calendar file, to which they are added.
        #[arg(long)]
        into: String,
    },
    /// Every open clock that a new version would move, from when to when. Changes nothing.
    Impact {
        /// The file of the new version.
        file: PathBuf,
    },
    /// Publish a new version: the open clocks of the entity that count on an older one move to it.
    Publish {
        /// The file of the new version.
        file: PathBuf,
    },
}

/// Where calendars are looked for, and which days of them.
#[derive(Args)]
pub(crate) struct Which {
    /// Names mean the calendars of the entity in the installation: the newest version, or that of NAME@VERSION.
    #[arg(long)]
    installed: bool,
    /// The first date to look at; that of the calendar when not given.
    #[arg(long)]
    since: Option<Date>,
    /// The last date to look at.
    #[arg(long)]
    until: Option<Date>,
    /// The language of the labels: `ar` or `en`.
    #[arg(long, default_value_t = Language::En)]
    language: Language,
}

impl Which {
    fn has(&self, date: Date) -> bool {
        self.since.is_none_or(|since| since <= date) && self.until.is_none_or(|until| date <= until)
    }
}

/// Answers.
pub(crate) async fn run(command: Command, access: &Access) -> Result<Answer> {
    match command {
        Command::Check { files } => days::check(&files),
        Command::Show { calendar, which } => days::show(&find(&calendar, &which, access).await?, &which),
        Command::Diff { from, to, which } => {
            let (from, to) = (find(&from, &which, access).await?, find(&to, &which, access).await?);
            days::diff(&from, &to, &which)
        }
        Command::Propose { from_year, years, hours } => propose::propose(from_year, years, &hours),
        Command::Confirm { calendar, on, from, to } => {
            let announced = from.zip(to).map(|(from, to)| DateRange { from, to });
            let next = here(&calendar)?.confirmed(on, announced)?;
            Ok(Answer { table: serde_saphyr::to_string(&next)?, json: json!({"calendar": next}) })
        }
        Command::Export { calendar, which } => feed::export(&find(&calendar, &which, access).await?, &which),
        Command::Import { file, into } => feed::import(&here(&into)?, &file),
        Command::Impact { file } => publish::impact(&file, access).await,
        Command::Publish { file } => publish::publish(&file, access).await,
    }
}

async fn find(name: &str, which: &Which, access: &Access) -> Result<CalendarSpec> {
    if which.installed && !Path::new(name).exists() { installed(name, access).await } else { here(name) }
}

/// A calendar by the name of a shipped one or the path of a YAML file.
pub(crate) fn here(name_or_file: &str) -> Result<CalendarSpec> {
    let text = match SHIPPED.iter().find(|(name, _)| *name == name_or_file) {
        Some((_, text)) => (*text).to_owned(),
        None => text(Path::new(name_or_file))?,
    };
    read(&text).map_err(|problem| anyhow!("the calendar `{name_or_file}` cannot be used: {problem}"))
}

fn text(file: &Path) -> Result<String> {
    if !file.exists() {
        let names: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
        let (file, names) = (file.display(), names.join(", "));
        bail!("there is no calendar `{file}`: give one of {names} or the path of a YAML file");
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}

/// A calendar of the entity.
async fn installed(name: &str, access: &Access) -> Result<CalendarSpec> {
    let (name, version) = match name.split_once('@') {
        Some((name, version)) => (name, Some(version.parse::<u32>().context("write NAME@VERSION")?)),
        None => (name, None),
    };
    let mut client = SlaServiceClient::new(connect(access).await?);
    let listed = client.list_calendars(ListCalendarsRequest {}).await.map_err(|status| refused(&status))?;
    let listed = listed.into_inner().calendars;
    let mut found = listed.iter().filter(|calendar| calendar.name == name);
    let found = match version {
        Some(version) => found.find(|calendar| calendar.version == version),
        None => found.max_by_key(|calendar| calendar.version),
    };
    let known =
        || listed.iter().map(|it| format!("{}@{}", it.name, it.version)).collect::<Vec<_>>().join(", ");
    let found = found.with_context(|| format!("there is no such calendar: there are {}", known()))?;
    read(&found.yaml).map_err(|problem| anyhow!("the calendar `{name}` cannot be read: {problem}"))
}

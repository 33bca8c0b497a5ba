//! The command line.

mod bench;
mod bus;
mod calendar;
mod case;
mod client;
mod clock;
mod config;
mod day;
mod desk;
mod doctor;
mod dry_run;
mod due;
mod escalation;
mod import;
mod log;
mod migrate;
mod publish;
mod schedule;
mod selection;
mod serve;
mod simulate;
mod sla;
mod submit;
mod up;
mod workflow;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use comfy_table::{Table, presets};
use masar_runtime::config::Settings;
use serde_json::Value;

use crate::json;

/// The way to a server, which a bench takes as well.
pub(crate) use self::client::{Asking, Way, refused};
/// How files of other systems become cases, which the demo's own file does as well.
pub(crate) use self::import::{Row, shipped};

/// Case management for government customer experience.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    /// How to print the answer.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    command: Command,
}

/// Which server is asked, and by whom.
#[derive(Args, Clone)]
struct Access {
    /// A configuration file (TOML); the environment goes before it. Commands that ask find the services by its `peers`.
    #[arg(long, global = true, env = "MASAR_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of the one server to ask, whatever `peers` say; http://127.0.0.1:7420 when nothing is said.
    #[arg(long, global = true, env = "MASAR_SERVER")]
    server: Option<String>,
    /// Data folder of the platform, where the credentials of the demo are.
    /// `masar-data` when neither this nor the configuration says otherwise.
    #[arg(long = "data", global = true, env = "MASAR_DATA_FOLDER")]
    data_folder: Option<PathBuf>,
    /// Act as this person of the demo, such as lab-permits-1.
    #[arg(long = "as", global = true, value_name = "PERSON")]
    person: Option<String>,
    /// A JWT of your own.
    #[arg(long, global = true, env = "MASAR_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// An API key of your own, as ID.SECRET.
    #[arg(long, global = true, env = "MASAR_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// The entity that the call is for, where you act for several.
    #[arg(long, global = true, env = "MASAR_TENANT")]
    tenant: Option<String>,
}

impl Access {
    /// What the file and the environment say; the data folder is that of the command line, if it names one.
    fn settings(&self) -> Result<Settings> {
        let mut settings = Settings::load(self.config.as_deref())?;
        if let Some(named) = &self.data_folder {
            settings.data_folder.clone_from(named);
        }
        Ok(settings)
    }

    /// Where the credentials of the demo are.
    fn data_folder(&self) -> Result<PathBuf> {
        match &self.data_folder {
            Some(named) => Ok(named.clone()),
            None => Ok(self.settings()?.data_folder),
        }
    }
}

/// The forms in which an answer can be printed.
#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs: one JSON object.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole platform in this process, with the demo set.
    Up(up::Arguments),
    /// Run some of the services in this process, on PostgreSQL and RabbitMQ; the others run in other processes.
    Serve(serve::Arguments),
    /// Play a working day in a minute, on a simulated clock.
    Demo(day::Arguments),
    /// Say what is wrong with this installation, and what to do.
    Doctor,
    /// Print a token for a person of the demo (--as), for grpcurl and your own programs.
    Token,
    /// Submit a complaint.
    Submit(submit::Arguments),
    /// Import cases from a CSV file or JSON lines, by a mapping.
    Import(import::Arguments),
    /// Read and move cases.
    #[command(subcommand)]
    Case(case::Command),
    /// Queues and what waits in them.
    #[command(subcommand)]
    Queue(desk::QueueCommand),
    /// Take tasks and give them away.
    #[command(subcommand)]
    Task(desk::TaskCommand),
    /// What opens cases by itself, and when.
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// Clocks and due times.
    #[command(subcommand)]
    Clock(clock::Command),
    /// Calendars: check them, compare them, and see which clocks a new version would move.
    #[command(subcommand)]
    Calendar(calendar::Command),
    /// How the promises stand, and what no clock or nobody watches over.
    #[command(subcommand)]
    Sla(sla::Command),
    /// Ladders that climbed, and who has taken notice.
    #[command(subcommand)]
    Escalation(escalation::Command),
    /// Events that a service could not handle.
    #[command(subcommand)]
    Bus(bus::Command),
    /// Measure how much this machine does, and what share of its physical limit that is.
    Bench(bench::Arguments),
    /// Questions about workflow packages.
    #[command(subcommand)]
    Workflow(workflow::Command),
    /// Event logs: of other systems into draft packages, and of our own cases for tools that mine processes.
    #[command(subcommand)]
    Log(log::Command),
    /// Check or show the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Print the completions for a shell, to be sourced.
    Completion {
        /// Which shell.
        shell: Shell,
    },
}

/// An answer in both of its forms.
#[derive(Debug)]
struct Answer {
    /// For people; ends with a line break.
    table: String,
    /// For programs.
    json: Value,
}

/// An answer that is printed, and yet not what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
struct Unsuccessful {
    answer: Answer,
    problem: String,
}

impl Answer {
    /// A message of the contracts, and how people see it.
    fn of(message: &impl prost::Message, name: &str, table: String) -> Result<Self> {
        Ok(Self { table, json: json::of(message, name)? })
    }
}

/// Rows for people.
fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    format!("{}\n", table.trim_fmt())
}

/// An instant for people, as Qatar reads the clock; empty when it is unset.
fn local(at: Option<&prost_types::Timestamp>) -> String {
    let Some(at) = masar_proto::time::from_proto(at) else { return String::new() };
    let zone = jiff::tz::TimeZone::get("Asia/Qatar").unwrap_or(jiff::tz::TimeZone::UTC);
    at.to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Exit codes: 0 answered, 1 refused with a reason, 2 wrong usage (from the argument parser).
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let answered = run(arguments.command, &arguments.access, arguments.output).or_else(|error| {
        let Unsuccessful { answer, problem } = error.downcast()?;
        print(arguments.output, &answer)?;
        Err(anyhow::anyhow!(problem))
    });
    match answered.and_then(|answer| Ok(print(arguments.output, &answer)?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed too.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, access: &Access, output: Output) -> Result<Answer> {
    match command {
        Command::Clock(clock::Command::Due(arguments)) => return due::run(arguments),
        Command::Workflow(workflow::Command::Versions(_) | workflow::Command::DryRun(_)) => {}
        Command::Workflow(command) => return workflow::run(command),
        Command::Log(command) if !matches!(command, log::Command::Export(_)) => return log::run(command),
        Command::Config(command) => return config::run(command, access),
        Command::Token => return client::token(access),
        Command::Completion { shell } => return Ok(completion(shell)),
        _ => {}
    }
    // Fails only when another provider was installed before, which would serve as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Up(arguments) => Box::pin(up::run(arguments, access)).await,
            Command::Serve(arguments) => Box::pin(serve::run(arguments, access)).await,
            Command::Demo(arguments) => Box::pin(day::run(arguments)).await,
            Command::Doctor => doctor::run(access).await,
            Command::Bench(arguments) => Box::pin(bench::run(arguments, output)).await,
            Command::Submit(arguments) => submit::run(arguments, access).await,
            Command::Import(arguments) => Box::pin(import::run(arguments, access)).await,
            Command::Case(command) => case::run(command, access).await,
            Command::Queue(command) => desk::queue(command, access, output).await,
            Command::Task(command) => desk::task(command, access).await,
            Command::Escalation(command) => escalation::run(command, access).await,
            Command::Schedule(command) => schedule::run(command, access).await,
            Command::Sla(command) => sla::run(command, access, output).await,
            Command::Bus(command) => bus::run(command, access).await,
            Command::Calendar(command) => calendar::run(command, access).await,
            Command::Clock(command) => clock::run(command, access).await,
            Command::Workflow(workflow::Command::Versions(command)) => publish::run(command, access).await,
            Command::Workflow(workflow::Command::DryRun(arguments)) => {
                Box::pin(dry_run::run(arguments, access)).await
            }
            Command::Log(log::Command::Export(arguments)) => Box::pin(log::export(arguments, access)).await,
            Command::Workflow(_)
            | Command::Log(_)
            | Command::Config(_)
            | Command::Token
            | Command::Completion { .. } => {
                anyhow::bail!("answered before")
            }
        }
    })
}

/// The completions of every command and option for a shell.
fn completion(shell: Shell) -> Answer {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "masar", &mut text);
    let table = String::from_utf8_lossy(&text).into_owned();
    Answer { json: serde_json::json!({"completion": table}), table }
}

fn print(output: Output, answer: &Answer) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", answer.json),
        Output::Table => out.write_all(answer.table.as_bytes()),
    }
}

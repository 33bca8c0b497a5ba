//! `masar`, the only binary: the command line of the product.

mod calendars;
mod clock;
mod workflow;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// Case management for government customer experience.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    /// How to print the answer.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(subcommand)]
    command: Command,
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
    /// Questions about clocks and due times.
    #[command(subcommand)]
    Clock(clock::Command),
    /// Questions about workflow packages.
    #[command(subcommand)]
    Workflow(workflow::Command),
}

/// An answer in both of its forms.
struct Answer {
    /// For people; ends with a line break.
    table: String,
    /// For programs.
    json: serde_json::Value,
}

/// Exit codes: 0 answered, 1 refused with a reason, 2 wrong usage (from the argument parser).
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let answer = match arguments.command {
        Command::Clock(command) => clock::run(command),
        Command::Workflow(command) => workflow::run(command),
    };
    match answer.and_then(|answer| Ok(print(arguments.output, &answer)?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed too.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(output: Output, answer: &Answer) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", answer.json),
        Output::Table => out.write_all(answer.table.as_bytes()),
    }
}

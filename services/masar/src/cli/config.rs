//! `masar config`: is the configuration right, and what is in force?

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Subcommand;
use masar_runtime::config::Settings;
use serde_json::json;

use super::Answer;

/// What can be asked of the configuration.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Name everything that would stop a process from starting.
    Check {
        /// The file (TOML); the environment goes before it.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Show what is in force, without secrets.
    Show {
        /// The file (TOML); the environment goes before it.
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

/// Answers.
pub(crate) fn run(command: Command) -> Result<Answer> {
    match command {
        Command::Check { config } => {
            let problems = Settings::load(config.as_deref())?.problems();
            if !problems.is_empty() {
                bail!("{}", problems.join("; "));
            }
            Ok(Answer { table: "the configuration is sound\n".to_owned(), json: json!({"problems": []}) })
        }
        Command::Show { config } => {
            let shown = Settings::load(config.as_deref())?.shown();
            Ok(Answer { table: format!("{shown:#}\n"), json: shown })
        }
    }
}

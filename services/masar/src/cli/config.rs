//! `masar config`: is the configuration right, what is in force, and what a set of processes needs.

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use masar_runtime::config::{Peers, Settings};
use serde_json::json;

use super::{Access, Answer};
use crate::demo;

/// What can be asked of the configuration.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Name everything that would stop a process from starting.
    Check,
    /// Show what is in force, without secrets.
    Show,
    /// Write credentials and entities of the demo into the data folder, and print the configuration with which a set of
    /// processes and those who ask them share these.
    Demo {
        /// `postgres://...` of the set.
        #[arg(long)]
        postgres: String,
        /// `amqp://...` of the set.
        #[arg(long)]
        amqp: String,
        /// Where the replicas of a service answer; once for each service.
        #[arg(long = "peer", value_name = "SERVICE=ADDRESS,ADDRESS", required = true)]
        peers: Vec<String>,
    },
}

/// Answers.
pub(crate) fn run(command: Command, access: &Access) -> Result<Answer> {
    match command {
        Command::Check => {
            let problems = access.settings()?.problems();
            if !problems.is_empty() {
                bail!("{}", problems.join("; "));
            }
            Ok(Answer { table: "the configuration is sound\n".to_owned(), json: json!({"problems": []}) })
        }
        Command::Show => {
            let shown = access.settings()?.shown();
            Ok(Answer { table: format!("{shown:#}\n"), json: shown })
        }
        Command::Demo { postgres, amqp, peers } => {
            let peers = peers.iter().map(|peer| {
                let (service, addresses) = peer
                    .split_once('=')
                    .with_context(|| format!("`{peer}`: write SERVICE=ADDRESS,ADDRESS"))?;
                Ok((service.to_owned(), addresses.split(',').map(str::to_owned).collect::<Vec<_>>()))
            });
            let (database, amqp) = (Some(postgres), Some(amqp));
            let (data_folder, peers) = (access.data_folder()?, peers.collect::<Result<Peers>>()?);
            let settings =
                demo::settings(Settings { data_folder, database, amqp, peers, ..Settings::default() })?;
            let table = demo::configuration(&settings)?;
            Ok(Answer { json: json!({"configuration": table}), table })
        }
    }
}

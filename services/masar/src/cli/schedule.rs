//! `masar schedule`: what opens cases by itself, and when.

use anyhow::Result;
use clap::Subcommand;
use masar_proto::common::v1::PageRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use masar_proto::intake::v1::{ListSchedulesRequest, Schedule};

use super::client::{connect, refused};
use super::{Access, Answer, local, table};

/// What the list answers with.
const LIST: &str = "masar.intake.v1.ListSchedulesResponse";

/// What can be asked of schedules.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// What comes next, and what is in the way (E21).
    List {
        /// How many, 500 at most.
        #[arg(long, default_value_t = 50)]
        most: u32,
    },
}

/// Answers.
pub(crate) async fn run(command: Command, access: &Access) -> Result<Answer> {
    let Command::List { most } = command;
    let mut intake = IntakeServiceClient::new(connect(access).await?);
    let page = Some(PageRequest { size: most, token: String::new() });
    let found = intake.list_schedules(ListSchedulesRequest { page }).await;
    let found = found.map_err(|status| refused(&status))?.into_inner();
    let row = |schedule: &Schedule| {
        let counted = match schedule.case_id.as_str() {
            "" => "the calendar".to_owned(),
            case => format!("case {case}"),
        };
        let name = format!("{}/{}", schedule.package, schedule.schedule);
        let comes = local(schedule.comes_at.as_ref());
        [comes, name, schedule.occurrence.clone(), schedule.opens.clone(), counted, schedule.problem.clone()]
    };
    let header = ["comes", "schedule", "occurrence", "opens", "counted from", "in the way"];
    let text = table(header, found.schedules.iter().map(row));
    Answer::of(&found, LIST, text)
}

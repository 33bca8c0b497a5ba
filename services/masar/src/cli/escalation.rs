//! `masar escalation`: which ladders have climbed, and who has taken notice.

use anyhow::Result;
use clap::Subcommand;
use masar_proto::common::v1::PageRequest;
use masar_proto::escalation::v1::escalation_service_client::EscalationServiceClient;
use masar_proto::escalation::v1::{
    AcknowledgeRequest, Escalation, ListEscalationsRequest, PreviewRequest, Rung,
};

use super::client::{connect, refused};
use super::{Access, Answer, local, table};

/// What can be asked of escalations.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Levels that fired, newest first.
    List {
        /// Reference or id of a case.
        #[arg(long, default_value = "")]
        case: String,
        /// Also those that were acknowledged.
        #[arg(long)]
        all: bool,
        /// L0 to L5.
        #[arg(long, default_value = "")]
        level: String,
        /// The list that a level put the case on, such as cx_review.
        #[arg(long, default_value = "")]
        queue: String,
        /// Escalations of a page, at most 500.
        #[arg(long, default_value_t = 50)]
        size: u32,
        /// Token of the page, from the one before.
        #[arg(long, default_value = "")]
        page: String,
    },
    /// Whom a case would reach and when, if nothing else happens to it.
    Preview {
        /// Reference or id of the case.
        case: String,
    },
    /// Say that a level has taken notice, and what will be done.
    Ack {
        /// Id of the escalation, as `list` shows it.
        escalation: String,
        /// What will be done; needed from L1 up.
        #[arg(long, default_value = "")]
        reason: String,
    },
}

/// Answers.
pub(crate) async fn run(command: Command, access: &Access) -> Result<Answer> {
    let mut client = EscalationServiceClient::new(connect(access).await?);
    match command {
        Command::List { case, all, level, queue, size, page } => {
            let page = Some(PageRequest { size, token: page });
            let request = ListEscalationsRequest { page, case, open_only: !all, level, queue };
            let found =
                client.list_escalations(request).await.map_err(|status| refused(&status))?.into_inner();
            let text = escalations(&found.escalations);
            Answer::of(&found, "masar.escalation.v1.ListEscalationsResponse", text)
        }
        Command::Preview { case } => {
            let found = client.preview(PreviewRequest { case }).await;
            let found = found.map_err(|status| refused(&status))?.into_inner();
            let text = rungs(&found.rungs);
            Answer::of(&found, "masar.escalation.v1.PreviewResponse", text)
        }
        Command::Ack { escalation, reason } => {
            let request = AcknowledgeRequest { escalation_id: escalation, reason };
            let found = client.acknowledge(request).await.map_err(|status| refused(&status))?.into_inner();
            let text = escalations(std::slice::from_ref(&found));
            Answer::of(&found, "masar.escalation.v1.Escalation", text)
        }
    }
}

fn rungs(rungs: &[Rung]) -> String {
    let rows = rungs.iter().map(|rung| {
        let told = reached(&rung.people, &rung.vacant, &rung.absent, rung.safety_net);
        let (at, does) = (local(rung.at.as_ref()), rung.actions.join(", "));
        [at, rung.clock.clone(), rung.level.clone(), rung.mark.clone(), rung.status.clone(), told, does]
    });
    table(["when", "clock", "level", "at", "status", "tells", "does"], rows)
}

/// Whom a level reaches, and instead of whom.
fn reached(people: &[String], vacant: &[String], absent: &[String], safety_net: bool) -> String {
    let mut text = if people.is_empty() { "nobody".to_owned() } else { people.join(", ") };
    let mut why = Vec::new();
    if safety_net {
        why.push("safety net".to_owned());
    }
    for (word, named) in [("vacant", vacant), ("absent", absent)] {
        if !named.is_empty() {
            why.push(format!("{word}: {}", named.join(", ")));
        }
    }
    if !why.is_empty() {
        text += &format!(" ({})", why.join("; "));
    }
    text
}

fn escalations(escalations: &[Escalation]) -> String {
    let rows = escalations.iter().map(|found| {
        let mut told = reached(&found.people, &found.vacant, &found.absent, found.safety_net);
        if found.told > 1 {
            told += &format!(", {} times", found.told);
        }
        [
            found.escalation_id.clone(),
            found.reference.clone(),
            found.clock.clone(),
            found.level.clone(),
            found.mark.clone(),
            local(found.raised_at.as_ref()),
            told,
            found.acknowledged_by.clone(),
        ]
    });
    table(["id", "case", "clock", "level", "at", "raised", "told", "acknowledged by"], rows)
}

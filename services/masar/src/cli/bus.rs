//! `masar bus`: events that a service could not handle, and what shall become of them.

use anyhow::{Result, bail};
use clap::Subcommand;
use masar_proto::common::v1::PageRequest;
use masar_proto::operations::v1::operations_service_client::OperationsServiceClient;
use masar_proto::operations::v1::{
    DropParkedRequest, GetParkedRequest, ListParkedRequest, ListParkedResponse, ParkedEvent,
    RetryParkedRequest,
};

use super::client::{Asking, Way, refused};
use super::{Access, Answer, local, table};

/// What can be done with parked events.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Events that failed alone, and those held behind them, oldest first.
    Parked {
        /// Only those of this service.
        #[arg(long, default_value = "")]
        consumer: String,
        /// Events of a page, at most 500.
        #[arg(long, default_value_t = 50)]
        size: u32,
        /// Token of the page, from the one before.
        #[arg(long, default_value = "")]
        page: String,
    },
    /// One parked event, with its data.
    Show {
        /// The service that could not handle it.
        consumer: String,
        /// Id of the event.
        event: String,
    },
    /// Handle an event and those held behind it again, in order.
    Retry {
        /// The service that could not handle it.
        consumer: String,
        /// Id of the event.
        event: String,
    },
    /// Give an event up and release those held behind it.
    Drop {
        /// The service that could not handle it.
        consumer: String,
        /// Id of the event.
        event: String,
    },
}

/// Answers.
pub(crate) async fn run(command: Command, access: &Access) -> Result<Answer> {
    let way = Way::open(access).await?;
    let client = |consumer: &str| -> Result<OperationsServiceClient<Asking>> {
        Ok(OperationsServiceClient::new(way.at(consumer).asking(access.tenant.as_deref())?))
    };
    match command {
        Command::Parked { consumer, size, page } => {
            // In a set each service knows what is parked with it.
            let asked: Vec<&str> = match consumer.as_str() {
                "" if !way.peers.is_empty() => way.peers.iter().map(|(service, _)| service).collect(),
                _ => vec![&consumer],
            };
            if asked.len() > 1 && !page.is_empty() {
                bail!("each service has pages of its own: name the --consumer of this one");
            }
            let mut found = ListParkedResponse::default();
            for service in asked {
                let page = Some(PageRequest { size, token: page.clone() });
                let request = ListParkedRequest { consumer: consumer.clone(), page };
                let listed =
                    client(service)?.list_parked(request).await.map_err(|status| refused(&status))?;
                let listed = listed.into_inner();
                found.events.extend(listed.events);
                found.page = listed.page;
            }
            let text = parked(&found.events);
            Answer::of(&found, "masar.operations.v1.ListParkedResponse", text)
        }
        Command::Show { consumer, event } => {
            let mut client = client(&consumer)?;
            let request = GetParkedRequest { consumer, event_id: event };
            let found = client.get_parked(request).await.map_err(|status| refused(&status))?.into_inner();
            let text = format!("{}\n{}\n", parked(std::slice::from_ref(&found)), found.data_json);
            Answer::of(&found, "masar.operations.v1.ParkedEvent", text)
        }
        Command::Retry { consumer, event } => {
            let mut client = client(&consumer)?;
            let request = RetryParkedRequest { consumer, event_id: event };
            let found = client.retry_parked(request).await.map_err(|status| refused(&status))?.into_inner();
            let text = format!("handled: {}\n", found.handled);
            Answer::of(&found, "masar.operations.v1.RetryParkedResponse", text)
        }
        Command::Drop { consumer, event } => {
            let mut client = client(&consumer)?;
            let request = DropParkedRequest { consumer, event_id: event };
            let found = client.drop_parked(request).await.map_err(|status| refused(&status))?.into_inner();
            let text = format!("given up; released behind it: {}\n", found.released);
            Answer::of(&found, "masar.operations.v1.DropParkedResponse", text)
        }
    }
}

fn parked(events: &[ParkedEvent]) -> String {
    let rows = events.iter().map(|event| {
        let why = if event.held { "waits behind another".to_owned() } else { event.error.clone() };
        [
            event.consumer.clone(),
            event.event_id.clone(),
            event.r#type.clone(),
            event.subject.clone(),
            local(event.parked_at.as_ref()),
            why,
        ]
    });
    table(["consumer", "event", "type", "subject", "parked", "why"], rows)
}

//! `masar queue` and `masar task`: what waits, and who takes it.

use anyhow::Result;
use clap::Subcommand;
use masar_proto::common::v1::PageRequest;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::routing::v1::{
    AssignRequest, ClaimNextRequest, ClaimRequest, ExplainRequest, ListQueuesRequest, ListTasksRequest,
    Queue, ReleaseRequest, RerouteRequest, Task, WatchQueueRequest,
};
use serde_json::json;

use super::client::{connect, refused};
use super::{Access, Answer, Output, local, print, table};

/// What can be asked of queues.
#[derive(Subcommand)]
pub(crate) enum QueueCommand {
    /// Every queue that has tasks, with its counts.
    List,
    /// The tasks of a queue, most urgent first.
    Show {
        /// Code of the queue.
        queue: String,
        /// Only those that nobody holds.
        #[arg(long)]
        waiting: bool,
    },
    /// A queue's counts now and after every change, until Ctrl-C.
    Watch {
        /// Code of the queue.
        queue: String,
    },
    /// Which rule put a case where it is.
    Explain {
        /// Reference or id.
        case: String,
    },
}

/// What can be done with tasks.
#[derive(Subcommand)]
pub(crate) enum TaskCommand {
    /// Take the most urgent task of a queue, or that of a case.
    Claim {
        /// Code of the queue.
        #[arg(long, required_unless_present = "case")]
        queue: Option<String>,
        /// Reference or id of the case.
        #[arg(long)]
        case: Option<String>,
    },
    /// Put a task back.
    Release {
        /// Reference or id of the case.
        case: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Give a task to somebody.
    Assign {
        /// Reference or id of the case.
        case: String,
        /// Id of the person.
        person: String,
    },
    /// Move a task to another queue.
    Reroute {
        /// Reference or id of the case.
        case: String,
        /// Code of the queue.
        queue: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// Answers about queues.
pub(crate) async fn queue(command: QueueCommand, access: &Access, output: Output) -> Result<Answer> {
    let mut client = RoutingServiceClient::new(connect(access).await?);
    match command {
        QueueCommand::List => {
            let request = ListQueuesRequest::default();
            let found = client.list_queues(request).await.map_err(|status| refused(&status))?.into_inner();
            let text = queues(&found.queues);
            Answer::of(&found, "masar.routing.v1.ListQueuesResponse", text)
        }
        QueueCommand::Show { queue, waiting } => {
            let page = Some(PageRequest { size: 50, token: String::new() });
            let request = ListTasksRequest { page, queue, assignee: String::new(), waiting_only: waiting };
            let found = client.list_tasks(request).await.map_err(|status| refused(&status))?.into_inner();
            let text = tasks(&found.tasks);
            Answer::of(&found, "masar.routing.v1.ListTasksResponse", text)
        }
        QueueCommand::Watch { queue } => {
            let request = WatchQueueRequest { queue };
            let mut seen = client.watch_queue(request).await.map_err(|status| refused(&status))?.into_inner();
            while let Some(queue) = seen.message().await.map_err(|status| refused(&status))? {
                let text = queues(std::slice::from_ref(&queue));
                print(output, &Answer::of(&queue, "masar.routing.v1.Queue", text)?)?;
            }
            Ok(Answer { table: "the server has stopped\n".to_owned(), json: json!({"stopped": true}) })
        }
        QueueCommand::Explain { case } => {
            let request = ExplainRequest { case };
            let found = client.explain(request).await.map_err(|status| refused(&status))?.into_inner();
            let rows = found.rules.iter().map(|rule| {
                [
                    rule.number.to_string(),
                    if rule.matched { "yes" } else { "no" }.to_owned(),
                    rule.name.clone(),
                    rule.condition.clone(),
                ]
            });
            let text = format!(
                "{} ({})\n{}",
                found.queue,
                found.decided_by,
                table(["rule", "holds", "name", "condition"], rows)
            );
            Answer::of(&found, "masar.routing.v1.ExplainResponse", text)
        }
    }
}

/// Answers about tasks.
pub(crate) async fn task(command: TaskCommand, access: &Access) -> Result<Answer> {
    let mut client = RoutingServiceClient::new(connect(access).await?);
    let task = match command {
        TaskCommand::Claim { case: Some(case), .. } => client.claim(ClaimRequest { case }).await,
        TaskCommand::Claim { queue, case: None } => {
            client.claim_next(ClaimNextRequest { queue: queue.unwrap_or_default() }).await
        }
        TaskCommand::Release { case, reason } => client.release(ReleaseRequest { case, reason }).await,
        TaskCommand::Assign { case, person } => client.assign(AssignRequest { case, assignee: person }).await,
        TaskCommand::Reroute { case, queue, reason } => {
            client.reroute(RerouteRequest { case, queue, reason }).await
        }
    };
    let task = task.map_err(|status| refused(&status))?.into_inner();
    let text = tasks(std::slice::from_ref(&task));
    Answer::of(&task, "masar.routing.v1.Task", text)
}

fn queues(queues: &[Queue]) -> String {
    let rows = queues.iter().map(|queue| {
        let label = queue.label.clone().unwrap_or_default();
        let [waiting, claimed, breached] =
            [queue.waiting, queue.claimed, queue.breached].map(|n| n.to_string());
        [
            queue.code.clone(),
            label.en,
            waiting,
            claimed,
            breached,
            local(queue.oldest_queued_at.as_ref()),
            local(queue.next_due_at.as_ref()),
        ]
    });
    table(["queue", "name", "waiting", "claimed", "late", "oldest since", "next due"], rows)
}

fn tasks(tasks: &[Task]) -> String {
    let rows = tasks.iter().map(|task| {
        let subject = task.subject.clone().unwrap_or_default();
        let subject = if subject.en.is_empty() { subject.ar } else { subject.en };
        let due = format!("{}{}", local(task.due_at.as_ref()), if task.breached { " !" } else { "" });
        [task.reference.clone(), task.queue.clone(), task.assignee.clone(), due, task.reason.clone(), subject]
    });
    table(["reference", "queue", "assignee", "due", "because", "subject"], rows)
}

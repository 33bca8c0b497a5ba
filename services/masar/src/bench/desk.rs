//! What routing shows: how many tasks a queue has, and when a case is at its desk with its due time.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use masar_proto::common::v1::PageRequest;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::routing::v1::{ListQueuesRequest, ListTasksRequest, Queue, WatchQueueRequest};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::house::House;
use crate::cli::{Asking, refused};

/// Who looks.
const PERSON: &str = "lab-triage-1";
/// The most tasks of a page.
const PAGE: u32 = 500;
/// How often is asked whether all has come: not so often that the asking holds it up.
const PACE: Duration = Duration::from_millis(100);
/// How soon is looked again at tasks without a due time: the looking costs the platform something too.
const AGAIN: Duration = Duration::from_millis(10);
/// How long is waited for what must come.
pub(super) const MOST: Duration = Duration::from_secs(600);

/// The way to routing.
#[derive(Clone)]
pub(super) struct Desk {
    client: RoutingServiceClient<Asking>,
}

impl Desk {
    pub(super) async fn open(house: &House) -> Result<Self> {
        Ok(Self { client: RoutingServiceClient::new(house.person(PERSON).await?) })
    }

    /// A queue with its counts.
    pub(super) async fn queue(&self, code: &str) -> Result<Queue> {
        let request = ListQueuesRequest { department: code.to_owned() };
        let listed = self.client.clone().list_queues(request).await.map_err(|status| refused(&status))?;
        Ok(listed.into_inner().queues.pop().unwrap_or_default())
    }

    /// Waits until a queue is as it shall be.
    pub(super) async fn until(&self, code: &str, wanted: impl Fn(&Queue) -> bool) -> Result<()> {
        let until_there = async {
            let mut pace = tokio::time::interval(PACE);
            loop {
                pace.tick().await;
                if wanted(&self.queue(code).await?) {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(MOST, until_there)
            .await
            .with_context(|| format!("`{code}` never has all cases"))?
    }

    /// Watches a queue: each case, when its task is first shown with a due time. It ends with the tasks that it is given.
    pub(super) async fn watch(
        &self,
        code: &str,
        beside: &mut JoinSet<Result<()>>,
    ) -> Result<mpsc::UnboundedReceiver<(String, Instant)>> {
        let (client, code) = (self.client.clone(), code.to_owned());
        let (tell, told) = mpsc::unbounded_channel();
        let watch = WatchQueueRequest { queue: code.clone() };
        let changes = client.clone().watch_queue(watch).await.map_err(|status| refused(&status))?;
        beside.spawn(look(client, code, changes.into_inner(), tell));
        Ok(told)
    }
}

async fn look(
    mut client: RoutingServiceClient<Asking>,
    queue: String,
    mut changes: tonic::Streaming<Queue>,
    tell: mpsc::UnboundedSender<(String, Instant)>,
) -> Result<()> {
    let (mut seen, mut waits) = (HashSet::new(), false);
    loop {
        // That a task has a due time now is no news of its queue.
        let again = async {
            if !waits {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(AGAIN).await;
        };
        tokio::select! {
            change = changes.message() => {
                let change = change.map_err(|status| refused(&status))?;
                change.with_context(|| format!("the platform stopped telling of `{queue}`"))?;
            }
            () = again => {}
        }
        let page = Some(PageRequest { size: PAGE, token: String::new() });
        let request = ListTasksRequest { page, queue: queue.clone(), ..ListTasksRequest::default() };
        let listed = client.list_tasks(request).await.map_err(|status| refused(&status))?.into_inner();
        let now = Instant::now();
        waits = listed.tasks.iter().any(|task| task.due_at.is_none());
        for task in listed.tasks.into_iter().filter(|task| task.due_at.is_some()) {
            if seen.insert(task.case_id.clone()) && tell.send((task.case_id, now)).is_err() {
                return Ok(());
            }
        }
    }
}

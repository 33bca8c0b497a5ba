//! What routing shows: how many tasks a queue has, and when a case is at its desk with its due time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use masar_proto::common::v1::PageRequest;
use masar_proto::routing::v1::routing_service_client::RoutingServiceClient;
use masar_proto::routing::v1::{ListQueuesRequest, ListTasksRequest, Queue};

use super::house::House;
use crate::cli::{Asking, refused};

/// Who looks.
const PERSON: &str = "lab-triage-1";
/// How often is asked whether all has come: not so often that the asking holds it up.
const PACE: Duration = Duration::from_millis(100);
/// How soon is looked again for a task with its due time: the looking costs the platform something too.
const AGAIN: Duration = Duration::from_millis(5);
/// How long is waited for what must come.
const MOST: Duration = Duration::from_secs(600);

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

    /// Waits until the one case of a queue is shown with its due time; when that was.
    pub(super) async fn shown(&self, code: &str) -> Result<Instant> {
        let page = Some(PageRequest { size: 1, token: String::new() });
        let request = ListTasksRequest { page, queue: code.to_owned(), ..ListTasksRequest::default() };
        let until_shown = async {
            let mut again = tokio::time::interval(AGAIN);
            loop {
                again.tick().await;
                let listed = self.client.clone().list_tasks(request.clone()).await;
                let tasks = listed.map_err(|status| refused(&status))?.into_inner().tasks;
                if tasks.iter().any(|task| task.due_at.is_some()) {
                    return Ok(Instant::now());
                }
            }
        };
        tokio::time::timeout(MOST, until_shown)
            .await
            .with_context(|| format!("the case of `{code}` never comes to its desk"))?
    }
}

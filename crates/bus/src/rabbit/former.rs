//! The queues of another number of partitions: emptied, then removed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use tokio::sync::{mpsc, watch};

use super::link::Link;
use super::topology::broken;
use super::{WAITING, subscription};
use crate::{Delivery, Error};

/// When nothing has come for so long, is looked whether anything is left.
const QUIET: Duration = Duration::from_secs(2);

/// Brings what waits for a consumer in these queues, until nothing has come for a while. The receiver ends when the broker
/// has everything back that was not done.
pub(super) async fn run(link: Arc<Link>, consumer: String, sender: mpsc::Sender<Delivery>) {
    let (inner, mut arriving) = mpsc::channel(WAITING);
    let every: BTreeSet<u16> = (0..link.topology.partitions()).collect();
    let forward = async {
        while let Ok(Some(delivery)) = tokio::time::timeout(QUIET, arriving.recv()).await
            && sender.send(delivery).await.is_ok()
        {}
        drop(arriving);
    };
    tokio::join!(subscription::run(link, consumer, watch::channel(every).1, inner), forward);
}

/// Removes the queues, if nothing is in them and nobody listens. True when they are gone.
pub(super) async fn leave(link: &Link, consumer: &str) -> Result<bool, Error> {
    let connection = link.open(&format!("former {consumer}")).await?;
    let (partitions, name) =
        (link.topology.partitions(), |partition| link.topology.queue(consumer, partition));
    link.within(async {
        let channel = connection.create_channel().await.map_err(broken)?;
        let (mut messages, mut listeners) = (0, 0);
        for partition in 0..partitions {
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
            let queue = channel.queue_declare(name(partition), passive, FieldTable::default());
            let queue = queue.await.map_err(broken)?;
            (messages, listeners) = (messages + queue.message_count(), listeners + queue.consumer_count());
        }
        let empty = messages == 0 && listeners == 0;
        if empty {
            for partition in 0..partitions {
                let deleted = channel.queue_delete(name(partition), QueueDeleteOptions::default());
                deleted.await.map_err(broken)?;
            }
        } else {
            tracing::info!(consumer, partitions, messages, listeners,
                "the queues of the former number of partitions are emptied first; who still listens to them must be stopped");
        }
        connection.close(200, "looked".into()).await.map_err(broken)?;
        Ok(empty)
    })
    .await
}

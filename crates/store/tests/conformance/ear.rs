//! What one replica tells, the others hear, once it is true.

use anyhow::{Context, Result};
use async_trait::async_trait;
use masar_store::{Listener, listen, tell};
use masar_testkit::on_each_database;
use tokio::sync::mpsc;

use crate::store;

const TOPIC: &str = "test_topic";

struct Ears(mpsc::UnboundedSender<Option<String>>);

#[async_trait]
impl Listener for Ears {
    type Error = String;

    async fn heard(&self, what: Option<String>) -> Result<(), String> {
        self.0.send(what).map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn what_is_committed_is_heard_and_what_is_not_is_not() -> Result<()> {
    on_each_database(async |url| {
        // A file belongs to one process.
        if url.starts_with("sqlite") {
            return Ok(());
        }
        let (one, two) = (store(&url).await?, store(&url).await?);
        let (sender, mut heard) = mpsc::unbounded_channel();
        let listening = tokio::spawn(async move { listen(&two, TOPIC, &Ears(sender)).await });
        assert_eq!(heard.recv().await.context("it listens")?, None, "anything may have changed before");
        let tx = one.begin().await?;
        tell(&tx, TOPIC, "undone").await?;
        tx.rollback().await?;
        let tx = one.begin().await?;
        tell(&tx, TOPIC, "done").await?;
        tx.commit().await?;
        assert_eq!(heard.recv().await.context("it listens")?.as_deref(), Some("done"));
        listening.abort();
        Ok(())
    })
    .await
}

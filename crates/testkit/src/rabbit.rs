//! A virtual host for each test, on a node of RabbitMQ.

use std::env;

use anyhow::{Context, ensure};
use tokio::process::Command;
use uuid::Uuid;

use crate::{tell, then_clean, with_path};

/// A virtual host of one test, where its user may do everything.
#[derive(Debug)]
pub struct RabbitHost {
    /// What an AMQP client connects to.
    pub url: String,
    name: String,
    control: Control,
}

impl RabbitHost {
    /// Removes the virtual host with all that is in it; its connections are closed.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn remove(self) -> anyhow::Result<()> {
        self.control.run(&["delete_vhost", &self.name]).await.map(drop)
    }
}

/// A new virtual host, when the environment names a node; the caller removes it.
///
/// # Errors
/// When the node does not answer, or cannot be controlled.
pub async fn rabbit() -> anyhow::Result<Option<RabbitHost>> {
    let Ok(node) = env::var("MASAR_TEST_AMQP") else {
        tell("skipped: RabbitMQ (set MASAR_TEST_AMQP)");
        return Ok(None);
    };
    let control = Control::from_environment()?;
    let name = format!("masar-test-{}", Uuid::now_v7().simple());
    control.run(&["add_vhost", &name]).await?;
    control.run(&["set_permissions", "-p", &name, user(&node), ".*", ".*", ".*"]).await?;
    Ok(Some(RabbitHost { url: with_path(&node, &name), name, control }))
}

/// A new virtual host, used by the test and removed after it even when it fails. Without a node the test is skipped.
///
/// # Errors
/// What the test or the node says.
pub async fn on_rabbit<F>(test: impl FnOnce(String) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    match rabbit().await? {
        Some(host) => then_clean("rabbitmq", Box::pin(test(host.url.clone())), host.remove()).await,
        None => Ok(()),
    }
}

/// Closes every connection to a virtual host from the side of the node, as it does when it goes down.
///
/// # Errors
/// When the URL names no virtual host, or the node does not answer.
pub async fn close_connections(url: &str) -> anyhow::Result<()> {
    let why = "a test closes all connections";
    Control::from_environment()?.run(&["close_all_connections", "-p", host(url)?, why]).await.map(drop)
}

/// The virtual host of a URL.
fn host(url: &str) -> anyhow::Result<&str> {
    Ok(url.rsplit_once('/').context("the URL names no virtual host")?.1)
}

/// The user of a URL: RabbitMQ's own when it names none.
fn user(url: &str) -> &str {
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    let login = address.split_once('@').map_or("guest", |(login, _)| login);
    login.split_once(':').map_or(login, |(user, _)| user)
}

/// The command that controls the node, in words.
#[derive(Debug)]
struct Control(Vec<String>);

impl Control {
    fn from_environment() -> anyhow::Result<Self> {
        let command = env::var("MASAR_TEST_RABBITMQCTL").context(
            "MASAR_TEST_AMQP names a node: set MASAR_TEST_RABBITMQCTL to the command that controls it",
        )?;
        Ok(Self(command.split_whitespace().map(str::to_owned).collect()))
    }

    /// What the command writes.
    async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let (program, prefix) = self.0.split_first().context("MASAR_TEST_RABBITMQCTL is empty")?;
        let output =
            Command::new(program).args(prefix).args(arguments).output().await.context(program.clone())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let problem = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} {}: {said}{problem}", arguments.join(" "));
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::sync::Mutex;

    use anyhow::Result;
    use futures::FutureExt;

    use super::*;

    async fn permissions(host: &str) -> Result<String> {
        Control::from_environment()?.run(&["--quiet", "list_permissions", "-p", host]).await
    }

    #[tokio::test]
    async fn a_virtual_host_goes_with_its_test_even_when_it_panics() -> Result<()> {
        let given = Mutex::new(None);
        let ended = AssertUnwindSafe(on_rabbit(async |url| {
            let host = url.rsplit_once('/').context("no virtual host")?.1.to_owned();
            assert!(permissions(&host).await?.contains("guest"));
            *given.lock().unwrap() = Some(host);
            panic!("no");
        }))
        .catch_unwind()
        .await;
        match given.into_inner().unwrap() {
            Some(host) => assert!(ended.is_err() && permissions(&host).await.is_err()),
            // Skipped, for want of a node; every other error is one.
            None => assert!(matches!(ended, Ok(Ok(()))) && env::var("MASAR_TEST_AMQP").is_err()),
        }
        Ok(())
    }

    #[test]
    fn the_user_is_the_one_of_the_url() {
        for (url, name) in
            [("amqp://masar:x@mq:1", "masar"), ("amqp://masar@mq/a", "masar"), ("amqp://mq", "guest")]
        {
            assert_eq!(user(url), name);
        }
    }
}
